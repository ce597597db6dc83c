"""From a training run to one int8 model file that was measured before anybody may use it."""
