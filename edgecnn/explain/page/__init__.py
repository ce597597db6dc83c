"""How a network looks at a picture, as a page of nine screens, as data and as pictures."""

from edgecnn.explain.page.contents import Image, Screen
from edgecnn.explain.page.explanation import Explanation, explain
from edgecnn.explain.page.material import Material, PictureSet
from edgecnn.explain.page.training import TrainingRecord
from edgecnn.explain.page.writing import render, to_json, write_page, write_pictures

__all__ = [
    "Explanation",
    "Image",
    "Material",
    "PictureSet",
    "Screen",
    "TrainingRecord",
    "explain",
    "render",
    "to_json",
    "write_page",
    "write_pictures",
]
