"""How far features lie from those of the training pictures, and which classes scores speak of."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
_NUM_COMPONENTS = 24
_STRANGE_QUANTILE = 0.95
_EM_STEPS = 50
_NUM_DRAWS = 8
_CELLS = 8
_FLAT = 4.0  # levels: noise in a picture of one colour is no layout


class Familiarity:
    """Distances to the nearest training picture: by angle, and after whitening.

    The angle serves wide features, the whitened distance narrow ones, where all features point the same way.

    Args:
        training: features of training pictures, float32 (M, D).
        fresh: features of pictures of the same kind that were not trained on, float32 (K, D).
    """

    def __init__(self, training: Floats, fresh: Floats) -> None:
        self._mean = training.mean(0)
        _, lengths, directions = np.linalg.svd(training - self._mean, full_matrices=False)
        kept = min(_NUM_COMPONENTS, int(np.count_nonzero(lengths > 1e-4 * lengths[0])))
        self._whitening = directions[:kept].T * (np.sqrt(len(training)) / lengths[:kept])
        self._units, self._white = to_unit(training), self._whiten(training)
        self._limits = np.quantile(self.distances(fresh), _STRANGE_QUANTILE, axis=0)

    def distances(self, features: Floats) -> Floats:
        """Return both distances of features (N, D) as float32 (N, 2)."""
        angle = 1 - (to_unit(features) @ self._units.T).max(1)
        white = self._whiten(features)
        squares = (white**2).sum(1)[:, None] + (self._white**2).sum(1) - 2 * white @ self._white.T
        result: Floats = np.stack([angle, np.sqrt(np.maximum(squares.min(1), 0.0))], axis=1)
        return result

    def share_strange(self, features: Floats) -> float:
        """Return the share of features (N, D) that lie farther out than 95% of the fresh ones do."""
        return float((self.distances(features) > self._limits).mean(0).max())

    def _whiten(self, features: Floats) -> Floats:
        result: Floats = ((features - self._mean) @ self._whitening).astype(np.float32)
        return result


def share_apart(given: Floats, training: Floats) -> float:
    """Return how many of the given vectors have another given one, and none of as many training ones, nearest to them.

    Of two samples of one kind it is a half; 1 means that they do not mix at all.

    Args:
        given: float32, shape (N, D).
        training: float32, shape (M, D).

    Reference:
        M. F. Schilling, Multivariate Two-Sample Tests Based on Nearest Neighbors, JASA 81, 1986.
    """
    random = np.random.default_rng(0)
    num = min(len(given), len(training))
    shares = []
    for _ in range(_NUM_DRAWS):
        both = np.concatenate([_draw(random, given, num), _draw(random, training, num)])
        squares = (both**2).sum(1)
        distances = squares[:, None] + squares - 2 * both @ both.T
        np.fill_diagonal(distances, np.inf)
        shares.append(np.mean(distances[:num].argmin(1) < num))
    return float(np.mean(shares))


def describe_layout(pixels: NDArray[np.uint8]) -> Floats:
    """Return where a picture is dark and bright, whatever the light: float32 (N, 64), for pixels (N, h, w, 3)."""
    rows = np.array_split(pixels.mean(-1, dtype=np.float32), _CELLS, axis=1)
    cells = [part.mean((1, 2)) for row in rows for part in np.array_split(row, _CELLS, axis=2)]
    layout = np.stack(cells, axis=1)
    layout -= layout.mean(1, keepdims=True)
    result: Floats = layout / (layout.std(1, keepdims=True) + _FLAT)
    return result


def share_of_classes(scores: Floats, prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate how often each class occurs among pictures without labels.

    Counting the best class alone would call a class rare that the model often takes for others.

    Args:
        scores: float32, shape (N, C), rows with the sum 1.
        prior: float64, shape (C,), how often the classes occurred in training.

    Reference:
        Saerens, Latinne and Decaestecker, Adjusting the Outputs of a Classifier to New a Priori
        Probabilities, Neural Computation 14, 2002.
    """
    prior = np.maximum(prior, 1e-9)
    shares: NDArray[np.float64] = prior / prior.sum()
    for _ in range(_EM_STEPS):
        weighted = scores * (shares / prior)
        shares = (weighted / np.maximum(weighted.sum(1, keepdims=True), 1e-30)).mean(0)
    return shares


def _draw(random: np.random.Generator, vectors: Floats, num: int) -> Floats:
    return vectors[random.permutation(len(vectors))[:num]]


def to_unit(features: Floats) -> Floats:
    """Return features (N, D) with the length 1."""
    lengths = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    result: Floats = features / lengths
    return result
