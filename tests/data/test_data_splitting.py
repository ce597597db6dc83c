import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgecnn.data import SPLIT_NAMES, ImageFolder, Picture, Splits, split_pictures
from edgecnn.data.check.splitting import find_alike, write_split
from edgecnn.data.split import list_torn, split_by_content
from edgecnn.errors import DatasetError
from edgecnn.imaging import encode_jpeg, encode_png

Draw = Callable[..., NDArray[np.uint8]]
MakeFolder = Callable[..., Path]
Units = tuple[tuple[Picture, ...], ...]


def folder_of(*counts: int) -> ImageFolder:
    pictures = [Picture(f"{label}/{number:05}.png", label) for label, num in enumerate(counts) for number in range(num)]
    labels = tuple(str(label) for label in range(len(counts)))
    return ImageFolder(root=Path("pictures"), labels=labels, pictures=tuple(pictures))


def digest(picture: Picture) -> bytes:
    return hashlib.sha256(picture.path.encode()).digest()


def split(folder: ImageFolder, alike: Units = (), seed: int = 0, test_fraction: float = 0.15) -> Splits:
    digests = {picture: digest(picture) for picture in folder.pictures}
    return split_by_content(folder, seed, alike, digests, test_fraction=test_fraction)


def bursts(folder: ImageFolder, size: int) -> Units:
    """Return groups of so many pictures that follow each other."""
    found = []
    for label in range(len(folder.labels)):
        members = [picture for picture in folder.pictures if picture.label_index == label]
        found += [tuple(members[start : start + size]) for start in range(0, len(members), size)]
    return tuple(unit for unit in found if len(unit) > 1)


def sides(splits: Splits) -> dict[Picture, str]:
    return {picture: name for name in SPLIT_NAMES for picture in splits.select(name)}


Divide = Callable[[ImageFolder, Units, int], Splits]
WAYS: list[Divide] = [
    lambda folder, alike, seed: split_pictures(folder, seed, alike),
    lambda folder, alike, seed: split(folder, alike, seed),
]


