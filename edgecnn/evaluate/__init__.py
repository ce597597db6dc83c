"""How good a classifier is on labelled pictures, whatever runs it."""
