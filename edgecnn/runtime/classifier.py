"""A model file that classifies frames."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import ColorOrder, Frame
from edgecnn.core.predictions import Prediction, StageTimes, top_categories
from edgecnn.core.quantization import dequantize
from edgecnn.errors import BackendUnavailableError
from edgecnn.imaging import to_input
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.engine import EngineOptions, is_compiled, open_engine, plain_file_instead
from edgecnn.runtime.streams import say_nothing

if TYPE_CHECKING:
    from edgecnn.runtime.familiarity import FamiliarityMeter


CPU_KERNELS = ("XNNPACK", "builtin")


class Classifier:
    """Says which of its classes a picture shows.

    Attributes:
        file: the model file that runs: the one that was given, but for a file compiled for an Edge TPU
            that no Edge TPU can run here. By ``auto`` the plain file beside it is taken then.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        num_threads: int | None = None,
        use_xnnpack: bool = True,
        backend: str = "auto",
        say: Callable[[str], None] = say_nothing,
    ) -> None:
        """Make a model file ready to run; see ``load`` for the short way.

        Args:
            file: a model file that was checked by opening it.
            num_threads: threads of one invocation, 1 to 64; None takes the cores, at most 4.
            use_xnnpack: False takes the CPU's builtin kernels, to see how far they differ.
            backend: what runs it, see ``open_engine``.
            say: receives one sentence about each better choice that was passed over.
        """
        self._options = EngineOptions(num_threads=num_threads, use_xnnpack=use_xnnpack, say=say)
        self._backend = backend
        self._meter = _meter_of(file)
        try:
            self._engine = open_engine(file, backend, self._options_for(self._meter))
        except BackendUnavailableError as exc:
            if backend != "auto" or not is_compiled(file):
                raise
            file = plain_file_instead(file, exc, _warn if say is say_nothing else say)
            self._meter = _meter_of(file)
            self._engine = open_engine(file, "cpu", self._options_for(self._meter))
        self.file = file
        self._quantization = file.output_quantization

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        labels_path: str | Path | None = None,
        num_threads: int | None = None,
        backend: str = "auto",
    ) -> Classifier:
        """Open, check and load a model file.

        Args:
            path: a ``.tflite`` file.
            labels_path: a labels file, for a model from elsewhere that brings none.
            num_threads: threads of one invocation, 1 to 64; None takes the cores, at most 4.
            backend: ``auto``, ``cpu``, ``gpu``, ``edgetpu`` or ``edgetpu:DEVICE``; see ``open_engine``.

        Raises:
            ModelFileError: the file is damaged or is not a classifier.
            BackendUnavailableError: the runtime here cannot run it.
            MissingExtraError: LiteRT is not installed.
        """
        opened = ModelFile.open(Path(path), labels_path=Path(labels_path) if labels_path else None)
        return cls(opened, num_threads=num_threads, backend=backend)

    def twin(self) -> Classifier:
        """Return another one for the same file, to be used in another thread at the same time."""
        options = self._options
        return Classifier(
            self.file, num_threads=options.num_threads, use_xnnpack=options.use_xnnpack, backend=self._backend
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order."""
        return self.file.labels

    @property
    def contract(self) -> InputContract:
        """What the input wants to see."""
        return self.file.contract

    @property
    def unknown_below(self) -> float | None:
        """Threshold for calling a picture unknown, 0 to 1; None for a file that has none.

        It is one for the familiarity where ``familiarity`` gives one, else for the best score.
        """
        confidence = self.file.manifest.confidence if self.file.manifest else None
        if confidence is None or confidence.method == "max_score" or self._sees_inside:
            return self.file.unknown_below
        return confidence.score_below

    @property
    def backend(self) -> str:
        """What really runs, for people: library, kernels, threads."""
        engine = self._engine
        threads = "1 thread" if engine.num_threads == 1 else f"{engine.num_threads} threads"
        return f"{engine.runtime}, {engine.kernels} kernels, {threads}"

    @property
    def runtime(self) -> str:
        """Name and version of the library that runs it."""
        return self._engine.runtime

    @property
    def kernels(self) -> str:
        """What in that library does the work; see ``Engine``."""
        return self._engine.kernels

    @property
    def has_twins(self) -> bool:
        """Whether several of it at a time get more done: a processor has cores, an accelerator is one."""
        return self._engine.kernels in CPU_KERNELS

    def prepare(self, frame: Frame) -> NDArray[np.uint8]:
        """Bring a frame to the input's size: uint8, (height, width, 3), RGB; may run in any thread."""
        return to_input(frame, self.contract)

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on prepared pixels.

        Args:
            pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, as ``prepare`` gives them.

        Returns:
            float32, shape (C,); 0 to 1 for a model that ends in softmax.
        """
        codes = self.codes(pixels)
        return dequantize(codes, self._quantization) if self._quantization else codes.astype(np.float32)

    def familiarity(self) -> float | None:
        """Return how much the newest picture is like those that the model was made with.

        Returns:
            0 to 1; None where the file goes by the best score alone, or where the engine cannot see
            inside the network.
        """
        extras = self._engine.extras
        return self._meter.familiarity(extras) if self._meter and extras else None

    def codes(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Run the network and return the raw output tensor, shape (C,), in the model's own dtype."""
        return self._engine.invoke(to_values(pixels, self.file))

    def classify(
        self,
        frame: Frame | NDArray[np.uint8],
        *,
        color_order: ColorOrder = "bgr",
        max_results: int = 5,
        score_threshold: float = 0.0,
    ) -> Prediction:
        """Classify one picture; ``is_unknown`` tells whether it is nothing that the model knows.

        Args:
            frame: a ``Frame``, or an array, uint8, shape (H, W, 3), values 0 to 255, of any size.
            color_order: of a bare array; OpenCV reads and captures ``bgr``.
            max_results: categories at most.
            score_threshold: leave out categories below it.

        Raises:
            ValueError: the array is not such a picture.
        """
        if not isinstance(frame, Frame):
            frame = Frame(pixels=frame, color_order=color_order, captured_ns=time.monotonic_ns())
        started = time.perf_counter()
        pixels = self.prepare(frame)
        resized = time.perf_counter()
        scores = self.scores(pixels)
        familiarity = self.familiarity()
        invoked = time.perf_counter()
        return Prediction(
            categories=top_categories(scores, self.labels, max_results=max_results, score_threshold=score_threshold),
            frame_index=frame.index,
            camera=frame.camera,
            name=frame.name,
            captured_ns=frame.captured_ns,
            age_ms=(time.monotonic_ns() - frame.captured_ns) / 1e6,
            familiarity=familiarity,
            rejected_at=self._rejected_at(scores, familiarity),
            stages_ms=StageTimes(
                read=frame.read_ms,
                decode=frame.decode_ms,
                resize=(resized - started) * 1e3,
                invoke=(invoked - resized) * 1e3,
            ),
        )

    def _rejected_at(self, scores: NDArray[np.float32], familiarity: float | None) -> float | None:
        threshold = self.unknown_below
        if threshold is None:
            return None
        value = float(scores.max()) if familiarity is None else familiarity
        # Compared as float32, like the scores, so that a score of 0.7 reaches 0.7.
        return value if np.float32(value) < np.float32(threshold) else None

    @property
    def _sees_inside(self) -> bool:
        return self._meter is not None and self._engine.extras is not None

    def _options_for(self, meter: FamiliarityMeter | None) -> EngineOptions:
        return self._options._replace(also=meter.tensors) if meter else self._options


def _warn(message: str) -> None:
    # Another file than the one that was asked for is never taken silently.
    warnings.warn(message, stacklevel=4)


def to_values(pixels: NDArray[np.uint8], file: ModelFile) -> NDArray[Any]:
    """Bring prepared pixels to what a model's input tensor takes.

    Args:
        pixels: uint8, shape (height, width, 3), RGB, values 0 to 255.
        file: the model.

    Returns:
        The same shape, in the dtype of the input tensor.
    """
    if file.input.dtype == "uint8":
        return pixels
    if file.input.dtype == "int8":
        # The same code, counted from -128: flipping the top bit subtracts 128 modulo 256.
        return (pixels ^ 0x80).view(np.int8)
    normalized: NDArray[np.float32] = (pixels.astype(np.float32) - file.contract.mean) / file.contract.std
    return normalized


def _meter_of(file: ModelFile) -> FamiliarityMeter | None:
    if file.manifest is None or file.manifest.confidence is None or file.manifest.confidence.method == "max_score":
        return None
    # Imported here: most files go without.
    from edgecnn.runtime.familiarity import meter_of

    return meter_of(file)
