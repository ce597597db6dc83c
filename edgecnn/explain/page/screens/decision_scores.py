"""How scores are made of logits, and below what an answer is ``unknown``."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.head import Head, find_head
from edgecnn.explain.network import Look, Network
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.decision_classes import name_class
from edgecnn.explain.rejection import Rejection
from edgecnn.explain.tensors import step_of

Ending = Literal["softmax", "logistic", "log softmax", "nothing", "other"]

# Beyond it the exponentials are no longer numbers that anybody wants to read.
_MAX_LOGIT = 25.0
_FLOAT_TOLERANCE = 1e-4
_SCORE_CODES = 1.5
_NAMES: dict[str, Ending] = {"SOFTMAX": "softmax", "LOGISTIC": "logistic", "LOG_SOFTMAX": "log softmax"}


def gather_scores(material: Material, look: Look, head: Head, chosen: list[int]) -> dict[str, Any]:
    """Return what the end of the network makes of the logits of some classes, number by number.

    ``exponentials`` are of ``logit - shift``; shares are worked out here, scores are the file's.
    """
    logits = look.values(head.logits).reshape(-1).astype(np.float64)
    ending = _ending_of(look.network, head)
    shift = float(logits.max()) if logits.max() > _MAX_LOGIT else 0.0
    powers = np.exp(np.minimum(logits - shift, _MAX_LOGIT))
    shares = _finish(ending, logits)
    others = [index for index in range(len(logits)) if index not in chosen]
    step = step_of(look.network.file.graph.tensors[look.network.file.graph.outputs[0]])
    apart = float(np.abs(shares - look.scores).max()) if shares is not None else None
    return {
        "ending": ending,
        "shift": shift,
        "sum": powers.sum(),
        "classes": [
            name_class(material, look, index)
            | {"logit": logits[index], "exponential": powers[index], "share": _at(shares, index)}
            for index in chosen
        ],
        "others": {
            "count": len(others),
            "exponential": powers[others].sum(),
            "share": None if shares is None else shares[others].sum(),
            "score": look.scores[others].sum(),
        },
        "step": step,
        "largest_difference": apart,
        "agrees": apart is not None and apart <= max(_SCORE_CODES * step, _FLOAT_TOLERANCE),
        "temperature": _gather_temperature(look.network, ending, logits, chosen[0]),
    }


def gather_familiarity(look: Look) -> dict[str, Any] | None:
    """Return how familiar the picture is; None for a file that says nothing about that."""
    confidence = look.network.file.manifest.confidence if look.network.file.manifest else None
    judged = Rejection(look.network).judge(look)
    if confidence is None or judged is None:
        return None
    return {
        "is_unknown": judged.is_unknown,
        "value": judged.value,
        "threshold": judged.threshold,
        "measure": "best score" if judged.is_score else "familiarity",
        "method": confidence.method,
        "kept": confidence.kept,
        "num": confidence.num,
    }


def are_shares(look: Look) -> bool:
    """Whether scores lie between 0 and 1 because of how the network ends, so that they can be said in percent."""
    ending = _ending_of(look.network, find_head(look.network))
    is_within = bool(look.scores.min() >= 0 and look.scores.max() <= 1)
    return ending in ("softmax", "logistic") or (ending == "other" and is_within)


def _ending_of(network: Network, head: Head) -> Ending:
    after = [layer for layer in network.layers if layer.index > head.logits.index]
    names = [layer.operator for layer in after if layer.kind not in ("conversion", "reshape")]
    if not names:
        return "nothing"
    return _NAMES.get(names[0], "other") if len(names) == 1 else "other"


def _finish(ending: Ending, logits: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return scores from logits: float64, shape (C,); None for an end that is not known here."""
    if ending in ("softmax", "log softmax"):
        powers = np.exp(logits - logits.max())
        shares: NDArray[np.float64] = powers / powers.sum()
        with np.errstate(divide="ignore"):
            return shares if ending == "softmax" else np.log(shares)
    if ending == "logistic":
        return np.asarray(1 / (1 + np.exp(-logits.clip(-500, 500))))
    return logits if ending == "nothing" else None


def _gather_temperature(
    network: Network, ending: Ending, logits: NDArray[np.float64], class_index: int
) -> dict[str, Any] | None:
    """Return what the temperature did, which the weights of the last layer were divided by."""
    confidence = network.file.manifest.confidence if network.file.manifest else None
    if confidence is None or confidence.temperature == 1.0 or ending != "softmax":
        return None
    with_it, without = _finish(ending, logits), _finish(ending, logits * confidence.temperature)
    return {
        "temperature": confidence.temperature,
        "split": confidence.split,
        "num": confidence.num,
        "ece_before": confidence.ece_before,
        "ece_after": confidence.ece_after,
        "share": _at(with_it, class_index),
        "share_without": _at(without, class_index),
    }


def _at(values: NDArray[np.float64] | None, index: int) -> float | None:
    return None if values is None else float(values[index])
