"""The ``.tflite`` as a product: what is in it, whether it is whole, how it is written."""

from edgecnn.modelfile.modelfile import ModelFile

__all__ = ["ModelFile"]
