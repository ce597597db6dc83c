"""The float model's own view of the pictures: does it find them as familiar as good pictures?

Every measure here is learnt from the model's training and validation pictures, so that nothing depends on
what the classes are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.export.calibration_lint.familiarity import (
    Familiarity,
    Floats,
    describe_layout,
    share_apart,
    share_of_classes,
    to_unit,
)
from edgecnn.export.calibration_lint.finding import Finding
from edgecnn.export.calibration_lint.picture_set import CalibrationSet, Reference

Pixels = NDArray[np.uint8]
Score = Callable[[Pixels], NDArray[np.float32]]
Features = Callable[[Pixels], NDArray[np.float32]]
Embed = Callable[[Pixels], tuple[NDArray[np.float32], NDArray[np.float32]]]

_NUM_VIEWED = 64
_NUM_REPAIRED = 48
_MIN_FRESH = 8
_MAX_GAIN = 2.0
_UNUSUAL = 0.4
_STRANGE = 0.75
_APART = 0.9
_COLLAPSED = 0.9
_ONE_CLASS = 0.95
_MANY_ALIKE = 0.5
_NEARLY_ALL_ALIKE = 0.7


_INVERTED = (
    "the calibration pictures are inverted: {found:.0%} of them look more like training pictures to the model "
    "with dark and bright exchanged, of fresh pictures {usual:.0%}; invert them back"
)
_SWAPPED = (
    "the calibration pictures have red and blue swapped: {found:.0%} of them look more like training pictures to "
    "the model with the channels exchanged, of fresh pictures {usual:.0%}; they were probably saved as BGR where "
    "RGB was meant, so swap them back"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """Pictures as the model sees them.

    Attributes:
        pixels: uint8, shape (N, h, w, 3).
        features: float32, shape (N, D).
        scores: float32, shape (N, C).
        labels: int64, shape (N,), or None.
    """

    pixels: Pixels
    features: Floats
    scores: Floats
    labels: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What the model makes of pictures, all as numbers that are 0 to 1 or near it.

    Attributes:
        strange: share of pictures that are stranger than 95% of the fresh ones.
        recognized: accuracy, 0 at chance and 1 at that of the fresh pictures; 1 where nothing is known.
        largest: estimated share of the most frequent class.
        apart: share of pictures that mix with training pictures neither as features nor by layout.
    """

    strange: float
    recognized: float
    largest: float
    apart: float


