"""Screen 3: what filters look for, in the picture and in a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.clamp import clamp_of
from edgecnn.explain.field import ReceptiveField, receptive_fields
from edgecnn.explain.layer import PICTURE, Layer
from edgecnn.explain.maps import feature_maps, filters
from edgecnn.explain.network import Look, Network
from edgecnn.explain.page.contents import Image
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.detectors_patches import add_patches
from edgecnn.explain.page.screens.detectors_sheets import lay_out, narrow
from edgecnn.explain.page.screens.detectors_sums import gather_sums
from edgecnn.explain.page.screens.first_layer import reading_of

# Filters of all layers together whose sums are told channel by channel, and the fewest of one layer.
_TOLD_FILTERS, _TOLD_OF_LAYER = 600, 4
# A filter in a file of its own.
_WEIGHT_PX, _RIM_PX, _GREY, _WHITE = 16, 2, 127.5, 255


def gather(material: Material) -> dict[str, Any]:
    """Return the filters of the first layer, and for each filter of each layer where it answers most.

    Of the filters that answer the picture most, also how their sums come about, channel by channel, and
    with labelled pictures the patches that excite a filter most.

    Raises:
        BackendUnavailableError: the runtime cannot run this model.
        DatasetError: none of the labelled pictures can be read.
    """
    look = material.look()
    network = look.network
    fields = receptive_fields(network)
    convolutions = network.convolutions
    told = _share_out([layer.output_shape[2] for layer in convolutions])
    layers = [_describe(look, layer, fields[layer.index], num) for layer, num in zip(convolutions, told, strict=True)]
    reading = reading_of(network)
    reads_colors = reading is not None and all(line["std"] > 0 for line in reading)
    for layer, described in zip(convolutions, layers, strict=True):
        described["reads_colors"] = reads_colors and layer.inputs[0] == convolutions[0].inputs[0]
    data: dict[str, Any] = {
        "first": _first(network, reads_colors and convolutions[0].kind == "convolution"),
        "fields": [
            _field(layer, fields[layer.index])
            for layer in network.layers
            if layer.is_map and layer.kind != "conversion"
        ],
        "layers": layers,
    }
    data["data_set"] = add_patches(layers, material, fields) if material.pictures is not None else None
    for described in layers:
        _write_boxes_once(described)
    return data


def _write_boxes_once(layer: dict[str, Any]) -> None:
    """Keep each of the boxes of a layer's filters and patches once, in ``boxes``, and say which by its position."""
    parts = [part for part in (layer, layer.get("patches")) if part]
    boxes = [part.pop("boxes") for part in parts]
    every = np.concatenate([each.reshape(-1, 4) for each in boxes])
    different, positions = np.unique(every, axis=0, return_inverse=True)
    layer["boxes"] = narrow(different)
    for part, each, which in zip(parts, boxes, np.split(positions.ravel(), [len(boxes[0])]), strict=False):
        part["box"] = narrow(which.reshape(each.shape[:-1]))


def _share_out(sizes: Sequence[int]) -> list[int]:
    """Return of how many filters of each layer the sum is told: what small layers do not need, large ones get."""
    told, left = [0] * len(sizes), _TOLD_FILTERS
    for rank, index in enumerate(np.argsort(sizes, kind="stable").tolist()):
        told[index] = min(sizes[index], max(_TOLD_OF_LAYER, left // (len(sizes) - rank)))
        left -= told[index]
    return told


def _first(network: Network, reads_colors: bool) -> dict[str, Any]:
    layer = network.convolutions[0]
    weights = filters(network, layer)
    largest = float(np.abs(weights).max())
    return {
        "layer": layer.name,
        "weights": weights,
        "largest": largest,
        "reads_colors": reads_colors,
        "is_depthwise": layer.kind == "depthwise",
        "drawn": _drawn(weights / (largest or 1.0), reads_colors),
    }


def _drawn(shares: NDArray[np.float32], in_color: bool) -> Image:
    """Draw filters, weights from -1 to 1, as a file: grey is zero; one tile for each channel where not in colour."""
    count, rows, columns, depth = shares.shape
    if not in_color:
        shares = shares.transpose(0, 3, 1, 2).reshape(count * depth, rows, columns, 1)
    pixels = np.rint(_GREY + _GREY * shares).astype(np.uint8)
    rim = ((0, 0), (_RIM_PX, _RIM_PX), (_RIM_PX, _RIM_PX), (0, 0))
    tiles = np.pad(pixels.repeat(_WEIGHT_PX, axis=1).repeat(_WEIGHT_PX, axis=2), rim, constant_values=_WHITE)
    whole, _ = lay_out(list(tiles.squeeze(axis=3) if not in_color else tiles))
    return Image(name="filters of the first layer", pixels=whole, only_file=True)


def _form(layer: Layer, num_summed: int) -> str:
    if layer.kind == "depthwise":
        return "depthwise"
    assert layer.window is not None
    if num_summed < layer.input_shape[2]:
        return "grouped"
    return "pointwise" if layer.window.size_hw == (1, 1) else "full"


def _field(layer: Layer, field: ReceptiveField) -> dict[str, Any]:
    """How much of the picture a layer's cells see; ``size`` is None where cells differ or see all of it."""
    seen = [int((ends[:, 1] - ends[:, 0]).max()) + 1 for ends in (field.rows, field.columns)]
    return {
        "name": layer.name,
        "kind": layer.kind,
        "size": list(field.size_hw),
        "seen": [max(0, side) for side in seen],
    }


def _describe(look: Look, layer: Layer, field: ReceptiveField, num_told: int) -> dict[str, Any]:
    """Describe a convolution: where each of its filters answers most, and the sums behind the strongest answers."""
    network = look.network
    maps = feature_maps(look, layer)
    flat = maps.reshape(-1, maps.shape[2])
    peaks, places = flat.max(axis=0), flat.argmax(axis=0)
    cells = np.stack(np.divmod(places, maps.shape[1]), axis=1)
    weights = filters(network, layer)
    # Of those that answer alike, for instance at the upper end of ReLU6, the choosy ones first.
    strongest = np.lexsort((flat.mean(axis=0), -peaks))[:num_told]
    limits = clamp_of(network, layer)
    told = gather_sums(look, layer, strongest, cells[strongest])
    told["sums"]["num_alike"] = narrow((flat[:, strongest] == peaks[strongest]).sum(axis=0))
    assert layer.window is not None
    return {
        **_field(layer, field),
        "index": layer.index,
        "form": _form(layer, weights.shape[3]),
        "reads": ", ".join(
            "the picture" if source == PICTURE else network.layers[source].name for source in layer.sources
        ),
        "input": list(layer.input_shape),
        "output": list(layer.output_shape),
        "filter": list(weights.shape[1:]),
        "stride": list(layer.window.stride_hw),
        "before": list(layer.window.before_hw),
        "reach": list(layer.window.reach_hw),
        "activation": layer.activation,
        "floor": limits.low,
        "ceiling": limits.high,
        "peaks": peaks,
        "boxes": field.boxes(cells),
        "strongest": narrow(strongest),
        **told,
    }
