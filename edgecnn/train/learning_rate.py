"""How the learning rate rises and falls over a stage of training."""

from __future__ import annotations

import math

from edgecnn.train.recipe import LearningRateRule

_WARMUP_SHARE = 0.1


def learning_rate_at(step: int, num_steps: int, highest: float, rule: LearningRateRule = "cosine") -> float:
    """Return the learning rate of a step (from 0): a linear warm-up over a tenth of them, then by the rule.

    ``cosine`` falls along half a cosine to 0, ``linear`` along a line, ``constant`` stays.

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
        arXiv:1608.03983, equation 5.
    """
    num_warmup = max(1, round(_WARMUP_SHARE * num_steps))
    if step < num_warmup:
        return highest * (step + 1) / num_warmup
    share = (step - num_warmup) / max(1, num_steps - num_warmup)
    if rule == "constant":
        return highest
    if rule == "linear":
        return highest * (1.0 - share)
    return highest * 0.5 * (1.0 + math.cos(math.pi * share))
