import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edgecnn.data.check import KINDS, DataCheck, Finding, check_folder
from edgecnn.data.check.looking import look_at_files
from edgecnn.errors import DatasetError
from edgecnn.imaging import encode_jpeg, encode_png

Draw = Callable[..., NDArray[np.uint8]]
MakeFolder = Callable[..., Path]
Write = Callable[[Path, Image.Image], Any]
ANIMAL = {"cat": 5, "dog": 5}


def kinds_of(path: str, check: DataCheck) -> set[str]:
    """Return the kinds of all findings about one file."""
    return {finding.kind for finding in check.findings if path in finding.files}


def find(kind: str, check: DataCheck) -> list[Finding]:
    return [finding for finding in check.findings if finding.kind == kind]


def jpeg(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=90)
    return written.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """Return a small PNG file that is so large when it is decoded."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join([packer.compress(row * 1000) for _ in range(height // 1000)]) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def upside_down(path: Path, image: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(path, exif=exif)


def see_through(path: Path, image: Image.Image) -> None:
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(path)


def moving(path: Path, image: Image.Image) -> None:
    image.save(path, save_all=True, append_images=[image.rotate(90)])


ODD_PICTURES: dict[str, tuple[str, Write]] = {
    "empty": ("a.jpg", lambda path, image: path.write_bytes(b"")),
    "truncated": ("a.jpg", lambda path, image: path.write_bytes(jpeg(image)[:700])),
    "no-picture": ("a.jpg", lambda path, image: path.write_text("text")),
    "huge": ("a.png", lambda path, image: path.write_bytes(png_of_size(30_000, 30_000))),
    "misnamed": ("a.jpg", lambda path, image: image.save(path, "PNG")),
    "tiny": ("a.png", lambda path, image: image.resize((9, 12)).save(path)),
    "animated": ("a.webp", moving),
    "rotated": ("a.jpg", upside_down),
    "alpha": ("a.png", see_through),
    "cmyk": ("a.jpg", lambda path, image: image.convert("CMYK").save(path)),
    "deep": ("a.png", lambda path, image: Image.fromarray(np.array(image.convert("L")).astype("u2") * 257).save(path)),
    "trailing": ("a.jpg", lambda path, image: path.write_bytes(jpeg(image) + bytes(500))),
    "torn": ("a.jpg", lambda path, image: path.write_bytes(jpeg(image)[:-1500] + b"\xff\xd9")),
    "blank": ("a.png", lambda path, image: Image.new("RGB", (99, 99), (9, 200, 3)).save(path)),
    "black": ("a.png", lambda path, image: image.point(lambda level: level // 16).save(path)),
    "blurred": ("a.png", lambda path, image: image.filter(ImageFilter.GaussianBlur(12)).save(path)),
}


@pytest.mark.parametrize("kind", ODD_PICTURES)
def test_an_odd_picture_is_called_what_it_is(make_folder: MakeFolder, draw: Draw, kind: str) -> None:
    root = make_folder(ANIMAL)
    name, write = ODD_PICTURES[kind]
    write(root / "cat" / name, Image.fromarray(draw(99, size=160)))
    check = check_folder(root)
    assert kinds_of(f"cat/{name}", check) == {kind}
    assert find(kind, check)[0].severity == KINDS[kind].severity
    assert check.reasons == ()


def test_a_good_folder_has_no_findings_but_that_it_is_small(make_folder: MakeFolder) -> None:
    check = check_folder(make_folder(ANIMAL))
    assert [finding.kind for finding in check.findings] == ["few"]
    assert check.count_per_class() == {"cat": {"": 5}, "dog": {"": 5}}
    assert check_folder(make_folder({"cat": 20, "dog": 20}, "more")).findings == ()


def test_pictures_that_are_all_small_are_not_tiny(tmp_path: Path, draw: Draw) -> None:
    for number in range(12):
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(draw(number, size=8)))
    assert find("tiny", check_folder(tmp_path)) == []


def test_what_is_no_picture_at_all_is_listed(make_folder: MakeFolder, draw: Draw) -> None:
    root = make_folder(ANIMAL)
    cat = root / "cat"
    for name in ("loose.png", "cat/photo", "cat/.hidden.png", "cat/old/older.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(encode_png(draw(50 + len(name))))
    (cat / "notes.txt").write_text("text")
    (cat / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    (cat / ".trash").mkdir()
    shutil.copy(cat / "001.png", cat / ".trash")
    os.mkfifo(cat / "pipe.jpg")
    (cat / "loop.jpg").symlink_to("loop.jpg")
    (cat / "all").symlink_to(root)
    check = check_folder(root)
    found = {finding.kind: finding.files for finding in check.findings if finding.kind != "few"}
    assert found == {
        "heic": ("cat/IMG_1.HEIC",),
        "unnamed": ("cat/photo",),
        "loose": ("loose.png",),
        "special": ("cat/pipe.jpg",),
        "broken-link": ("cat/loop.jpg",),
        "nested": ("cat/old",),
        "linked-folder": ("cat/all",),
        "hidden": ("cat/.hidden.png", "cat/.trash"),
        "other": ("cat/notes.txt",),
    }
    assert check.count_per_class()["cat"] == {"": 6}


def test_names_that_are_no_text_can_be_written_down(make_folder: MakeFolder, draw: Draw) -> None:
    root = make_folder(ANIMAL)
    try:
        (root / "cat" / "a\udcff.png").write_bytes(encode_png(draw(70)))
    except (OSError, UnicodeError) as exc:
        pytest.skip(f"the file system takes no name that is not text: {exc}")
    check = check_folder(root)
    assert find("name", check)[0].files == ("cat/a\\udcff.png",)
    assert json.dumps(check.to_json()).encode()


def test_files_that_go_away_are_a_finding_and_no_error(make_folder: MakeFolder) -> None:
    root = make_folder(ANIMAL)
    looks = look_at_files(root, ["cat/000.png", "cat/gone.png", "cat"])
    assert [look.problem for look in looks] == ["", "vanished", "vanished"]


def test_files_that_may_not_be_read_are_named_with_the_reason(make_folder: MakeFolder) -> None:
    root = make_folder(ANIMAL)
    (root / "cat" / "000.png").chmod(0)
    if os.access(root / "cat" / "000.png", os.R_OK):
        pytest.skip("this user may read everything")
    finding = find("unreadable", check_folder(root))[0]
    assert finding.files == ("cat/000.png",)
    assert "Permission denied" in finding.text


@pytest.mark.parametrize(
    ("first", "second", "suffix"),
    [
        ("train/cat", "train/cat", ""),
        ("train/cat", "test/cat", "-splits"),
        ("train/cat", "train/dog", "-classes"),
        ("train/cat", "test/dog", "-classes"),
        ("train/cat", "_unknown", "-classes"),
    ],
)
def test_copies_are_found_wherever_they_are(
    make_folder: MakeFolder, draw: Draw, first: str, second: str, suffix: str
) -> None:
    root = make_folder({f"{split}/{label}": 5 for split in ("train", "test") for label in ("cat", "dog")})
    (root / "_unknown").mkdir()
    png = encode_png(draw(77))
    (root / first / "a.png").write_bytes(png)
    (root / second / "b.png").write_bytes(png)
    (root / first / "c.png").write_bytes(encode_png(draw(78)))
    (root / second / "d.jpg").write_bytes(encode_jpeg(draw(78, size=70), quality=60))
    copies = {f.kind: set(f.files) for f in check_folder(root).findings if f.kind.startswith(("same", "near"))}
    assert copies == {
        f"same{suffix}": {f"{first}/a.png", f"{second}/b.png"},
        f"near{suffix}": {f"{first}/c.png", f"{second}/d.jpg"},
    }


def test_even_pictures_are_copies_only_of_the_same_file(make_folder: MakeFolder) -> None:
    root = make_folder(ANIMAL)
    for name, level in (("cat/a.png", 90), ("cat/b.png", 120), ("dog/c.png", 90)):
        (root / name).write_bytes(encode_png(np.full((50, 50, 3), level, np.uint8)))
    copies = [f for f in check_folder(root).findings if f.kind.startswith(("same", "near"))]
    assert [(finding.kind, finding.files) for finding in copies] == [("same-classes", ("cat/a.png", "dog/c.png"))]


def copy_pictures(source: Path, target: Path, num: int) -> None:
    for index in range(num):
        shutil.copy(source / f"{index:03}.png", target / f"copy{index}.png")


def test_many_test_pictures_in_train_make_the_figures_worthless(make_folder: MakeFolder) -> None:
    counts = {f"{split}/{label}": 20 for split in ("train", "test") for label in ("cat", "dog")}
    root = make_folder(counts)
    copy_pictures(root / "test" / "cat", root / "train" / "cat", 2)
    assert check_folder(root).reasons == ()
    copy_pictures(root / "test" / "cat", root / "train" / "cat", 5)
    assert check_folder(root).reasons == (
        "5 of the 40 pictures of test lie in train, too: its figures would be too good",
    )


def test_many_pictures_in_two_classes_make_a_worthless_model(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 20, "dog": 20})
    copy_pictures(root / "cat", root / "dog", 2)
    assert check_folder(root).reasons == ()
    copy_pictures(root / "cat", root / "dog", 4)
    assert check_folder(root).reasons == (
        "4 of the 20 pictures of class 'cat' lie in other classes, too",
        "4 of the 24 pictures of class 'dog' lie in other classes, too",
    )


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        ({"cat": 5}, "classes"),
        ({"cat": 5, "dog": 0}, "class-empty"),
        ({"cat": 5, "dog": 2}, "too-few"),
        ({"cat": 5, "a\nb": 5}, "class-name"),
        ({"train/cat": 5, "train/dog": 5, "val/cat": 5}, "split-classes"),
        ({"train/cat": 5, "train/dog": 5, "test/cat": 5, "test/dog": 0}, "class-empty"),
    ],
)
def test_what_train_would_refuse_is_worthless(make_folder: MakeFolder, counts: dict[str, int], kind: str) -> None:
    worthless = [finding.kind for finding in check_folder(make_folder(counts)).findings if finding.worthless]
    assert worthless == [kind]


def test_copies_of_one_file_are_one_picture_of_the_class(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 5, "dog": 1})
    for index in range(9):
        shutil.copy(root / "dog" / "000.png", root / "dog" / f"copy{index}.png")
    assert check_folder(root).reasons == ("classes with fewer than 3 different pictures to learn from: dog (1)",)


def test_a_folder_of_which_much_is_broken_is_worthless(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 8, "dog": 8})
    for path in list(root.rglob("*.png"))[:4]:
        path.write_bytes(path.read_bytes()[:50])
    assert check_folder(root).reasons == ("4 of 16 pictures cannot be read",)


def test_doubtful_classes_are_warned_of(make_folder: MakeFolder) -> None:
    check = check_folder(make_folder({"a": 40, "A": 4, "train": 20, "val": 20, "raw": 20}))
    assert sorted(finding.kind for finding in check.findings) == ["class-case", "few", "imbalance", "mixed"]
    assert find("imbalance", check)[0].text == "a has 40 pictures to learn from, A 4: 10 times fewer"
    assert check.reasons == ()


def test_of_thousands_of_classes_all_are_counted_and_a_few_named(tmp_path: Path, draw: Draw) -> None:
    for number in range(2000):
        (tmp_path / f"{number:04}").mkdir()
    (tmp_path / "0000" / "a.png").write_bytes(encode_png(draw(1)))
    check = check_folder(tmp_path)
    assert len(check.count_per_class()) == 2000
    assert check.reasons[0] == "no picture can be read of 0001, 0002, 0003, 0004, 0005 and 1994 more"


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        check_folder(tmp_path / "nowhere")


def test_other_processes_see_the_same(make_folder: MakeFolder) -> None:
    root = make_folder({"cat": 50, "dog": 50})
    (root / "cat" / "000.png").write_bytes(b"text")
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    assert look_at_files(root, paths, num_processes=3) == look_at_files(root, paths, num_processes=1)


def test_without_imagehash_the_command_that_installs_it_is_named() -> None:
    code = (
        "import sys; sys.modules['imagehash'] = None\n"
        "from pathlib import Path; from edgecnn.data.check.looking import look_at_files\n"
        "look_at_files(Path(), [])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "MissingExtraError: finding near duplicates needs imagehash; run: pip install 'edgecnn[data]'" in done.stderr
