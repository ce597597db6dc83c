import hashlib
from collections import defaultdict
from pathlib import Path

import pytest

from edgecnn.core.contract import InputContract
from edgecnn.data import SPLIT_NAMES, ImageFolder, load_pixels

DEMO = Path(__file__).parent.parent / "demo"
CLASSES = ("cardboard", "glass", "metal", "paper", "plastic", "trash")


@pytest.fixture(scope="module")
def folder() -> ImageFolder:
    return ImageFolder.scan(DEMO / "pictures")


def test_the_licence_of_the_pictures_lies_beside_them() -> None:
    text = (DEMO / "LICENSE-TrashNet.txt").read_text(encoding="utf-8")
    assert text.startswith("MIT License")
    assert "Copyright (c) 2017 Gary Thung" in text


def test_the_pictures_are_small_enough_for_a_repository(folder: ImageFolder) -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) <= 8_000_000


def test_nothing_but_pictures_lies_among_the_pictures(folder: ImageFolder) -> None:
    files = {path.relative_to(folder.root).as_posix() for path in folder.root.rglob("*") if path.is_file()}
    assert files == {picture.path for picture in folder.pictures}


@pytest.mark.parametrize(("split", "fewest"), [("train", 50), ("val", 14), ("test", 12)])
def test_every_split_holds_every_class(folder: ImageFolder, split: str, fewest: int) -> None:
    assert folder.labels == CLASSES
    indices = [picture.label_index for picture in folder.select(split)]
    assert min(indices.count(index) for index in range(len(CLASSES))) >= fewest


def test_every_picture_decodes(folder: ImageFolder) -> None:
    loaded = load_pixels(folder.root, folder.pictures, InputContract(width=64, height=64))
    assert loaded.unreadable == ()
    assert len(loaded) == len(folder.pictures)


def test_no_picture_stands_in_two_splits_or_two_classes(folder: ImageFolder) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for split in SPLIT_NAMES:
        for picture in folder.select(split):
            places[hashlib.sha256((folder.root / picture.path).read_bytes()).hexdigest()].append(picture.path)
    assert [paths for paths in places.values() if len(paths) > 1] == []