@pytest.mark.parametrize("divide", WAYS)
@given(counts=st.lists(st.integers(3, 90), min_size=2, max_size=4), size=st.integers(1, 12), seed=st.integers(0, 99))
def test_alike_pictures_stay_together_and_every_class_in_every_split(
    divide: Divide, counts: list[int], size: int, seed: int
) -> None:
    folder = folder_of(*counts)
    alike = bursts(folder, size)
    splits = divide(folder, alike, seed)
    assert sorted(sides(splits)) == sorted(folder.pictures)
    for label, num in enumerate(counts):
        for name in SPLIT_NAMES:
            assert any(picture.label_index == label for picture in splits.select(name))
        torn = [unit for unit in list_torn(splits, alike) if unit[0].label_index == label]
        assert not torn or -(-num // size) < 3  # one or two scenes cannot fill three splits


def test_shares_are_kept_although_bursts_stay_together() -> None:
    folder = folder_of(1000, 300)
    for divide in WAYS:
        splits = divide(folder, bursts(folder, 7), 0)
        assert [len(splits.select(name)) for name in ("val", "test")] == pytest.approx([195, 195], abs=15)


def test_without_alike_pictures_a_draw_is_what_it_was() -> None:
    folder = folder_of(40, 40)
    assert split_pictures(folder, 5, ()) == split_pictures(folder, 5)


def test_the_order_of_the_files_and_their_names_do_not_matter() -> None:
    folder = folder_of(100, 100)
    renamed = {
        picture: Picture(f"{picture.label_index}/x{digest(picture).hex()}.png", picture.label_index)
        for picture in folder.pictures
    }
    other = ImageFolder(root=folder.root, labels=folder.labels, pictures=tuple(sorted(renamed.values())))
    splits = split_by_content(other, 0, (), {renamed[picture]: digest(picture) for picture in folder.pictures})
    assert {renamed[p]: name for p, name in sides(split(folder)).items()} == sides(splits)


def test_another_seed_draws_others() -> None:
    folder = folder_of(100, 100)
    assert split(folder, seed=1) == split(folder, seed=1) != split(folder, seed=2)


def test_more_pictures_move_few_of_the_others_and_no_test_picture_into_train() -> None:
    before, after = sides(split(folder_of(1000, 50))), sides(split(folder_of(1100, 50)))
    moved = [picture for picture, name in before.items() if after[picture] != name]
    assert len(moved) < 0.05 * len(before)
    assert not [picture for picture in moved if before[picture] == "test" and after[picture] == "train"]
    assert {picture.label_index for picture in moved} == {0}


def test_a_test_split_may_be_left_out() -> None:
    splits = split(folder_of(100, 20), test_fraction=0.0)
    assert (len(splits.train), len(splits.val), splits.test) == (102, 18, ())


def test_too_few_pictures_are_an_error() -> None:
    with pytest.raises(DatasetError, match="class '1' under pictures has 2 pictures"):
        split(folder_of(10, 2))


def test_a_split_is_written_as_train_reads_it(make_folder: MakeFolder, draw: Draw, tmp_path: Path) -> None:
    root = make_folder({"cat": 20, "dog": 20, "_unknown/things": 1})
    for number in range(20):  # of every cat another copy
        png = root / "cat" / f"{number:03}.png"
        png.with_suffix(".jpg").write_bytes(encode_jpeg(draw(number + 1), quality=90))
    (root / "dog" / "cut.png").write_bytes(encode_png(draw(99))[:90])
    written = write_split(root, tmp_path / "new", val_fraction=0.2, test_fraction=0.1)
    folder = ImageFolder.scan(tmp_path / "new")
    assert folder.labels == ("cat", "dog")
    assert [len(folder.select(name)) for name in SPLIT_NAMES] == [42, 12, 6]
    for name in SPLIT_NAMES:
        cats = [Path(picture.path) for picture in folder.select(name) if picture.label_index == 0]
        assert sorted(path.suffix for path in cats) == [".jpg"] * (len(cats) // 2) + [".png"] * (len(cats) // 2)
        assert len({path.stem for path in cats}) == len(cats) // 2
    assert [picture.path for picture in folder.unknown] == ["_unknown/things/000.png"]
    assert (written.num_alike, written.torn) == (40, ())
    record = json.loads((tmp_path / "new" / "split.json").read_bytes())
    assert list(record["skipped"]) == ["dog/cut.png"]
    assert [len(record[name]) for name in SPLIT_NAMES] == [42, 12, 6]
    assert (tmp_path / "new" / "val" / record["val"][0]).samefile(root / record["val"][0])


def test_a_class_of_one_scene_is_divided_and_named(make_folder: MakeFolder, draw: Draw, tmp_path: Path) -> None:
    root = make_folder({"cat": 10, "dog": 0})
    for quality in range(40, 100, 10):
        (root / "dog" / f"{quality}.jpg").write_bytes(encode_jpeg(draw(99), quality=quality))
    written = write_split(root, tmp_path / "new", val_fraction=0.2, test_fraction=0.2)
    assert [{picture.label_index for picture in unit} for unit in written.torn] == [{1}]


def test_what_is_divided_already_and_what_cannot_be_read_is_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    given_splits = make_folder({"train/a": 3, "train/b": 3}, "given")
    with pytest.raises(DatasetError, match="is divided already"):
        write_split(given_splits, tmp_path / "new", val_fraction=0.2, test_fraction=0.2)
    broken = make_folder({"a": 3, "b": 3}, "broken")
    for path in (broken / "b").iterdir():
        path.write_bytes(b"text")
    with pytest.raises(DatasetError, match=r"no picture of class 'b' under .* can be read"):
        write_split(broken, tmp_path / "new", val_fraction=0.2, test_fraction=0.2)
    assert not (tmp_path / "new").exists()


def test_only_pictures_of_one_class_are_kept_together(make_folder: MakeFolder, draw: Draw) -> None:
    root = make_folder({"a": 3, "b": 3})
    for name in ("a/x.png", "a/y.png", "b/z.png"):
        (root / name).write_bytes(encode_png(draw(77)))
    alike, looks = find_alike(ImageFolder.scan(root))
    assert [[picture.path for picture in unit] for unit in alike] == [["a/x.png", "a/y.png"]]
    assert len(looks) == 9
