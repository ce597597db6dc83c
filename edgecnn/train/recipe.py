"""The rules of learning: what is done against learning by heart, and how another network teaches.

Reference:
    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567, section 7:
    label smoothing. Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

LearningRateRule = Literal["cosine", "linear", "constant"]
LEARNING_RATE_RULES: tuple[str, ...] = get_args(LearningRateRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network learns from a batch.

    Attributes:
        label_smoothing: share of each label (0 to below 1) that is spread evenly over all classes.
        weight_decay: what AdamW takes off every kernel in a step, as a share, at a learning rate of 1; biases and
            batch normalization keep theirs.
        ema: decay of the exponential moving average of the weights, 0 to below 1. Above 0, the averaged weights
            are the ones that validation judges and that are kept.
        mixup: alpha of mixup, see ``mix``; 0 mixes nothing.
        cutmix: alpha of CutMix, see ``mix``; 0 mixes nothing.
        lr_schedule: how the learning rate goes on after its warm-up, see ``learning_rate_at``.
    """

    label_smoothing: float = 0.1
    weight_decay: float = 1e-4
    ema: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    lr_schedule: LearningRateRule = "cosine"

    def __post_init__(self) -> None:
        for name in ("label_smoothing", "ema"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        if not 0.0 <= self.weight_decay <= 1.0:
            raise ValueError(f"weight_decay must be 0 to 1, got {self.weight_decay}")
        for name in ("mixup", "cutmix"):
            if not 0.0 <= getattr(self, name) <= 100.0:
                raise ValueError(f"{name} must be 0 to 100, got {getattr(self, name)}")
        if self.lr_schedule not in LEARNING_RATE_RULES:
            raise ValueError(f"lr_schedule must be one of {', '.join(LEARNING_RATE_RULES)}; got {self.lr_schedule!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """How a network learns from the scores of another one.

    Attributes:
        temperature: divides the logits of both before they are compared; above 1, small scores say more.
        weight: share of the teacher in the loss, above 0 to 1; the labels have the rest.
        views: changed copies of every picture that the teacher scores, where the network learns from pictures.

    Reference:
        Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531. Temperature 4 and
        weight 0.9 are those of Zagoruyko and Komodakis, arXiv:1612.03928, section 4.1, and of many after them.
    """

    temperature: float = 4.0
    weight: float = 0.9
    views: int = 8

    def __post_init__(self) -> None:
        if not 1.0 <= self.temperature <= 100.0:
            raise ValueError(f"teacher_temperature must be 1 to 100, got {self.temperature}")
        if not 0.0 < self.weight <= 1.0:
            raise ValueError(f"teacher_weight must be above 0 and at most 1, got {self.weight}")
        if not 1 <= self.views <= 10_000:
            raise ValueError(f"teacher_views must be 1 to 10000, got {self.views}")
