"""Where training pictures lie among the features before a network's last layer, small enough to travel."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelIntegrityError

MAX_FEATURES = 1 << 14
MAX_AXES = 64
MAX_POINTS = 4096
_MAGIC = b"EFM1"
_HEADER = struct.Struct("<4sIIII")
_HALF = np.dtype("<f2")
_BITS_OF_TWO = 0x4000
_SMALLEST_LENGTH = 1e-9
# Of the axes together: a map must stay small beside a network.
_MOST_VALUES = 1 << 15


class FeatureMap:
    """Training pictures as points in a plane through the space of features, and the way there.

    Features of length 1 count, since their direction says what is seen and their length rather how
    much contrast it has. The distance of a picture is that to the ``neighbour``-th nearest point in
    the plane, together with the picture's own distance from the plane, in which nothing that the
    training pictures have in common differs.

    References:
        Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", arXiv:2204.06507.
        Wang et al., "ViM: Out-Of-Distribution with Virtual-logit Matching", arXiv:2203.10807: the
        distance from the plane.
    """

    def __init__(self, mean: NDArray[Any], axes: NDArray[Any], points: NDArray[Any], neighbour: int) -> None:
        """Take what ``fit_feature_map`` or ``from_bytes`` found.

        Args:
            mean: floats, shape (D,), the middle of the training pictures' features of length 1.
            axes: floats, shape (K, D), rows of length 1 at right angles that span the plane.
            points: floats, shape (N, K), the training pictures in the plane.
            neighbour: which of the nearest points counts, 1 to N.
        """
        self._parts = tuple(np.ascontiguousarray(part, _HALF) for part in (mean, axes, points))
        self._mean, self._axes, self._points = (part.astype(np.float32) for part in self._parts)
        self._lengths = np.einsum("nk,nk->n", self._points, self._points)
        self._neighbour = neighbour

    @property
    def num_features(self) -> int:
        """D, the number of features that a picture must have."""
        return len(self._mean)

    def distance(self, features: NDArray[Any]) -> float:
        """Return how far a picture is from the training pictures, from 0.

        Args:
            features: floats, shape (D,).

        Returns:
            The distance, up to 2 or so; infinity for features that are no numbers or beyond all measure.
        """
        unit = features.astype(np.float32)
        length = math.sqrt(float(unit @ unit))
        if not math.isfinite(length):
            return math.inf
        unit /= max(length, _SMALLEST_LENGTH)
        unit -= self._mean
        place = self._axes @ unit
        in_plane = float(place @ place)
        from_plane = max(0.0, float(unit @ unit) - in_plane)
        squares = self._points @ place
        squares *= -2.0
        squares += self._lengths
        squares.partition(self._neighbour - 1)
        total = max(0.0, float(squares[self._neighbour - 1]) + in_plane) + from_plane
        return math.sqrt(total)

    def to_bytes(self) -> bytes:
        """Return the map as it travels: a header, then mean, axes and points as float16, low byte first.

        The header is ``EFM1``, then D, K, N and the neighbour as unsigned 32-bit numbers, low byte first.
        """
        _, axes, points = self._parts
        head = _HEADER.pack(_MAGIC, axes.shape[1], len(axes), len(points), self._neighbour)
        return head + b"".join(part.tobytes() for part in self._parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> FeatureMap:
        """Read what ``to_bytes`` wrote.

        Raises:
            ModelIntegrityError: it is not that, to the last byte, or holds what is no number.
        """
        if len(data) < _HEADER.size or data[:4] != _MAGIC:
            raise ModelIntegrityError("the feature map lacks its mark EFM1; export the file again")
        _, num_features, num_axes, num_points, neighbour = _HEADER.unpack_from(data)
        if not (
            1 <= num_features <= MAX_FEATURES
            and 0 <= num_axes <= min(MAX_AXES, num_features)
            and 1 <= neighbour <= num_points <= MAX_POINTS
        ):
            raise ModelIntegrityError(
                f"the feature map claims {num_features} features, {num_axes} axes, {num_points} points and "
                f"neighbour {neighbour}; export the file again"
            )
        sizes = (num_features, num_axes * num_features, num_points * num_axes)
        if len(data) != _HEADER.size + sum(sizes) * _HALF.itemsize:
            raise ModelIntegrityError(f"the feature map has {len(data)} bytes, which its own numbers contradict")
        values = np.frombuffer(data, _HALF, offset=_HEADER.size)
        # Without their sign float16 bits sort like the numbers, infinity and NaN last.
        if ((values.view("<u2") & 0x7FFF) > _BITS_OF_TWO).any():
            raise ModelIntegrityError("the feature map holds values that cannot be parts of unit vectors")
        mean, axes, points = np.split(values, np.cumsum(sizes)[:-1])
        return cls(mean, axes.reshape(num_axes, num_features), points.reshape(num_points, num_axes), neighbour)


def fit_feature_map(features: NDArray[Any], *, num_axes: int = 16, neighbour: int = 3) -> FeatureMap:
    """Return the map of training pictures.

    Args:
        features: floats, shape (N, D), finite, of up to 4096 training pictures; more are left out.
        num_axes: of the plane, at most; it lies where the pictures differ most (principal components).
        neighbour: which of the nearest pictures counts: not the first, which may be mislabelled or a twin.

    Raises:
        ValueError: there are no pictures, or too many features.
    """
    num, num_features = features.shape
    if not num or not 1 <= num_features <= MAX_FEATURES:
        raise ValueError(f"a feature map needs pictures with 1 to {MAX_FEATURES} features, got shape {features.shape}")
    units = np.asarray(features[:MAX_POINTS], np.float64)
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), _SMALLEST_LENGTH)
    mean = units.mean(axis=0)
    centred = units - mean
    axes = _principal_axes(centred, min(num_axes, MAX_AXES, max(1, _MOST_VALUES // num_features)))
    return FeatureMap(mean, axes, centred @ axes.T, min(neighbour, len(units)))


def _principal_axes(centred: NDArray[np.float64], num: int) -> NDArray[np.float64]:
    """Return up to ``num`` directions in which rows differ most: rows of length 1 at right angles.

    They are fewer where the rows span fewer: the others would be made of rounding errors.
    """
    # By the smaller of the two products, of which the other one's eigenvectors follow: ten times as fast as an SVD.
    of_rows = len(centred) < centred.shape[1]
    squares, vectors = np.linalg.eigh(centred @ centred.T if of_rows else centred.T @ centred)
    order = np.argsort(-squares, kind="stable")[:num]
    order = order[squares[order] > 1e-10 * max(1.0, float(squares.max(initial=0.0)))]
    directions = centred.T @ vectors[:, order] if of_rows else vectors[:, order]
    axes: NDArray[np.float64] = (directions / np.linalg.norm(directions, axis=0)).T
    return axes
