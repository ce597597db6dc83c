"""Pictures that may lie in the wrong class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.train.report.discriminant import Floats, Indices

# With 3% of the labels swapped, about half (photographs) to nine tenths (hand signs) of what this leaves were swapped.
MIN_MARGIN = 0.75
_TEMPERATURES = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 16.0, 32.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A label that other pictures speak against.

    Attributes:
        row: the picture.
        label_index: where it lies.
        suggested: what the others of that class resemble, by their label.
        own_score: of the class it lies in, 0 to 1.
        score: of the suggested class.
    """

    row: int
    label_index: int
    suggested: int
    own_score: float
    score: float


def find_label_errors(scores: Floats, label_indices: Indices) -> list[Doubt]:
    """Return the pictures whose label is doubtful, the most doubtful first.

    A picture counts for a class when its score there is at least the mean score, there, of the pictures that
    have that label; of several such classes for the one with the best score. Those that count for another class
    than their own make up the off-diagonal of the confident joint. As a weak head has many hard pictures
    there, too, only those are returned for which the other class leads by ``MIN_MARGIN``.

    Args:
        scores: log-likelihoods, shape (N, C), of heads that had not seen the picture.
        label_indices: int64, shape (N,).

    Reference:
        Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
        arXiv:1911.00068, equations 1 and 2, and the normalized margin of section 3.2.
    """
    shares = calibrate(scores, label_indices)
    own = shares[np.arange(len(shares)), label_indices]
    num = np.bincount(label_indices, minlength=shares.shape[1])
    totals = np.bincount(label_indices, weights=own, minlength=shares.shape[1])
    thresholds = np.where(num > 0, totals / np.maximum(num, 1), np.inf)
    confident = np.where(shares >= thresholds, shares, -1.0)
    suggested = confident.argmax(axis=1)
    score = confident.max(axis=1)
    doubtful = np.flatnonzero((score - own >= MIN_MARGIN) & (suggested != label_indices))
    order = doubtful[np.argsort((own - score)[doubtful], kind="stable")]
    return [
        Doubt(
            row=int(row),
            label_index=int(label_indices[row]),
            suggested=int(suggested[row]),
            own_score=float(own[row]),
            score=float(score[row]),
        )
        for row in order
    ]


def calibrate(scores: Floats, label_indices: Indices) -> NDArray[np.float64]:
    """Return log-likelihoods (N, C) as shares of 1, at the temperature that makes the labels most likely.

    Reference:
        Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2.
    """
    rows = np.arange(len(scores))

    def loss(temperature: float) -> float:
        return float(-np.log(np.maximum(_softmax(scores / temperature)[rows, label_indices], 1e-12)).mean())

    return _softmax(scores / min(_TEMPERATURES, key=loss))


def _softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
