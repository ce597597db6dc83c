"""How the last maps become a decision: votes of features, their sum, and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain.decision import Contributions, contributions
from edgecnn.explain.head import Head, find_head
from edgecnn.explain.network import Look, Network
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.decision_classes import choose_classes, name_class
from edgecnn.explain.page.screens.decision_scores import gather_familiarity, gather_scores
from edgecnn.explain.page.screens.decision_ways import WITH_MAPS, channels_of, describe_way, way_of

# Of a flattened map with more features, the weaker ones are one sum.
_MAX_FEATURES = 4096
# In either direction, of a class and of the difference of two.
_NUM_SHOWN = 6
# Larger maps are too many numbers for a page, and the bars stand alone.
_MAX_MAP_CELLS, _MIN_MAPS = 16_000, 2 * _NUM_SHOWN


def gather(material: Material) -> dict[str, Any]:
    """Return the votes for the strongest classes, where they came from, and how scores were made of their sums."""
    look, head = material.look(), find_head(material.network)
    chosen = choose_classes(material, look)
    data: dict[str, Any] = {
        "way": describe_way(look, head),
        "scores": gather_scores(material, look, head, chosen),
        "familiarity": gather_familiarity(look),
        "votes": None,
        "no_votes": "",
    }
    try:
        votes = [contributions(look, index) for index in chosen]
    except ModelFileError as exc:
        return {**data, "no_votes": str(exc)}
    return {**data, "votes": _gather_votes(material, look, head, votes)}


def _gather_votes(material: Material, look: Look, head: Head, votes: list[Contributions]) -> dict[str, Any]:
    values = np.array([one.values for one in votes])
    kept = _strongest_anywhere(values)[:_MAX_FEATURES]
    return {
        "num_features": values.shape[1],
        "num_shown": _NUM_SHOWN,
        "features": kept.astype(np.int32),
        "values": votes[0].features[kept],
        "weights": np.array([one.weights[kept] for one in votes]),
        "step": votes[0].step,
        "classes": [
            name_class(material, look, one.class_index) | _gather_sum(one) | {"places": _gather_places(one)}
            for one in votes
        ],
        "saturated": _num_saturated(look.network, look, head),
        "maps": _gather_maps(look, head, values),
    }


def _gather_sum(votes: Contributions) -> dict[str, Any]:
    """Return a class's sum; the file cuts it off where its numbers end."""
    is_for = votes.values > 0
    is_cut = votes.agrees and abs(votes.rest) > votes.tolerance
    return {
        "for": {"count": int(is_for.sum()), "sum": votes.values[is_for].sum()},
        "against": {"count": int((votes.values < 0).sum()), "sum": votes.values[votes.values < 0].sum()},
        "bias": votes.bias,
        "total": votes.total,
        "rest": votes.rest,
        "logit": votes.logit,
        "tolerance": votes.tolerance,
        "agrees": votes.agrees,
        "is_cut": is_cut,
    }


def _gather_places(votes: Contributions) -> dict[str, Any] | None:
    """Return the same sum counted by places; ``lost`` is what rounding did between the maps and the features."""
    if votes.positions is None:
        return None
    total = float(votes.positions.sum(dtype=np.float64))
    rows, columns = votes.positions.shape
    return {
        "rows": rows,
        "columns": columns,
        "total": total,
        "bias": votes.positions_bias,
        "rest": votes.positions_rest,
        "lost": votes.positions_rest - votes.rest,
    }


def _num_saturated(network: Network, look: Look, head: Head) -> int:
    """Return how many features are the largest number that the file can write down for them."""
    assert head.last is not None
    tensor = network.file.graph.tensors[head.last.inputs[0]]
    if tensor.dtype not in ("int8", "uint8") or not tensor.scales or head.last.sources[0] < 0:
        return 0
    codes = look.codes(head.last.sources[0])
    return int((codes == np.iinfo(tensor.dtype).max).sum())


def _gather_maps(look: Look, head: Head, values: NDArray[np.float64]) -> dict[str, Any] | None:
    """Return the maps behind the features that are shown; None where there are none to show."""
    if head.maps is None or way_of(head) not in WITH_MAPS:
        return None
    maps = look.values(head.maps)
    rows, columns, num_channels = maps.shape
    if rows * columns > _MAX_MAP_CELLS:
        return None
    most = max(_MIN_MAPS, _MAX_MAP_CELLS // (rows * columns))
    channels = list(dict.fromkeys(channels_of(_shown(values), num_channels)))[:most]
    return {
        "num_channels": num_channels,
        "channels": np.array(channels, np.int32),
        "values": np.ascontiguousarray(maps[:, :, channels].transpose(2, 0, 1)),
    }


def _strongest_anywhere(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return features, the one first that matters most to a class or to the difference of two."""
    strength = np.maximum(np.abs(values).max(axis=0), np.ptp(values, axis=0))
    order: NDArray[np.int64] = np.argsort(-strength, kind="stable")
    return order


def _shown(values: NDArray[np.float64]) -> list[int]:
    """Return the features that the page shows, those of the first classes first."""
    pairs = [first - second for index, first in enumerate(values) for second in values[index + 1 :]]
    shown: list[int] = []
    for votes in (*values, *pairs):
        order = np.argsort(votes, kind="stable")
        shown += [*order[::-1][:_NUM_SHOWN].tolist(), *order[:_NUM_SHOWN].tolist()]
    return shown
