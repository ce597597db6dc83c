"""The architectures that can be trained: one row each, readable without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from edgecnn.core.contract import AspectRule, InputContract

Method = Literal["scratch", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how boldly a network is trained.

    Attributes:
        epochs: passes over the training pictures at most; for ``transfer`` those of fine-tuning,
            where 0 trains the head alone.
        learning_rate: the highest one; it warms up to there and falls along a cosine.
        batch_size: pictures per step.
        patience: epochs without a better validation before training stops.
        size_px: width and height of the input, in pixels.
    """

    epochs: int
    learning_rate: float
    batch_size: int
    patience: int
    size_px: int

    def __post_init__(self) -> None:
        _check_range("epochs", self.epochs, 0, 10_000)
        _check_range("batch_size", self.batch_size, 1, 4096)
        _check_range("patience", self.patience, 1, 10_000)
        _check_range("size_px", self.size_px, 32, 1024)
        if not 0.0 < self.learning_rate <= 10.0:
            raise ValueError(f"learning_rate must be above 0 and at most 10, got {self.learning_rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One network and what suits it.

    Attributes:
        summary: one line for the user who chooses.
        build: takes the input contract and the number of classes, gives a ``keras.Model``.
        method: ``scratch`` trains all of it from random weights; ``transfer`` trains a head on a
            network that knows ImageNet, then fine-tunes the layers behind ``cut_layer``.
        mean: pixel value (0 to 255) that the network sees as zero.
        std: pixel distance from ``mean`` that it sees as one.
        schedule: what is used where the user gives nothing else.
        cut_layer: last layer that ``transfer`` leaves as it is.
    """

    summary: str
    build: Callable[[InputContract, int], Any]
    method: Method
    mean: float
    std: float
    schedule: Schedule
    cut_layer: str = ""

    def contract(self, size_px: int, aspect: AspectRule) -> InputContract:
        """Return what the network wants to see at this size."""
        return InputContract(width=size_px, height=size_px, aspect=aspect, mean=self.mean, std=self.std)


# Keras takes three seconds to load, and this table is also read for `edgecnn train --help`.
def _lite0(contract: InputContract, num_classes: int) -> Any:
    from edgecnn.train.networks import build_lite0

    return build_lite0(contract, num_classes)


def _tiny(contract: InputContract, num_classes: int) -> Any:
    from edgecnn.train.networks import build_tiny

    return build_tiny(contract, num_classes)


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}, got {value}")


ARCHITECTURES: dict[str, Architecture] = {
    "lite0": Architecture(
        summary="EfficientNet-Lite0 that knows ImageNet, for photographs and for few pictures",
        build=_lite0,
        method="transfer",
        mean=127.0,
        std=128.0,
        schedule=Schedule(epochs=16, learning_rate=4e-4, batch_size=32, patience=8, size_px=224),
        cut_layer="block10_add",
    ),
    "tiny": Architecture(
        summary="a plain small network from scratch, where shapes on plain ground count",
        build=_tiny,
        method="scratch",
        mean=128.0,
        std=128.0,
        schedule=Schedule(epochs=60, learning_rate=2e-3, batch_size=32, patience=15, size_px=96),
    ),
}
DEFAULT_ARCHITECTURE = "lite0"
