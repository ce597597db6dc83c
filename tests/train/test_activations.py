import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import SilentTask
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.train.activations import BUDGET_BYTES, count_copies, new_store, store_copies, store_plain
from edgecnn.train.augment import Augmentation
from edgecnn.train.backend import keras
from edgecnn.train.keras_model import compile_forward

PIXELS = np.stack([synthetic_picture(seed, 8, 8) for seed in range(40)])


def networks() -> tuple[Any, Any]:
    inputs = keras.Input((8, 8, 3))
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(scaled)
    return keras.Model(inputs, [scaled, pooled]), keras.Model(inputs, scaled)


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
    values: NDArray[np.float16] = (pixels.astype(np.float32) * np.float32(1 / 255)).astype(np.float16)
    return values


def test_row_copy_times_n_plus_i_is_picture_i(tmp_path: Path) -> None:
    both, trunk = networks()
    store = new_store(tmp_path / "store", 3 * len(PIXELS), (8, 8, 3))
    features = store_plain(compile_forward(both), PIXELS, store, SilentTask())
    store_copies(compile_forward(trunk), PIXELS, store, Augmentation(), 0, SilentTask())
    np.testing.assert_allclose(store[:40], scaled(PIXELS), atol=1e-3)
    np.testing.assert_allclose(features, scaled(PIXELS).mean(axis=(1, 2)), atol=1e-3)
    for copy in (1, 2):
        changed = Augmentation().apply_batch(PIXELS, np.arange(40), 0, copy)
        np.testing.assert_allclose(store[copy * 40 : copy * 40 + 40], scaled(changed), atol=1e-3)


def test_copies_keep_to_their_budget_and_to_half_the_free_disk(tmp_path: Path) -> None:
    budget = min(BUDGET_BYTES, shutil.disk_usage(tmp_path).free // 2)
    assert count_copies(10, 10, 1000, tmp_path) == 5
    assert count_copies(10, 0, budget // 40, tmp_path) in (2, 3)
    assert count_copies(10, 0, budget, tmp_path) == -1
