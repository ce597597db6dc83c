"""Every exception that edgecnn raises on purpose.

    EdgecnnError
    ├── ModelFileError                      the file is not a model that can be used
    │   ├── ModelIntegrityError (ValueError)    damaged, truncated, inconsistent
    │   └── ModelVersionError (ValueError)      written by a newer edgecnn
    ├── DatasetError (ValueError)           pictures or folders that cannot be used
    ├── RunError (ValueError)               a training run that is not one, or is in the way
    ├── ExportError                         conversion failed
    │   ├── UnsupportedOpError                  an operator that int8 LiteRT does not have
    │   ├── AccuracyGateError                   the exported file lost too much accuracy
    │   └── CalibrationError                    pictures that cannot set the ranges of this model
    ├── BackendUnavailableError (RuntimeError)  model and runtime do not fit
    │   └── DeviceMissingError                  the Edge TPU is not there, or went away
    ├── SourceError (OSError)               frames cannot be read
    │   ├── CameraMissingError                  no such camera
    │   └── SourceLostError                     it was there and went away
    ├── SinkError (OSError)                 results cannot be written
    └── MissingExtraError (ImportError)     a part of edgecnn that is not installed

Each class has two parents where Python has a word for the same thing, so that
``except OSError`` also catches a camera that is missing.
"""

from __future__ import annotations


class EdgecnnError(Exception):
    """Base of all errors below; its message says what happened and what to do."""


class ModelFileError(EdgecnnError):
    """The file is not a model that edgecnn can use."""


class ModelIntegrityError(ModelFileError, ValueError):
    """The file is damaged, truncated or contradicts itself."""


class ModelVersionError(ModelFileError, ValueError):
    """The manifest in the file was written for another version of edgecnn."""


class DatasetError(EdgecnnError, ValueError):
    """A folder of pictures, or one picture in it, cannot be used."""


class RunError(EdgecnnError, ValueError):
    """A folder is not a training run, or a run stands where another should go."""


class ExportError(EdgecnnError):
    """The model could not be converted or written."""


class UnsupportedOpError(ExportError):
    """The model has an operator that a full-integer file cannot hold."""


class AccuracyGateError(ExportError):
    """The exported file is less accurate than the allowed drop."""


class CalibrationError(ExportError):
    """The calibration pictures are not what the model was trained on."""


class BackendUnavailableError(EdgecnnError, RuntimeError):
    """The runtime on this machine cannot run this model."""


class DeviceMissingError(BackendUnavailableError):
    """The device that is to run the model is not connected, cannot be opened, or went away."""


class SourceError(EdgecnnError, OSError):
    """Frames cannot be read from the place that was named."""


class CameraMissingError(SourceError):
    """There is no such camera on this machine."""


class SourceLostError(SourceError):
    """The source delivered frames and then stopped."""


class SinkError(EdgecnnError, OSError):
    """Results cannot be written to the place that was named."""


class MissingExtraError(EdgecnnError, ImportError):
    """An optional part of edgecnn is not installed."""
