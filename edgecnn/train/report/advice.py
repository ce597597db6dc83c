"""What to do next, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.evaluate.significance import mcnemar
from edgecnn.train.report.contents import ClassOutlook, Copies, LearningCurve, SplitFigures
from edgecnn.train.report.discriminant import Floats, Head, Sums
from edgecnn.train.report.material import ReportMaterial
from edgecnn.train.report.wording import about, percent, points_range, quote

_MAX_NAMED = 5
_WIDE_POINTS = 6.0
_WIDE_GAP = 0.1


def advise_data(num_doubts: int, num_doubted: int, copies: Sequence[Copies]) -> list[str]:
    """Return what to mend in the pictures that there are."""
    lines = []
    if num_doubts:
        are = "1 picture is" if num_doubts == 1 else f"{num_doubts} pictures are"
        lines.append(
            f"Look through the likely label errors below before anything else: {are} doubtful among {num_doubted}. "
            "Some will be right and merely hard; moving the others costs minutes."
        )
    for group in copies:
        if group.severity != "note":
            lines.append(f"Remove copies: {group.text} ({group.num_files} files). See: edgecnn data check.")
    return lines


def advise_pictures(curve: LearningCurve) -> list[str]:
    """Return which classes need more pictures, and which do not."""
    lines = [_tell_gain(one) for one in curve.classes if one.outlook == "helps"][:_MAX_NAMED]
    lines += _tell_others(curve.classes)
    if not any(one.outlook == "helps" for one in curve.classes):
        more = f"Half as many pictures again of every class should bring {points_range(curve.gain)} in all"
        lines.append(f"{more}{'' if curve.gain.low >= 0.5 else ', so that may not be worth the work'}.")
    if curve.val_is_harder:
        lines.append(
            "The validation pictures are harder than training pictures that were held back: "
            f"{percent(curve.head_val_error)} mistakes against {percent(curve.errors[-1])} over all. Pictures "
            "like them (other places, people, light) should help more than the figures above say, "
            "and more of the same less."
        )
    return lines


def _tell_gain(one: ClassOutlook) -> str:
    return (
        f"{one.more} more pictures of {quote(one.label)} (now {one.num}) should bring {about(one.gain)} of that class, "
        f"{points_range(one.overall)} of all."
    )


def _tell_others(classes: Sequence[ClassOutlook]) -> list[str]:
    lines = []
    unsure = sorted((one for one in classes if one.outlook == "unsure"), key=lambda one: -one.gain.value)
    if unsure and unsure[0].gain.value >= 1:
        lines.append(f"Most promising, though that may be chance: {_tell_gain(unsure.pop(0))}")
    if unsure:
        lines.append(f"Cannot tell whether more pictures would help: {_list_classes(unsure)}.")
    if nothing := [one for one in classes if one.outlook == "nothing"]:
        lines.append(f"More pictures should bring next to nothing: {_list_classes(nothing)}.")
    return lines


def _list_classes(classes: Sequence[ClassOutlook]) -> str:
    named = ", ".join(f"{quote(one.label)} ({points_range(one.gain)})" for one in classes[:_MAX_NAMED])
    return named + (f" and {len(classes) - _MAX_NAMED} more" if len(classes) > _MAX_NAMED else "")


def advise_network(material: ReportMaterial, directions: Floats | None) -> list[str]:
    """Return what another network would do, where that was measured."""
    if not material.is_from_scratch:
        return []
    lines = []
    if directions is not None and (line := _compare_with_head(material, directions)):
        lines.append(line)
    val = material.val_accuracy
    if material.train_accuracy is not None and material.train_accuracy - val >= _WIDE_GAP:
        lines.append(
            f"It recognizes {percent(material.train_accuracy)} of the pictures that it learned from and {percent(val)} "
            "of the validation pictures: it has learned them by heart, and more pictures of all classes should help."
        )
    return lines


def _compare_with_head(material: ReportMaterial, directions: Floats) -> str:
    """Return a sentence unless a head on ImageNet's features alone is worse by more than chance."""
    known, judged = material.known, material.judged.get("val")
    if known is None or judged is None:
        return ""
    chosen = [row for row, (split, _) in enumerate(known.rows) if split == "val"]
    train = slice(0, known.num_train)
    truths = known.label_indices[chosen]
    head = Head.fit(Sums.of(directions[train], known.label_indices[train], len(material.labels)))
    head_right = head.scores(directions[chosen]).argmax(axis=1) == truths
    own = judged.scores[[known.rows[row][1] for row in chosen]].argmax(axis=1) == truths
    better, by_chance = head_right.mean() > own.mean(), mcnemar(own, head_right).p_value >= 0.05
    if not better and not by_chance:
        return ""
    size = f"{material.config.input.width} px"
    compared = (
        f"a plain head on what it knows from ImageNet, not fine-tuned and at {size}, recognizes "
        f"{percent(head_right.mean())} of the validation pictures, this network {percent(own.mean())}"
    )
    return f"{'Try' if by_chance else 'Train with'} --arch lite0: {compared}."


def advise_judging(figures: SplitFigures) -> list[str]:
    """Return whether more pictures are needed to know how good the network is."""
    width = 100 * (figures.top1.high - figures.top1.low)
    lines = []
    if width > _WIDE_POINTS:
        lines.append(
            f"To know more exactly how good it is, set more pictures aside: the interval is {width:.0f} points wide, "
            "and four times as many test pictures would halve it."
        )
    if figures.split != "test":
        lines.append("Set test pictures aside: the validation pictures chose among its epochs, so they flatter it.")
    return lines
