"""What more pictures would bring: a head is fitted to shares of them, and its errors are extrapolated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Task
from edgecnn.evaluate.intervals import Interval
from edgecnn.train.report.discriminant import Floats, Head, Indices, Sums, draw_folds

SHARES = (0.25, 0.5, 0.75, 1.0)
NUM_FOLDS = 5
NUM_ROUNDS = 2
# How fast errors fall with the number of pictures differs from task to task; four shares cannot tell it.
EXPONENTS = (0.25, 0.5, 0.75, 1.0, 1.5)
MAX_FACTOR = 2.0
_RESAMPLES = 400


class Shares:
    """Pictures in folds, and heads that are fitted to shares of them."""

    def __init__(self, features: Floats, label_indices: Indices, num_classes: int, seed: int) -> None:
        self._features, self._labels, self._num_classes = features, label_indices, num_classes
        rng = np.random.default_rng(seed)
        self._rounds = [
            (draw_folds(label_indices, NUM_FOLDS, rng), rng.random(len(label_indices))) for _ in range(NUM_ROUNDS)
        ]
        self._everything = Sums.of(features, label_indices, num_classes)

    def right(self, varied: int | None, task: Task) -> Floats:
        """Return how often each picture was recognized by heads that had not seen it: 0 to 1, shape (shares, N).

        Args:
            varied: the class of which only a share is learned from; None: of every class.
            task: counts heads: ``NUM_ROUNDS * NUM_FOLDS * len(SHARES)``.
        """
        right = np.zeros((len(SHARES), len(self._labels)))
        for folds, draw in self._rounds:
            for fold in range(NUM_FOLDS):
                out = folds == fold
                rest = self._everything - self._sum(out)
                for index, dropped in enumerate(self._dropped(out, draw, varied)):
                    head = Head.fit(rest - self._sum(dropped) if dropped.any() else rest)
                    answers = head.scores(self._features[out]).argmax(axis=1)
                    right[index, out] += answers == self._labels[out]
                    task.advance()
        return right / NUM_ROUNDS

    def _sum(self, chosen: NDArray[np.bool_]) -> Sums:
        return Sums.of(self._features[chosen], self._labels[chosen], self._num_classes)

    def _dropped(self, out: NDArray[np.bool_], draw: Floats, varied: int | None) -> Iterator[NDArray[np.bool_]]:
        """Yield for each share the pictures that are left out of it: the larger share holds the smaller one."""
        rank = np.full(len(draw), -1.0)
        for label in range(self._num_classes) if varied is None else (varied,):
            members = np.flatnonzero(~out & (self._labels == label))
            order = members[np.argsort(draw[members], kind="stable")]
            rank[order] = np.arange(len(order)) / max(1, len(order))
        for share in SHARES:
            # The first picture of a class has rank 0 and is in every share.
            yield rank >= share


def extrapolate(right: Floats, rows: Indices, factor: float, seed: int = 0) -> Interval:
    """Return how many more of the pictures, in percentage points, would be recognized with ``factor`` times as many.

    Errors are taken to fall as ``a + b * n**-c`` with ``a``, ``b`` from 0. The interval, 90%, holds what chance
    in the pictures does, in the new ones as well, and that ``c`` is not known: each resample of the pictures has
    one of ``EXPONENTS``. Below 0 it ends.

    Args:
        right: as ``Shares.right`` gives it.
        rows: the pictures that count, int64, shape (M,), from 1.
        factor: above 1, at most 2: farther than that a curve over a factor of four says little.
        seed: of the resampling.

    Reference:
        Hestness et al., "Deep Learning Scaling is Predictable, Empirically", arXiv:1712.00409, section 3;
        Viering and Loog, "The Shape of Learning Curves: a Review", arXiv:2103.10948.
    """
    if not 1 < factor <= MAX_FACTOR:
        raise ValueError(f"factor must be above 1 and at most {MAX_FACTOR:g}, got {factor:g}")
    rng = np.random.default_rng(seed)
    errors = 1 - right[:, rows]
    # How many answers change from one share to the next tells how far a difference of two heads is chance.
    change = np.sqrt(np.abs(errors[-1] - errors[-2]).mean() / len(rows))
    gains = []
    for _ in range(_RESAMPLES):
        exponent = float(rng.choice(EXPONENTS))
        _, falling = fit_power_law(errors[:, rng.integers(0, len(rows), len(rows))].mean(axis=1), exponent)
        gains.append(100 * max(0.0, falling * (1 - factor**-exponent) + rng.normal(0, change)))
    low, middle, high = np.percentile(gains, [5, 50, 95])
    return Interval(value=float(middle), low=float(low), high=float(high))


def fit_power_law(errors: Floats, exponent: float) -> tuple[float, float]:
    """Return ``a`` and ``b``, both from 0, of ``a + b * share**-exponent`` through the errors at ``SHARES``."""
    from scipy.optimize import nnls  # comes with imagehash

    powers = np.array(SHARES) ** -exponent
    (constant, falling), _ = nnls(np.stack([np.ones(len(SHARES)), powers], axis=1), errors)
    return float(constant), float(falling)
