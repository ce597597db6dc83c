"""Training on mixtures of two examples: mixup blends them, CutMix pastes a piece of one into the other.

Reference:
    Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412; Yun et al., "CutMix: Regularization
    Strategy to Train Strong Classifiers with Localizable Features", arXiv:1905.04899. Mixing what a middle layer made
    of two pictures instead of the pictures: Verma et al., "Manifold Mixup", arXiv:1806.05236.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.train.recipe import Recipe

Floats = NDArray[np.float32]
# Stands for a weight of 0 where something is divided by it.
_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one step learns from.

    Attributes:
        inputs: float32, shape (B, …).
        targets: float32, shape (B, K), each row one label, or what else the loss is held against.
        weights: float32, shape (B,), how much each row counts; None: all the same.
    """

    inputs: Floats
    targets: Floats
    weights: Floats | None


def mix(batch: Batch, recipe: Recipe, rng: np.random.Generator) -> Batch:
    """Mix every example of a batch with another one, as the recipe says; without mixup and CutMix return it as it is.

    The share of the first example is drawn from Beta(alpha, alpha), once for the batch. With both, each batch is
    mixed by one of them, either as often as the other. A pair counts as much as its examples do, each by its share.

    Args:
        batch: to mix; for CutMix its inputs have the shape (B, h, w, channels).
        recipe: ``mixup`` and ``cutmix``.
        rng: the only source of chance.
    """
    if not recipe.mixup and not recipe.cutmix:
        return batch
    others = rng.permutation(len(batch.inputs))
    if recipe.cutmix and not (recipe.mixup and rng.random() < 0.5):
        inputs, share = _paste(batch.inputs, batch.inputs[others], rng.beta(recipe.cutmix, recipe.cutmix), rng)
    else:
        share = np.float32(rng.beta(recipe.mixup, recipe.mixup))
        inputs = _blend(batch.inputs, batch.inputs[others], share)
    if batch.weights is None:
        return Batch(inputs=inputs, targets=_blend(batch.targets, batch.targets[others], share), weights=None)
    weights = _blend(batch.weights, batch.weights[others], share)
    weighted = batch.targets * batch.weights[:, np.newaxis]
    totals: Floats = np.maximum(weights, _TINY)[:, np.newaxis]
    return Batch(inputs=inputs, targets=_blend(weighted, weighted[others], share) / totals, weights=weights)


def _blend(first: Floats, second: Floats, share: np.float32) -> Floats:
    return share * first + (np.float32(1.0) - share) * second


def _paste(first: Floats, second: Floats, share: float, rng: np.random.Generator) -> tuple[Any, np.float32]:
    """Put a box of the second pictures into the first; return them and the share of the first that can be seen."""
    height, width = first.shape[1:3]
    side = math.sqrt(1.0 - share)
    top, bottom = _span(height, side, rng)
    left, right = _span(width, side, rng)
    pasted = first.copy()
    pasted[:, top:bottom, left:right] = second[:, top:bottom, left:right]
    return pasted, np.float32(1.0 - (bottom - top) * (right - left) / (height * width))


def _span(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """Return where a box with that share of a side begins and ends; its centre lies anywhere, its ends inside."""
    half, center = round(length * share) / 2, rng.integers(length)
    return max(0, math.floor(center - half)), min(length, math.floor(center + half))
