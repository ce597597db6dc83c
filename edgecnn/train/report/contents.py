"""Everything that a report says, as data: the page is drawn from it, and so is its JSON.

Shares are 0 to 1. Pictures are named by their place in ``Report.pictures``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecnn.evaluate.intervals import Interval
from edgecnn.train.run_folder import HistoryRow

Outlook = Literal["helps", "nothing", "unsure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture that the page shows.

    Attributes:
        path: relative to the folder of the pictures.
        split: that it is in.
        label: of the class that it lies in.
        answer: the network's; empty where it was not asked.
        score: of the answer; None where there is none.
        own_score: that the network gives to ``label``.
    """

    path: str
    split: str
    label: str
    answer: str = ""
    score: float | None = None
    own_score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """One class of a split; ``recall`` is None where it has no pictures, ``precision`` where nothing got its name."""

    label: str
    num: int
    num_train: int
    recall: Interval | None
    precision: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """``num`` pictures of the class ``truth`` were called ``answer``; ``pictures`` are some of them."""

    truth: int
    answer: int
    num: int
    pictures: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFigures:
    """What the network does on a split that it did not learn from.

    Attributes:
        split: ``val`` or ``test``.
        num: pictures.
        top1: share of them that were recognized, with its 95% interval.
        ece: expected calibration error; None where the pictures are gone.
        classes: in the order of the labels.
        confusions: the cells of the confusion matrix that are not 0; indices are those of ``classes``.
    """

    split: str
    num: int
    top1: Interval
    ece: float | None
    classes: tuple[ClassFigures, ...]
    confusions: tuple[Confusion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassOutlook:
    """What more pictures of one class would bring.

    Attributes:
        label: of the class.
        num: pictures of it to train and validate that there are.
        more: how many more the figures are for.
        gain: of this class's pictures so many percentage points more would be recognized; 90% interval.
        overall: the same of all pictures.
        outlook: ``helps``: the interval begins at half a point or above; ``nothing``: it ends below one point;
            ``unsure``: neither.
    """

    label: str
    num: int
    more: int
    gain: Interval
    overall: Interval
    outlook: Outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """How a head on features that saw none of these pictures gets better with more of them.

    Attributes:
        num: pictures that the largest heads learned from.
        shares: of them, from the smallest.
        errors: share of unseen pictures that a head on that share got wrong.
        factor: how many times as many pictures ``gain`` is for.
        gain: percentage points that the network would gain with pictures of all classes; 90% interval.
        classes: the same class by class, the worst recognized ones first.
        num_classes: classes in all; the page has room for the worst.
        scale: the heads' gains were multiplied by this, as the network makes fewer mistakes than they do.
        head_val_error: of a head on all training pictures, on the validation pictures.
        val_is_harder: whether heads recognize training pictures that they did not see clearly more often.
    """

    num: int
    shares: tuple[float, ...]
    errors: tuple[float, ...]
    factor: float
    gain: Interval
    classes: tuple[ClassOutlook, ...]
    num_classes: int
    scale: float
    head_val_error: float
    val_is_harder: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDoubt:
    """A picture that may lie in the wrong class; ``score`` is that of ``suggested`` by heads that had not seen it."""

    picture: int
    suggested: str
    own_score: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Pictures that are equal or look the same, in one sentence; ``severity`` is ``warning`` where they do harm."""

    text: str
    severity: str
    num_groups: int
    num_files: int
    groups: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the page says.

    Attributes:
        name: of the run.
        architecture: of the network.
        verdict: two sentences.
        is_fit: whether it is good enough to try on a device, by the lower end of the interval.
        advice: what to do next, the most useful first; one or two sentences each.
        figures: by split, the one that counts first.
        curve: None where it cannot be had; ``notes`` says why.
        mistakes: pictures that got a wrong answer, the most certain first.
        num_mistakes: how many there are.
        doubts: pictures that may lie in the wrong class; the most doubtful first.
        num_doubts: how many there are.
        num_doubted: pictures that were looked at for that.
        copies: pictures that are there twice.
        history: every epoch.
        kept: stage and epoch whose weights the network has.
        interrupted: whether the user ended training early.
        skipped: files that could not be read when it was trained.
        notes: by section, why something is missing.
        missing: sentences on what could not be had.
        pictures: all that the page shows.
    """

    name: str
    architecture: str
    verdict: tuple[str, str]
    is_fit: bool
    advice: tuple[str, ...]
    figures: tuple[SplitFigures, ...]
    curve: LearningCurve | None
    mistakes: tuple[int, ...]
    num_mistakes: int
    doubts: tuple[LabelDoubt, ...]
    num_doubts: int
    num_doubted: int
    copies: tuple[Copies, ...]
    history: tuple[HistoryRow, ...]
    kept: tuple[str, int]
    interrupted: bool
    skipped: tuple[str, ...]
    notes: dict[str, str]
    missing: tuple[str, ...]
    pictures: tuple[Shown, ...]
