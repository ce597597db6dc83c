from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.data import ImageFolder, Picture
from edgecnn.errors import DatasetError
from edgecnn.evaluate.rejection import auroc, judge_unknown
from edgecnn.evaluate.sightings import Watcher
from edgecnn.imaging import encode_png, load_input
from edgecnn.runtime.classifier import Classifier

values = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=20)


@given(values, values)
def test_the_area_is_the_share_of_pairs_in_the_right_order(known: list[float], unknown: list[float]) -> None:
    pairs = [(own > other) + 0.5 * (own == other) for own in known for other in unknown]
    assert auroc(np.array(known), np.array(unknown)) == pytest.approx(np.mean(pairs))


def test_the_area_is_one_where_the_groups_are_apart_and_infinite_values_count() -> None:
    assert auroc(np.array([0.0, 1.0]), np.array([-np.inf, -1.0])) == 1.0
    assert auroc(np.array([-2.0]), np.array([-1.0, 0.0])) == 0.0
    with pytest.raises(ValueError, match="both groups need values, got 0 and 1"):
        auroc(np.array([]), np.array([1.0]))


@pytest.fixture
def noise_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "noise"
    (folder / "deep" / "down").mkdir(parents=True)
    for seed in range(6):
        picture = np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)
        (folder / ("deep/down" if seed % 2 else ".") / f"{seed}.png").write_bytes(encode_png(picture))
    return folder


def known_pictures(folder: Path) -> tuple[Path, tuple[Picture, ...]]:
    return folder, ImageFolder.scan(folder).pictures


def test_a_file_tells_noise_from_what_it_knows(careful_file: Path, picture_folder: Path, noise_folder: Path) -> None:
    (noise_folder / "broken.png").write_bytes(b"no picture")
    figures = judge_unknown(Classifier.load(careful_file), known_pictures(picture_folder), noise_folder)
    assert (figures.method, figures.num_known, figures.num_unknown) == ("feature_distance", 48, 6)
    assert sorted(figures.auroc) == ["energy", "feature_distance", "max_score"]
    assert figures.auroc["feature_distance"] > 0.99
    assert figures.rejected_unknown == 1.0
    assert figures.rejected_known is not None
    assert figures.rejected_known < 0.15
    assert [sentence for sentence in figures.unreadable if "broken.png" in sentence]
    assert "feature_distance  AUROC" in figures.describe()
    assert "(what the file goes by)" in figures.describe()
    assert figures.to_json()["num_unknown"] == 6


def test_the_shares_are_those_that_the_runtime_calls_unknown(
    careful_file: Path, picture_folder: Path, noise_folder: Path
) -> None:
    classifier = Classifier.load(careful_file)
    root, pictures = known_pictures(picture_folder)
    figures = judge_unknown(classifier, (root, pictures), noise_folder)
    judged = [
        classifier.classify(load_input(root / picture.path, classifier.contract), color_order="rgb")
        for picture in pictures
    ]
    assert figures.rejected_known == np.mean([prediction.is_unknown for prediction in judged])


def test_a_file_without_a_threshold_is_judged_by_the_methods_that_need_none(
    model_file: Path, picture_folder: Path, noise_folder: Path
) -> None:
    figures = judge_unknown(Classifier.load(model_file), known_pictures(picture_folder), noise_folder)
    assert sorted(figures.auroc) == ["energy", "max_score"]
    assert (figures.method, figures.rejected_known, figures.rejected_unknown) == (None, None, None)
    assert figures.describe().endswith("the file has no threshold for unknown things")


def test_a_folder_without_pictures_is_refused(model_file: Path, picture_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no pictures; give a folder of pictures of things that are no class"):
        judge_unknown(Classifier.load(model_file), known_pictures(picture_folder), tmp_path)
    with pytest.raises(DatasetError, match="does not exist; give a folder of pictures"):
        judge_unknown(Classifier.load(model_file), known_pictures(picture_folder), tmp_path / "nowhere")


def test_a_watcher_scores_like_the_classifier_and_softmax_of_its_logits_is_the_scores(
    careful_file: Path, picture_folder: Path
) -> None:
    classifier = Classifier.load(careful_file)
    pixels = [load_input(picture_folder / p.path, classifier.contract) for p in known_pictures(picture_folder)[1][:9]]
    watcher = Watcher(replace(classifier.file, manifest=None))
    first, second = watcher(pixels[:4]), watcher(pixels[4:])
    seen = watcher.seen()
    assert np.array_equal(np.concatenate([first, second]), seen.scores)
    assert np.array_equal(seen.scores, [classifier.scores(picture) for picture in pixels])
    assert seen.logits is not None
    assert seen.features is not None
    powers = np.exp(seen.logits - seen.logits.max(axis=1, keepdims=True))
    assert np.abs(powers / powers.sum(axis=1, keepdims=True) - seen.scores).max() < 0.02
    assert seen.features.shape == (9, 192)
    assert len(watcher.seen().scores) == 0
