"""Folders of pictures: which classes, which files, which split, which pixels."""

from edgecnn.data.folder import SPLIT_NAMES, ImageFolder, Picture
from edgecnn.data.pixels import PixelSet, load_pixels
from edgecnn.data.split import Splits, split_pictures

__all__ = ["SPLIT_NAMES", "ImageFolder", "Picture", "PixelSet", "Splits", "load_pixels", "split_pictures"]
