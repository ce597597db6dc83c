"""Does the place matter? Answers to pictures that were changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluate.changes import CHANGES
from edgecnn.explain.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class InvarianceCurve:
    """Answers to pictures that were changed more and more.

    Attributes:
        change: what was done to them.
        unit: of the amounts.
        amounts: float64, shape (A,).
        class_indices: int64, shape (N,): the class whose score counts for each picture: the right one, or
            the answer to the unchanged picture where nobody said what is right.
        scores: float32, shape (A, N): the score of that class.
        answers: int64, shape (A, N): the class with the highest score.
        answer_scores: float32, shape (A, N): that score.
        accuracy: float64, shape (A,): share of pictures whose answer is that of ``class_indices``.
    """

    change: str
    unit: str
    amounts: NDArray[np.float64]
    class_indices: NDArray[np.int64]
    scores: NDArray[np.float32]
    answers: NDArray[np.int64]
    answer_scores: NDArray[np.float32]
    accuracy: NDArray[np.float64]


def invariance_curve(
    network: Network,
    pixels: NDArray[np.uint8],
    label_indices: Sequence[int] | NDArray[np.int64] | None,
    change: str,
    amounts: Sequence[float] | None = None,
    *,
    seed: int = 0,
) -> InvarianceCurve:
    """Return how a file's answers hold when pictures are changed.

    Args:
        network: the network.
        pixels: uint8, shape (N, height, width, 3) or (height, width, 3), RGB, at the input's size.
        label_indices: the right class of each picture; None takes the answers to the unchanged pictures.
        change: a key of ``CHANGES``.
        amounts: what to try; None takes the change's own.
        seed: of the noise; picture ``n`` is spoiled with ``seed + n``.

    Raises:
        ValueError: there is no such change, or the numbers of pictures and labels differ.
    """
    if change not in CHANGES:
        raise ValueError(f"no change is called {change!r}; there are {', '.join(CHANGES)}")
    pictures = pixels[np.newaxis] if pixels.ndim == 3 else pixels
    known = CHANGES[change]
    tried = known.amounts if amounts is None else amounts
    right = (
        np.array([network.look(picture).best for picture in pictures], np.int64)
        if label_indices is None
        else np.asarray(label_indices, np.int64)
    )
    if right.shape != (len(pictures),):
        raise ValueError(f"there are {len(pictures)} pictures and labels of shape {right.shape}; give one for each")
    scores, highest = np.zeros((2, len(tried), len(pictures)), np.float32)
    answers = np.zeros(scores.shape, np.int64)
    for row, amount in enumerate(tried):
        for column, picture in enumerate(pictures):
            found = network.scores(known.apply(picture, amount, seed + column))
            scores[row, column], highest[row, column] = found[right[column]], found.max()
            answers[row, column] = found.argmax()
    return InvarianceCurve(
        change=change,
        unit=known.unit,
        amounts=np.asarray(tried, np.float64),
        class_indices=right,
        scores=scores,
        answers=answers,
        answer_scores=highest,
        accuracy=(answers == right).mean(axis=1),
    )
