"""How well a model file tells what it knows from what it has never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.familiarity import FAMILIARITY_METHODS, FamiliarityMethod, Ramp
from edgecnn.core.feature_map import FeatureMap
from edgecnn.core.progress import Progress
from edgecnn.data import Picture, list_pictures
from edgecnn.errors import DatasetError
from edgecnn.evaluate.evaluator import evaluate
from edgecnn.evaluate.sightings import Sightings, Watcher
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.familiar import FAMILIAR_FILE
from edgecnn.runtime.classifier import Classifier

if TYPE_CHECKING:
    from edgecnn.modelfile.manifest import ConfidencePart

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionFigures:
    """How a file takes pictures that it knows and pictures of other things.

    Attributes:
        method: what the file itself goes by; None for a file without a threshold.
        num_known: pictures of its classes.
        num_unknown: pictures of other things.
        auroc: for every method that can be asked, the probability, 0 to 1, that a picture of its classes
            looks more familiar than one of other things.
        rejected_known: share of the known pictures that the file calls unknown; None without a threshold.
        rejected_unknown: the same share of the others.
        unreadable: one sentence for each picture that could not be judged.
    """

    method: FamiliarityMethod | None
    num_known: int
    num_unknown: int
    auroc: dict[FamiliarityMethod, float]
    rejected_known: float | None
    rejected_unknown: float | None
    unreadable: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers."""
        return {**asdict(self), "unreadable": list(self.unreadable)}

    def describe(self) -> str:
        """Return lines for people."""
        lines = [f"telling {self.num_known} pictures of its classes from {self.num_unknown} of other things:"]
        for method, area in self.auroc.items():
            mark = "  (what the file goes by)" if method == self.method else ""
            lines.append(f"  {method:<16}  AUROC {area:.3f}{mark}")
        if self.rejected_known is None or self.rejected_unknown is None:
            return "\n".join([*lines, "the file has no threshold for unknown things"])
        return "\n".join(
            [
                *lines,
                f"called unknown at the file's threshold: {self.rejected_unknown:.1%} of the others, "
                f"{self.rejected_known:.1%} of its own",
            ]
        )


def judge_unknown(
    classifier: Classifier,
    known: tuple[Path, Sequence[Picture]],
    unknown: Path,
    *,
    progress: Progress | None = None,
) -> RejectionFigures:
    """Judge how well a file tells pictures of its classes from others.

    Args:
        classifier: the file, loaded.
        known: a folder and pictures in it, of the file's classes.
        unknown: a folder of pictures of other things, at any depth.
        progress: told of every picture.

    Raises:
        DatasetError: one side has no picture that can be read.
    """
    file = classifier.file
    strangers = list_pictures(unknown)
    if not strangers:
        raise DatasetError(f"{unknown} holds no pictures; give a folder of pictures of things that are no class")
    watcher = Watcher(file)
    sides: list[Sightings] = []
    unreadable: list[str] = []
    for title, root, pictures in (("known things", *known), ("unknown things", unknown, strangers)):
        # Strange pictures have no class: their figures as an answer mean nothing and are thrown away.
        nameless = [Picture(picture.path, 0) for picture in pictures]
        evaluation = evaluate(
            watcher, root, nameless, contract=file.contract, labels=file.labels, progress=progress, title=title
        )
        unreadable += evaluation.unreadable
        sides.append(watcher.seen())
    return compare_sightings(file, *sides, unreadable=unreadable)


def compare_sightings(
    file: ModelFile, known: Sightings, unknown: Sightings, *, unreadable: Sequence[str] = ()
) -> RejectionFigures:
    """Return the figures out of what was seen already; see ``judge_unknown``."""
    confidence = file.manifest.confidence if file.manifest else None
    feature_map = FeatureMap.from_bytes(file.files[FAMILIAR_FILE]) if FAMILIAR_FILE in file.files else None
    measures = {}
    for method in FAMILIARITY_METHODS:
        both = known.measure(method, feature_map), unknown.measure(method, feature_map)
        if both[0] is not None and both[1] is not None:
            measures[method] = both[0], both[1]
    rejected = _rejected(confidence, measures) if confidence else (None, None)
    return RejectionFigures(
        method=confidence.method if confidence else None,
        num_known=len(known.scores),
        num_unknown=len(unknown.scores),
        auroc={method: auroc(*both) for method, both in measures.items()},
        rejected_known=rejected[0],
        rejected_unknown=rejected[1],
        unreadable=tuple(unreadable),
    )


def auroc(known: NDArray[Any], unknown: NDArray[Any]) -> float:
    """Return the area under the curve of true against false alarms: how well a measure tells two groups apart.

    Args:
        known: floats, shape (N,), N from 1; expected to be larger.
        unknown: floats, shape (M,), M from 1.

    Returns:
        The probability that one of ``known`` is larger than one of ``unknown``, where equal ones count
        half: 1 tells them apart without a fault, 0.5 not at all.

    Reference:
        Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically Larger
        than the Other", 1947.
    """
    return float(placements(known, unknown).mean())


def placements(values: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Return for each value the share of the others that are smaller, where equal ones count half.

    Args:
        values: floats, shape (N,), N from 1.
        others: floats, shape (M,), M from 1.

    Returns:
        Shape (N,), 0 to 1.

    Raises:
        ValueError: one of the groups is empty.
    """
    if not len(values) or not len(others):
        raise ValueError(f"both groups need values, got {len(values)} and {len(others)}")
    ordered = np.sort(others)
    smaller = np.searchsorted(ordered, values, "left")
    not_larger = np.searchsorted(ordered, values, "right")
    return (smaller + not_larger) / (2.0 * len(others))


def _rejected(
    confidence: ConfidencePart, measures: Mapping[FamiliarityMethod, tuple[Values, Values]]
) -> tuple[float, float]:
    """Return the shares of known and of unknown pictures below the file's threshold, as the runtime applies it."""
    method, threshold = confidence.method, confidence.unknown_below
    if method not in measures and confidence.score_below is not None:
        method, threshold = "max_score", confidence.score_below
    known, unknown = measures[method]
    if method != "max_score" and confidence.threshold is not None and confidence.typical is not None:
        ramp = Ramp(confidence.threshold, confidence.typical)
        known, unknown = (np.array([ramp.familiarity(float(value)) for value in side]) for side in (known, unknown))
    return _share_below(known, threshold), _share_below(unknown, threshold)


def _share_below(values: Values, threshold: float) -> float:
    return float(np.mean(values.astype(np.float32) < np.float32(threshold)))
