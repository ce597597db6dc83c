"""What quantization-aware fine-tuning learns from: a bounded number of training pictures in every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.data import Picture, PixelSet
from edgecnn.train.augment import Augmentation

_POOL_STREAM, _EPOCH_STREAM = 11, 12


def draw_pool(pictures: Sequence[Picture], num: int, seed: int) -> tuple[Picture, ...]:
    """Draw ``num`` pictures, or take all when there are no more."""
    order = np.random.default_rng((seed, _POOL_STREAM)).permutation(len(pictures))
    return tuple(pictures[index] for index in sorted(order[:num].tolist()))


class EpochPictures:
    """Rows of a lesson: each keeps its class, and shows another picture of it in another epoch.

    Attributes:
        label_indices: int64, shape (R,), the class of each row.
    """

    def __init__(self, pool: PixelSet, num_rows: int, augmentation: Augmentation, seed: int) -> None:
        """Choose the classes of the rows as they come in the pool.

        Args:
            pool: at least one picture.
            num_rows: R; at most the size of the pool.
            augmentation: how pictures are changed.
            seed: of every draw.
        """
        self._pool, self._augmentation, self._seed = pool, augmentation, seed
        order = np.random.default_rng((seed, _POOL_STREAM)).permutation(len(pool))
        self.label_indices = pool.label_indices[order[:num_rows]]

    def draw(self, rows: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        """Return the changed pictures of some rows: uint8, shape (len(rows), h, w, 3)."""
        chosen = self._choose(epoch)[rows]
        return self._augmentation.apply_batch(self._pool.pixels, chosen, self._seed, epoch)

    def batches(self, size: int, num: int) -> Iterator[NDArray[np.uint8]]:
        """Yield up to ``num`` batches of changed pictures as the first epoch shows them."""
        for start in range(0, min(num * size, len(self.label_indices)), size):
            yield self.draw(np.arange(start, min(start + size, len(self.label_indices))), 1)

    def _choose(self, epoch: int) -> NDArray[np.int64]:
        """Return the picture of every row: no picture twice in an epoch."""
        chosen = np.empty(len(self.label_indices), np.int64)
        for label in np.unique(self.label_indices):
            members = np.flatnonzero(self._pool.label_indices == label)
            rows = np.flatnonzero(self.label_indices == label)
            order = np.random.default_rng((self._seed, _EPOCH_STREAM, epoch, int(label))).permutation(members)
            chosen[rows] = order[: len(rows)]
        return chosen
