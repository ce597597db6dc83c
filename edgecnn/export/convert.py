"""A run's Keras model in a process of its own, and what the TensorFlow converter makes of it there.

TensorFlow prints hundreds of lines to stdout and stderr, takes gigabytes, and can abort: in another
process all of that ends in a log file and an error message.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ExportError, MissingExtraError, UnsupportedOpError
from edgecnn.modelfile.manifest import Variant

_ERRORS = {kind.__name__: kind for kind in (ExportError, MissingExtraError, UnsupportedOpError)}


class KerasProcess:
    """A run's Keras model, loaded once, to be scored and converted.

    Every method raises ``UnsupportedOpError`` for an operator that LiteRT does not have, ``ExportError``
    when TensorFlow fails in another way (the message names the log), and ``MissingExtraError`` where it
    is not installed.

    Attributes:
        layers: names of the Keras layers.
        tools: versions of what takes part.
    """

    def __init__(self, run_path: Path, *, work_folder: Path, log_path: Path) -> None:
        """Start the process; ``close`` or a ``with`` statement ends it.

        Args:
            run_path: the run.
            work_folder: for files between the two processes; the caller removes it.
            log_path: where everything goes that TensorFlow prints.
        """
        self._work, self._log_path = work_folder, log_path
        command = [sys.executable, "-m", "edgecnn.export.keras_process", str(run_path)]
        # TensorFlow leaves its temporary files behind when it is ended: they go where they are removed.
        environment = {**os.environ, "TMPDIR": str(work_folder.resolve())}
        log_path.write_bytes(b"")
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
            )
        self._described: dict[str, Any] | None = None

    def __enter__(self) -> KerasProcess:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process at once."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):  # a command that a dead process never read
                stream.close()
        self._process.wait()

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the Keras layers."""
        return tuple(self._described_by_it()["layers"])

    @property
    def tools(self) -> dict[str, str]:
        """Versions of what takes part."""
        tools: dict[str, str] = self._described_by_it()["tools"]
        return tools

    def score(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the Keras model's scores, float32 (N, C), of uint8 pixels (N, h, w, 3), RGB."""
        scores = self._work / "scores.npy"
        self._ask(do="score", pixels=self._save(pixels), scores=str(scores))
        loaded: NDArray[np.float32] = np.load(scores, allow_pickle=False)
        return loaded

    def cool(self, temperature: float) -> bool:
        """Divide the logits by a temperature from now on.

        Returns:
            False, and nothing has changed, where the model does not end in a dense layer and softmax.
        """
        return bool(self._ask(do="cool", temperature=temperature)["cooled"])

    def convert(self, kind: Variant | Literal["inner"], calibration: NDArray[np.uint8] | None = None) -> bytes:
        """Return the FlatBuffer of one variant.

        Args:
            kind: ``inner`` is the float network behind the normalization layer; for the others see ``Variant``.
            calibration: uint8 (N, h, w, 3), RGB, which set the ranges of ``int8`` and ``int16x8``.
        """
        path = self._work / f"{kind}.tflite"
        saved = None if calibration is None else self._save(calibration)
        self._ask(do="convert", kind=kind, model=str(path), calibration=saved)
        return path.read_bytes()

    def write_onnx(self, path: Path) -> None:
        """Write the whole model, normalization included, as ONNX."""
        self._ask(do="onnx", path=str(path))

    def _save(self, pixels: NDArray[np.uint8]) -> str:
        path = self._work / "pixels.npy"
        np.save(path, pixels)
        return str(path)

    def _described_by_it(self) -> dict[str, Any]:
        if self._described is None:
            self._described = self._await()
        return self._described

    def _ask(self, **command: Any) -> dict[str, Any]:
        self._described_by_it()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died; what it left to read tells more
        return self._await()

    def _await(self) -> dict[str, Any]:
        """Return the answer, or raise the other process's error."""
        assert self._process.stdout is not None
        event: dict[str, Any] = json.loads(self._process.stdout.readline() or b"{}")
        if "error" in event:
            kind = _ERRORS.get(event["kind"], ExportError)
            raise kind(f"{event['error']} (the converter's own words: {self._log_path})")
        if not event:
            raise ExportError(
                f"the converter died with exit code {self._process.wait()}; its last words are in {self._log_path}"
            )
        return event
