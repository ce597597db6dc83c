from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn.data import ImageFolder, Picture, list_pictures, list_unknown
from edgecnn.errors import DatasetError
from edgecnn.imaging import encode_png

PNG = encode_png(np.zeros((2, 2, 3), np.uint8))
Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Makes a folder of tiny pictures: ``fill("cat/1.png", "dog/2.png")``."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "pictures" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PNG)
        return tmp_path / "pictures"

    return make


def test_the_folders_are_the_classes_in_sorted_order(fill: Fill) -> None:
    folder = ImageFolder.scan(fill("dog/1.png", "cat/2.png", "cat/1.png", "ant/x.jpg"))
    assert folder.labels == ("ant", "cat", "dog")
    assert folder.pictures == (
        Picture("ant/x.jpg", 0),
        Picture("cat/1.png", 1),
        Picture("cat/2.png", 1),
        Picture("dog/1.png", 2),
    )
    assert not folder.has_splits
    assert folder.count_per_class() == {"ant": 1, "cat": 2, "dog": 1}


def test_pictures_lie_at_any_depth_below_their_class(fill: Fill) -> None:
    folder = ImageFolder.scan(fill("cat/monday/morning/1.png", "cat/2.png", "dog/1.png"))
    assert [picture.path for picture in folder.pictures] == ["cat/2.png", "cat/monday/morning/1.png", "dog/1.png"]


def test_names_of_any_script_are_kept(fill: Fill) -> None:
    folder = ImageFolder.scan(fill("Kreis ○/ä ö.png", "猫/写真.JPG", "a b/c d.webp"))
    assert folder.labels == ("Kreis ○", "a b", "猫")
    assert [picture.path for picture in folder.pictures] == ["Kreis ○/ä ö.png", "a b/c d.webp", "猫/写真.JPG"]


def test_hidden_files_and_files_that_are_no_pictures_are_passed_over(fill: Fill) -> None:
    root = fill("cat/1.png", "dog/1.png", "cat/.1.png", "cat/._1.jpg", "cat/notes.txt", "cat/Thumbs.db", "readme.md")
    fill(".git/1.png", "__MACOSX/1.png", ".ipynb_checkpoints/1.png")
    folder = ImageFolder.scan(root)
    assert folder.labels == ("cat", "dog")
    assert [picture.path for picture in folder.pictures] == ["cat/1.png", "dog/1.png"]


def test_hidden_folders_within_a_class_are_passed_over(fill: Fill) -> None:
    root = fill("cat/1.png", "cat/.ipynb_checkpoints/1-checkpoint.png", "cat/monday/.trash/old/2.png", "dog/1.png")
    assert [picture.path for picture in ImageFolder.scan(root).pictures] == ["cat/1.png", "dog/1.png"]


def test_a_folder_with_the_name_of_a_picture_is_none(fill: Fill) -> None:
    folder = ImageFolder.scan(fill("cat/1.png", "cat/album.png/2.png", "dog/1.png"))
    assert [picture.path for picture in folder.pictures] == ["cat/1.png", "cat/album.png/2.png", "dog/1.png"]


def test_given_splits_are_taken(fill: Fill) -> None:
    root = fill(*(f"{split}/{label}/1.png" for split in ("train", "val", "test") for label in ("cat", "dog")))
    folder = ImageFolder.scan(root)
    assert folder.has_splits
    assert folder.labels == ("cat", "dog")
    assert folder.select("val") == (Picture("val/cat/1.png", 0, "val"), Picture("val/dog/1.png", 1, "val"))
    assert len(folder.pictures) == 6


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_split_has_three_names(fill: Fill, name: str) -> None:
    folder = ImageFolder.scan(fill("train/cat/1.png", "train/dog/1.png", f"{name}/cat/2.png", f"{name}/dog/2.png"))
    assert [picture.path for picture in folder.select("val")] == [f"{name}/cat/2.png", f"{name}/dog/2.png"]
    assert folder.select("test") == ()


def test_classes_that_are_called_test_and_val_are_classes_where_there_is_no_train(fill: Fill) -> None:
    folder = ImageFolder.scan(fill("test/1.png", "val/1.png"))
    assert folder.labels == ("test", "val")
    assert not folder.has_splits


def test_a_class_called_train_among_others_is_a_class(fill: Fill) -> None:
    folder = ImageFolder.scan(fill("train/1.png", "bus/1.png", "tram/1.png"))
    assert folder.labels == ("bus", "train", "tram")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere does not exist; give a folder"):
        ImageFolder.scan(tmp_path / "nowhere")


