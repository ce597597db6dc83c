"""The process that imports TensorFlow for ``edgecnn.export.quantize.qat``; not for use by hand.

It reads a job file, writes its results into the job's folder, and sends one JSON object a line
to the standard output that it was started with. Everything that TensorFlow prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Task
from edgecnn.data import Picture, PixelSet, load_pixels
from edgecnn.errors import DatasetError, EdgecnnError, ExportError
from edgecnn.export.quantize.qat_pictures import EpochPictures
from edgecnn.modelfile.editing import Editor
from edgecnn.modelfile.graph import Graph
from edgecnn.runtime.interpreter import InnerTensors
from edgecnn.train.augment import Augmentation
from edgecnn.train.run_folder import HistoryRow, RunFolder, encode_json

_STAGE = "quantization-aware"
_NUM_MEASURED = 256
_MAX_DIFFERENCE = 1e-2
_BOLD, _CAREFUL, _FAR = 1e-2, 3e-4, 0.05
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
        first_line = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
        send(error=f"quantization-aware fine-tuning failed: {first_line}", kind="ExportError")


def _sender(events: TextIO) -> Send:
    def send(**event: Any) -> None:
        events.write(json.dumps(event) + "\n")
        events.flush()

    return send


def _work(job: dict[str, Any], send: Send) -> None:
    folder, config, progress = Path(job["work_folder"]), job["config"], _EventProgress(send)
    run, float_model = RunFolder.open(Path(job["run"])), (folder / "float.tflite").read_bytes()
    graph = Graph.parse(float_model)
    train, val = (_load(job, run, split, progress) for split in ("train", "val"))
    # TensorFlow takes seconds to load: only now, when nothing simple is wrong any more.
    from edgecnn.export.quantize.fake_quantized import FakeQuantized
    from edgecnn.train.backend import keras, make_repeatable
    from edgecnn.train.fitting import fit, is_better
    from edgecnn.train.lesson import FitPlan, Lesson

    make_repeatable(config["seed"])
    num_rows = min(config["pictures"], len(train))
    pictures = EpochPictures(train, num_rows, Augmentation(parts=run.config.options.augment), config["seed"])
    num_steps = config["epochs"] * -(-num_rows // config["batch_size"])
    layer = FakeQuantized(graph, run.contract, freeze_after=num_steps // 2, distillation=config["distillation"])
    _check_same(layer, float_model, graph, run, val.pixels[:2])
    layer.measure(pictures.batches(config["batch_size"], -(-_NUM_MEASURED // config["batch_size"])))

    pixels = keras.Input((run.contract.height, run.contract.width, 3), name="pixels")
    network = keras.Model(pixels, layer(pixels))
    weights = run.config.class_weights
    lesson = Lesson(
        inputs=pictures.draw,
        label_indices=pictures.label_indices,
        class_weights=np.array([weights[label] for label in run.labels]) if weights else None,
        val_inputs=val.pixels,
        val_label_indices=val.label_indices,
    )
    start, untouched = _judge(network, val), network.get_weights()
    progress.say(f"before fine-tuning, in 8 bits: {start.val_accuracy:.1%} of {len(val)} validation pictures")
    plan = FitPlan(
        stage=_STAGE,
        epochs=config["epochs"],
        learning_rate=config["learning_rate"] or _choose_learning_rate(layer, start, val),
        batch_size=config["batch_size"],
        patience=config["epochs"],
        seed=config["seed"],
    )
    result = fit(network, lesson, plan, progress)
    if is_better(start, result.best):
        progress.say("fine-tuning made it no better; the weights stay as they were")
        network.set_weights(untouched)
    (folder / "tuned.tflite").write_bytes(_with_weights(float_model, layer.trained_weights()))
    (folder / "ranges.json").write_text(json.dumps(layer.activation_ranges()), "utf-8")
    (folder / "history.json").write_bytes(encode_json((start, *result.rows)))
    send(done=True)


def _load(job: dict[str, Any], run: RunFolder, split: str, progress: _EventProgress) -> PixelSet:
    listed = [Picture(path, label) for path, label in job[split]]
    title = "reading pictures to fine-tune" if split == "train" else "reading pictures to validate"
    loaded = load_pixels(Path(job["data_root"]), listed, run.contract, progress=progress, title=title)
    if not len(loaded):
        why = loaded.unreadable[0] if loaded.unreadable else "there are none"
        raise DatasetError(f"quantization-aware fine-tuning has no pictures of the split {split!r}: {why}")
    return loaded


def _check_same(layer: Any, float_model: bytes, graph: Graph, run: RunFolder, pixels: NDArray[np.uint8]) -> None:
    """Raise ExportError unless the network that will be trained computes what LiteRT computes."""
    ours = layer.float_scores(pixels).numpy()
    runtime = InnerTensors(float_model)
    for picture, scores in zip(pixels, ours, strict=True):
        runtime.run(((picture.astype(np.float32) - run.contract.mean) / run.contract.std).astype(np.float32))
        difference = float(np.abs(runtime.read(graph.outputs[0])[0] - scores).max())
        if not difference < _MAX_DIFFERENCE:
            raise ExportError(
                f"quantization-aware fine-tuning rebuilt the network wrongly (scores differ by {difference:.3g}); "
                "please report it, and leave out this rung"
            )


def _judge(network: Any, val: PixelSet) -> HistoryRow:
    """Return the state before the first epoch as an epoch of its own, number 0."""
    from edgecnn.train.keras_model import compile_forward, predict

    scores, truth = predict(compile_forward(network), val.pixels), val.label_indices
    loss = float(-np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-7)).mean())
    accuracy = float((scores.argmax(axis=1) == truth).mean())
    return HistoryRow(
        stage=_STAGE,
        epoch=0,
        loss=loss,
        accuracy=accuracy,
        val_loss=loss,
        val_accuracy=accuracy,
        learning_rate=0.0,
        seconds=0.0,
    )


def _choose_learning_rate(layer: Any, start: HistoryRow, val: PixelSet) -> float:
    from edgecnn.train.keras_model import predict

    scores = predict(layer.float_scores, val.pixels)
    lost = float((scores.argmax(axis=1) == val.label_indices).mean()) - start.val_accuracy
    return _BOLD if lost > _FAR else _CAREFUL


def _with_weights(model: bytes, weights: dict[int, NDArray[np.float32]]) -> bytes:
    editor = Editor(model)
    for index, values in weights.items():
        editor.set_values(index, values.astype(np.float32))
    return editor.finish()


class _EventProgress:
    """Sends progress to the parent process."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def say(self, message: str) -> None:
        """Send a sentence."""
        self._send(say=message)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        """Send the beginning and the end of a task."""
        self._send(begin=title, total=total)
        yield _EventTask(self._send)
        self._send(end=title)


class _EventTask:
    def __init__(self, send: Send) -> None:
        self._send = send

    def advance(self, num_done: int = 1, note: str = "") -> None:
        """Send a count."""
        self._send(advance=num_done, note=note)


if __name__ == "__main__":
    main()
