"""Pure values and arithmetic: numpy only, no files, no devices, no clocks."""
