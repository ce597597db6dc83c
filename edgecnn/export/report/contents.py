"""Everything that a report says, as data: the page is drawn from it, and so is its JSON."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.evaluate.calibration_error import CalibrationBin
from edgecnn.evaluate.intervals import Interval
from edgecnn.modelfile.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the file does beside the Keras model on the same ``num`` pictures.

    Accuracies are shares, 0 to 1; ``drop_points`` are percentage points, above 0 where the file is worse.
    ``lost`` pictures were recognized by the Keras model alone, ``won`` ones by the file alone, and of
    ``both_wrong`` ones the two gave different answers, neither of them right.
    """

    num: int
    float_top1: Interval
    top1: Interval
    drop_points: Interval
    agreement: Interval
    lost: int
    won: int
    both_wrong: int
    num_bytes: int
    float_num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One operator of the file beside the same one in float.

    Attributes:
        operator: its place in the file, from 0.
        kind: its name in the schema, ``CONV_2D`` for instance.
        layer: the Keras layer that it came from; empty where its name does not tell.
        tensor: name of its output in the file.
        dtype: of its output in the file.
        sqnr_db: signal to quantization noise at its output, with all error of the layers before it, in
            decibels from -20 to 120, at which ends it is cut off.
        step_db: that beside the worst of its inputs; below 0 where this step adds noise. None where no input
            was compared.
        rank: 1 for the step with the most noise of those that add any, 2 for the next; None for all but the worst few.
    """

    operator: int
    kind: str
    layer: str
    tensor: str
    dtype: str
    sqnr_db: float
    step_db: float | None
    rank: int | None = None

    @property
    def name(self) -> str:
        """What to call it for people."""
        return self.layer or self.kind.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRanges:
    """How unequal the channels of one tensor are.

    Attributes:
        ranges: width of every channel's range in codes of the file, smallest first; at most 64 of them,
            evenly picked.
        num: channels.
        per_channel: whether the file has a scale for each.
    """

    ranges: tuple[float, ...]
    num: int
    per_channel: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRange:
    """The values of one of the worst layers against what its codes can hold.

    Attributes:
        row: the layer.
        low: smallest value that a code stands for.
        high: largest one.
        edges: of the histogram's bins, in real units; the first and the last bin hold all that lies beyond.
        shares: of the float values in every bin; they add up to 1.
        clipped: share of float values that no code can hold, beyond half a step.
        unused: share of the 256 codes that came up in no picture; None for wider integers, and where there
            were too few values to use them all.
        activations: spans of the output's channels in codes; None where there is just one.
        weights: spans of the weights' output channels in codes; None for an operator without weights.
        weights_sqnr_db: signal to quantization noise of the weights themselves, as ``LayerRow.sqnr_db``.
    """

    row: LayerRow
    low: float
    high: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    clipped: float
    unused: float | None
    activations: ChannelRanges | None
    weights: ChannelRanges | None
    weights_sqnr_db: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChange:
    """One class; recalls are shares, 0 to 1, ``drop_points`` percentage points."""

    label: str
    num: int
    float_recall: float
    recall: float
    drop_points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPicture:
    """A picture to which the file gives another label than the float network; scores are 0 to 1."""

    path: str
    truth: str
    float_label: str
    float_score: float
    label: str
    score: float

    @property
    def kind(self) -> str:
        """``lost``, ``won`` or ``both wrong``, as the file sees it."""
        return "lost" if self.float_label == self.truth else "won" if self.label == self.truth else "both wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How far scores are what they promise: bins, and the expected calibration error, 0 to 1."""

    title: str
    bins: tuple[CalibrationBin, ...]
    ece: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole of a report.

    Attributes:
        verdict: the two sentences' figures.
        rows: one per compared operator, in the order in which they run.
        num_operators: of the file.
        num_layer_pictures: pictures on which the layers were compared.
        worst: the worst layers' ranges, worst first.
        classes: most damaged first; only those that have pictures.
        changed: the pictures with another label, most certain float answer first.
        num_changed: how many there are; more than ``changed`` holds where there are very many.
        reliability: of the file's scores, last; where there is a temperature, first of the float network without it.
        warnings: about the calibration pictures.
        notes: what this report lacks and why, by section.
        manifest: what the file says about itself.
    """

    verdict: Verdict
    rows: tuple[LayerRow, ...]
    num_operators: int
    num_layer_pictures: int
    worst: tuple[TensorRange, ...]
    classes: tuple[ClassChange, ...]
    changed: tuple[ChangedPicture, ...]
    num_changed: int
    reliability: tuple[Reliability, ...]
    warnings: tuple[str, ...]
    notes: dict[str, str]
    manifest: Manifest
