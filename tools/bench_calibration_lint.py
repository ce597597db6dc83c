"""Show what the calibration linter says of good and of spoilt pictures, as a table.

    python tools/bench_calibration_lint.py RUN [RUN …] --others pictures/a pictures/b --sizes 20 100 500 --seeds 0 1 2

Every set is drawn from one split, the test split unless said otherwise, or from the training split where
that is smaller than the set; thresholds are chosen with --split val. A cell says how many sets of that size
were refused, and behind a stroke how many of them by the right name. Good sets must not be refused; spoilt
ones must.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data import ImageFolder, PixelSet, load_pixels
from edgecnn.errors import CalibrationError
from edgecnn.export.calibration_lint import CalibrationSet, hash_pixels, lint_calibration, read_reference
from edgecnn.train.run_folder import RunFolder

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels, np.random.Generator], Pixels]


def to_uint8(values: Any) -> Pixels:
    """Round and saturate."""
    rounded: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def each(function: Callable[[Pixels], Any]) -> Change:
    """Change every picture by itself."""
    return lambda pixels, _: np.stack([to_uint8(function(picture)) for picture in pixels])


def compress(picture: Pixels) -> Any:
    """Save and load as a poor JPEG."""
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)


def crop(picture: Pixels) -> Any:
    """Cut 7.5% off every side."""
    height, width = picture.shape[:2]
    inner = picture[int(height * 0.075) : int(height * 0.925), int(width * 0.075) : int(width * 0.925)]
    return cv2.resize(inner, (width, height), interpolation=cv2.INTER_AREA)


def turn(picture: Pixels) -> Any:
    """Turn by ten degrees."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 10, 1.0)
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def as_grey(picture: Pixels) -> Any:
    """Take the colour out."""
    return np.repeat((picture @ np.array([0.299, 0.587, 0.114]))[..., np.newaxis], 3, -1)


