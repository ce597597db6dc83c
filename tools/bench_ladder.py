"""Climb every rung of the repair ladder for trained runs and print what each gives, as a table.

    python tools/bench_ladder.py runs/trashnet-lite0 runs/sign_digits-tiny --stretch runs/trashnet-lite0

``--stretch`` makes a hostile copy of a lite0 run first: the channels between its linear bottlenecks are
stretched by random factors and the weights that use them shrunk by the same. In floats that is the same
network; plain minimum-to-maximum quantization breaks it. Every rung is judged on the validation split. The
last lines give the test split, once, for the converter's own file and for the one where the ladder stops.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import SilentProgress
from edgecnn.data import PixelSet, load_pixels
from edgecnn.evaluate.evaluator import scorer
from edgecnn.evaluate.metrics import agreement, evaluate_scores
from edgecnn.export.calibration import choose_calibration
from edgecnn.export.convert import KerasProcess
from edgecnn.export.quantize.ladder import Judged, climb, find_rung
from edgecnn.export.quantize.material import Material, Settings, Tuned, Workbench
from edgecnn.export.quantize.rungs import RUNGS
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.classifier import Classifier
from edgecnn.train.run_folder import RunFolder

NUM_CALIBRATION = 100
MAX_CALIBRATION = 1000
SLOW = ("mixed", "qat")
SIGMA = 1.5
NUM_BLOCKS = 16


def main() -> None:
    """Parse the command line, climb, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="trained runs")
    parser.add_argument("--stretch", nargs="*", type=Path, default=[], help="runs of lite0 to make hostile first")
    quick = [rung.name for rung in RUNGS if rung.name not in SLOW]
    parser.add_argument("--rungs", nargs="+", default=quick, help=f"default: all but {' and '.join(SLOW)}")
    arguments = parser.parse_args()
    print(f"{'run':<28} {'rung':<14} {'right':>6} {'lost':>6} {'agree':>6} {'differ':>7} {'seconds':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        for path in arguments.runs:
            Bench(path, path.name, Path(scratch)).print_table(arguments.rungs)
        for path in arguments.stretch:
            copy = stretch(path, Path(scratch) / path.name)
            Bench(copy, f"{path.name} stretched", Path(scratch)).print_table(arguments.rungs)


class Bench:
    """One run: its network, its pictures, and the float network's word on them."""

    def __init__(self, path: Path, name: str, work: Path) -> None:
        self.run, self.name, self.work = RunFolder.open(path), name, work
        self._draw = choose_calibration(self.run.splits.train, MAX_CALIBRATION, 0)
        log = work / "log.txt"
        with KerasProcess(path, work_folder=work, log_path=log) as keras_process:
            float_model = keras_process.convert("inner")
            started = time.perf_counter()
            template = keras_process.convert("int8", self.pixels(NUM_CALIBRATION))
            self.seconds = time.perf_counter() - started
            self.sets = {split: self._read(split, keras_process) for split in ("val", "test")}
            layers = keras_process.layers
        self.material = Material(
            float_model=float_model,
            template=template,
            contract=self.run.contract,
            load_pixels=self.pixels,
            tune=self.tune,
            layers=layers,
            edgetpu=False,
        )

    def pixels(self, num: int) -> NDArray[np.uint8]:
        """Return the first pictures of one balanced draw out of the training split."""
        return load_pixels(self.run.data_root, self._draw[:num], self.run.contract).pixels

    def tune(self, settings: Settings, float_model: bytes) -> Tuned:
        """Fine-tune the float network with fake-quantized weights."""
        from edgecnn.export.quantize.qat import QatConfig, fine_tune

        tuned = fine_tune(
            float_model,
            self.run,
            self.run.data_root,
            QatConfig.of(settings),
            work_folder=self.work,
            log_path=self.work / "qat.txt",
            progress=SilentProgress(),
            layers=self.material.layers,
        )
        return Tuned(float_model=tuned.float_model, ranges=tuned.ranges)

    def print_table(self, names: list[str]) -> None:
        """Print every rung on the validation split, then both ends of the ladder on the test split."""
        rungs = [find_rung(name) for name in names]
        bench = Workbench(self.material)
        self._print("converter", self.material.template, "val", self.seconds)
        for rung in rungs:
            for settings in rung.attempts:
                started = time.perf_counter()
                built = rung.build(bench, settings)
                self._print(rung.name, built.model, "val", time.perf_counter() - started)
        climbed = climb(self.material, self.judge("val"), max_drop_points=1.0, rungs=rungs)
        self._print("test converter", self.material.template, "test", 0.0)
        self._print(f"test {climbed.rung}", climbed.model, "test", 0.0)

    def judge(self, split: str) -> Callable[[bytes], Judged]:
        """Return what measures a file on a split."""
        return lambda model: self._measure(model, split)

    def _measure(self, model: bytes, split: str) -> Judged:
        pictures, floats = self.sets[split]
        file = ModelFile.from_bytes(model, path=Path("ladder.tflite"), labels=self.run.labels)
        scores = scorer(Classifier(file))(pictures.pixels)
        top1, float_top1 = (evaluate_scores(s, pictures.label_indices, self.run.labels).top1 for s in (scores, floats))
        return Judged(
            top1=top1,
            agreement=agreement(floats, scores),
            drop_points=100 * (float_top1 - top1),
            distance=float(np.abs(scores - floats).mean()),
        )

    def _read(self, split: str, keras_process: KerasProcess) -> tuple[PixelSet, NDArray[np.float32]]:
        pictures = load_pixels(self.run.data_root, self.run.splits.select(split), self.run.contract)
        return pictures, keras_process.score(pictures.pixels)

    def _print(self, rung: str, model: bytes, split: str, seconds: float) -> None:
        judged = self._measure(model, split)
        print(
            f"{self.name:<28} {rung:<14} {judged.top1:>6.1%} {judged.drop_points:>6.2f} {judged.agreement:>6.1%} "
            f"{judged.distance:>7.4f} {seconds:>8.1f}",
            flush=True,
        )


def stretch(run: Path, copy: Path) -> Path:
    """Return a copy of a lite0 run whose bottleneck channels differ in range by random factors."""
    from edgecnn.train.backend import keras

    shutil.copytree(run, copy)
    model = keras.models.load_model(copy / "model.keras", compile=False)
    names = [layer.name for layer in model.layers]
    random, factors = np.random.default_rng(0), np.ones(0)
    for block in range(NUM_BLOCKS):
        norm = model.get_layer(f"block{block}_project_bn")
        used = model.get_layer(f"block{block + 1}_expand" if block + 1 < NUM_BLOCKS else "head_conv")
        if f"block{block}_add" not in names:  # a residual addition ties its channels to those before
            factors = np.exp(random.normal(0, SIGMA, norm.gamma.shape[0])).astype(np.float32)
        norm.gamma.assign(norm.gamma * factors)
        norm.beta.assign(norm.beta * factors)
        used.kernel.assign(used.kernel / factors[None, None, :, None])
    model.save(copy / "model.keras")
    return copy


if __name__ == "__main__":
    main()