class NetworkCheck:
    """Compares the given pictures with what the model knows; every picture goes through the model once.

    Args:
        embed: from pixels, uint8 (n, h, w, 3), to features (n, D) and scores (n, C), both float32.
        reference: training and fresh pictures.
        labels: of the model.
        seed: of the sample that is looked at.
    """

    def __init__(self, embed: Embed, reference: Reference, labels: Sequence[str], seed: int) -> None:
        self._embed, self._labels, self._seed = embed, labels, seed
        training = self._view(reference.training)
        self._prior = training.scores.mean(0, dtype=np.float64)
        self._means = _channel_means(reference.training)
        self._units, self._layout = to_unit(training.features), describe_layout(reference.training)
        self._fresh = self._view(reference.fresh[:_NUM_VIEWED], reference.fresh_labels[:_NUM_VIEWED])
        self._familiarity = Familiarity(training.features, self._fresh.features)

    def run(self, given: CalibrationSet) -> Iterator[Finding]:
        """Name what is wrong; the first finding that refuses is the diagnosis."""
        seen = self._sample(given)
        repairs = [(_invert, _INVERTED)]
        if _is_coloured(seen.pixels) and _is_coloured(self._fresh.pixels):
            repairs.append((_swap, _SWAPPED))
        # Either repair may help pictures that need the other: the one that brings them nearest is the diagnosis.
        helping = [found for repair, text in repairs if (found := self._try_repair(seen, repair, text)) is not None]
        if helping:
            yield Finding(max(helping)[1], refuses=True)
        yield from self._check_subject(seen)

    def _try_repair(self, seen: _View, repair: Callable[[Pixels], Pixels], text: str) -> tuple[float, str] | None:
        """Return how much nearer to the training pictures a repair brings these, and the diagnosis; None if not."""
        usual = self._preference(_head(self._fresh), repair)
        found = self._preference(_head(seen), repair)
        deviation = usual.std(axis=0) + 1e-9
        effect = np.maximum(usual.mean(axis=0) / deviation, 0.0)
        known, new = (np.clip(values / deviation, -4, 4) @ effect for values in (usual, found))
        if _t_value(known, len(new)) > 3 and new.mean() < -0.15 * known.mean() and _t_value(new) < -2.5:
            gain = -float(found[:, 0].mean())
            return gain, text.format(found=np.mean(new < 0), usual=np.mean(known < 0))
        return None

    def _preference(self, view: _View, repair: Callable[[Pixels], Pixels]) -> NDArray[np.float64]:
        """Return how much more familiar and certain each picture is as it stands than repaired, shape (n, 3)."""
        other = self._view(repair(view.pixels))
        strangeness = self._familiarity.distances(other.features) - self._familiarity.distances(view.features)
        certainty = np.log(view.scores.max(1) + 1e-6) - np.log(other.scores.max(1) + 1e-6)
        return np.column_stack([strangeness, certainty]).astype(np.float64)

    def _check_subject(self, seen: _View) -> Iterator[Finding]:
        """Ask whether these are pictures of what the model knows; another light alone must not make them strange."""
        judged = self._judge(seen)
        if judged.strange < _UNUSUAL and judged.largest < _COLLAPSED and judged.recognized > 0.4:
            return
        relit = self._judge(self._view(self._relight(seen.pixels), seen.labels))
        recognized = max(judged.recognized, relit.recognized)
        if seen.labels is not None:
            is_other = recognized < (0.5 if min(judged.strange, relit.strange) >= _STRANGE else 0.3)
        else:
            is_other = min(judged.strange, relit.strange) >= _STRANGE or (
                min(judged.apart, relit.apart) >= _APART and judged.largest >= _COLLAPSED
            )
        if is_other:
            yield Finding(self._describe_other(seen, judged), refuses=True)
        elif seen.labels is None and judged.largest >= _ONE_CLASS and relit.largest >= _COLLAPSED:
            yield from self._name_one_class(seen)
        elif judged.strange >= _UNUSUAL:
            yield Finding(
                f"{judged.strange:.0%} of the calibration pictures are unusual for the model, where 5% of its "
                "validation pictures are; check that light, distance and colours are those that the camera will show",
                refuses=False,
            )

    def _describe_other(self, seen: _View, judged: _Judged) -> str:
        text = (
            f"{judged.strange:.0%} of the calibration pictures are stranger to the model than 95% of its validation "
            f"pictures are, and {judged.apart:.0%} are nearer to each other than to any training picture"
        )
        if seen.labels is not None:
            text = (
                f"the model recognizes {self._top1(seen):.0%} of the calibration pictures, where it knows "
                f"{self._top1(self._fresh):.0%} of its validation pictures"
            )
        return (
            f"{text}: they show something else than it was trained on, or show it quite differently; "
            "give pictures of the kind that it was trained on"
        )

    def _name_one_class(self, seen: _View) -> Iterator[Finding]:
        best = np.bincount(seen.scores.argmax(1), minlength=len(self._labels))
        top, share = int(best.argmax()), float(best.max() / len(seen.scores))
        if share >= _MANY_ALIKE and self._prior[top] < 0.7:
            yield Finding(
                f"the calibration pictures seem to be of one class only: the model takes {share:.0%} of them for "
                f"{self._labels[top]!r}, and its usual mistakes explain the others; "
                f"give pictures of all {len(self._labels)} classes",
                refuses=share >= _NEARLY_ALL_ALIKE,
            )

    def _judge(self, view: _View) -> _Judged:
        chance, usual = 1 / len(self._labels), self._top1(self._fresh)
        recognized = 1.0
        if view.labels is not None and usual > 2 * chance:
            recognized = (self._top1(view) - chance) / (usual - chance)
        return _Judged(
            strange=self._familiarity.share_strange(view.features),
            recognized=recognized,
            largest=float(share_of_classes(view.scores, self._prior).max()),
            apart=min(
                share_apart(to_unit(view.features), self._units),
                share_apart(describe_layout(view.pixels), self._layout),
            ),
        )

    def _top1(self, view: _View) -> float:
        return float(np.mean(view.scores.argmax(1) == view.labels))

    def _relight(self, pixels: Pixels) -> Pixels:
        """Give the pictures together the mean colour of the training pictures, as another light and exposure would."""
        gains = np.clip(self._means / np.maximum(_channel_means(pixels), 1.0), 1 / _MAX_GAIN, _MAX_GAIN)
        relit: Pixels = np.clip(np.rint(pixels * gains.astype(np.float32)), 0, 255).astype(np.uint8)
        return relit

    def _sample(self, given: CalibrationSet) -> _View:
        chosen = np.random.default_rng(self._seed).permutation(len(given))[:_NUM_VIEWED]
        return self._view(given.pixels[chosen], None if given.label_indices is None else given.label_indices[chosen])

    def _view(self, pixels: Pixels, labels: NDArray[np.int64] | None = None) -> _View:
        features, scores = self._embed(pixels)
        return _View(pixels=pixels, features=features, scores=scores, labels=labels)


def can_check(reference: Reference | None) -> bool:
    """Tell whether there are enough fresh pictures to know what is usual."""
    return reference is not None and len(reference.fresh) >= _MIN_FRESH


def _head(view: _View) -> _View:
    part = slice(_NUM_REPAIRED)
    return _View(pixels=view.pixels[part], features=view.features[part], scores=view.scores[part])


def _invert(pixels: Pixels) -> Pixels:
    return 255 - pixels


def _swap(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[..., ::-1])


def _t_value(values: Floats | NDArray[np.float64], num: int | None = None) -> float:
    return float(values.mean() / (values.std() + 1e-9) * np.sqrt(num or len(values)))


def _is_coloured(pixels: Pixels) -> bool:
    """Tell whether an exchange of red and blue would show in most pictures."""
    difference = np.abs(pixels[..., 0].astype(np.int16) - pixels[..., 2]).mean((1, 2))
    return bool(np.median(difference) >= 1.0)


def _channel_means(pixels: Pixels) -> NDArray[np.float64]:
    means: NDArray[np.float64] = pixels.mean((0, 1, 2), dtype=np.float64)
    return means
