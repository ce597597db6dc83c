"""All options of a training, as one checked value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from edgecnn.core.contract import ASPECT_RULES, AspectRule, InputContract
from edgecnn.train.architectures import (
    AUTO,
    AUTO_CANDIDATES,
    DEFAULT_ARCHITECTURE,
    Architecture,
    Schedule,
    find_architecture,
)
from edgecnn.train.own_file import OwnFunction
from edgecnn.train.recipe import Distillation, LearningRateRule, Recipe

AUGMENTATIONS = ("flip", "shift", "zoom", "rotate", "light")
ClassWeightRule = Literal["auto", "on", "off"]
CLASS_WEIGHT_RULES: tuple[str, ...] = get_args(ClassWeightRule)
_SCHEDULE_FIELDS = ("epochs", "learning_rate", "batch_size", "patience", "size_px")
_RECIPE_FIELDS = ("label_smoothing", "weight_decay", "ema", "mixup", "cutmix", "lr_schedule")
_TEACHER_FIELDS = ("temperature", "weight", "views")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training; it is saved beside the model that it made.

    Attributes:
        data: folder of pictures, one sub-folder per class.
        run: folder to write; None takes the first free ``runs/<name of data>-<n>``.
        architecture: a name out of ``ARCHITECTURES``, or ``FILE.py:FUNCTION`` for the user's own; ``auto`` trains
            several and keeps the best.
        weights: file of ImageNet weights for an architecture whose weights do not come with the package.
        epochs: None, as below, takes what suits the architecture.
        learning_rate: the highest one, above 0.
        batch_size: pictures per step.
        patience: epochs without a better validation before training stops.
        size_px: width and height of the model's input, in pixels.
        aspect: how pictures of another shape are brought to it, see ``InputContract``.
        augment: which random changes training pictures get, out of ``AUGMENTATIONS``.
        label_smoothing: as in ``Recipe``, like the next five; None takes what suits the architecture.
        weight_decay: share.
        ema: decay of the average of the weights, 0 for none.
        mixup: alpha, 0 for none; of activations, where those are what a network learns from.
        cutmix: alpha, 0 for none; only for networks that learn from pictures.
        lr_schedule: out of ``LEARNING_RATE_RULES``.
        teacher: run, or ``.tflite`` file of floats, from whose scores the network learns as well.
        teacher_temperature: as in ``Distillation``, like the next two; None takes the value there.
        teacher_weight: share of the teacher in the loss.
        teacher_views: changed copies of each picture that it scores; only for networks that learn from pictures.
        class_weights: whether rare classes count more; ``auto``: when the largest class has more
            than 1.5 times the pictures of the smallest.
        seed: 0 to 2**32 - 1; decides splits, first weights and every random change.
        overwrite: replace a run that is already there.
        ablation: train the same network without augmentation, without pooling and without both as well,
            to show what they are worth.
    """

    data: Path
    run: Path | None = None
    architecture: str = DEFAULT_ARCHITECTURE
    weights: Path | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    patience: int | None = None
    size_px: int | None = None
    aspect: AspectRule = "squash"
    augment: tuple[str, ...] = AUGMENTATIONS
    label_smoothing: float | None = None
    weight_decay: float | None = None
    ema: float | None = None
    mixup: float | None = None
    cutmix: float | None = None
    lr_schedule: LearningRateRule | None = None
    teacher: Path | None = None
    teacher_temperature: float | None = None
    teacher_weight: float | None = None
    teacher_views: int | None = None
    class_weights: ClassWeightRule = "auto"
    seed: int = 0
    overwrite: bool = False
    ablation: bool = False

    def __post_init__(self) -> None:
        _check_choice("aspect", self.aspect, ASPECT_RULES)
        _check_choice("class_weights", self.class_weights, CLASS_WEIGHT_RULES)
        for name in self.augment:
            _check_choice("augment", name, AUGMENTATIONS)
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be 0 to 4294967295, got {self.seed}")
        if self.architecture == AUTO:
            self._check_candidates()
            return
        if self.schedule.size_px < self.row.min_size_px:
            raise ValueError(
                f"size_px must be at least {self.row.min_size_px} for {self.architecture!r}, got {self.size_px}"
            )
        if self.schedule.epochs == 0 and self.row.method == "scratch":
            raise ValueError(f"epochs must be at least 1 for {self.architecture!r}, which learns from nothing")
        self._check_heard()

    def _check_candidates(self) -> None:
        """Raise ValueError where the options suit none of the architectures that ``auto`` trains."""
        reasons = []
        for name in AUTO_CANDIDATES:
            try:
                replace(self, architecture=name, weights=None)
            except ValueError as exc:
                reasons.append(exc)
        if len(reasons) == len(AUTO_CANDIDATES):
            raise reasons[0]

    @property
    def row(self) -> Architecture:
        """The architecture that is trained; ``auto`` is none, see ``list_candidates``."""
        return find_architecture(self.architecture, self.weights)

    @property
    def architecture_name(self) -> str:
        """What the run and its exports call the architecture: without the folder of the user's own file."""
        return str(OwnFunction.parse(self.architecture) or self.architecture)

    @property
    def schedule(self) -> Schedule:
        """The architecture's own schedule with the given values in their places."""
        return replace(self.row.schedule, **self._given(_SCHEDULE_FIELDS))

    @property
    def recipe(self) -> Recipe:
        """The architecture's own recipe with the given values in their places."""
        return replace(self.row.recipe, **self._given(_RECIPE_FIELDS))

    @property
    def distillation(self) -> Distillation:
        """How it learns from a teacher, if there is one."""
        return Distillation(**self._given(_TEACHER_FIELDS, "teacher_"))

    @property
    def augments(self) -> bool:
        """Whether training changes pictures at all: a head alone learns from them as they are."""
        return bool(self.augment) and self.schedule.epochs > 0

    @property
    def contract(self) -> InputContract:
        """What the trained model will want to see."""
        return self.row.contract(self.schedule.size_px, self.aspect)

    def _given(self, names: tuple[str, ...], prefix: str = "") -> dict[str, Any]:
        values = {name: getattr(self, prefix + name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def _check_heard(self) -> None:
        """Raise ValueError for an option that this training would not listen to."""
        learns_from_pictures = self.row.method == "scratch"
        if self.recipe.cutmix and not learns_from_pictures:
            raise ValueError(
                f"cutmix puts pieces of pictures together, but {self.architecture!r} learns from what its first layers "
                "made of whole ones; take mixup"
            )
        given = list(self._given(_TEACHER_FIELDS, "teacher_"))
        if given and self.teacher is None:
            raise ValueError(f"teacher_{given[0]} needs a teacher; name a run")
        _ = self.distillation  # checks its values
        if self.teacher_views is not None and not (learns_from_pictures and self.augment):
            why = "no picture is changed" if learns_from_pictures else f"{self.architecture!r} keeps its own copies"
            raise ValueError(f"teacher_views would change nothing, because {why}; leave it out")


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
