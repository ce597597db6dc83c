"""The process that imports TensorFlow for ``edgecnn.export.convert``; not for use by hand.

It reads a job file, writes its results into the job's folder, and sends one JSON object a line
to the standard output that it was started with. Everything that TensorFlow prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edgecnn.core.progress import SilentProgress
from edgecnn.data import Picture, load_pixels
from edgecnn.errors import EdgecnnError, ExportError, UnsupportedOpError
from edgecnn.evaluate.evaluator import evaluate

_NORMALIZATION_LAYER = "normalization"
Send = Callable[..., None]


def main() -> None:
    """Do the job that the first argument names."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    send = _sender(events)
    try:
        _work(json.loads(Path(sys.argv[1]).read_text("utf-8")), send)
    except EdgecnnError as exc:
        traceback.print_exc()
        send(error=str(exc), kind=type(exc).__name__)
    except Exception as exc:
        traceback.print_exc()
        error = _translate(exc)
        send(error=str(error), kind=type(error).__name__)


def _sender(events: TextIO) -> Send:
    def send(**event: Any) -> None:
        events.write(json.dumps(event) + "\n")
        events.flush()

    return send


def _work(job: dict[str, Any], send: Send) -> None:
    from edgecnn.train.keras_model import KerasScorer, load_keras_model
    from edgecnn.train.run_folder import RunFolder

    run = RunFolder.open(Path(job["run"]))
    folder, root = Path(job["work_folder"]), Path(job["data_root"])
    model = load_keras_model(run)
    calibration = load_pixels(root, [Picture(path, 0) for path in job["calibration"]], run.contract)

    labels = [str(index) for index in range(len(run.labels))]
    pictures = [Picture(path, 0) for path in job["evaluation"]]
    judged = evaluate(
        KerasScorer(model).scores, root, pictures, contract=run.contract, labels=labels, progress=_ScoreProgress(send)
    )
    np.save(folder / "float_scores.npy", judged.scores)
    send(scored_all=True)
    (folder / "model.tflite").write_bytes(_convert(model, run.contract, calibration.pixels, send))
    import keras
    import tensorflow as tf

    layers = [layer.name for layer in model.layers]
    send(done=True, layers=layers, tools={"tensorflow": tf.__version__, "keras": keras.__version__})


def _convert(model: Any, contract: Any, pixels: Any, send: Send) -> bytes:
    """Return the int8 FlatBuffer of the network behind the normalization layer, batch 1."""
    import keras
    import tensorflow as tf

    names = [layer.name for layer in model.layers]
    if _NORMALIZATION_LAYER not in names:
        raise ExportError(f"the model has no layer named {_NORMALIZATION_LAYER!r} to cut off; train it with edgecnn")
    # The network without its normalization: the input's scale and zero point do that work.
    inner = keras.Model(model.get_layer(_NORMALIZATION_LAYER).output, model.output)
    picture = keras.Input(batch_shape=(1, contract.height, contract.width, 3), name="image")
    fixed = keras.Model(picture, inner(picture))

    def representative_dataset() -> Iterator[list[Any]]:
        for index, picture in enumerate(pixels):
            values = picture.astype(np.float32)
            if index == 0:
                # The range must be 0 to 255 exactly, or a pixel would not be its own code;
                # two corner pixels state it without moving any other range.
                values[0, 0], values[-1, -1] = 0.0, 255.0
            yield [((values - contract.mean) / contract.std)[np.newaxis]]

    send(say=f"converting to int8 with {len(pixels)} calibration pictures")
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converted: bytes = converter.convert()
    return converted


class _ScoreProgress(SilentProgress):
    """Sends every scored picture to the parent process."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def task(self, title: str, total: int) -> Any:
        """Return a task that sends its counts."""
        return self

    def __enter__(self) -> _ScoreProgress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None

    def advance(self, num_done: int = 1, note: str = "") -> None:
        """Send the count."""
        self._send(scored=num_done)


def _translate(exc: Exception) -> ExportError:
    text = str(exc)
    missing = re.search(r"(?:Flex|Custom) ops: ([\w, ]+)", text)
    if missing:
        layers = sorted(set(re.findall(r'"(?:[\w.]+/)*([\w.]+)/\w+@', text)))
        where = f" (in {', '.join(layers[:3])})" if layers else ""
        return UnsupportedOpError(
            f"LiteRT has no builtin operator for {missing[1].strip()}{where}; replace the layer that uses it"
        )
    unsupported = re.search(r"Quantization to 8x8-bit not yet supported for op: '?(\w+)", text)
    if unsupported:
        return UnsupportedOpError(f"LiteRT has no int8 form of {unsupported[1]}; replace the layer that uses it")
    first_line = text.strip().splitlines()[0] if text.strip() else type(exc).__name__
    return ExportError(f"the converter failed: {first_line}")


if __name__ == "__main__":
    main()
