"""Compare a training run's Keras model with the file that was exported from it, on pictures without labels.

    python tools/measure_agreement.py RUN FILE FOLDER...

Takes every picture under each FOLDER and prints a row of a table:

    agree       share of pictures to which both give the same best class
    sure        pictures of which the Keras model is at least 50% sure
    sure agree  the same share among those
    in top 5    share of pictures whose best class by Keras is among the file's best five
    difference  mean difference between the two scores of the class that Keras finds best
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.data import Picture
from edgecnn.evaluate.evaluator import ScoreBatch, evaluate, scorer
from edgecnn.imaging import is_picture_name
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.find_model import find_model
from edgecnn.train import RunFolder

SURE = 0.5
Scores = NDArray[np.float32]


def main() -> None:
    """Parse the command line, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", help="a .tflite file or the name of a published model")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    arguments = parser.parse_args()
    from edgecnn.train.keras_model import load_keras_scorer

    run, classifier = RunFolder.open(arguments.run), Classifier.load(find_model(arguments.file))
    if (run.labels, run.contract) != (classifier.labels, classifier.contract):
        raise SystemExit(f"{arguments.file} was not exported from {arguments.run}: labels or input differ")
    keras_scores, file_scores = load_keras_scorer(run).scores, scorer(classifier)
    print("| pictures | number | agree | sure | sure agree | in top 5 | difference |\n|---|---|---|---|---|---|---|")
    everything: list[tuple[Scores, Scores]] = []
    for folder in arguments.folders:
        pair = (score_folder(keras_scores, folder, classifier), score_folder(file_scores, folder, classifier))
        everything.append(pair)
        print(describe(str(folder), *pair), flush=True)
    if len(everything) > 1:
        print(describe("all", *(np.concatenate(part) for part in zip(*everything, strict=True))))


def score_folder(score_batch: ScoreBatch, folder: Path, classifier: Classifier) -> Scores:
    """Return the scores of every picture under a folder, sorted by path: float32, shape (N, C)."""
    files = sorted(path for path in folder.rglob("*") if is_picture_name(path) and path.is_file())
    # Nobody knows the classes; the evaluator wants some, and its figures are not looked at.
    pictures = [Picture(path.relative_to(folder).as_posix(), 0) for path in files]
    judged = evaluate(score_batch, folder, pictures, contract=classifier.contract, labels=classifier.labels)
    return judged.scores


def describe(name: str, expected: Scores, found: Scores) -> str:
    """Return the table row of two sets of scores, the Keras model's first."""
    best = expected.argmax(axis=1)
    same = best == found.argmax(axis=1)
    rows = np.arange(len(best))
    sure = expected[rows, best] >= SURE
    best_five = np.argsort(-found, axis=1, kind="stable")[:, :5]
    cells: list[Any] = [
        name,
        len(same),
        f"{same.mean():.1%}",
        int(sure.sum()),
        f"{same[sure].mean():.1%}" if sure.any() else "-",
        f"{(best_five == best[:, None]).any(axis=1).mean():.1%}",
        f"{np.abs(expected - found)[rows, best].mean():.3f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    main()
