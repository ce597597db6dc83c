"""The rungs of the repair ladder, as a table: from what costs nothing to what takes minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, cast

from edgecnn.errors import ExportError
from edgecnn.export.quantize.bias_correction import correct_biases, correct_float_biases
from edgecnn.export.quantize.equalization import equalize
from edgecnn.export.quantize.layer_errors import layer_errors
from edgecnn.export.quantize.material import Settings, Workbench
from edgecnn.export.quantize.qat import QatConfig
from edgecnn.export.quantize.ranges import Statistics
from edgecnn.export.quantize.requantize import Ranges, requantize
from edgecnn.export.quantize.wide_layers import operators_of, worst_layers
from edgecnn.modelfile.graph import Graph

_PICTURES = 100
_MORE_PICTURES = 1000
_ERROR_PICTURES = 16
_WIDTHS = ("int16", "float")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A quantized file, the settings that make it again, and the float file that was quantized.

    ``float_model`` is None where that is the material's own: the values in a file whose channels were
    equalized, or that was trained further, must be held against a float file of which that is true as well.
    """

    model: bytes
    settings: Settings
    float_model: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One way to make the file.

    Attributes:
        name: as recipes call it.
        title: what it does, for people.
        attempts: settings to try in turn; the first ones are the defaults of a recipe.
        build: makes the file.
        for_agreement: whether it is worth trying for closer agreement alone: it takes seconds, and helps.
        is_8_bit: whether every value stays in 8 bits, as an Edge TPU wants it.
    """

    name: str
    title: str
    attempts: tuple[Settings, ...]
    build: Callable[[Workbench, Settings], Built]
    for_agreement: bool = True
    is_8_bit: bool = True


def _with_ranges(bench: Workbench, settings: Settings) -> Built:
    return Built(model=_quantize(bench, bench.material.float_model, settings), settings=settings)


def _with_biases(bench: Workbench, settings: Settings) -> Built:
    return Built(model=_quantize_and_correct(bench, bench.material.float_model, settings), settings=settings)


def _equalized(bench: Workbench, settings: Settings) -> Built:
    float_model = _equalize(bench, settings)
    return Built(model=_quantize_and_correct(bench, float_model, settings), settings=settings, float_model=float_model)


def _with_wide_layers(bench: Workbench, settings: Settings) -> Built:
    """Keep the layers that lose most in floats or 16 bits; which ones is measured unless settings name them.

    Floats are the default: the CPU's kernels for 16 bits are many times slower.
    """
    from edgecnn.export.quantize.mixed import keep_layers_wide, with_readers

    float_model = _equalize(bench, settings)
    int8_model = _quantize_and_correct(bench, float_model, settings)
    layers = cast(tuple[str, ...], settings["layers"]) or _choose_layers(bench, float_model, int8_model, settings)
    graph, width = Graph.parse(float_model), str(settings["width"])
    wide = operators_of(graph, layers)
    # Weights stay exact in floats only: in 16 bits it is the activations that are finer.
    exact = with_readers(graph, wide) if width == "float" else ()
    means = bench.means(float_model, _num_pictures(settings))
    model = keep_layers_wide(
        correct_float_biases(int8_model, float_model, means, exact),
        bench.material.contract,
        _ranges(bench, float_model, settings),
        wide,
        width=cast(Literal["int16", "float"], width),
    )
    return Built(model=model, settings={**settings, "layers": layers}, float_model=float_model)


def _fine_tuned(bench: Workbench, settings: Settings) -> Built:
    tune = bench.material.tune
    if tune is None:
        raise ExportError("quantization-aware fine-tuning needs the run's training pictures, which are not at hand")
    # What equalization can mend need not be learnt.
    tuned = tune(settings, _equalize(bench, {**settings, "pictures": _PICTURES}))
    ranges = tuned.ranges
    if ranges is None:
        ranges = bench.statistics(tuned.float_model, _PICTURES).mse()
    model = requantize(bench.material.template, tuned.float_model, ranges)
    return Built(model=model, settings=settings, float_model=tuned.float_model)


_RANGES: Settings = {"pictures": _PICTURES, "ranges": "mse"}
_EQUALIZED: Settings = {**_RANGES, "strength": 0.5}
_WIDE: Settings = {**_EQUALIZED, "width": "float", "num_layers": 4, "layers": ()}
_TUNING: Settings = {**asdict(QatConfig()), "strength": 0.5}

RUNGS = (
    Rung(
        name="minmax",
        title="ranges from minimum to maximum",
        attempts=({"pictures": _PICTURES, "ranges": "minmax"},),
        build=_with_ranges,
    ),
    Rung(
        name="more-pictures",
        title="more calibration pictures",
        attempts=({"pictures": _MORE_PICTURES, "ranges": "minmax"},),
        build=_with_ranges,
        for_agreement=False,
    ),
    Rung(name="mse", title="ranges of the smallest squared error", attempts=(_RANGES,), build=_with_ranges),
    Rung(name="bias", title="corrected biases", attempts=(_RANGES,), build=_with_biases),
    Rung(name="equalize", title="channels equalized across layers", attempts=(_EQUALIZED,), build=_equalized),
    Rung(
        name="mixed",
        title="the worst layers in floats or 16 bits",
        attempts=(_WIDE, {**_WIDE, "num_layers": 12}),
        build=_with_wide_layers,
        for_agreement=False,
        is_8_bit=False,
    ),
    Rung(
        name="qat",
        title="quantization-aware fine-tuning",
        attempts=(_TUNING,),
        build=_fine_tuned,
        for_agreement=False,
    ),
)


def rungs_with(num_pictures: int) -> tuple[Rung, ...]:
    """Return the ladder with another number of calibration pictures than 100."""
    factor = num_pictures / _PICTURES

    def scaled(settings: Settings) -> Settings:
        pictures = settings.get("pictures")
        return {**settings, "pictures": round(pictures * factor)} if isinstance(pictures, int) else settings

    return tuple(
        replace(rung, attempts=tuple(map(scaled, rung.attempts))) if "ranges" in rung.attempts[0] else rung
        for rung in RUNGS
    )


def check_settings(settings: Settings) -> None:
    """Raise ExportError if the complete settings of a rung have a value that no file can be made with."""
    for name in {"pictures", "num_layers"} & settings.keys():
        if _number(settings, name) < 1:
            raise ExportError(f"the recipe's {name} must be 1 or more, got {settings[name]}")
    if not 0.0 <= _number({"strength": 0.0, **settings}, "strength") <= 1.0:
        raise ExportError(f"the recipe's strength must be 0 to 1, got {settings['strength']}")
    for name, known in (("ranges", tuple(_METHODS)), ("width", _WIDTHS)):
        if settings.get(name, known[0]) not in known:
            raise ExportError(f"the recipe's {name} must be one of {', '.join(known)}, got {settings[name]!r}")
    if "epochs" in settings:
        try:
            QatConfig.of(settings)
        except ValueError as exc:
            raise ExportError(f"the recipe's {exc}") from exc


def _choose_layers(bench: Workbench, float_model: bytes, int8_model: bytes, settings: Settings) -> tuple[str, ...]:
    material = bench.material
    errors = layer_errors(float_model, int8_model, material.contract, bench.pixels(_ERROR_PICTURES), bench.progress)
    return worst_layers(Graph.parse(float_model), errors, material.layers, int(_number(settings, "num_layers")))


def _equalize(bench: Workbench, settings: Settings) -> bytes:
    float_model = bench.material.float_model
    return equalize(float_model, bench.peaks(float_model, _num_pictures(settings)), _number(settings, "strength"))


def _quantize(bench: Workbench, float_model: bytes, settings: Settings) -> bytes:
    return requantize(bench.material.template, float_model, _ranges(bench, float_model, settings))


def _quantize_and_correct(bench: Workbench, float_model: bytes, settings: Settings) -> bytes:
    means = bench.means(float_model, _num_pictures(settings))
    return correct_biases(_quantize(bench, float_model, settings), float_model, means)


def _ranges(bench: Workbench, float_model: bytes, settings: Settings) -> Ranges:
    statistics = bench.statistics(float_model, _num_pictures(settings))
    return _METHODS[str(settings["ranges"])](statistics)


_METHODS: dict[str, Callable[[Statistics], Ranges]] = {
    "minmax": Statistics.minmax,
    "mse": Statistics.mse,
    "percentile-99.9": lambda statistics: statistics.percentile(99.9),
    "percentile-99.99": lambda statistics: statistics.percentile(99.99),
    "percentile-99.999": lambda statistics: statistics.percentile(99.999),
}


def _num_pictures(settings: Settings) -> int:
    return int(_number(settings, "pictures"))


def _number(settings: Settings, name: str) -> float:
    value = settings[name]
    assert isinstance(value, int | float)
    return value
