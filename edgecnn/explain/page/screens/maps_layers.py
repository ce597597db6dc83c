"""What each layer made of the picture: its maps as atlases, its clamp, and how far the float file is from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain import (
    Clamp,
    Difference,
    Layer,
    LayerPair,
    Look,
    ReceptiveField,
    before_activation,
    clamp_of,
    difference,
    feature_maps,
    receptive_fields,
    zero_share,
)
from edgecnn.explain.page.screens.maps_atlas import (
    Stack,
    complete_sheet,
    number_atlas,
    reduce,
    share_out,
    signed_atlas,
)
from edgecnn.explain.page.screens.maps_words import describe

_MOST_NUMBERS = 2048
# Share of the values that the full colour stands for; the few larger ones would make all others pale.
_COLOURED = 0.995
_WEIGHTED = ("convolution", "depthwise", "dense")


def gather_layers(look: Look, other_look: Look | None, pairs: Mapping[int, LayerPair]) -> list[dict[str, Any]]:
    """Return what every layer is and gave.

    Args:
        look: the picture in the network.
        other_look: the same picture in the network in floats; None where there is none.
        pairs: by the layer's index, its counterpart there.
    """
    network = look.network
    rows = [describe(network, layer) | _numbers(look, layer) for layer in network.layers]
    stacks = {
        row["index"]: _stack(look, row, row["index"] in pairs) for row in rows if row["rows"] * row["columns"] > 1
    }
    fields = receptive_fields(network)
    shares = dict(zip(stacks, share_out(list(stacks.values())), strict=True))
    for layer, row in zip(network.layers, rows, strict=True):
        apart = difference(look, other_look, pairs[layer.index]) if other_look and layer.index in pairs else None
        row["against"] = None if apart is None else _against(apart)
        row["maps"] = row["vector"] = None
        if layer.index in shares:
            row["maps"] = _maps(look, layer, shares[layer.index], apart) | {"sees": _sees(layer, fields[layer.index])}
        elif row["shape"] is not None:
            row["vector"] = _vector(look, layer, apart)
    return rows


def before_bend(look: Look, layer: Layer, channels: NDArray[np.integer]) -> NDArray[np.float32] | None:
    """Return a layer's values before its activation; None where there is none, or where they cannot be known.

    Returns:
        float32, shape (rows, columns, channels).
    """
    if not layer.activation:
        return None
    if layer.kind in _WEIGHTED:
        return before_activation(look, layer, channels)
    if layer.kind == "activation":
        before = look.input_values(layer)
    elif layer.kind == "add" and len(layer.inputs) == 2:
        before = look.input_values(layer, 0) + look.input_values(layer, 1)
    else:
        return None
    return before.reshape((1,) * (3 - before.ndim) + before.shape)[:, :, channels]


def _numbers(look: Look, layer: Layer) -> dict[str, Any]:
    """Return a layer's size and where its values are cut off; of one without maps, only that it has none."""
    try:
        maps = feature_maps(look, layer)
    except ModelFileError as exc:
        return {"shape": None, "rows": 0, "columns": 0, "channels": 0, "nothing": str(exc)}
    limits = clamp_of(look.network, layer)
    zeros = zero_share(look, layer) if layer.activation and math.isfinite(limits.low) else None
    return {
        "shape": list(look.codes(layer).shape),
        "rows": maps.shape[0],
        "columns": maps.shape[1],
        "channels": maps.shape[2],
        "smallest": float(maps.min()),
        "largest": float(maps.max()),
        "clamp": asdict(limits),
        "zeros": None if zeros is None else float(zeros.mean()),
        "num_silent": None if zeros is None else int((zeros == 1).sum()),
        "at_top": _share_at_top(look, layer, limits),
    }


def _share_at_top(look: Look, layer: Layer, limits: Clamp) -> float | None:
    high = limits.high if limits.high_code is None else limits.high_code
    return float((look.codes(layer) >= high).mean()) if math.isfinite(high) else None


def _stack(look: Look, row: Mapping[str, Any], is_compared: bool) -> Stack:
    layer = look.network.layers[row["index"]]
    codes = look.codes(layer)
    has_before = bool(layer.activation)
    planes = (1 if codes.dtype.itemsize == 1 else 2) + has_before + is_compared
    return Stack(row["rows"], row["columns"], row["channels"], planes)


def _maps(look: Look, layer: Layer, share: tuple[int, int], apart: Difference | None) -> dict[str, Any]:
    """Return the maps with the most contrast first."""
    factor, count = share
    maps = feature_maps(look, layer)
    channels = np.argsort(-np.nan_to_num(maps.std(axis=(0, 1))), kind="stable")[:count]
    shown = np.abs(reduce(np.nan_to_num(maps[:, :, channels]), factor))
    before = before_bend(look, layer, channels)
    has_zeros = layer.activation and math.isfinite(clamp_of(look.network, layer).low)
    return {
        "channels": channels.astype(np.int32),
        "factor": factor,
        "rows": shown.shape[0],
        "columns": shown.shape[1],
        "numbers": number_atlas(look, layer, channels, factor),
        "before": None if before is None else signed_atlas(layer, "before", reduce(before, factor)),
        "difference": None
        if apart is None
        else signed_atlas(layer, "difference", reduce(apart.maps[:, :, channels], factor)),
        "colour_limit": float(np.quantile(shown, _COLOURED)) or float(shown.max()) or 1.0,
        "zeros": zero_share(look, layer)[channels] if has_zeros else None,
        "complete": complete_sheet(layer, maps),
    }


def _sees(layer: Layer, field: ReceptiveField) -> dict[str, Any] | None:
    """Return the first and the last pixel that each row and column of a map can see."""
    if not layer.is_map:
        return None
    return {"rows": field.rows.astype(np.int32), "columns": field.columns.astype(np.int32)}


def _vector(look: Look, layer: Layer, apart: Difference | None) -> dict[str, Any]:
    values = feature_maps(look, layer).ravel()
    before = before_bend(look, layer, np.arange(values.size))
    codes = look.codes(layer).ravel()[:_MOST_NUMBERS]
    cut = slice(_MOST_NUMBERS)
    return {
        "values": values[cut],
        "of": values.size,
        "codes": codes.astype(np.int32) if np.issubdtype(codes.dtype, np.integer) else None,
        "before": None if before is None else before.ravel()[cut],
        "other": None if apart is None else (values + apart.maps.ravel())[cut],
        "is_classes": _is_classes(look, layer),
    }


def _is_classes(look: Look, layer: Layer) -> bool:
    """Whether its numbers are those of the classes, since nothing after it mixes them any more."""
    count = len(look.network.labels)
    keeping = ("softmax", "conversion", "reshape", "activation")
    after = look.network.layers[layer.index + 1 :]
    return math.prod(layer.output_shape) == count and all(
        step.kind in keeping and math.prod(step.output_shape) == count for step in after
    )


def _against(apart: Difference) -> dict[str, Any]:
    return {
        "layer": apart.pair.other.name,
        "sqnr_db": apart.sqnr_db,
        "largest": apart.max_abs,
        "noise_share": apart.rms / apart.signal_rms if apart.signal_rms else None,
        "is_equal": apart.rms == 0,
    }
