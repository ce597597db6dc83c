"""A model file that classifies frames."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import ColorOrder, Frame
from edgecnn.core.predictions import Prediction, StageTimes, top_categories
from edgecnn.core.quantization import dequantize
from edgecnn.imaging import to_input
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.interpreter import Interpreter


class Classifier:
    """Says which of its classes a picture shows."""

    def __init__(self, file: ModelFile, *, num_threads: int | None = None, use_xnnpack: bool = True) -> None:
        """Make a model file ready to run; see ``load`` for the short way, and ``Interpreter`` for the arguments."""
        self.file = file
        self._num_threads, self._use_xnnpack = num_threads, use_xnnpack
        self._interpreter = Interpreter(file, num_threads=num_threads, use_xnnpack=use_xnnpack)
        self._quantization = file.output_quantization
        self._input_dtype = file.input.dtype

    @classmethod
    def load(
        cls, path: str | Path, *, labels_path: str | Path | None = None, num_threads: int | None = None
    ) -> Classifier:
        """Open, check and load a model file.

        Args:
            path: a ``.tflite`` file.
            labels_path: a labels file, for a model from elsewhere that brings none.
            num_threads: threads of one invocation, 1 to 64; None takes the cores, at most 4.

        Raises:
            ModelFileError: the file is damaged or is not a classifier.
            BackendUnavailableError: the runtime here cannot run it.
            MissingExtraError: LiteRT is not installed.
        """
        opened = ModelFile.open(Path(path), labels_path=Path(labels_path) if labels_path else None)
        return cls(opened, num_threads=num_threads)

    def twin(self) -> Classifier:
        """Return another one for the same file, to be used in another thread at the same time."""
        return Classifier(self.file, num_threads=self._num_threads, use_xnnpack=self._use_xnnpack)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order."""
        return self.file.labels

    @property
    def contract(self) -> InputContract:
        """What the input wants to see."""
        return self.file.contract

    @property
    def backend(self) -> str:
        """What really runs, for people: library, kernels, threads."""
        inner = self._interpreter
        threads = "1 thread" if inner.num_threads == 1 else f"{inner.num_threads} threads"
        return f"{inner.runtime}, {inner.kernels} kernels, {threads}"

    @property
    def runtime(self) -> str:
        """Name and version of the library that runs it."""
        return self._interpreter.runtime

    @property
    def kernels(self) -> str:
        """``XNNPACK``, or ``builtin`` where that does not take part."""
        return self._interpreter.kernels

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

    def codes(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Run the network and return the raw output tensor, shape (C,), in the model's own dtype."""
        return self._interpreter.invoke(self._to_codes(pixels))

    def classify(
        self,
        frame: Frame | NDArray[np.uint8],
        *,
        color_order: ColorOrder = "bgr",
        max_results: int = 5,
        score_threshold: float = 0.0,
    ) -> Prediction:
        """Classify one picture.

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
        invoked = time.perf_counter()
        return Prediction(
            categories=top_categories(scores, self.labels, max_results=max_results, score_threshold=score_threshold),
            frame_index=frame.index,
            camera=frame.camera,
            name=frame.name,
            captured_ns=frame.captured_ns,
            age_ms=(time.monotonic_ns() - frame.captured_ns) / 1e6,
            stages_ms=StageTimes(
                read=frame.read_ms,
                decode=frame.decode_ms,
                resize=(resized - started) * 1e3,
                invoke=(invoked - resized) * 1e3,
            ),
        )

    def _to_codes(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        if self._input_dtype == "uint8":
            return pixels
        if self._input_dtype == "int8":
            # The same code, counted from -128: flipping the top bit subtracts 128 modulo 256.
            return (pixels ^ 0x80).view(np.int8)
        normalized: NDArray[np.float32] = (pixels.astype(np.float32) - self.contract.mean) / self.contract.std
        return normalized
