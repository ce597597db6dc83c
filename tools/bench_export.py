"""Export runs and compare the int8 files with what TFLiteConverter alone makes of the same models.

    python tools/bench_export.py RUN [RUN ...] [--split test] [--keep FOLDER]

For each run: the Keras model, the file of a bare `TFLiteConverter` call (its own defaults, full integer,
100 calibration pictures), and the file of `edgecnn export`, on the same pictures; agreement with the
Keras model; sizes against the float32 file; and the time of `edgecnn export --report` (gate, report and
golden vectors included, imports excluded on both sides) against that of the bare call.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edgecnn.core.quantization import QuantParams, quantize
from edgecnn.data import PixelSet, load_pixels
from edgecnn.evaluate.metrics import agreement, evaluate_scores
from edgecnn.runtime.classifier import Classifier
from edgecnn.train.run_folder import RunFolder

NUM_CALIBRATION = 100


def main() -> None:
    """Parse the command line, export, print one row a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--split", default="test", choices=("val", "test"))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the files there")
    arguments = parser.parse_args()
    print(
        f"{'run':<28} {'num':>4} {'Keras':>6} {'bare':>6} {'agree':>6} {'int8':>6} {'agree':>6} {'fp16':>6}  "
        f"int8 and fp16 / float32 size   seconds: bare, export, ratio   rung",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as scratch:
        for run in arguments.runs:
            folder = arguments.keep or Path(scratch)
            print(compare(RunFolder.open(run), folder, arguments.split), flush=True)


def compare(run: RunFolder, folder: Path, split: str) -> str:
    """Return the row of one run."""
    name = run.path.resolve().name
    pictures = load_pixels(run.data_root, run.splits.select(split), run.contract)
    bare_path, int8_path = folder / f"{name}-bare.tflite", folder / f"{name}-int8.tflite"
    bare_s = convert_bare(run, bare_path, folder)
    started = time.perf_counter()
    report = folder / f"{name}.html"
    export = [sys.executable, "-m", "edgecnn", "export", str(run.path)]
    subprocess.run([*export, "--int8", "-o", str(int8_path), "--report", str(report), "--json"],
                   stdout=subprocess.DEVNULL, check=True)  # fmt: skip
    export_s = time.perf_counter() - started - import_seconds()
    sizes = {"int8": int8_path.stat().st_size}
    for kind in ("fp16", "float32"):
        path = folder / f"{name}-{kind}.tflite"
        subprocess.run([*export, f"--{kind}", "-o", str(path)], stderr=subprocess.DEVNULL, check=True)
        sizes[kind] = path.stat().st_size

    from edgecnn.train.keras_model import load_keras_scorer

    keras = load_keras_scorer(run).scores(pictures.pixels)
    bare = score_bare(bare_path, pictures)
    int8, fp16 = (score(folder / f"{name}-{kind}.tflite", pictures) for kind in ("int8", "fp16"))
    top1 = [evaluate_scores(scores, pictures.label_indices, run.labels).top1 for scores in (keras, bare, int8, fp16)]
    manifest = Classifier.load(int8_path).file.manifest
    assert manifest is not None
    return (
        f"{name:<28} {len(pictures):>4} {top1[0]:>6.1%} {top1[1]:>6.1%} {agreement(keras, bare):>6.1%} "
        f"{top1[2]:>6.1%} {agreement(keras, int8):>6.1%} {top1[3]:>6.1%}  "
        f"{sizes['int8'] / sizes['float32']:>6.1%} {sizes['fp16'] / sizes['float32']:>6.1%}"
        f"                  {bare_s:>6.1f} {export_s:>6.1f} {export_s / bare_s:>6.2f}                 "
        f"{manifest.recipe.rung}"
    )


def convert_bare(run: RunFolder, path: Path, folder: Path) -> float:
    """Convert as the converter's documentation shows it, in a process of its own; return the seconds of the call."""
    pixels = load_pixels(
        run.data_root, run.splits.train[:: max(1, len(run.splits.train) // NUM_CALIBRATION)], run.contract
    )
    np.save(folder / "calibration.npy", pixels.pixels[:NUM_CALIBRATION])
    script = f"""
import json, time, numpy, pathlib, tensorflow as tf
from edgecnn.train.keras_model import load_keras_model
from edgecnn.train.run_folder import RunFolder
model = load_keras_model(RunFolder.open(pathlib.Path({str(run.path)!r})))
pixels = numpy.load({str(folder / "calibration.npy")!r})
started = time.perf_counter()
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([picture[None].astype("float32")] for picture in pixels)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.uint8
content = converter.convert()
seconds = time.perf_counter() - started
pathlib.Path({str(path)!r}).write_bytes(content)
pathlib.Path({str(folder / "bare.json")!r}).write_text(json.dumps(seconds))
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    seconds: float = json.loads((folder / "bare.json").read_text())
    return seconds


def import_seconds() -> float:
    """Return how long a process takes to import what the converter needs, which both sides pay alike."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import tensorflow, keras"], check=True, capture_output=True)
    return time.perf_counter() - started


def score_bare(path: Path, pictures: PixelSet) -> Any:
    """Return the scores of a file without a manifest: float32 (N, C)."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    picture, output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = picture["quantization"]
    params = QuantParams(scale=scale, zero_point=zero_point, dtype="uint8")
    scores = []
    for pixels in pictures.pixels:
        interpreter.set_tensor(picture["index"], quantize(pixels.astype(np.float32), params)[np.newaxis])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(output["index"])[0].astype(np.float32))
    return np.stack(scores)


def score(path: Path, pictures: PixelSet) -> Any:
    """Return the scores of an exported file: float32 (N, C)."""
    classifier = Classifier.load(path, backend="cpu")
    return np.stack([classifier.scores(pixels) for pixels in pictures.pixels])


if __name__ == "__main__":
    main()
