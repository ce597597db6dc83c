"""Feature maps: what every layer made of the picture, before and after ReLU, after pooling, beside the float file."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.errors import ModelFileError
from edgecnn.explain import LayerPair
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.maps_layers import gather_layers
from edgecnn.explain.page.screens.maps_pooling import gather_pools, gather_strides

_ALONE = (
    "Give the same network in floats to see what rounding to 8 bits does to each layer: "
    "edgecnn explain FILE PICTURE --against FLOAT.tflite"
)


@np.errstate(over="ignore", invalid="ignore")  # a network may give infinities; they are shown as what they are
def gather(material: Material) -> dict[str, Any]:
    """Return what each layer gave, how the maps get smaller, and where the two files differ.

    Returns:
        ``layers``: in running order, see ``gather_layers``.
        ``start``: index of the layer to begin with.
        ``is_quantized``: whether any of them gives codes instead of floats.
        ``pools`` and ``strides``: see ``gather_pools`` and ``gather_strides``.
        ``relu``: share of zeros over all layers with ReLU, and where they are fewest and most; None without.
        ``comparison``: the layers with the worst and the last answer; None where nothing can be compared.
        ``not_compared``: one sentence on why not.
    """
    network, look = material.network, material.look()
    pairs, not_compared = _pairs(material)
    layers = gather_layers(look, material.other_look() if pairs else None, pairs)
    return {
        "layers": layers,
        "start": network.convolutions[0].index,
        "is_quantized": any(row["clamp"]["low_code"] is not None for row in layers if row["shape"] is not None),
        "pools": gather_pools(look),
        "strides": gather_strides(network),
        "relu": _relu(layers),
        "comparison": _comparison(layers),
        "not_compared": not_compared,
    }


def _pairs(material: Material) -> tuple[dict[int, LayerPair], str]:
    if material.other is None:
        return {}, _ALONE
    try:
        return {pair.mine.index: pair for pair in material.pairs()}, ""
    except ModelFileError as exc:
        return {}, str(exc)


def _relu(layers: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return how many of all values are zero, each layer counting by its size."""
    found = [row for row in layers if row.get("zeros") is not None]
    sizes = [row["rows"] * row["columns"] * row["channels"] for row in found]
    if not found:
        return None
    order = sorted(found, key=lambda row: row["zeros"])
    return {
        "num_layers": len(found),
        "num_fused": sum(row["is_fused"] for row in found),
        "num_values": sum(sizes),
        "is_zero": all(row["clamp"]["low"] == 0 for row in found),
        "zeros": sum(row["zeros"] * size for row, size in zip(found, sizes, strict=True)) / sum(sizes),
        "fewest": {"name": order[0]["name"], "zeros": order[0]["zeros"]},
        "most": {"name": order[-1]["name"], "zeros": order[-1]["zeros"]},
    }


def _comparison(layers: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the layers whose numbers are furthest from the other file's, and the last ones."""
    found = [row for row in layers if row["against"] and row["kind"] not in ("softmax", "reshape")]
    if not found:
        return None
    worst = min(found, key=lambda row: row["against"]["sqnr_db"])
    return {
        "num_layers": len(found),
        "num_equal": sum(row["against"]["is_equal"] for row in found),
        "worst": {"name": worst["name"], **worst["against"]},
        "last": {"name": found[-1]["name"], **found[-1]["against"]},
    }
