"""All options of a training, as one checked value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from edgecnn.core.contract import ASPECT_RULES, AspectRule, InputContract
from edgecnn.train.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, Architecture, Schedule

AUGMENTATIONS = ("flip", "shift", "zoom", "rotate", "light")
ClassWeightRule = Literal["auto", "on", "off"]
CLASS_WEIGHT_RULES: tuple[str, ...] = get_args(ClassWeightRule)
_SCHEDULE_FIELDS = ("epochs", "learning_rate", "batch_size", "patience", "size_px")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training; it is saved beside the model that it made.

    Attributes:
        data: folder of pictures, one sub-folder per class.
        run: folder to write; None takes the first free ``runs/<name of data>-<n>``.
        architecture: a name out of ``ARCHITECTURES``.
        epochs: None, as below, takes what suits the architecture.
        learning_rate: the highest one, above 0.
        batch_size: pictures per step.
        patience: epochs without a better validation before training stops.
        size_px: width and height of the model's input, in pixels.
        aspect: how pictures of another shape are brought to it, see ``InputContract``.
        augment: which random changes training pictures get, out of ``AUGMENTATIONS``.
        class_weights: whether rare classes count more; ``auto``: when the largest class has more
            than 1.5 times the pictures of the smallest.
        seed: 0 to 2**32 - 1; decides splits, first weights and every random change.
        overwrite: replace a run that is already there.
    """

    data: Path
    run: Path | None = None
    architecture: str = DEFAULT_ARCHITECTURE
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    patience: int | None = None
    size_px: int | None = None
    aspect: AspectRule = "squash"
    augment: tuple[str, ...] = AUGMENTATIONS
    class_weights: ClassWeightRule = "auto"
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        _check_choice("architecture", self.architecture, tuple(ARCHITECTURES))
        _check_choice("aspect", self.aspect, ASPECT_RULES)
        _check_choice("class_weights", self.class_weights, CLASS_WEIGHT_RULES)
        for name in self.augment:
            _check_choice("augment", name, AUGMENTATIONS)
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be 0 to 4294967295, got {self.seed}")
        if self.schedule.epochs == 0 and self.row.method == "scratch":
            raise ValueError(f"epochs must be at least 1 for {self.architecture!r}, which learns from nothing")

    @property
    def row(self) -> Architecture:
        """The architecture that is trained."""
        return ARCHITECTURES[self.architecture]

    @property
    def schedule(self) -> Schedule:
        """The architecture's own schedule with the given values in their places."""
        given = {name: getattr(self, name) for name in _SCHEDULE_FIELDS if getattr(self, name) is not None}
        return replace(self.row.schedule, **given)

    @property
    def contract(self) -> InputContract:
        """What the trained model will want to see."""
        return self.row.contract(self.schedule.size_px, self.aspect)


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
