"""Folders of pictures: which classes, which files, which split, which pixels."""

from edgecnn.data.folder import SPLIT_NAMES, UNKNOWN_FOLDER, ImageFolder, Picture, list_pictures, list_unknown
from edgecnn.data.pixels import PixelSet, load_pixels
from edgecnn.data.split import Splits, split_pictures

__all__ = [
    "SPLIT_NAMES",
    "UNKNOWN_FOLDER",
    "ImageFolder",
    "Picture",
    "PixelSet",
    "Splits",
    "list_pictures",
    "list_unknown",
    "load_pixels",
    "split_pictures",
]
