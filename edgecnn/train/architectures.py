"""The architectures that can be trained: one row each, readable without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from edgecnn.core.contract import AspectRule, InputContract
from edgecnn.train.own_file import OwnFunction
from edgecnn.train.recipe import Recipe

AUTO = "auto"
AUTO_CANDIDATES = ("lite0", "tiny")
MOBILENETV2_ALPHAS = (1.0, 0.75, 0.5, 0.35)
Method = Literal["scratch", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how boldly a network is trained.

    Attributes:
        epochs: passes over the training pictures at most; for ``transfer`` those of fine-tuning,
            where 0 trains the head alone.
        learning_rate: the highest one, reached after a warm-up.
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


class Build(Protocol):
    """Builds a network for an input and a number of classes."""

    def __call__(self, contract: InputContract, num_classes: int, *, pooled: bool = True) -> Any:
        """Return a ``keras.Model``; not ``pooled``, one with something else where it has pooling, for comparison."""


class Prepare(Protocol):
    """Looks at what a network is made of, where that does not come with the package."""

    def __call__(self, row: Architecture, size_px: int, num_classes: int) -> Architecture:
        """Return the row with everything at hand, so that ``build`` cannot fail for lack of it any more.

        Raises:
            RunError: something is missing or wrong.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """A file that a network is made of and that does not come with the package.

    Attributes:
        path: where it was.
        sha256: of its content, in hexadecimal.
        copy: its name in the run; empty where the run keeps none.
    """

    path: str
    sha256: str
    copy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One network and what suits it.

    Attributes:
        summary: one line for the user who chooses.
        build: gives the network.
        without_pooling: what its variant that is not ``pooled`` does instead, as the end of a sentence; empty where
            it has none.
        method: ``scratch`` trains all of it from random weights; ``transfer`` trains a head on a
            network that knows ImageNet, then fine-tunes the layers behind ``cut_layer``.
        mean: pixel value (0 to 255) that the network sees as zero.
        std: pixel distance from ``mean`` that it sees as one.
        schedule: what is used where the user gives nothing else.
        cut_layer: last layer that ``transfer`` leaves as it is.
        recipe: the same, of the rules of learning.
        like: name of the row that this is a variant of; empty where it is none.
        min_size_px: smallest input that makes sense.
        prepare: what has to be done before ``build`` is called, and before any picture is read; None: nothing.
        ingredients: files that it is made of, once it is prepared.
        code: the user's own program that builds it, once it is prepared.
    """

    summary: str
    build: Build
    without_pooling: str
    method: Method
    mean: float
    std: float
    schedule: Schedule
    cut_layer: str = ""
    recipe: Recipe = field(default_factory=Recipe)
    like: str = ""
    min_size_px: int = 32
    prepare: Prepare | None = None
    ingredients: tuple[Ingredient, ...] = ()
    code: bytes = b""

    def prepared(self, size_px: int, num_classes: int) -> Architecture:
        """Return the row with everything at hand that ``build`` needs.

        Raises:
            RunError: something is missing or wrong.
        """
        return self.prepare(self, size_px, num_classes) if self.prepare else self

    def contract(self, size_px: int, aspect: AspectRule) -> InputContract:
        """Return what the network wants to see at this size."""
        return InputContract(width=size_px, height=size_px, aspect=aspect, mean=self.mean, std=self.std)


# Keras takes three seconds to load, and this table is also read for `edgecnn train --help`.
def _lite0(contract: InputContract, num_classes: int, *, pooled: bool = True) -> Any:
    from edgecnn.train.networks import build_lite0

    return build_lite0(contract, num_classes, pooled=pooled)


def _tiny(contract: InputContract, num_classes: int, *, pooled: bool = True) -> Any:
    from edgecnn.train.networks import build_tiny

    return build_tiny(contract, num_classes, pooled=pooled)


def _unprepared(contract: InputContract, num_classes: int, *, pooled: bool = True) -> Any:
    raise RuntimeError("this architecture has to be prepared before it is built")


def _prepare_mobilenetv2(
    row: Architecture, size_px: int, num_classes: int, *, alpha: float, weights: Path | None = None
) -> Architecture:
    from edgecnn.train.mobilenetv2 import prepare_mobilenetv2

    return prepare_mobilenetv2(row, size_px, alpha, weights)


def _prepare_own(row: Architecture, size_px: int, num_classes: int, *, function: OwnFunction) -> Architecture:
    from edgecnn.train.own_network import prepare_own

    return prepare_own(row, function, size_px, num_classes)


def mobilenetv2_name(alpha: float) -> str:
    """Return the name of the MobileNetV2 of a width."""
    return "mobilenetv2" if alpha == 1.0 else f"mobilenetv2-{alpha:g}"


def find_architecture(name: str, weights: Path | None = None) -> Architecture:
    """Return the row of a name, or of the user's own ``FILE.py:FUNCTION``, which is not looked into yet.

    Args:
        name: as in ``ARCHITECTURES``.
        weights: a file of weights to begin with, for those that take one.

    Raises:
        ValueError: there is no such architecture, or it takes no weights.
    """
    function = OwnFunction.parse(name)
    if function is None and name not in ARCHITECTURES:
        listed = ", ".join((*ARCHITECTURES, AUTO))
        raise ValueError(f"architecture must be one of {listed}, or your own FILE.py:FUNCTION; got {name!r}")
    row = _own(function) if function else ARCHITECTURES[name]
    if weights is None:
        return row
    alphas = {mobilenetv2_name(alpha): alpha for alpha in MOBILENETV2_ALPHAS}
    if name not in alphas:
        raise ValueError(f"a file of weights goes with mobilenetv2 only, {name!r} has another beginning")
    return replace(row, prepare=partial(_prepare_mobilenetv2, alpha=alphas[name], weights=weights))


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}, got {value}")


def _mobilenetv2(alpha: float) -> Architecture:
    narrower = alpha < 1.0
    return Architecture(
        summary=f"the same, {alpha:g} times as wide"
        if narrower
        else "MobileNetV2 that knows ImageNet, whose weights are downloaded or given with --weights",
        build=_unprepared,
        without_pooling=_DENSE_ON_MAPS,
        method="transfer",
        # It learnt from (pixel - 127.5) / 127.5; only a whole number lets a pixel be its own code in an int8 file.
        mean=127.0,
        std=127.5,
        schedule=Schedule(epochs=16, learning_rate=4e-4, batch_size=32, patience=8, size_px=224),
        cut_layer="block_12_add",
        like=mobilenetv2_name(1.0) if narrower else "",
        min_size_px=96,
        prepare=partial(_prepare_mobilenetv2, alpha=alpha),
    )


def _own(function: OwnFunction) -> Architecture:
    return Architecture(
        summary="your own network, from the weights that it comes with",
        build=_unprepared,
        without_pooling="",
        method="scratch",
        # Whatever its own first layer says takes their place.
        mean=0.0,
        std=1.0,
        schedule=Schedule(epochs=60, learning_rate=1e-3, batch_size=32, patience=15, size_px=96),
        prepare=partial(_prepare_own, function=function),
    )


_DENSE_ON_MAPS = "the dense layer gets every value of every feature map instead of each map's average"
ARCHITECTURES: dict[str, Architecture] = {
    "lite0": Architecture(
        summary="EfficientNet-Lite0 that knows ImageNet, for photographs and for few pictures",
        build=_lite0,
        without_pooling=_DENSE_ON_MAPS,
        method="transfer",
        mean=127.0,
        std=128.0,
        schedule=Schedule(epochs=16, learning_rate=4e-4, batch_size=32, patience=8, size_px=224),
        cut_layer="block10_add",
    ),
    "tiny": Architecture(
        summary="a plain small network from scratch, where shapes on plain ground count",
        build=_tiny,
        without_pooling="of the four values in a window the upper left one goes on instead of the largest one",
        method="scratch",
        mean=128.0,
        std=128.0,
        schedule=Schedule(epochs=60, learning_rate=2e-3, batch_size=32, patience=15, size_px=96),
    ),
    **{mobilenetv2_name(alpha): _mobilenetv2(alpha) for alpha in MOBILENETV2_ALPHAS},
}
DEFAULT_ARCHITECTURE = "lite0"
