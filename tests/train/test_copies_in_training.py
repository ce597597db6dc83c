from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.progress import SilentTask
from edgecnn.data import ImageFolder, Picture, PixelSet
from edgecnn.errors import DatasetError
from edgecnn.imaging import encode_jpeg, encode_png
from edgecnn.train.reading import check_copies, keep_together


class Heard:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[SilentTask]:
        yield SilentTask()


def draw(number: int) -> NDArray[np.uint8]:
    patches = np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)
    return patches.repeat(8, axis=0).repeat(8, axis=1)


def decoded(split: str, numbers: list[int], label: int = 0) -> PixelSet:
    """Return pictures of one class by their numbers."""
    pictures = tuple(Picture(f"{split}/{label}/{place}.png", label, split) for place in range(len(numbers)))
    labels = np.full(len(numbers), label, np.int64)
    return PixelSet(pixels=np.stack([draw(number) for number in numbers]), label_indices=labels, pictures=pictures)


FOLDER = ImageFolder(root=Path("pictures"), labels=("cat", "dog"), pictures=())


def test_nothing_is_said_of_pictures_that_differ() -> None:
    heard = Heard()
    pictures = {"train": decoded("train", list(range(20))), "val": decoded("val", [90, 91])}
    check_copies(pictures, FOLDER, heard, refuse=True)
    assert heard.messages == []


def test_a_few_copies_across_splits_are_named() -> None:
    heard = Heard()
    pictures = {"train": decoded("train", list(range(20))), "val": decoded("val", [90, 91, 7])}
    check_copies(pictures, FOLDER, heard, refuse=True)
    assert heard.messages == [
        "warning: the same file in several splits: 2 files, as train/0/7.png = val/0/2.png; "
        "see edgecnn data check pictures"
    ]


def test_copies_that_make_the_figures_worthless_are_an_error_before_training_and_a_warning_after() -> None:
    heard = Heard()
    pictures = {"train": decoded("train", list(range(20))), "val": decoded("val", [3, 4, 5, 90])}
    with pytest.raises(DatasetError, match="3 of the 4 pictures of val lie in train, too"):
        check_copies(pictures, FOLDER, heard, refuse=True)
    check_copies(pictures, FOLDER, heard, refuse=False)
    assert len(heard.messages) == 1


def test_pictures_in_two_classes_are_an_error() -> None:
    pictures = {"train": decoded("train", list(range(9))), "val": decoded("val", list(range(5)), label=1)}
    with pytest.raises(DatasetError, match="5 of the 9 pictures of class 'cat' lie in other classes, too"):
        check_copies(pictures, FOLDER, Heard(), refuse=True)


def write(root: Path, split: str = "") -> None:
    for number in range(8):
        path = root / split / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(draw(number)))
        path.with_suffix(".jpg").write_bytes(encode_jpeg(draw(number), 92))


def test_pictures_that_look_the_same_are_kept_together_where_a_split_is_made(tmp_path: Path) -> None:
    write(tmp_path)
    heard = Heard()
    alike = keep_together(ImageFolder.scan(tmp_path), heard)
    assert {frozenset(Path(picture.path).stem for picture in unit) for unit in alike} == {
        frozenset(str(number)) for number in range(8)
    }
    assert heard.messages == ["16 pictures look like another one of their class and stay on its side"]


def test_test_pictures_are_not_looked_at(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path, split)
    for path in (tmp_path / "test").rglob("*.png"):
        path.write_bytes(b"never opened")
    alike = keep_together(ImageFolder.scan(tmp_path), Heard())
    assert {picture.split for unit in alike for picture in unit} == {"train"}
    write(tmp_path, "val")
    assert keep_together(ImageFolder.scan(tmp_path), Heard()) == ()
