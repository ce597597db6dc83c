"""All checks in their order: the cheap and certain ones first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import CalibrationError
from edgecnn.export.calibration_lint.appearance import check_appearance
from edgecnn.export.calibration_lint.collection import check_classes, check_duplicates, check_number, check_overlap
from edgecnn.export.calibration_lint.finding import Finding
from edgecnn.export.calibration_lint.network import Embed, Features, NetworkCheck, Score, can_check
from edgecnn.export.calibration_lint.picture_set import CalibrationSet, KnownPictures, Reference


def lint_calibration(
    given: CalibrationSet,
    reference: Reference | None,
    *,
    labels: Sequence[str],
    known: KnownPictures | None = None,
    score: Score | None = None,
    features: Features | None = None,
    embed: Embed | None = None,
    own: bool = False,
    seed: int = 0,
) -> tuple[str, ...]:
    """Compare calibration pictures with what the model was trained on.

    Args:
        given: the pictures that shall set the ranges.
        reference: samples of the training and validation split; None where those pictures are gone.
        labels: of the model.
        known: the pictures that measure accuracy; None looks for no overlap.
        score: the float model, from pixels, uint8 (n, h, w, 3), to scores, float32 (n, C); without it and
            ``embed`` only pixels and the list are checked.
        features: the same model up to the layer before the last, float32 (n, D); without it the logarithm of
            the scores serves.
        embed: both at once, features and scores, which saves half the time.
        own: whether the pictures were drawn from the model's own training split. Then number, classes,
            duplicates and overlap are how the user's data are: they are warned of, and not refused.
        seed: of the sample that the network looks at.

    Returns:
        Warnings, a sentence each.

    Raises:
        CalibrationError: the pictures must not set the ranges of this model; says what they are.
    """
    warnings = list(_take(check_number(given), forgive=own and len(given) > 0))
    if reference is None:
        warnings.append(
            "the calibration pictures were not compared with the training pictures, which are gone; "
            "say where they are with --data"
        )
    training = None if reference is None else reference.training
    warnings += _take(check_appearance(given.pixels, training), forgive=False)
    hashes = None if reference is None else reference.hashes
    warnings += _take(_check_collection(given, hashes, labels, known), forgive=own)
    embed = embed or _combine(score, features)
    if embed is not None and reference is not None and can_check(reference):
        warnings += _take(NetworkCheck(embed, reference, labels, seed).run(given), forgive=False)
    return tuple(warnings)


def _check_collection(
    given: CalibrationSet, hashes: NDArray[np.bool_] | None, labels: Sequence[str], known: KnownPictures | None
) -> Iterator[Finding]:
    overlap: Iterator[Finding] = iter(()) if known is None else check_overlap(given, known, hashes)
    return chain(check_classes(given, labels), check_duplicates(given, hashes), overlap)


def _take(findings: Iterator[Finding], *, forgive: bool) -> Iterator[str]:
    for finding in findings:
        if finding.refuses and not forgive:
            raise CalibrationError(finding.text)
        yield finding.text


def _combine(score: Score | None, features: Features | None) -> Embed | None:
    if score is None:
        return None

    def embed(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        scores = score(pixels)
        return (np.log(scores + 1e-6) if features is None else features(pixels)), scores

    return embed
