"""What curves and variants say in words that hold whichever way the numbers go."""

from __future__ import annotations

import math
from typing import Any

from edgecnn.explain.page.training import Trained, TrainingRecord

TITLES = {
    "model": "your network",
    "no-augmentation": "without augmentation",
    "no-pooling": "without pooling",
    "neither": "without both",
}
_QUESTIONS = {
    "no-augmentation": "What was augmentation worth?",
    "no-pooling": "What was pooling worth?",
    "neither": "And both together?",
}
# A validation loss that ends this much above its lowest value has plainly turned.
_TURNED = 1.1
_SURE, _LIKELY = 0.01, 0.05


def kept_index(record: TrainingRecord) -> int:
    """Return which of all epochs, from 0, gave the weights that the model has."""
    stage, number = record.kept
    places = [index for index, epoch in enumerate(record.epochs) if epoch.stage == stage]
    return places[number - 1]


def gap_points(one: Trained) -> float:
    """Return by how many percentage points a network knows its training pictures better than others."""
    return 100 * (one.train_accuracy - one.val_accuracy)


def chance_of_split(first: int, second: int) -> float:
    """Return how often fair coins split ``first + second`` cases at least as unevenly, 0 to 1.

    Where two classifiers judge the same pictures, those that only one of them recognizes tell whether they differ.

    Reference:
        McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
        Psychometrika 12 (1947), with the exact binomial distribution in place of its approximation.
    """
    num = first + second
    # In logarithms, because thousands of pictures make numbers with thousands of digits.
    whole = math.lgamma(num + 1) - num * math.log(2)
    terms = (whole - math.lgamma(k + 1) - math.lgamma(num - k + 1) for k in range(min(first, second) + 1))
    return min(1.0, 2 * sum(math.exp(term) for term in terms))


