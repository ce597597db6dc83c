"""The two sentences at the top."""

from __future__ import annotations

from edgecnn.evaluate.intervals import Interval
from edgecnn.train.report.contents import SplitFigures
from edgecnn.train.report.wording import once_in, percent, quote, share_range

GOOD = 0.9
_USABLE = 0.75
_WEAK_CLASS = 0.75
_MIN_CLASS_PICTURES = 5


def is_fit(figures: SplitFigures) -> bool:
    """Tell whether nine of ten such pictures are recognized, even at the lower end of the interval."""
    return figures.top1.low >= GOOD


def put_verdict(figures: SplitFigures) -> tuple[str, str]:
    """Return how good the network is and what it confuses most; and whether that is good enough to deploy."""
    return f"{_how_good(figures)} {_confuses(figures)}".strip(), _good_enough(figures)


def _how_good(figures: SplitFigures) -> str:
    what = "test" if figures.split == "test" else "validation"
    chose = "" if figures.split == "test" else ", which also chose among its epochs,"
    return (
        f"Of {figures.num} {what} pictures that it did not learn from{chose} the network recognizes "
        f"{percent(figures.top1.value)} (95% interval {share_range(figures.top1)})"
    )


def _confuses(figures: SplitFigures) -> str:
    wrong = [cell for cell in figures.confusions if cell.truth != cell.answer]
    if not wrong:
        return "and confuses none of them."
    most = max(wrong, key=lambda cell: (cell.num, -cell.truth, -cell.answer))
    truth, answer = figures.classes[most.truth], figures.classes[most.answer]
    ties = sum(cell.num == most.num for cell in wrong) - 1
    also = f", as often as in {ties} other {'pair' if ties == 1 else 'pairs'} of classes" if ties else ""
    return f"and most often takes {quote(truth.label)} for {quote(answer.label)}: {most.num} of {truth.num}{also}."


def _good_enough(figures: SplitFigures) -> str:
    top1, common = figures.top1, max(figures.classes, key=lambda one: one.num)
    if top1.low <= common.num / figures.num:
        return (
            f"Do not deploy it: so few right answers may be had by always saying {quote(common.label)}, "
            f"which {percent(common.num / figures.num)} of these pictures show."
        )
    if top1.low >= GOOD:
        return (
            f"That is good enough to try on a device: {_wrong(top1)}, and {once_in(1 - top1.low)} at the worst end of "
            f"the interval{_except(figures)}."
        )
    if top1.value >= GOOD:
        return (
            f"It may be good enough to deploy, but {figures.num} pictures are too few to tell: {_wrong(top1)} here, "
            f"{once_in(1 - top1.low)} at the worst end of the interval{_except(figures)}."
        )
    if top1.value >= _USABLE:
        return (
            f"That is enough where a wrong answer costs little, not where it must be right: {_wrong(top1)}"
            f"{_except(figures)}."
        )
    return f"That is not good enough to deploy: {_wrong(top1)}{_except(figures)}."


def _wrong(top1: Interval) -> str:
    return f"it was wrong {once_in(1 - top1.value)}" if top1.value < 1 else "it was never wrong"


def _except(figures: SplitFigures) -> str:
    """Name the worst class when it is much worse than what was just said."""
    judged = [(one.recall.value, one) for one in figures.classes if one.recall and one.num >= _MIN_CLASS_PICTURES]
    if not judged:
        return ""
    recall, worst = min(judged, key=lambda pair: pair[0])
    if recall >= _WEAK_CLASS or recall >= figures.top1.value - 0.05:
        return ""
    return f"; and of {quote(worst.label)} it recognizes only {percent(recall)}"