def test_a_file_instead_of_a_folder_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"a\.zip is a file, not a folder"):
        ImageFolder.scan(tmp_path / "a.zip")


def test_an_empty_folder_has_no_classes(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least two class folders to tell apart, but it holds none;"):
        ImageFolder.scan(tmp_path)


def test_pictures_that_lie_loose_are_noticed(fill: Fill) -> None:
    with pytest.raises(DatasetError, match="holds none; its pictures lie loose in it"):
        ImageFolder.scan(fill("1.png", "2.png"))


def test_one_class_is_not_enough(fill: Fill) -> None:
    with pytest.raises(DatasetError, match="holds only one, 'cat'"):
        ImageFolder.scan(fill("cat/1.png", "cat/2.png"))


def test_a_class_without_pictures_is_named(fill: Fill) -> None:
    root = fill("cat/1.png", "dog/notes.txt")
    with pytest.raises(DatasetError, match="dog holds no pictures; add some or remove the folder"):
        ImageFolder.scan(root)


def test_splits_with_other_classes_are_refused_with_the_odd_ones(fill: Fill) -> None:
    root = fill("train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/bird/1.png")
    with pytest.raises(DatasetError, match=r"differ from those under .*: bird, dog stand on one side only"):
        ImageFolder.scan(root)


def test_an_empty_class_in_one_split_is_named(fill: Fill) -> None:
    root = fill("train/cat/1.png", "train/dog/1.png", "test/cat/1.png")
    (root / "test" / "dog").mkdir()
    with pytest.raises(DatasetError, match="dog holds no pictures"):
        ImageFolder.scan(root)


def test_a_class_name_that_cannot_be_a_label_is_refused(fill: Fill) -> None:
    with pytest.raises(DatasetError, match="cannot be a label: label 1 must not hold line breaks"):
        ImageFolder.scan(fill("cat/1.png", "dog\nbig/1.png"))


def test_a_class_name_that_is_no_text_is_refused(fill: Fill) -> None:
    root = fill("cat/1.png")
    try:
        (root / "a\udcff").mkdir()
    except (OSError, UnicodeError) as exc:
        pytest.skip(f"the file system takes no name that is not text: {exc}")
    with pytest.raises(DatasetError, match="cannot be a label: label 0 must not hold line breaks"):
        ImageFolder.scan(root)


def test_the_folder_unknown_is_no_class_but_its_pictures_are_known_to_be_none(fill: Fill) -> None:
    folder = ImageFolder.scan(fill("cat/1.png", "dog/1.png", "_unknown/b.png", "_unknown/deep/a.png", "_unknown/x.txt"))
    assert folder.labels == ("cat", "dog")
    assert len(folder.pictures) == 2
    assert folder.unknown == (Picture("_unknown/b.png", -1), Picture("_unknown/deep/a.png", -1))
    assert list_unknown(folder.root) == folder.unknown


def test_unknown_things_may_lie_beside_the_splits_and_in_them(fill: Fill) -> None:
    splits = [f"{split}/{name}/1.png" for split in ("train", "val") for name in ("cat", "dog")]
    folder = ImageFolder.scan(fill(*splits, "_unknown/1.png", "val/_unknown/2.png", "train/_unknown/3.png"))
    assert folder.labels == ("cat", "dog")
    assert len(folder.pictures) == 4
    assert folder.unknown == (
        Picture("_unknown/1.png", -1),
        Picture("train/_unknown/3.png", -1, "train"),
        Picture("val/_unknown/2.png", -1, "val"),
    )


def test_an_empty_folder_of_unknown_things_and_none_at_all_are_the_same(fill: Fill) -> None:
    root = fill("cat/1.png", "dog/1.png")
    assert ImageFolder.scan(root).unknown == ()
    (root / "_unknown").mkdir()
    assert ImageFolder.scan(root).unknown == ()
    assert list_unknown(root / "nowhere") == ()


def test_all_pictures_under_a_folder_are_listed_whatever_the_folders_are_called(fill: Fill) -> None:
    root = fill("cat/1.png", "2.jpg", "a/b/c/3.webp", "a/notes.txt")
    assert [picture.path for picture in list_pictures(root)] == ["2.jpg", "a/b/c/3.webp", "cat/1.png"]
    with pytest.raises(DatasetError, match=r"2\.jpg is a file; give a folder of pictures"):
        list_pictures(root / "2.jpg")
