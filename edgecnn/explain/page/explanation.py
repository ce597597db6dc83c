"""From material to all that a page says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecnn.explain.network import Network
from edgecnn.explain.page.contents import Image, Screen
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens import gather_screens
from edgecnn.explain.page.screens.decision_scores import are_shares
from edgecnn.explain.rejection import Rejection
from edgecnn.imaging import shrink

_LONGEST_SIDE_PX = 480
# Up to it every pixel is seen, and what JPEG does to its colours too.
_MAX_EXACT_PIXELS = 96 * 96
# Rungs of the repair ladder that changed the network itself before its numbers were made small.
_REPAIRS = {
    "equalize": "Export scaled this file's channels against each other before it rounded them, so single maps differ "
    "from the float network's by a factor that the next layer takes back.",
    "qat": "Export trained this file on after rounding, so its weights are not quite the float network's.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a network looks at a picture.

    Attributes:
        head: what stands above the screens: model, picture, answer; values as in ``Screen.data``.
        screens: in order.
    """

    head: dict[str, Any]
    screens: tuple[Screen, ...]


def explain(material: Material) -> Explanation:
    """Look into the network and gather everything that the nine screens show.

    Raises:
        ValueError: the network has no such class.
        BackendUnavailableError: the runtime cannot run this model.
        DatasetError: none of the labelled pictures can be read.
    """
    return Explanation(head=make_head(material), screens=tuple(gather_screens(material)))


def make_head(material: Material) -> dict[str, Any]:
    """Return what stands above the screens."""
    network, look = material.network, material.look()
    order = (-look.scores).argsort(kind="stable")[:5].tolist()
    chosen = look.class_or_best(material.class_index)
    other = material.other_look()
    familiar = Rejection(network).judge(look)
    return {
        "file": network.file.path.name,
        "model": network.file.manifest.name if network.file.manifest else network.file.path.stem,
        "kind": describe_kind(network),
        "input": {"width": network.file.contract.width, "height": network.file.contract.height},
        "labels": list(material.labels),
        "picture": material.picture_name,
        "pixels": material.pixels,
        "seen": _seen(material),
        "photograph": Image(name="photograph", pixels=shrink(material.photograph, _LONGEST_SIDE_PX), quality=85),
        "answers": [{"label": material.labels[index], "score": look.scores[index]} for index in order],
        "explained": {"index": chosen, "label": material.labels[chosen], "score": look.scores[chosen]},
        "is_answer": chosen == look.best,
        "is_unknown": familiar is not None and familiar.is_unknown,
        "scores_are_shares": are_shares(look),
        "other": None
        if other is None
        else {
            "file": material.other_name,
            "label": material.labels[other.best],
            "score": other.scores[other.best],
            "explained_score": other.scores[chosen],
            "note": _note_on_repairs(network),
        },
    }


def _seen(material: Material) -> Image:
    height, width = material.pixels.shape[:2]
    quality = None if height * width <= _MAX_EXACT_PIXELS else 90
    return Image(name="picture as the network sees it", pixels=material.pixels, quality=quality)


def _note_on_repairs(network: Network) -> str:
    """Return why the float network's inside differs by more than rounding; empty where it does not."""
    manifest = network.file.manifest
    return _REPAIRS.get(manifest.recipe.rung, "") if manifest else ""


def describe_kind(network: Network) -> str:
    """Return what the numbers inside a file are, ``int8`` for instance, as its manifest or its tensors say."""
    if network.file.manifest:
        return network.file.manifest.recipe.kind
    output = network.file.graph.tensors[network.convolutions[0].output]
    return str(output.dtype)
