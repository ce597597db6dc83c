"""What can run a network besides the CPU, one module each."""
