from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.data import ImageFolder, Picture, Splits
from edgecnn.errors import DatasetError
from edgecnn.evaluate.comparison import Candidate, Pictures, choose_from_splits, choose_pictures, judge
from edgecnn.evaluate.evaluator import evaluate, scorer
from edgecnn.imaging import encode_png
from edgecnn.runtime.classifier import Classifier

CONTRACT = InputContract(width=4, height=4)
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def by_colour(labels: tuple[str, ...], name: str = "by colour") -> Candidate:
    """A classifier that is always right: it compares the mean of a picture with each colour."""
    colours = np.array([COLOURS.get(label, (0, 0, 0)) for label in labels], np.float32)

    def score_batch(pixels: Any) -> Any:
        mean = pixels.reshape(len(pixels), -1, 3).mean(axis=1)
        return -np.abs(mean[:, None] - colours).sum(axis=-1).astype(np.float32)

    return Candidate(name=name, labels=labels, contract=CONTRACT, score_batch=score_batch)


def always_first(labels: tuple[str, ...]) -> Candidate:
    def score_batch(pixels: Any) -> Any:
        return np.tile(np.eye(len(labels), dtype=np.float32)[0], (len(pixels), 1))

    return Candidate(name="always first", labels=labels, contract=CONTRACT, score_batch=score_batch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("colours")
    for label in ("blue", "red"):
        (root / label).mkdir()
        for index in range(20):
            (root / label / f"{index}.png").write_bytes(encode_png(np.full((5, 5, 3), COLOURS[label], np.uint8)))
    return root


@pytest.fixture(scope="module")
def pictures(root: Path) -> Pictures:
    return choose_pictures(ImageFolder.scan(root), None)


@pytest.mark.parametrize(
    "labels", [("blue", "red"), ("red", "blue"), ("green", "red", "blue"), ("a", "blue", "b", "c", "red")]
)
def test_a_classifier_may_know_more_classes_than_the_folder_and_in_another_order(
    pictures: Pictures, labels: tuple[str, ...]
) -> None:
    (judgement,) = judge([by_colour(labels)], pictures)
    metrics = judgement.evaluation.metrics
    assert (metrics.top1, metrics.num) == (1.0, 40)
    assert list(metrics.per_class) == list(labels)
    assert metrics.per_class["blue"].num == metrics.per_class["red"].num == 20
    assert judgement.agreement is None


def test_classes_that_a_classifier_does_not_know_are_named(pictures: Pictures) -> None:
    with pytest.raises(DatasetError, match="has classes that by colour does not know: blue; it knows 2: green, red"):
        judge([by_colour(("green", "red"))], pictures)


def test_labels_that_do_not_fit_are_told_before_any_classifier_is_asked(pictures: Pictures) -> None:
    asked: list[int] = []

    def score_batch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        asked.append(len(pixels))
        return np.zeros((len(pixels), 2), np.float32)

    first = replace(by_colour(("blue", "red")), score_batch=score_batch)
    with pytest.raises(DatasetError, match="does not know: blue"):
        judge([first, by_colour(("green", "red"))], pictures)
    assert asked == []


def test_further_classifiers_are_compared_with_the_first(pictures: Pictures) -> None:
    labels = ("blue", "red")
    first, second, third = judge([by_colour(labels), always_first(labels), by_colour(labels)], pictures)
    assert first.agreement is None
    assert (second.evaluation.metrics.top1, second.agreement) == (0.5, 0.5)
    assert third.agreement == 1.0


def test_classifiers_of_other_classes_have_no_agreement(pictures: Pictures) -> None:
    _, second = judge([by_colour(("blue", "red")), by_colour(("red", "blue"))], pictures)
    assert second.evaluation.metrics.top1 == 1.0
    assert second.agreement is None


def test_of_two_classes_with_one_name_the_first_counts(pictures: Pictures) -> None:
    (judgement,) = judge([always_first(("red", "blue", "red"))], pictures)
    assert judgement.evaluation.metrics.confusion == ((20, 0, 0), (20, 0, 0), (0, 0, 0))


def test_unreadable_pictures_are_listed_and_not_counted(tmp_path: Path) -> None:
    for label in ("blue", "red"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(encode_png(np.full((5, 5, 3), COLOURS[label], np.uint8)))
    (tmp_path / "red" / "2.png").write_bytes(b"nothing")
    (judgement,) = judge([by_colour(("blue", "red"))], choose_pictures(ImageFolder.scan(tmp_path), None))
    assert judgement.evaluation.metrics.num == 2
    (sentence,) = judgement.to_json()["unreadable"]
    assert "2.png is not a picture" in sentence


def test_nothing_to_judge_is_an_error(tmp_path: Path) -> None:
    candidate = by_colour(("blue", "red"))
    with pytest.raises(DatasetError, match="there are no pictures to judge under"):
        evaluate(candidate.score_batch, tmp_path, [], contract=CONTRACT, labels=candidate.labels)
    (tmp_path / "1.png").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"1\.png is not a picture"):
        evaluate(candidate.score_batch, tmp_path, [Picture("1.png", 0)], contract=CONTRACT, labels=candidate.labels)


def split_folder(*names: str) -> ImageFolder:
    pictures = tuple(Picture(f"{name}/a/1.png", 0, name) for name in names)
    return ImageFolder(root=Path("pictures"), labels=("a", "b"), pictures=pictures)


@pytest.mark.parametrize(
    ("there", "chosen"), [(("train", "val", "test"), "test"), (("train", "val"), "val"), (("train",), "train")]
)
def test_the_pictures_judged_are_the_test_ones_if_there_are_any(there: tuple[str, ...], chosen: str) -> None:
    picked = choose_pictures(split_folder(*there), None)
    assert picked.split == chosen
    assert [picture.split for picture in picked.pictures] == [chosen]


def test_a_split_that_is_asked_for_is_taken_or_missed() -> None:
    assert choose_pictures(split_folder("train", "val", "test"), "train").split == "train"
    with pytest.raises(DatasetError, match="has no pictures in the split 'test'; it has: val, train"):
        choose_pictures(split_folder("train", "val"), "test")


def test_a_folder_without_splits_is_judged_as_a_whole(root: Path) -> None:
    folder = ImageFolder.scan(root)
    assert choose_pictures(folder, None).split == "all"
    with pytest.raises(DatasetError, match="has no split 'test': it has no train, val and test folders"):
        choose_pictures(folder, "test")


def test_the_splits_that_a_run_recorded_follow_the_same_rule() -> None:
    splits = Splits(train=(Picture("a/1.png", 0),), val=(Picture("a/2.png", 0),), test=())
    assert choose_from_splits(Path("pictures"), ("a", "b"), splits, None).split == "val"
    assert choose_from_splits(Path("pictures"), ("a", "b"), splits, "train").pictures == splits.train


def test_a_deployed_file_is_judged_by_the_same_figures(model_file: Path, picture_folder: Path) -> None:
    classifier = Classifier.load(model_file, num_threads=1)
    candidate = Candidate(
        name="file", labels=classifier.labels, contract=classifier.contract, score_batch=scorer(classifier)
    )
    (judgement,) = judge([candidate], choose_pictures(ImageFolder.scan(picture_folder), None))
    plain = judgement.to_json()
    assert plain["num"] == 48
    assert plain["top1"] > 0.9
    assert plain["split"] == "all"
    assert plain["data"] == str(picture_folder)
