"""How a converted file's answers are to be taken: what its scores mean, and from where on they are believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from edgecnn.evaluate.calibration_error import expected_calibration_error
from edgecnn.evaluate.sightings import Sightings, Watcher
from edgecnn.export.method_choice import Fitted, choose_method
from edgecnn.export.strange import make_strange
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.manifest import ConfidencePart

__all__ = ["Fitted", "calibration_errors", "choose_method", "describe_confidence", "fit_confidence"]

MIN_UNKNOWN = 10
MAX_POINTS = 1000
MAX_JUDGED = 1000
_MADE_PER_KIND = 40

Pixels = NDArray[np.uint8]
Strange = Mapping[str, Iterable[Pixels]]


def fit_confidence(
    file: ModelFile,
    *,
    train: Sequence[Pixels] | Pixels,
    val: Sequence[Pixels] | Pixels,
    truths: NDArray[np.int64],
    unknown: Sequence[Pixels] | Pixels = (),
    temperature: float = 1.0,
    seed: int = 0,
    known: Sightings | None = None,
) -> Fitted:
    """Measure on a converted file's own outputs how its scores are to be taken, and what is unknown to it.

    Pictures are uint8, shape (height, width, 3), RGB, at the size of the file's input.

    Args:
        file: the file, without a manifest as yet.
        train: some hundred training pictures; what the features of familiar pictures are like. At most 1,000 count.
        val: validation pictures, from 1; they set the threshold. Of more than 1,000 as many are drawn.
        truths: int64, one for each of ``val``, the true classes.
        unknown: pictures of things that are no class, to choose by; with fewer than 10 of them, strange
            pictures are made of some of ``val`` instead.
        temperature: what the logits of this file were divided by.
        seed: of all draws.
        known: what a ``Watcher`` saw of all of ``val`` already, in their order.
    """
    watcher = Watcher(file, backend="cpu")
    if known is None:
        judged = np.sort(np.random.default_rng((seed, 0)).permutation(len(val))[:MAX_JUDGED])
        known, truths = _look(watcher, (val[index] for index in judged)), truths[judged]
    points = _look(watcher, train[:MAX_POINTS])
    if len(unknown) >= MIN_UNKNOWN:
        strange: Strange = {"unknown": unknown}
        against = f"{len(unknown)} pictures of other things, given in _unknown"
    else:
        some = [val[index] for index in np.random.default_rng((seed, 1)).permutation(len(val))[:_MADE_PER_KIND]]
        strange = make_strange(some, seed)
        against = f"strange pictures made of {len(some)} validation pictures, the mean over kinds: " + ", ".join(
            strange
        )
    seen = {kind: _look(watcher, pictures) for kind, pictures in strange.items()}
    fitted = choose_method(known, points, seen, tunes=len(unknown) >= MIN_UNKNOWN)
    before, after = calibration_errors(known, truths, temperature)
    part = structs.replace(fitted.part, temperature=temperature, ece_before=before, ece_after=after, against=against)
    return Fitted(part, fitted.files)


def calibration_errors(
    known: Sightings, truths: NDArray[np.int64], temperature: float
) -> tuple[float | None, float | None]:
    """Return the expected calibration errors of a file's scores without and with the temperature that is in it."""
    after = expected_calibration_error(known.scores, truths)
    if temperature == 1.0:
        return after, after
    logits = np.log(np.maximum(known.scores, 1e-6)) if known.logits is None else known.logits
    powers = temperature * (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    scores = np.exp(powers) / np.exp(powers).sum(axis=1, keepdims=True)
    return expected_calibration_error(scores, truths), after


def describe_confidence(part: ConfidencePart) -> list[str]:
    """Return sentences for people about what was fitted."""
    lines = []
    if part.ece_before is not None and part.ece_after is not None:
        lines.append(
            f"calibration error of the scores: {part.ece_before:.1%}, with the temperature {part.temperature:.2f} "
            f"in the last layer {part.ece_after:.1%}"
        )
    areas = ", ".join(f"{method} {area:.3f}" for method, area in part.auroc.items())
    lines.append(
        f"unknown things are told by {part.method} ({part.kept:.1%} of {part.num} validation pictures stay); "
        f"AUROC {areas}, against {part.against}"
    )
    return lines


def _look(watcher: Watcher, pictures: Iterable[Pixels]) -> Sightings:
    for picture in pictures:
        watcher([picture])
    return watcher.seen()
