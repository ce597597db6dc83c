"""All options of an export, as checked values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edgecnn.errors import ExportError
from edgecnn.export.edgetpu.completing import check_plain_name
from edgecnn.modelfile.manifest import Variant

MAX_CALIBRATION = 10_000
VARIANTS: tuple[Variant, ...] = get_args(Variant)
INTEGER_VARIANTS = ("int8", "int16x8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One file to write.

    Attributes:
        kind: ``int8``: all integers, a raw pixel is its own code. The others take raw pixels as float32
            and give float32 scores: ``int16x8`` has 8-bit weights and computes with 16 bits, ``dynamic``
            has 8-bit weights and computes in floats, ``fp16`` has weights of half precision, ``float32``
            has the weights as they were learnt.
        path: the final name; it is given only to a file that passed everything.
        target: what the file is marked for.
    """

    kind: Variant
    path: Path
    target: Literal["cpu", "gpu"] = "cpu"

    def __post_init__(self) -> None:
        if self.path.is_dir() or not self.path.parent.is_dir():
            is_folder = self.path.is_dir()
            what = "is a folder" if is_folder else f"cannot be written: there is no folder {self.path.parent}"
            raise ExportError(f"{self.path} {what}; give the name of a file with -o")
        if self.path.suffix != ".tflite":
            raise ExportError(f"{self.path} must end in .tflite, by which every runtime knows such files")
        check_plain_name(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeTpuOptions:
    """How a file is made for the Edge TPU.

    Attributes:
        compiler: ``auto``, ``none``, ``docker:IMAGE`` or a path, see ``find_compiler``.
        runtime_version: oldest Edge TPU runtime that the compiled file shall work with, 10 to 14.
    """

    compiler: str = "auto"
    runtime_version: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """How a run is exported.

    Attributes:
        max_drop_points: accuracy that a file may lose against the Keras model, in percentage points.
        calibration_folder: pictures that set the ranges; None takes the run's training split.
        num_calibration: how many of them.
        seed: of their draw.
        num_golden_pictures: validation pictures to put into the file as further golden vectors;
            0 by default, because they may be private.
        recipe: the rung of the repair ladder to take; None climbs until one passes.
        onnx: where to write the model as ONNX, too; None writes none.
        edgetpu: whether the int8 file shall fit a Coral Edge TPU, and what compiles it.
        report: where to write the page that shows the error of quantization; None writes none.
        name: what the model calls itself; None takes the run's name.
        description: one sentence for the file.
        data_root: where the pictures are; None takes the folder that the run remembers.
    """

    max_drop_points: float = 1.0
    calibration_folder: Path | None = None
    num_calibration: int = 100
    seed: int = 0
    num_golden_pictures: int = 0
    recipe: Path | None = None
    onnx: Path | None = None
    edgetpu: EdgeTpuOptions | None = None
    report: Path | None = None
    name: str | None = None
    description: str = ""
    data_root: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.num_calibration <= MAX_CALIBRATION:
            raise ValueError(f"num_calibration must be 1 to {MAX_CALIBRATION}, got {self.num_calibration}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be 0 to 4294967295, got {self.seed}")
        if not 0 <= self.num_golden_pictures <= 16:
            raise ValueError(f"num_golden_pictures must be 0 to 16, got {self.num_golden_pictures}")
        if not -100 <= self.max_drop_points <= 100:
            raise ValueError(f"max_drop_points must be -100 to 100, got {self.max_drop_points}")
