"""What a test of a heat map says about it, in words that are honest both ways."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from edgecnn.explain.faithful import Faithfulness

Verdict = Literal["good", "unsure", "wrong", "still"]
# A score that never moves further than this, of the largest, cannot tell one order from another.
_STILL = 0.02


def gather_test(tested: Faithfulness) -> dict[str, Any]:
    """Return the curves of a test, and the verdict as one word and as a sentence."""
    verdict = judge(tested)
    return {
        "shares": tested.shares,
        "deletion": tested.deletion,
        "insertion": tested.insertion,
        "random_deletions": tested.random_deletions,
        "random_insertions": tested.random_insertions,
        "deletion_area": tested.deletion_area,
        "insertion_area": tested.insertion_area,
        "random_deletion_area": tested.random_deletion_area,
        "random_insertion_area": tested.random_insertion_area,
        "num_steps": len(tested.shares) - 1,
        "num_beaten": tested.num_beaten,
        "num_random": len(tested.random_deletions),
        "num_passed": sum(_passes(tested)),
        "is_better_than_chance": tested.is_better_than_chance,
        "verdict": verdict,
        "sentence": describe_verdict(tested, verdict),
    }


def judge(tested: Faithfulness) -> Verdict:
    """Return ``good`` only for a map that is better than every random one by both measures.

    ``unsure`` is better than their mean, ``wrong`` is not, and ``still`` is a score that does not move.
    """
    lowest, highest = _range(tested)
    if highest - lowest < _STILL * max(1.0, abs(highest), abs(lowest)):
        return "still"
    if not tested.is_better_than_chance:
        return "wrong"
    return "good" if tested.num_beaten == len(tested.random_deletions) else "unsure"


def describe_verdict(tested: Faithfulness, verdict: Verdict) -> str:
    """Return the verdict in words, with the mean scores that it stands on."""
    lowest, highest = _range(tested)
    say = _percent if lowest >= 0 and highest <= 1 else _number
    if verdict == "still":
        return (
            f"The score stays between {say(lowest)} and {say(highest)} whatever is covered or shown, so this test "
            "cannot tell a right map from a wrong one."
        )
    falls, rises = _passes(tested)
    covering = f"on average {say(tested.deletion_area)} against {say(tested.random_deletion_area)}"
    showing = f"{say(tested.insertion_area)} against {say(tested.random_insertion_area)}"
    if verdict == "wrong":
        return f"{_failure(falls, rises, covering, showing)}: do not trust this map."
    beaten, num_random = tested.num_beaten, len(tested.random_deletions)
    tail = (
        f"It does better than all {num_random} random orders: the map points at what this network used."
        if verdict == "good"
        else f"But by both measures it does better than only {beaten} of {num_random} random orders: "
        "take this map as a hint, not as proof."
    )
    return (
        f"Covering the bright places first lowers the score faster than covering random ones ({covering}), "
        f"and showing them first brings it back sooner ({showing}). {tail}"
    )


def _failure(falls: bool, rises: bool, covering: str, showing: str) -> str:
    no_faster = f"covering the bright places first lowers the score no faster than covering random ones ({covering})"
    if falls:
        return (
            f"Covering the bright places first does lower the score faster ({covering}), "
            f"but showing them first brings it back no sooner than showing random ones ({showing})"
        )
    if rises:
        return f"Showing the bright places first does bring the score back sooner ({showing}), but {no_faster}"
    return f"{no_faster[0].upper()}{no_faster[1:]}, and showing them first brings it back no sooner ({showing})"


def _passes(tested: Faithfulness) -> tuple[bool, bool]:
    """Return whether covering and whether showing tells the map from random ones, on average."""
    falls = tested.deletion_area < tested.random_deletion_area
    return falls, tested.insertion_area > tested.random_insertion_area


def _range(tested: Faithfulness) -> tuple[float, float]:
    curves = np.concatenate(
        [tested.deletion, tested.insertion, tested.random_deletions.ravel(), tested.random_insertions.ravel()]
    )
    return float(curves.min()), float(curves.max())


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _number(value: float) -> str:
    return f"{value:.3g}"
