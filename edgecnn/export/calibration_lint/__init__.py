"""Looks at calibration pictures before a quantizer does.

A quantizer believes whatever it is shown: noise, pictures divided by 255 twice, or pictures of something
else all give ranges, and the file that comes out works at chance level. Here such pictures are refused by
name, with numbers; pictures of the right things under another light are not.

    appearance   the pixels: brightness, spread, colour, structure, against the training pictures
    collection   the list: number, classes, near duplicates, copies of evaluation pictures
    network      the float model's own view: channel order, inversion, things never seen, one class only
"""

from edgecnn.data.similarity import hash_pixels
from edgecnn.export.calibration_lint.lint import lint_calibration
from edgecnn.export.calibration_lint.network import Embed, Features, Score
from edgecnn.export.calibration_lint.picture_set import (
    MAX_KNOWN,
    NUM_FRESH,
    NUM_TRAINING,
    CalibrationSet,
    KnownPictures,
    Reference,
    read_calibration_set,
    read_known_pictures,
    read_reference,
)

__all__ = [
    "MAX_KNOWN",
    "NUM_FRESH",
    "NUM_TRAINING",
    "CalibrationSet",
    "Embed",
    "Features",
    "KnownPictures",
    "Reference",
    "Score",
    "hash_pixels",
    "lint_calibration",
    "read_calibration_set",
    "read_known_pictures",
    "read_reference",
]
