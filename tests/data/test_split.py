from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.data import ImageFolder, Picture, Splits, split_pictures
from edgecnn.errors import DatasetError


def folder_of(counts: Mapping[str, int], splits: tuple[str, ...] = ("",)) -> ImageFolder:
    """Return a folder as a scan would, with so many pictures of each class (in each split)."""
    labels = tuple(sorted(counts))
    pictures = [
        Picture(f"{split}/{label}/{number:04}.png".lstrip("/"), index, split)
        for split in splits
        for index, label in enumerate(labels)
        for number in range(counts[label])
    ]
    return ImageFolder(root=Path("pictures"), labels=labels, pictures=tuple(sorted(pictures)))


def counts_of(pictures: tuple[Picture, ...]) -> dict[int, int]:
    return dict(Counter(picture.label_index for picture in pictures))


@given(st.lists(st.integers(3, 80), min_size=2, max_size=6), st.integers(0, 2**31))
def test_every_picture_stands_in_exactly_one_split_and_every_class_in_all(counts: list[int], seed: int) -> None:
    folder = folder_of({f"class {index}": count for index, count in enumerate(counts)})
    splits = split_pictures(folder, seed)
    assert sorted(splits.train + splits.val + splits.test) == list(folder.pictures)
    for part in (splits.train, splits.val, splits.test):
        assert set(counts_of(part)) == set(range(len(counts)))
        assert list(part) == sorted(part)


def test_every_class_gives_fifteen_percent_to_val_and_to_test() -> None:
    splits = split_pictures(folder_of({"a": 100, "b": 20, "c": 3}), seed=0)
    assert counts_of(splits.val) == counts_of(splits.test) == {0: 15, 1: 3, 2: 1}
    assert counts_of(splits.train) == {0: 70, 1: 14, 2: 1}


def test_the_same_seed_draws_the_same_pictures_and_another_one_does_not() -> None:
    folder = folder_of({"a": 40, "b": 40})
    assert split_pictures(folder, seed=5) == split_pictures(folder, seed=5)
    assert split_pictures(folder, seed=5) != split_pictures(folder, seed=6)


def test_a_draw_is_the_same_on_every_machine_and_for_ever() -> None:
    splits = split_pictures(folder_of({"a": 14, "b": 14}), seed=0)
    assert [picture.path for picture in (*splits.val, *splits.test)] == [
        "a/0002.png",
        "a/0010.png",
        "b/0006.png",
        "b/0013.png",
        "a/0008.png",
        "a/0011.png",
        "b/0003.png",
        "b/0012.png",
    ]


def test_more_pictures_of_one_class_leave_the_others_where_they_were() -> None:
    before = split_pictures(folder_of({"a": 30, "b": 30, "c": 30}), seed=1)
    after = split_pictures(folder_of({"a": 30, "b": 45, "c": 30}), seed=1)
    for name in ("train", "val", "test"):
        kept = [[p for p in splits.select(name) if p.label_index != 1] for splits in (before, after)]
        assert kept[0] == kept[1]


def test_a_new_class_leaves_the_others_where_they_were() -> None:
    before = split_pictures(folder_of({"b": 30, "c": 30}), seed=1)
    after = split_pictures(folder_of({"a": 30, "b": 30, "c": 30}), seed=1)
    assert {p.path for p in before.test} == {p.path for p in after.test if p.label_index > 0}


def test_splits_that_the_folder_gives_are_taken_as_they_are() -> None:
    folder = folder_of({"a": 5, "b": 5}, ("train", "val", "test"))
    splits = split_pictures(folder, seed=9)
    assert (splits.train, splits.val, splits.test) == tuple(map(folder.select, ("train", "val", "test")))


def test_without_given_validation_pictures_some_are_taken_out_of_training() -> None:
    folder = folder_of({"a": 20, "b": 20}, ("train", "test"))
    splits = split_pictures(folder, seed=0)
    assert splits.test == folder.select("test")
    assert sorted(splits.train + splits.val) == list(folder.select("train"))
    assert counts_of(splits.val) == {0: 3, 1: 3}


def test_without_given_test_pictures_there_are_none() -> None:
    splits = split_pictures(folder_of({"a": 5, "b": 5}, ("train", "val")), seed=0)
    assert splits.test == ()


def test_a_class_of_two_pictures_is_refused_by_name() -> None:
    with pytest.raises(DatasetError, match="class 'b' under pictures has 2 pictures; it needs at least 3"):
        split_pictures(folder_of({"a": 50, "b": 2}), seed=0)


def test_a_split_of_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'dev'"):
        Splits(train=(), val=(), test=()).select("dev")
