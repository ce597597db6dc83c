"""The output of a network's first layers for many pictures, computed once and kept on disk.

The layers that transfer leaves alone cost more than half of the time. With their output at hand an
epoch of fine-tuning EfficientNet-Lite0 takes 12 instead of 28 milliseconds of processor a picture.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Task
from edgecnn.train.augment import Augmentation
from edgecnn.train.keras_model import INFERENCE_BATCH, Forward

Store = NDArray[np.float16]
BUDGET_BYTES = 2 << 30
MAX_COPIES = 5


def count_copies(num_train: int, num_val: int, bytes_each: int, folder: Path) -> int:
    """Return how many changed copies of every training picture fit beside the plain ones: -1 to 5.

    -1 says that not even the plain pictures fit. They may take 2 GiB, and half of what is free on the disk.

    Args:
        num_train: pictures that get copies.
        num_val: pictures that are kept plain only.
        bytes_each: size of one picture's activations.
        folder: where they will lie.
    """
    budget = min(BUDGET_BYTES, shutil.disk_usage(folder).free // 2) - num_val * bytes_each
    return max(-1, min(MAX_COPIES, budget // (num_train * bytes_each) - 1))


def new_store(path: Path, num_rows: int, shape: tuple[int, ...]) -> Store:
    """Return an array on disk: float16, shape (num_rows, *shape), zeros that take no room until they are written."""
    return np.memmap(path, np.float16, "w+", shape=(num_rows, *shape))


def store_plain(forward: Forward, pixels: NDArray[np.uint8], store: Store, task: Task) -> NDArray[np.float32]:
    """Run unchanged pictures through the network once, for both stages of transfer.

    Args:
        forward: from pixels (B, h, w, 3) to activations and pooled features (B, F).
        pixels: uint8, shape (N, h, w, 3).
        store: the first N rows get the activations.
        task: counts pictures.

    Returns:
        The pooled features: float32, shape (N, F).
    """
    features: list[NDArray[np.float32]] = []
    for start in range(0, len(pixels), INFERENCE_BATCH):
        activations, pooled = forward(pixels[start : start + INFERENCE_BATCH])
        store[start : start + len(activations)] = activations.numpy()
        features.append(pooled.numpy())
        task.advance(len(activations))
    return np.concatenate(features)


def store_copies(
    forward: Forward, pixels: NDArray[np.uint8], store: Store, augmentation: Augmentation, seed: int, task: Task
) -> None:
    """Fill the rest of a store whose first N rows are plain: row ``copy * N + i`` is picture i, changed.

    Args:
        forward: from pixels (B, h, w, 3) to activations.
        pixels: uint8, shape (N, h, w, 3).
        store: float16, a multiple of N rows.
        augmentation: how a copy is changed.
        seed: of the changes.
        task: counts pictures.
    """
    num = len(pixels)
    for copy in range(1, len(store) // num):
        for start in range(0, num, INFERENCE_BATCH):
            rows = np.arange(start, min(start + INFERENCE_BATCH, num))
            store[copy * num + rows] = forward(augmentation.apply_batch(pixels, rows, seed, copy)).numpy()
            task.advance(len(rows))
