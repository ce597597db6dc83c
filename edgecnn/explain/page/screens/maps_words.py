"""What a layer does, in words."""

from __future__ import annotations

import re
from typing import Any

from edgecnn.explain import PICTURE, Layer, Network
from edgecnn.explain.layer import Kind

_DOES: dict[Kind, str] = {
    "convolution": "Each map is the sum of one filter over all maps before it.",
    "depthwise": "Each map is made of one map before it, by a small filter of its own.",
    "dense": "Each number is a weighted sum of all numbers before it.",
    "max_pool": "Of each window of a map only the largest number stays.",
    "average_pool": "Each window of a map becomes its mean.",
    "global_average": "Each map becomes one number: its mean.",
    "global_max": "Each map becomes one number: its largest.",
    "activation": "A step of its own that bends each number by itself.",
    "add": "Two stacks of maps are added, number by number.",
    "multiply": "Two stacks of numbers are multiplied, number by number.",
    "concatenate": "Stacks of maps are put one behind the other.",
    "pad": "A rim is put around the maps, so that a filter can also stand on their borders.",
    "reshape": "The same numbers, laid out in another way.",
    "softmax": "Scores become shares that add up to 1.",
    "conversion": "The same numbers, written down as another type.",
    "other": "This page does not look into this kind of step; what it gave is shown as the file has it.",
}
_NORMALIZATION = re.compile(r"(^|[_/ ])(bn|batch_?norm)", re.IGNORECASE)


def describe(network: Network, layer: Layer) -> dict[str, Any]:
    """Return what can be said of a layer without running it.

    Returns:
        ``name``, ``operator``, ``kind``, ``does``, ``sources`` (names of the layers that it reads, ``""`` for the
        picture), ``was`` (the steps of training that it stands for, where they are more than one) and
        ``normalization`` (those of them that are a batch normalization by their names).
    """
    does = _DOES[layer.kind]
    if layer.kind in ("add", "multiply") and len(layer.inputs) == 1:  # the other one stands in the file
        does = f"A constant is {'added to' if layer.kind == 'add' else 'multiplied with'} each number."
    was = layer.keras_names if len(layer.keras_names) > 1 else ()
    return {
        "index": layer.index,
        "name": layer.name,
        "operator": layer.operator,
        "kind": layer.kind,
        "does": does,
        "sources": ["" if source == PICTURE else network.layers[source].name for source in layer.sources],
        "was": list(was),
        "normalization": [name for name in was if _NORMALIZATION.search(name)],
        "activation": layer.activation,
        "is_fused": layer.is_fused,
    }
