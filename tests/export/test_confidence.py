from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.feature_map import FeatureMap
from edgecnn.data import ImageFolder, PixelSet, load_pixels
from edgecnn.evaluate.sightings import Sightings, Watcher
from edgecnn.export.rejection import (
    calibration_errors,
    choose_method,
    describe_confidence,
    fit_confidence,
)
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.familiar import FAMILIAR_FILE

RANDOM = np.random.default_rng(7)
NUM = 200


def seen(best: float = 0.9, energy: float = 5.0, feature: int = 0, num: int = NUM) -> Sightings:
    """Return what a file knows of pictures with about such a best score, such an energy and such a bright feature."""
    scores = np.clip(RANDOM.normal(best, 0.02, (num, 1)), 0.5, 1.0)
    logits = RANDOM.normal(energy, 0.1, (num, 1)) - np.array([[0.0, 50.0]])
    features = np.abs(RANDOM.normal(0.0, 0.1, (num, 12)))
    features[:, feature] += 3.0
    return Sightings(
        np.hstack([scores, 1.0 - scores]).astype(np.float32),
        logits.astype(np.float32),
        features.astype(np.float32),
    )


@pytest.mark.parametrize(
    ("strange", "method"),
    [
        ({"best": 0.6}, "max_score"),
        ({"energy": 1.0}, "energy"),
        ({"feature": 5}, "feature_distance"),
        ({"best": 0.6, "feature": 5}, "max_score"),
        ({"energy": 1.0, "feature": 5}, "energy"),
        ({}, "max_score"),
    ],
    ids=str,
)
def test_the_method_that_tells_strange_pictures_best_is_taken_and_of_equals_the_simplest(
    strange: dict[str, float], method: str
) -> None:
    part, files = choose_method(seen(), seen(), {"strange": seen(**strange)})  # type: ignore[arg-type]
    assert part.method == method
    assert sorted(part.auroc) == ["energy", "feature_distance", "max_score"]
    assert (FAMILIAR_FILE in files) == (method == "feature_distance")
    assert part.auroc[part.method] >= max(part.auroc.values()) - 0.01
    assert part.kept == pytest.approx(0.95, abs=0.006)


def test_every_kind_of_strange_picture_counts_the_same_however_many_there_are() -> None:
    kinds = {"many": seen(best=0.6, num=1000), "few": seen(feature=5, num=10)}
    part, _ = choose_method(seen(), seen(), kinds)
    assert part.auroc["max_score"] == pytest.approx(part.auroc["feature_distance"], abs=0.2)
    assert part.auroc["max_score"] == pytest.approx(0.75, abs=0.1)


def test_pictures_of_unknown_things_move_the_threshold_to_where_few_of_both_sides_are_lost() -> None:
    known, strange = seen(), {"unknown": seen(best=0.6)}
    assert choose_method(known, seen(), strange).part.kept == pytest.approx(0.95, abs=0.006)
    assert choose_method(known, seen(), strange, tunes=True).part.kept == pytest.approx(0.99, abs=0.006)
    near = {"unknown": seen(best=0.875)}
    assert choose_method(known, seen(), near, tunes=True).part.kept == pytest.approx(0.9, abs=0.03)


def test_one_validation_picture_gives_a_threshold_too() -> None:
    for method in ({"best": 0.6}, {"energy": 1.0}, {"feature": 5}):
        part, _ = choose_method(seen(num=1), seen(num=2), {"strange": seen(num=3, **method)})  # type: ignore[arg-type]
        assert (part.num, part.kept) == (1, 1.0)


def test_a_network_without_a_dense_end_goes_by_its_best_score() -> None:
    known, strange = (Sightings(one.scores, None, None) for one in (seen(), seen(feature=5)))
    part, files = choose_method(known, known, {"strange": strange})
    assert (part.method, list(part.auroc), files) == ("max_score", ["max_score"], {})


def test_features_that_are_no_numbers_are_left_alone() -> None:
    train = seen()
    assert train.features is not None
    train.features[3, 3] = np.nan
    part, _ = choose_method(seen(), train, {"strange": seen(feature=5)})
    assert "feature_distance" not in part.auroc


def test_the_error_without_the_temperature_is_that_of_the_scores_made_undone() -> None:
    logits = RANDOM.normal(0, 3, (500, 4)).astype(np.float32)
    powers = np.exp(logits)
    scores = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    truths = (scores.cumsum(axis=1) < RANDOM.random((500, 1))).sum(axis=1)
    with_logits = calibration_errors(Sightings(scores, logits, None), truths, 2.0)
    without = calibration_errors(Sightings(scores, None, None), truths, 2.0)
    assert with_logits == pytest.approx(without, abs=1e-5)
    before, after = with_logits
    assert before is not None
    assert after is not None
    assert before > after + 0.03
    assert calibration_errors(Sightings(scores, logits, None), truths, 1.0) == (after, after)


@pytest.fixture(scope="module")
def bare(exported: ModelFile) -> ModelFile:
    return replace(exported, manifest=None, files={})


@pytest.fixture(scope="module")
def pictures(bare: ModelFile, picture_folder: Path) -> PixelSet:
    return load_pixels(picture_folder, ImageFolder.scan(picture_folder).pictures, bare.contract)


def test_a_file_is_fitted_on_made_pictures_where_there_are_no_others(bare: ModelFile, pictures: PixelSet) -> None:
    half = pictures.pixels[1::2], pictures.label_indices[1::2]
    part, files = fit_confidence(bare, train=pictures.pixels[::2], val=half[0], truths=half[1], temperature=0.8)
    assert part.against.startswith("strange pictures made of 24 validation pictures, the mean over kinds: shuffled, ")
    assert (part.num, part.temperature) == (24, 0.8)
    assert part.ece_before != part.ece_after
    assert FeatureMap.from_bytes(files[FAMILIAR_FILE]).num_features == 192
    first, second = describe_confidence(part)
    assert first.startswith("calibration error of the scores: ")
    assert "with the temperature 0.80 in the last layer" in first
    assert second.startswith("unknown things are told by feature_distance (")


def test_the_same_seed_fits_the_same_and_what_was_seen_already_is_not_looked_at_again(
    bare: ModelFile, pictures: PixelSet
) -> None:
    val, truths = pictures.pixels[1::2], pictures.label_indices[1::2]
    watcher = Watcher(bare)
    watcher(val)
    fitted = [
        fit_confidence(bare, train=pictures.pixels[::2], val=val, truths=truths, seed=3, known=known)
        for known in (None, watcher.seen())
    ]
    assert fitted[0] == fitted[1]


def test_pictures_of_unknown_things_are_taken_instead_of_made_ones_if_there_are_ten(
    bare: ModelFile, pictures: PixelSet
) -> None:
    noise = RANDOM.integers(0, 256, (10, 96, 96, 3), np.uint8)
    val, truths = pictures.pixels[1::2], pictures.label_indices[1::2]
    part = fit_confidence(bare, train=pictures.pixels[::2], val=val, truths=truths, unknown=noise).part
    assert part.against == "10 pictures of other things, given in _unknown"
    few = fit_confidence(bare, train=pictures.pixels[::2], val=val, truths=truths, unknown=noise[:9]).part
    assert few.against.startswith("strange pictures made of")
