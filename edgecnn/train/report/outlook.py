"""What more pictures would bring to this network."""

from __future__ import annotations

import math

import numpy as np

from edgecnn.core.progress import Progress
from edgecnn.evaluate.intervals import Interval
from edgecnn.train.report.contents import ClassOutlook, LearningCurve, Outlook
from edgecnn.train.report.discriminant import Floats, Head, Indices, Sums
from edgecnn.train.report.learning_curve import MAX_FACTOR, NUM_FOLDS, NUM_ROUNDS, SHARES, Shares, extrapolate
from edgecnn.train.report.material import Known

MAX_CLASSES = 20
# Fewer than two pictures in each quarter of what the folds leave are no curve.
MIN_PICTURES = 20
_HELPS_POINTS, _NOTHING_POINTS = 0.5, 1.0
_ALL_FACTOR = 1.5


def measure_curve(
    known: Known, directions: Floats, labels: tuple[str, ...], val_error: float, seed: int, progress: Progress
) -> LearningCurve | None:
    """Fit heads to shares of the training and validation pictures, and extrapolate; None for too few pictures.

    Args:
        known: the pictures.
        directions: float64, shape (N, D), their features.
        labels: names of the classes.
        val_error: share of the validation pictures that the network gets wrong.
        seed: of folds and shares.
        progress: told of every head.
    """
    truths = known.label_indices
    num = np.bincount(truths, minlength=len(labels))
    if num.sum() < 2 * MIN_PICTURES or np.median(num) < NUM_FOLDS:
        return None
    all_right, by_class = _vary(Shares(directions, truths, len(labels), seed), truths, num, progress)
    head_error = _val_error_of_head(known, directions, len(labels))
    num_val = len(truths) - known.num_train
    # Half a mistake more on both sides: no mistake among a few pictures is no proof that none will come.
    scale = min(1.0, (val_error * num_val + 0.5) / (head_error * num_val + 0.5))
    seen_error = float(1 - all_right[-1, : known.num_train].mean())
    return LearningCurve(
        num=round(len(truths) * (1 - 1 / NUM_FOLDS)),
        shares=SHARES,
        errors=tuple((1 - all_right.mean(axis=1)).tolist()),
        factor=_ALL_FACTOR,
        gain=_scaled(extrapolate(all_right, np.arange(len(truths)), _ALL_FACTOR), scale),
        classes=tuple(
            _look_ahead(labels[index], right, np.flatnonzero(truths == index), scale)
            for index, right in by_class.items()
        ),
        num_classes=len(labels),
        scale=scale,
        head_val_error=head_error,
        val_is_harder=_is_clearly_higher(head_error, num_val, seen_error, known.num_train),
    )


def _vary(shares: Shares, truths: Indices, num: Indices, progress: Progress) -> tuple[Floats, dict[int, Floats]]:
    """Return how often pictures are recognized, varying all classes, and varying each of the worst recognized ones."""
    enough = np.flatnonzero(num >= MIN_PICTURES)
    num_curves = 1 + min(MAX_CLASSES, len(enough))
    with progress.task("fitting learning curves", num_curves * NUM_ROUNDS * NUM_FOLDS * len(SHARES)) as task:
        all_right = shares.right(None, task)
        recalls = np.bincount(truths, weights=all_right[-1], minlength=len(num)) / np.maximum(num, 1)
        worst = enough[np.argsort(recalls[enough], kind="stable")][:MAX_CLASSES]
        return all_right, {int(index): shares.right(int(index), task) for index in worst}


def _look_ahead(label: str, right: Floats, members: Indices, scale: float) -> ClassOutlook:
    """Return what more pictures of one class would bring; ``members`` are the rows of those that there are."""
    more = _round_number(len(members))
    factor = min(MAX_FACTOR, 1 + more / len(members))
    gain = _scaled(extrapolate(right, members, factor), scale)
    overall = _scaled(extrapolate(right, np.arange(right.shape[1]), factor), scale)
    return ClassOutlook(label=label, num=len(members), more=more, gain=gain, overall=overall, outlook=_judge(gain))


def _val_error_of_head(known: Known, directions: Floats, num_classes: int) -> float:
    train = np.arange(len(directions)) < known.num_train
    head = Head.fit(Sums.of(directions[train], known.label_indices[train], num_classes))
    return float((head.scores(directions[~train]).argmax(axis=1) != known.label_indices[~train]).mean())


def _is_clearly_higher(error: float, num: int, other: float, other_num: int) -> bool:
    """Tell whether a share is higher than another by more than twice the standard error of their difference."""
    variance = error * (1 - error) / num + other * (1 - other) / other_num
    return error - other > 2 * math.sqrt(variance) > 0


def _round_number(num: int) -> int:
    """Return about half of a class as a number that one would ask for: 10, 15, 20, 30, 40, 50, 70 and so on."""
    wanted = max(5.0, num / 2)
    power = 10.0 ** math.floor(math.log10(wanted))
    return int(max(step * power for step in (1, 1.5, 2, 3, 4, 5, 7) if step * power <= wanted))


def _scaled(gain: Interval, scale: float) -> Interval:
    return Interval(value=scale * gain.value, low=scale * gain.low, high=scale * gain.high)


def _judge(gain: Interval) -> Outlook:
    if gain.low >= _HELPS_POINTS:
        return "helps"
    return "nothing" if gain.high < _NOTHING_POINTS else "unsure"
