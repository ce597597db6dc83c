"""A folder of pictures goes in; a camera on a small board that knows what it sees comes out.

    import cv2, edgecnn

    classifier = edgecnn.load("file.tflite")
    print(classifier.classify(cv2.imread("picture.jpg")).top)

Nothing is imported until it is used: ``import edgecnn`` loads neither numpy nor OpenCV nor LiteRT.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgecnn.core.contract import InputContract as InputContract
    from edgecnn.core.frame import Frame as Frame
    from edgecnn.core.predictions import Category as Category
    from edgecnn.core.predictions import Prediction as Prediction
    from edgecnn.errors import EdgecnnError as EdgecnnError
    from edgecnn.modelfile import ModelFile as ModelFile
    from edgecnn.runtime.classifier import Classifier as Classifier

_HOMES = {
    "Category": "edgecnn.core.predictions",
    "Classifier": "edgecnn.runtime.classifier",
    "EdgecnnError": "edgecnn.errors",
    "Frame": "edgecnn.core.frame",
    "InputContract": "edgecnn.core.contract",
    "ModelFile": "edgecnn.modelfile",
    "Prediction": "edgecnn.core.predictions",
}

__all__ = ["__version__", "load", *_HOMES]


def load(
    path: str, *, labels_path: str | None = None, num_threads: int | None = None, backend: str = "auto"
) -> Classifier:
    """Open, check and load a model file; see ``Classifier.load``.

    Args:
        path: a ``.tflite`` file.
        labels_path: a labels file, for a model from elsewhere that brings none.
        num_threads: threads of one invocation, 1 to 64; None takes the cores, at most 4.
        backend: ``auto``, ``cpu``, ``gpu``, ``edgetpu`` or ``edgetpu:DEVICE``.

    Raises:
        ModelFileError: the file is damaged or is not a classifier.
        BackendUnavailableError: the runtime here cannot run it.
        MissingExtraError: LiteRT or OpenCV is not installed.
    """
    from edgecnn.runtime.classifier import Classifier

    return Classifier.load(path, labels_path=labels_path, num_threads=num_threads, backend=backend)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgecnn' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