def film(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Repeat three scenes, shifted by a pixel and a bit brighter or darker each time."""
    frames = [
        np.roll(pixels[index % 3], tuple(rng.integers(-1, 2, 2)), (0, 1)) * rng.uniform(0.95, 1.05)
        for index in range(len(pixels))
    ]
    return to_uint8(np.stack(frames) + rng.normal(0, 2, pixels.shape))


GOOD: dict[str, Change] = {
    "as they are": lambda pixels, _: pixels,
    "darker, x 0.7": each(lambda picture: picture * 0.7),
    "brighter, x 1.25": each(lambda picture: picture * 1.25),
    "gamma 0.7": each(lambda picture: 255 * (picture / 255) ** 0.7),
    "gamma 1.5": each(lambda picture: 255 * (picture / 255) ** 1.5),
    "less contrast, x 0.8": each(lambda picture: picture * 0.8 + 25),
    "JPEG, quality 30": each(compress),
    "cropped to 85%": each(crop),
    "mirrored": each(lambda picture: picture[:, ::-1]),
    "turned by 10 degrees": each(turn),
    "warm light": each(lambda picture: picture * np.array([1.1, 1.0, 0.9])),
    "cool light": each(lambda picture: picture * np.array([0.9, 1.0, 1.1])),
    "a bit blurred": each(lambda picture: cv2.GaussianBlur(picture, (0, 0), 1.0)),
    "sensor noise of 6": lambda pixels, rng: to_uint8(pixels + rng.normal(0, 6, pixels.shape)),
}
# With what the sentence must speak of.
SPOILT: dict[str, tuple[Change, str]] = {
    "uniform noise": (lambda pixels, rng: rng.integers(0, 256, pixels.shape, np.uint8), "noise"),
    "normal noise": (lambda pixels, rng: to_uint8(rng.normal(127, 40, pixels.shape)), "noise"),
    "shuffled pixels": (lambda pixels, rng: rng.permuted(pixels, axis=1), "noise|something else"),
    "enlarged noise": (
        lambda pixels, rng: np.stack(
            [cv2.resize(rng.integers(0, 256, (32, 32, 3), np.uint8), pixels.shape[2:0:-1]) for _ in pixels]
        ),
        "noise",
    ),
    "half of them noise": (
        lambda pixels, rng: np.concatenate([pixels[::2], rng.integers(0, 256, pixels[1::2].shape, np.uint8)]),
        "noise",
    ),
    "divided by 255": (lambda pixels, _: (pixels / 255).astype(np.uint8), "nearly black"),
    "divided, rounded": (lambda pixels, _: to_uint8(pixels / 255), "nearly black"),
    "normalized, rounded": (lambda pixels, _: to_uint8((pixels - 127.0) / 128), "nearly black"),
    "normalized, wrapped": (
        lambda pixels, _: np.rint((pixels - 127.0) / 128).astype(np.int8).view(np.uint8),
        "different values",
    ),
    "red and blue swapped": (lambda pixels, _: np.ascontiguousarray(pixels[..., ::-1]), "red and blue"),
    "inverted": (lambda pixels, _: 255 - pixels, "inverted"),
    "grey": (each(as_grey), "grey"),
    "one colour each": (
        lambda pixels, rng: (
            np.repeat(rng.integers(0, 256, (len(pixels), 1, 1, 3), np.uint8), 1, 0) * np.ones_like(pixels)
        ),
        "constant",
    ),
    "clipped at 100": (lambda pixels, _: np.minimum(pixels, 100), "clipped|range"),
    "clipped below 128": (lambda pixels, _: np.maximum(pixels, 128), "clipped|range"),
    "squeezed to 100..150": (each(lambda picture: picture * (50 / 255) + 100), "range"),
    "frames of three scenes": (film, "nearly the same"),
}
GREY_CANNOT_SHOW = ("red and blue swapped", "grey")


class Network:
    """The run's model: features and scores, every picture once."""

    def __init__(self, run: RunFolder) -> None:
        from edgecnn.train.backend import keras
        from edgecnn.train.keras_model import compile_forward, load_keras_model
        from edgecnn.train.networks import POOLING_LAYER

        model = load_keras_model(run)
        self._forward = compile_forward(keras.Model(model.input, [model.get_layer(POOLING_LAYER).output, model.output]))
        self._seen: dict[bytes, tuple[Any, Any]] = {}

    def embed(self, pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return features (n, D) and scores (n, C)."""
        keys = [hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=16).digest() for picture in pixels]
        new = [index for index, key in enumerate(keys) if key not in self._seen]
        for start in range(0, len(new), 32):
            part = new[start : start + 32]
            features, scores = self._forward(pixels[part])
            pairs = zip(features.numpy(), scores.numpy(), strict=True)
            self._seen.update(zip([keys[index] for index in part], pairs, strict=True))
        return np.stack([self._seen[key][0] for key in keys]), np.stack([self._seen[key][1] for key in keys])


class Bench:
    """One run, and what the linter says of any pixels."""

    def __init__(self, path: Path, split: str) -> None:
        self.run, self._split = RunFolder.open(path), split
        reference = read_reference(self.run.data_root, self.run.splits.train, self.run.splits.val, self.run.contract)
        assert reference is not None, f"the pictures of {path} are gone"
        self._reference, self._network = reference, Network(self.run)
        self.is_grey = bool(np.ptp(reference.training, axis=-1).mean() < 1)
        self.seconds: list[float] = []

    def judge(self, pixels: Pixels, label_indices: NDArray[np.int64] | None) -> str:
        """Return the sentence of refusal, or nothing."""
        names = tuple(map(str, range(len(pixels))))
        given = CalibrationSet(
            pixels=pixels, names=names, digests=names, hashes=hash_pixels(pixels), label_indices=label_indices
        )
        started = time.perf_counter()
        try:
            lint_calibration(given, self._reference, labels=self.run.labels, embed=self._network.embed)
        except CalibrationError as exc:
            return str(exc)
        finally:
            self.seconds.append(time.perf_counter() - started)
        return ""

    def draw(self, num: int, seed: int, folder: Path | None = None) -> PixelSet:
        """Decode pictures of this run's data, or of another folder."""
        rng = np.random.default_rng(seed)
        root, splits = self.run.data_root, self.run.splits
        pictures = splits.select(self._split) if len(splits.select(self._split)) >= num else splits.train
        if folder is not None:
            root, pictures = folder, ImageFolder.scan(folder).pictures
        chosen = sorted(rng.permutation(len(pictures))[:num])
        return load_pixels(root, [pictures[index] for index in chosen], self.run.contract)


def main() -> None:
    """Parse the command line, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--others", nargs="*", type=Path, default=[], metavar="FOLDER", help="other picture folders")
    parser.add_argument("--sizes", nargs="+", type=int, default=[20, 100])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--split", default="test", help="where sets are drawn from")
    parser.add_argument("--labelled", action="store_true", help="let the linter know the classes")
    arguments = parser.parse_args()
    for path in arguments.runs:
        print_table(Bench(path, arguments.split), arguments)


def print_table(bench: Bench, arguments: argparse.Namespace) -> None:
    """Print one run's table and its two sums."""
    kinds: list[tuple[str, Change, str | None, Path | None]] = [(kind, GOOD[kind], None, None) for kind in GOOD]
    for kind, (change, words) in SPOILT.items():
        if not (bench.is_grey and kind in GREY_CANNOT_SHOW):
            kinds.append((kind, change, words, None))
    for folder in arguments.others:
        if folder.resolve() != bench.run.data_root.resolve():
            wrong = "something else|one class|grey|noise|recognizes"
            kinds.append((f"pictures of {folder.name}", GOOD["as they are"], wrong, folder))
    print(f"\n{bench.run.path.name}\n{'':32}" + "".join(f"{size:>12}" for size in arguments.sizes))
    wrong = {True: [0, 0], False: [0, 0]}
    for kind, change, words, folder in kinds:
        cells = []
        for size in arguments.sizes:
            texts = [judge_one(bench, change, size, seed, folder, arguments.labelled) for seed in arguments.seeds]
            refused = [text for text in texts if text]
            named = sum(bool(words and re.search(words, text)) for text in refused)
            cells.append(f"{len(refused)}/{len(texts)}" + (f" | {named}" if words else ""))
            wrong[words is None][0] += len(refused) if words is None else len(texts) - len(refused)
            wrong[words is None][1] += len(texts)
            for text in refused:
                if words is None or not re.search(words, text):
                    print(f"    {kind}, {size}: {text}", file=sys.stderr)
        print(f"{kind:32}" + "".join(f"{cell:>12}" for cell in cells), flush=True)
    print(f"good sets refused: {wrong[True][0]} of {wrong[True][1]}; spoilt sets taken: ", end="")
    print(f"{wrong[False][0]} of {wrong[False][1]}; at most {max(bench.seconds):.1f} s a set", flush=True)


def judge_one(bench: Bench, change: Change, size: int, seed: int, folder: Path | None, labelled: bool) -> str:
    """Draw, spoil, judge."""
    drawn = bench.draw(size, seed, folder)
    pixels = np.ascontiguousarray(change(drawn.pixels, np.random.default_rng(seed)))
    return bench.judge(pixels, drawn.label_indices if labelled and folder is None else None)


if __name__ == "__main__":
    main()