def describe_curves(record: TrainingRecord) -> list[str]:
    """Return what the curves of a training show, one sentence after the other."""
    index = kept_index(record)
    kept, stage = record.epochs[index], [epoch for epoch in record.epochs if epoch.stage == record.kept[0]]
    right = round(kept.val_accuracy * record.num_val)
    said = [
        f"The network has the weights of epoch {index + 1} of {len(record.epochs)}: {right} of the "
        f"{record.num_val} validation pictures right ({kept.val_accuracy:.1%}). No other epoch did better on them."
    ]
    gap = kept.accuracy - kept.val_accuracy
    if gap > 2 * math.sqrt(kept.val_accuracy * (1 - kept.val_accuracy) / record.num_val):
        said.append(
            f"It was right about {kept.accuracy:.1%} of the training pictures in that epoch, {100 * gap:.1f} points "
            f"more, which is more than the luck of {record.num_val} pictures: some of what it learned holds only for "
            "the pictures that it learned from."
        )
    elif gap < 0:
        said.append(
            "That the validation line is above the training line there is no mistake: training pictures "
            + ("are changed at random, and " if record.changes else "")
            + "are judged while parts of the network are switched off (dropout), so that it cannot rely on any of them."
        )
    lowest = min(range(len(stage)), key=lambda number: stage[number].val_loss)
    least, last = stage[lowest].val_loss, stage[-1].val_loss
    if last > _TURNED * least:
        said.append(
            f"The validation loss was lowest ({least:.2f}) after epoch {lowest + 1} of the {len(stage)} epochs of this "
            f"stage and {last:.2f} at its end, while the training loss went from {stage[lowest].loss:.2f} to "
            f"{stage[-1].loss:.2f}."
            + (" Learning on made it no better at new pictures: overfitting." if _fell(stage, lowest) else "")
        )
    elif lowest >= len(stage) - max(1, len(stage) // 10):
        said.append(
            f"The validation loss was lowest ({least:.2f}) at the end: no sign of overfitting there. "
            "Whether more epochs would bring more, the end of its line tells: does it still fall?"
        )
    else:
        said.append(
            f"The validation loss came to its lowest value ({least:.2f}) after {lowest + 1} of {len(stage)} epochs of "
            f"this stage and stayed near it: more epochs would probably bring little."
        )
    if record.interrupted:
        said.append("Training was ended by hand before it was over.")
    return said


def describe_findings(record: TrainingRecord) -> list[dict[str, Any]]:
    """Return for each variant a ``title``, the ``outcome``, ``sentences`` about it, ``difference`` and ``chance``.

    The difference counts validation pictures, above 0 where the model is better; the chance, 0 to 1, is that of one
    as large between two networks of which neither is better.
    """
    if not record.trained:
        return []
    model = record.trained[0]
    return [
        {
            "name": one.name,
            "title": _QUESTIONS.get(one.name, one.name),
            "outcome": _tell_outcome(record.num_val, model, one),
            "difference": one.only_model - one.only_this,
            "chance": chance_of_split(one.only_model, one.only_this),
            "sentences": _tell_more(record, model, one),
        }
        for one in record.trained[1:]
    ]


def _tell_outcome(num_val: int, model: Trained, one: Trained) -> str:
    own, other = (round(figures.val_accuracy * num_val) for figures in (model, one))
    difference = (
        f"{abs(own - other)} {'fewer' if own > other else 'more'}, {100 * abs(own - other) / num_val:.1f} points"
    )
    return (
        f"Your network recognizes {own} of {num_val} validation pictures, the one {TITLES.get(one.name, one.name)} "
        f"{other}: {difference if own != other else 'as many'}."
    )


def _tell_more(record: TrainingRecord, model: Trained, one: Trained) -> list[str]:
    own_gap, other_gap = (f"{gap_points(figures):.1f}".replace("-", "\N{MINUS SIGN}") for figures in (model, one))
    said = [
        _weigh_chance(one),
        f"The gap between training and validation pictures is {own_gap} points for your network, {other_gap} points "
        "for the other.",
    ]
    if one.name != "no-augmentation":
        said.append(_weigh_size(model, one))
    if _is_clearly_better(one) and model.train_accuracy < one.train_accuracy and _was_still_learning(record):
        said.append(
            f"But your network knows fewer of its training pictures, too ({model.train_accuracy:.1%}, the other "
            f"{one.train_accuracy:.1%}), and was still getting better when its epochs were over: with more --epochs "
            "this may turn round."
        )
    return said


def _weigh_chance(one: Trained) -> str:
    differing, chance = one.only_model + one.only_this, chance_of_split(one.only_model, one.only_this)
    if not differing:
        return "Both are right about the very same pictures."
    told = (
        f"{differing} {'picture is' if differing == 1 else 'pictures are'} recognized by only one of the two: "
        f"{one.only_model} by yours, {one.only_this} by the other. "
    )
    split = f"A coin tossed for each would split them so unevenly, or more so, {_how_often(chance)}: "
    if chance < _SURE:
        return told + split + "these two networks do differ."
    return told + split + ("they probably differ." if chance < _LIKELY else "this may well be chance.")


def _weigh_size(model: Trained, one: Trained) -> str:
    if (one.num_weights, one.num_multiplications) == (model.num_weights, model.num_multiplications):
        return (
            f"Both have {model.num_weights:,} weights and multiply {model.num_multiplications:,} times for a picture, "
            "so it is not their size that tells them apart."
        )
    return (
        f"It has {one.num_weights:,} weights, yours {model.num_weights:,}; it multiplies {one.num_multiplications:,} "
        f"times for a picture, yours {model.num_multiplications:,} times."
    )


def _how_often(chance: float) -> str:
    if chance < 0.001:
        return "less than once in 1,000 times"
    if chance < _SURE:
        return f"{1000 * chance:.0f} times in 1,000"
    if chance > 0.995:
        return "every time"
    return f"{100 * chance:.0f} times in 100"


def _fell(stage: list[Any], since: int) -> bool:
    return bool(stage[-1].loss < stage[since].loss)


def _is_clearly_better(one: Trained) -> bool:
    return one.only_this > one.only_model and chance_of_split(one.only_model, one.only_this) < _LIKELY


def _was_still_learning(record: TrainingRecord) -> bool:
    """Tell whether training used all epochs that it was allowed, and one of the last tenth gave the weights."""
    stage, number = record.kept
    num = sum(epoch.stage == stage for epoch in record.epochs)
    return num == record.max_epochs and number > 0.9 * num
