"""From pictures to a trained Keras model: builds the network and calls the method that suits it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from edgecnn.train.architectures import Method
from edgecnn.train.backend import make_repeatable
from edgecnn.train.material import Material, Outcome
from edgecnn.train.scratch import train_from_scratch
from edgecnn.train.transfer import train_transfer

METHODS: dict[Method, Callable[[Any, Material], Outcome]] = {
    "scratch": train_from_scratch,
    "transfer": train_transfer,
}


def learn(material: Material, num_classes: int, *, pooled: bool = True) -> tuple[Any, Outcome]:
    """Build and train a network; the same material gives the same weights on the same machine.

    Args:
        material: what it learns from, and how.
        num_classes: scores that it gives.
        pooled: False trains the network's variant without pooling, see ``Architecture``.

    Returns:
        A ``keras.Model`` from raw RGB pixels (float32, 0 to 255, shape (N, h, w, 3)) to scores (N, num_classes),
        and how it came about.

    Raises:
        KeyboardInterrupt: the user ended training before there was anything to keep.
        RunError: the loss is not finite any more.
    """
    make_repeatable(material.config.seed)
    model = material.row.build(material.contract, num_classes, pooled=pooled)
    material.work_folder.mkdir()
    try:
        outcome = METHODS[material.row.method](model, material)
    finally:
        shutil.rmtree(material.work_folder, ignore_errors=True)
    return model, outcome
