"""What a browser asks for, read out of the address that it asks with."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs

from edgecnn.explain.layer import Layer
from edgecnn.explain.network import Network

MAX_MAPS = 64
NEWEST = -1
_MAX_DIGITS = 9


class Want(NamedTuple):
    """What a browser wants to see next.

    Attributes:
        viewer: the name that the browser has made up for itself.
        after: number of the picture that it has drawn last; it wants a later one. ``NEWEST`` takes any.
        layer: index of the layer whose maps it wants.
        num_maps: how many of them, at most.
        class_index: class to explain; None for the network's answer.
        is_still: whether it wants the picture that it was given last, because it is paused.
    """

    viewer: str
    after: int
    layer: int
    num_maps: int
    class_index: int | None = None
    is_still: bool = False


def layers_with_maps(network: Network) -> tuple[Layer, ...]:
    """Return the layers whose maps can be watched; those that only write the same maps anew are left out."""
    return tuple(layer for layer in network.layers if layer.is_map and layer.kind not in ("conversion", "reshape"))


def parse_want(query: str, network: Network) -> Want:
    """Read what stands behind the question mark of an address.

    Raises:
        ValueError: something is missing, or is nothing that this network has; one sentence says what.
    """
    fields = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True, max_num_fields=10).items()}
    viewer = fields.get("viewer", "")
    if not re.fullmatch(r"[0-9a-f]{8,32}", viewer):
        raise ValueError("viewer must be 8 to 32 digits of 0 to 9 and a to f")
    layer = _number(fields, "layer", 0, len(network.layers) - 1)
    if layer not in {one.index for one in layers_with_maps(network)}:
        raise ValueError(f"layer {layer} of this network has no maps")
    wanted_class = fields.get("class", "")
    return Want(
        viewer=viewer,
        after=_number(fields, "after", NEWEST, 10**_MAX_DIGITS),
        layer=layer,
        num_maps=_number(fields, "maps", 1, MAX_MAPS),
        class_index=_number(fields, "class", 0, len(network.labels) - 1) if wanted_class else None,
        is_still=fields.get("still") == "1",
    )


def _number(fields: dict[str, str], name: str, lowest: int, highest: int) -> int:
    text = fields.get(name, "")
    if not re.fullmatch(rf"-?[0-9]{{1,{_MAX_DIGITS}}}", text) or not lowest <= int(text) <= highest:
        raise ValueError(f"{name} must be a whole number from {lowest} to {highest}")
    return int(text)
