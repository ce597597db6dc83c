"""Which measure of familiarity a model file goes by, and its threshold."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.familiarity import AT_THRESHOLD, FAMILIARITY_METHODS, FamiliarityMethod
from edgecnn.core.feature_map import MAX_FEATURES, FeatureMap, fit_feature_map
from edgecnn.evaluate.rejection import placements
from edgecnn.evaluate.sightings import Sightings
from edgecnn.modelfile.familiar import FAMILIAR_FILE
from edgecnn.modelfile.manifest import ConfidencePart

KEPT_SHARE = 0.95
# With pictures of unknown things to hold against, the share may be anything between these.
_LOST_SHARES = np.arange(1, 11) / 100
_TIE = 0.01
_DIGITS = 1e6

Values = NDArray[np.float64]


class Fitted(NamedTuple):
    """What goes into a model file: a part of its manifest, and associated files by name."""

    part: ConfidencePart
    files: dict[str, bytes]


def choose_method(
    known: Sightings, train: Sightings, strange: Mapping[str, Sightings], *, tunes: bool = False
) -> Fitted:
    """Return the threshold of the method that tells familiar pictures from strange ones best.

    Every kind of strange picture counts the same. Of two methods the simpler one is taken where the
    other one is not better by 0.01, and by the standard error of the difference between the two.

    Args:
        known: of the file on validation pictures.
        train: of the file on training pictures.
        strange: of the file on pictures that are no class, by kind.
        tunes: whether the threshold is the one that keeps familiar and refuses strange pictures best and
            loses 1% to 10% of the familiar ones; otherwise it loses 5%.
    """
    feature_map = _map_of(train)
    placed: dict[FamiliarityMethod, _Placed] = {}
    for method in FAMILIARITY_METHODS:
        own = known.measure(method, feature_map)
        if own is not None:
            placed[method] = _Placed(own, [_measure(one, method, feature_map) for one in strange.values()])
    best: FamiliarityMethod = "max_score"
    for method, place in placed.items():
        if place.is_better_than(placed[best]):
            best = method
    others = np.concatenate([_measure(one, best, feature_map) for one in strange.values()]) if tunes else None
    data = feature_map.to_bytes() if feature_map and best == "feature_distance" else None
    part = _part(
        known,
        best,
        feature_map,
        others,
        features_sha256=hashlib.sha256(data).hexdigest() if data else None,
        auroc={method: round(place.auroc, 4) for method, place in placed.items()},
    )
    return Fitted(part, {FAMILIAR_FILE: data} if data else {})


class _Placed:
    """How a method places familiar pictures among strange ones of several kinds, and the other way round.

    Reference:
        DeLong et al., "Comparing the Areas under Two or More Correlated Receiver Operating
        Characteristic Curves", 1988: the error of a difference out of the placements.
    """

    def __init__(self, known: Values, kinds: Sequence[Values]) -> None:
        self.known = np.mean([placements(known, one) for one in kinds], axis=0)
        self.kinds = [placements(one, known) for one in kinds]
        self.auroc = float(self.known.mean())

    def is_better_than(self, other: _Placed) -> bool:
        variance = _variance_of_mean(self.known - other.known)
        for mine, theirs in zip(self.kinds, other.kinds, strict=True):
            variance += _variance_of_mean(mine - theirs) / len(self.kinds) ** 2
        return self.auroc - other.auroc > max(_TIE, math.sqrt(variance))


def _variance_of_mean(values: Values) -> float:
    return float(values.var() / len(values))


def _map_of(train: Sightings) -> FeatureMap | None:
    features = train.features
    if features is None or not len(features) or features.shape[1] > MAX_FEATURES or not np.isfinite(features).all():
        return None
    return fit_feature_map(features)


def _measure(seen: Sightings, method: FamiliarityMethod, feature_map: FeatureMap | None) -> Values:
    measure = seen.measure(method, feature_map)
    assert measure is not None, "one file shows the same of every picture"
    return measure


def _part(
    known: Sightings, method: FamiliarityMethod, feature_map: FeatureMap | None, others: Values | None, **more: Any
) -> ConfidencePart:
    measure = _measure(known, method, feature_map)
    threshold = _threshold(measure, others)
    common: dict[str, Any] = {"method": method, "split": "val", "num": len(measure), **more}
    if method == "max_score":
        threshold = min(max(threshold, 0.0), 1.0)
        return ConfidencePart(unknown_below=threshold, kept=float(np.mean(measure >= threshold)), **common)
    typical = max(float(np.median(measure)), threshold + 1e-3 * max(1.0, abs(threshold)))
    score_below = min(max(_threshold(_measure(known, "max_score", None), None), 0.0), 1.0)
    return ConfidencePart(
        unknown_below=AT_THRESHOLD,
        kept=float(np.mean(measure >= threshold)),
        threshold=threshold,
        typical=typical,
        score_below=score_below,
        **common,
    )


def _threshold(measure: Values, others: Values | None) -> float:
    """Return the value that a share of the familiar pictures reaches, rounded down: the picture at it stays in."""
    ordered = np.sort(measure)
    shares = np.array([1.0 - KEPT_SHARE]) if others is None else _LOST_SHARES
    thresholds = np.floor(ordered[(shares * len(ordered) + 1e-9).astype(int)] * _DIGITS) / _DIGITS
    if others is None:
        return float(thresholds[0])
    # Both groups count the same, however large they are; of equally good thresholds the lowest.
    gains = [float(np.mean(measure >= value) + np.mean(others < value)) for value in thresholds]
    return float(thresholds[int(np.argmax(gains))])
