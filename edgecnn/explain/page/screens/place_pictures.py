"""How many of the user's pictures are still recognized when they are changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.data import PixelSet, load_pixels
from edgecnn.errors import DatasetError
from edgecnn.evaluate.changes import CHANGES
from edgecnn.evaluate.intervals import share_interval
from edgecnn.evaluate.metrics import canonical_classes
from edgecnn.explain.network import Network
from edgecnn.explain.page.material import Material
from edgecnn.explain.place import invariance_curve

# Each picture is judged at about two dozen amounts: as many runs as a long evaluation has.
_MAX_PICTURES = 100
_SEED = 0


def gather_pictures(material: Material) -> dict[str, Any] | None:
    """Return the accuracy on a sample of the labelled pictures at some amounts of each change; None without any.

    Raises:
        DatasetError: none of them can be read.
    """
    if material.pictures is None:
        return None
    known = [picture for picture in material.pictures.pictures if picture.label_index >= 0]
    chosen = np.random.default_rng(_SEED).permutation(len(known))[:_MAX_PICTURES]
    contract = material.network.file.contract
    sample = load_pixels(material.pictures.root, [known[index] for index in sorted(chosen)], contract)
    if not len(sample):
        raise DatasetError(
            sample.unreadable[0] if sample.unreadable else f"{material.pictures.root} has no labelled pictures"
        )
    networks = {"accuracy": material.network}
    if material.other is not None:
        networks["other_accuracy"] = material.other
    found: dict[str, dict[str, Any]] = {name: {"name": name, "positions": _positions(name)} for name in CHANGES}
    with material.progress.task("changing pictures", len(networks) * len(CHANGES)) as task:
        for key, network in networks.items():
            unchanged = _accuracy(network, sample, "shift", [CHANGES["shift"].nothing])
            for name, change in CHANGES.items():
                amounts = [change.amounts[position] for position in _positions(name)]
                start = amounts.index(change.nothing)
                changed = _accuracy(network, sample, name, [*amounts[:start], *amounts[start + 1 :]])
                found[name][key] = [*changed[:start], *unchanged, *changed[start:]]
                task.advance()
    return {
        "split": material.pictures.split,
        "num": len(sample),
        "num_all": len(known),
        "unreadable": list(sample.unreadable),
        "changes": list(found.values()),
    }


def _positions(name: str) -> list[int]:
    """Every second amount, counted from that of no change."""
    change = CHANGES[name]
    return list(range(change.amounts.index(change.nothing) % 2, len(change.amounts), 2))


def _accuracy(network: Network, sample: PixelSet, name: str, amounts: list[float]) -> list[dict[str, float]]:
    curve = invariance_curve(network, sample.pixels, sample.label_indices, name, amounts)
    classes = canonical_classes(network.labels)
    hits = (classes[curve.answers] == classes[sample.label_indices]).sum(axis=1)
    intervals = [share_interval(int(hit), len(sample)) for hit in hits]
    return [{"share": one.value, "low": one.low, "high": one.high} for one in intervals]
