"""How a network gets from its last maps to the features that vote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from edgecnn.explain.head import Head
from edgecnn.explain.layer import Layer
from edgecnn.explain.network import Look

Way = Literal["average", "largest", "flatten", "mixed", "direct", "unknown"]
# A feature belongs to one map there.
WITH_MAPS = ("average", "largest", "flatten")

_RENAMES = frozenset({"reshape", "conversion"})
_AVERAGES = frozenset({"global_average", "average_pool"})
_LARGEST = frozenset({"global_max", "max_pool"})


def way_of(head: Head) -> Way:
    """Return how features are made of maps.

    ``mixed`` is more than one step, ``direct`` has no features: every class has a map of its own; ``unknown``
    cannot be followed.
    """
    if head.maps is None:
        return "unknown"
    if head.last is None:
        return "direct"
    between = head.steps[head.steps.index(head.last) + 1 :]
    kinds = {step.kind for step in between} - _RENAMES
    if any(step.activation for step in between):
        return "mixed"
    if not kinds:
        return "flatten"
    if kinds <= _AVERAGES:
        return "average"
    return "largest" if kinds <= _LARGEST else "mixed"


def channels_of(features: Sequence[int], num_channels: int) -> list[int]:
    """Return the maps that features come from: in a flattened map the channel runs fastest."""
    return [feature % num_channels for feature in features]


def describe_way(look: Look, head: Head) -> dict[str, Any]:
    """Return the kind of way, and its layers from the last maps to the scores."""
    first = [head.maps] if head.maps else []
    steps = [*first, *reversed(head.steps), *_after(look, head)]
    return {
        "kind": way_of(head),
        "steps": [
            {
                "name": layer.name,
                "operator": layer.operator,
                "kind": layer.kind,
                "shape": list(layer.output_shape),
                "numbers": int(np.prod(layer.output_shape)),
            }
            for layer in steps
            if layer.kind not in _RENAMES or layer.input_shape != layer.output_shape
        ],
    }


def _after(look: Look, head: Head) -> list[Layer]:
    """Return the layers behind the logits, softmax for instance."""
    return [layer for layer in look.network.layers if head.logits.index < layer.index]
