import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgecnn.data.check import check_folder
from edgecnn.data.check.fixing import CHANGES_FILE, Fixed, write_clean_copy
from edgecnn.errors import DatasetError
from edgecnn.imaging import decode_picture, encode_jpeg, encode_png

Draw = Callable[..., NDArray[np.uint8]]
MakeFolder = Callable[..., Path]


def fix(root: Path) -> tuple[Path, Fixed]:
    target = root.parent / "clean"
    return target, write_clean_copy(check_folder(root), target)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def pixels_of(path: Path) -> NDArray[np.int64]:
    return decode_picture(path.read_bytes(), str(path)).pixels.astype(np.int64)


def decibels(one: Path, other: Path) -> float:
    """Return the peak signal-to-noise ratio of two pictures."""
    error = float(np.mean((pixels_of(one) - pixels_of(other)) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf


def header_of(path: Path) -> tuple[str, int]:
    """Return a picture's mode and its EXIF orientation."""
    with Image.open(path) as image:
        return image.mode, image.getexif().get(0x0112, 1)


@pytest.fixture
def folder(make_folder: MakeFolder) -> Path:
    return make_folder({"cat": 5, "dog": 5})


def test_a_good_folder_is_linked_as_it_is(folder: Path) -> None:
    target, fixed = fix(folder)
    assert files_of(target) == files_of(folder) | {CHANGES_FILE}
    assert (fixed.num_kept, fixed.changes) == (10, ())
    assert (target / "cat" / "000.png").samefile(folder / "cat" / "000.png")


def test_every_change_is_listed_and_the_folder_itself_stays_as_it_was(folder: Path, draw: Draw) -> None:
    (folder / "cat" / "cut.png").write_bytes(encode_png(draw(50))[:99])
    (folder / "cat" / "wrong.jpg").write_bytes(encode_png(draw(51)))
    (folder / "cat" / "copy.png").write_bytes((folder / "cat" / "004.png").read_bytes())
    (folder / "cat" / "note.txt").write_text("text")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    target, fixed = fix(folder)
    assert {(change.file, change.action, change.new) for change in fixed.changes} == {
        ("cat/cut.png", "left out", ""),
        ("cat/wrong.jpg", "renamed", "cat/wrong.png"),
        ("cat/copy.png", "left out", ""),
        ("cat/note.txt", "left out", ""),
    }
    record = json.loads((target / CHANGES_FILE).read_bytes())
    assert (record["from"], record["num_kept"], len(record["changes"])) == (str(folder), 10, 4)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [finding.kind for finding in check_folder(target).findings] == ["few"]


def test_a_right_name_that_is_taken_gets_a_number(folder: Path, draw: Draw) -> None:
    (folder / "cat" / "000.jpg").write_bytes(encode_png(draw(50)))
    target, fixed = fix(folder)
    assert sorted(change.new for change in fixed.changes) == ["cat/000-2.png"]
    assert {"cat/000.png", "cat/000-2.png"} <= files_of(target)


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_a_turned_jpeg_is_turned_for_good_and_hardly_loses_anything(folder: Path, draw: Draw, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / "cat" / "turned.JPG"
    Image.fromarray(draw(50, size=160)[:96]).save(path, "JPEG", exif=exif, quality=80)
    target, _ = fix(folder)
    written = target / "cat" / "turned.JPG"
    assert header_of(written) == ("RGB", 1)
    assert pixels_of(written).shape == pixels_of(path).shape
    assert decibels(written, path) > 40
    assert written.stat().st_size < 2 * path.stat().st_size


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16"])
def test_what_has_no_loss_is_written_without_loss(folder: Path, draw: Draw, mode: str) -> None:
    image = Image.fromarray(draw(50))
    if mode == "I;16":
        image = Image.fromarray(np.array(image.convert("L")).astype(np.uint16) * 257)
    elif mode == "P":
        image = image.convert("P")
        image.info["transparency"] = 3
    else:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        image = image.convert(mode)
    image.save(folder / "cat" / "odd.png")
    target, fixed = fix(folder)
    assert [(change.file, change.action) for change in fixed.changes] == [("cat/odd.png", "rewritten")]
    np.testing.assert_array_equal(pixels_of(target / "cat" / "odd.png"), pixels_of(folder / "cat" / "odd.png"))
    assert header_of(target / "cat" / "odd.png") == ("RGB", 1)


def test_cmyk_becomes_rgb_and_a_moving_picture_its_first_one(folder: Path, draw: Draw) -> None:
    image = Image.fromarray(draw(50))
    image.convert("CMYK").save(folder / "cat" / "print.jpg", quality=95)
    image.rotate(90).save(folder / "cat" / "clip.gif", save_all=True, append_images=[image])
    target, _ = fix(folder)
    assert header_of(target / "cat" / "print.jpg") == ("RGB", 1)
    assert decibels(target / "cat" / "print.jpg", folder / "cat" / "print.jpg") > 35
    np.testing.assert_array_equal(pixels_of(target / "cat" / "clip.png"), pixels_of(folder / "cat" / "clip.gif"))


def test_of_copies_the_one_stays_that_figures_come_from(make_folder: MakeFolder, draw: Draw) -> None:
    root = make_folder({f"{split}/{label}": 4 for split in ("train", "val", "test") for label in ("cat", "dog")})
    for split in ("train", "val", "test"):
        (root / split / "cat" / "same.png").write_bytes(encode_png(draw(60)))
    (root / "train" / "dog" / "near.jpg").write_bytes(encode_jpeg(draw(61), quality=60))
    (root / "val" / "dog" / "near.png").write_bytes(encode_png(draw(61)))
    (root / "train" / "dog" / "a.jpg").write_bytes(encode_jpeg(draw(62), quality=60))
    (root / "train" / "dog" / "b.png").write_bytes(encode_png(draw(62)))
    target, fixed = fix(root)
    assert {(change.file, change.why) for change in fixed.changes} == {
        ("train/cat/same.png", "the same file as test/cat/same.png"),
        ("val/cat/same.png", "the same file as test/cat/same.png"),
        ("train/dog/near.jpg", "looks like val/dog/near.png"),
    }
    assert {"train/dog/a.jpg", "train/dog/b.png"} <= files_of(target)


def test_a_file_in_two_classes_is_in_neither(folder: Path, draw: Draw) -> None:
    for label in ("cat", "dog"):
        (folder / label / "both.png").write_bytes(encode_png(draw(60)))
    (folder / "cat" / "alike.png").write_bytes(encode_png(draw(61)))
    (folder / "dog" / "alike.jpg").write_bytes(encode_jpeg(draw(61)))
    target, fixed = fix(folder)
    assert {change.file for change in fixed.changes} == {"cat/both.png", "dog/both.png"}
    assert {"cat/alike.png", "dog/alike.jpg"} <= files_of(target)


@pytest.mark.parametrize("place", ["pictures", "pictures/new", "."])
def test_neither_the_folder_nor_a_place_in_it_or_around_it_is_written_to(folder: Path, place: str) -> None:
    before = files_of(folder.parent)
    with pytest.raises(DatasetError, match="must not lie within each other"):
        write_clean_copy(check_folder(folder), folder.parent / place)
    assert files_of(folder.parent) == before


def test_a_folder_that_holds_something_is_not_replaced_and_an_empty_one_is(folder: Path, tmp_path: Path) -> None:
    check = check_folder(folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("text")
    with pytest.raises(DatasetError, match="exists and is not an empty folder"):
        write_clean_copy(check, tmp_path / "full")
    (tmp_path / "new").mkdir()
    assert write_clean_copy(check, tmp_path / "new").num_kept == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "new", "pictures"]


def test_what_went_away_meanwhile_is_left_out(folder: Path, tmp_path: Path) -> None:
    check = check_folder(folder)
    (folder / "cat" / "003.png").unlink()
    fixed = write_clean_copy(check, tmp_path / "clean")
    assert [(change.file, change.action) for change in fixed.changes] == [("cat/003.png", "left out")]


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(DatasetError, match=r"cannot write .*file/clean: Not a directory"):
        write_clean_copy(check_folder(folder), tmp_path / "file" / "clean")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pictures"]


def test_a_grey_turned_jpeg_stays_one(folder: Path, draw: Draw) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    written = io.BytesIO()
    Image.fromarray(draw(50)).convert("L").save(written, "JPEG", exif=exif, quality=90)
    (folder / "cat" / "grey.jpg").write_bytes(written.getvalue())
    target, _ = fix(folder)
    assert decibels(target / "cat" / "grey.jpg", folder / "cat" / "grey.jpg") > 40
