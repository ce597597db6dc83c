"""Measure how well exported files tell pictures of their classes from pictures of other data sets.

    python tools/bench_rejection.py FILE.tflite [FILE.tflite ...] --data FOLDER [FOLDER ...]

Of the folders, the one with a file's own classes is what it knows; the test pictures of each other
folder are strange to it. Printed are the area under the ROC curve of every method, the one that the
file goes by marked with *, the shares that it calls unknown at its own threshold, what its manifest
says about the choice, and what looking inside the network costs in the time of a picture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.data import ImageFolder
from edgecnn.evaluate.rejection import RejectionFigures, judge_unknown
from edgecnn.runtime.classifier import Classifier

_ROUNDS = 300


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="folders of pictures with a test split")
    arguments = parser.parse_args()
    folders = [ImageFolder.scan(path) for path in arguments.data]
    for path in arguments.files:
        measure(path, folders)


def measure(path: Path, folders: list[ImageFolder]) -> None:
    """Print everything about one file."""
    classifier = Classifier.load(path, num_threads=1)
    own = next((folder for folder in folders if folder.labels == classifier.labels), None)
    if own is None:
        print(f"{path}: none of the folders has its classes: {', '.join(classifier.labels[:10])}")
        return
    known = own.select("test") or own.pictures
    print(f"{path}: {len(known)} pictures of {own.root.name}")
    for folder in folders:
        if folder is not own:
            strange = folder.root / "test" if folder.has_splits else folder.root
            print(row(folder.root.name, judge_unknown(classifier, (own.root, known), strange)), flush=True)
    confidence = classifier.file.manifest.confidence if classifier.file.manifest else None
    if confidence is not None and confidence.auroc:
        areas = ", ".join(f"{method} {area:.3f}" for method, area in confidence.auroc.items())
        before, after = confidence.ece_before, confidence.ece_after
        print(f"  chosen by: {areas}; {confidence.against}")
        if before is not None and after is not None:
            print(f"  calibration error on {confidence.num} {confidence.split} pictures: {before:.3f}, now {after:.3f}")
    print_cost(classifier)


def row(name: str, figures: RejectionFigures) -> str:
    """Return the line about one strange data set."""
    areas = "  ".join(
        f"{method} {area:.3f}{'*' if method == figures.method else ' '}" for method, area in figures.auroc.items()
    )
    rejected = ""
    if figures.rejected_unknown is not None and figures.rejected_known is not None:
        rejected = f"  unknown: {figures.rejected_unknown:.1%} of them, {figures.rejected_known:.1%} of its own"
    return f"  against {figures.num_unknown} of {name:<20} {areas}{rejected}"


def print_cost(classifier: Classifier) -> None:
    """Print what familiarity adds to a picture, the two measured in turn."""
    file = classifier.file
    pixels = synthetic_picture(0, *file.contract.size_wh)
    plain = Classifier(replace(file, manifest=None), num_threads=1)

    def with_familiarity() -> None:
        classifier.scores(pixels)
        classifier.familiarity()

    pairs = [(_ms(lambda: plain.scores(pixels)), _ms(with_familiarity)) for _ in range(_ROUNDS)]
    bare, more = median(first for first, _ in pairs), median(second - first for first, second in pairs)
    same = plain.codes(pixels).tobytes() == classifier.codes(pixels).tobytes()
    print(f"  {bare:.2f} ms a picture, familiarity {1e3 * more:+.0f} us ({more / bare:+.1%}); same outputs: {same}")


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
