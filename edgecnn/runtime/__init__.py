"""Running a model file on live pictures."""
