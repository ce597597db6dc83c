"""What moving, turning or spoiling the picture does to the answer, and what moving does to the maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluate.changes import CHANGES
from edgecnn.explain.network import Network
from edgecnn.explain.page.contents import Image
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.place_moved import gather_moved
from edgecnn.explain.page.screens.place_pictures import gather_pictures
from edgecnn.explain.page.screens.place_words import TITLES, name_amount
from edgecnn.explain.place import invariance_curve
from edgecnn.imaging import shrink

_LONGEST_SIDE_PX = 112


def gather(material: Material) -> dict[str, Any]:
    """Return the scores of the changed picture, the accuracy on changed pictures, and what moved in the maps."""
    look = material.look()
    chosen = look.class_or_best(material.class_index)
    return {
        "answer": material.labels[look.best],
        "explained": material.labels[chosen],
        "has_other": material.other is not None,
        "changes": [_change(material, name, chosen) for name in CHANGES],
        "pictures": gather_pictures(material),
        "moved": gather_moved(material),
    }


def _change(material: Material, name: str, chosen: int) -> dict[str, Any]:
    change = CHANGES[name]
    return {
        "name": name,
        "title": TITLES.get(name, name.capitalize()),
        "unit": change.unit,
        "amounts": list(change.amounts),
        "words": [name_amount(name, change, amount) for amount in change.amounts],
        "nothing": change.amounts.index(change.nothing),
        "pictures": [_image(material, name, amount) for amount in change.amounts],
        **_scores(material.network, material, name, chosen),
        "other": None if material.other is None else _scores(material.other, material, name, chosen),
    }


def _scores(network: Network, material: Material, name: str, chosen: int) -> dict[str, Any]:
    curve = invariance_curve(network, material.pixels, [chosen], name)
    answers = curve.answers[:, 0]
    start = CHANGES[name].amounts.index(CHANGES[name].nothing)
    return {
        "scores": curve.scores[:, 0],
        "answers": [network.labels[index] for index in answers],
        "answer_scores": curve.answer_scores[:, 0],
        "kept": _kept(answers == answers[start], start),
    }


def _kept(is_same: NDArray[np.bool_], start: int) -> tuple[int, int]:
    """First and last amount, as positions, up to which every answer on the way from ``start`` is the same."""
    wrong = np.flatnonzero(~is_same)
    return (
        int(max(wrong[wrong < start], default=-1)) + 1,
        int(min(wrong[wrong > start], default=len(is_same))) - 1,
    )


def _image(material: Material, name: str, amount: float) -> Image:
    small = shrink(CHANGES[name].apply(material.pixels, amount, 0), _LONGEST_SIDE_PX)
    sign = "minus " if amount < 0 else ""
    return Image(name=f"{name} {sign}{abs(amount):g}", pixels=small, quality=60)
