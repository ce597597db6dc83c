"""The strongest votes for and against a class, each of which stays at its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from edgecnn.explain.decision import Contributions
from edgecnn.explain.live.places import Places

NUM_VOTES = 10
_MAX_REMEMBERED = 32
Followed = TypeVar("Followed")


class Recent(dict[int, Followed]):
    """What was followed lately, by number; the oldest ones are forgotten."""

    def follow(self, number: int, make: Callable[[], Followed]) -> Followed:
        """Return what belongs to a number, made anew if it was not followed lately."""
        found = self.pop(number) if number in self else make()
        self[number] = found
        if len(self) > _MAX_REMEMBERED:
            del self[next(iter(self))]
        return found


class VoteWatch:
    """Follows the votes from picture to picture."""

    def __init__(self) -> None:
        self._places: Recent[Places] = Recent()

    def votes(self, sums: Contributions, time_s: float) -> dict[str, Any]:
        """Return the sum behind a class's logit, in a picture taken at a time, as plain values."""
        places = self._places.follow(sums.class_index, Places)
        shown = places.update(np.abs(sums.values), NUM_VOTES, time_s)
        return {
            "layer": sums.layer.name if sums.layer else "the picture",
            "features": [
                {
                    "at": [int(at) for at in np.unravel_index(int(index), sums.shape)],
                    "vote": float(sums.values[index]),
                    "feature": float(sums.features[index]),
                    "weight": float(sums.weights[index]),
                }
                for index in shown
            ],
            "others": float(sums.values.sum() - sums.values[shown].sum()),
            "num_others": len(sums.values) - len(shown),
            "bias": sums.bias,
            "rest": sums.rest,
            "logit": sums.logit,
            "step": sums.step,
            "agrees": sums.agrees,
        }
