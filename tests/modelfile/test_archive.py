import io
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import EdgecnnError, ModelIntegrityError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import MAX_FILE_BYTES, MAX_FILES, append_files, split_files

MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(100)
FILES = {"labels.txt": b"cat\ndog\n", "edgecnn.json": b"{}", "golden/0.png": bytes(range(256)), "ä ○.txt": b""}


def zipped(entries: list[tuple[str, bytes]], kind: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """Return the model with an archive that Python's zipfile wrote."""
    file = io.BytesIO(MODEL)
    with zipfile.ZipFile(file, "a", kind) as archive:
        for name, data in entries:
            archive.writestr(name, data)
        archive.comment = comment
    return file.getvalue()


file_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(st.dictionaries(file_names, st.binary(max_size=200), min_size=1, max_size=5))
def test_files_come_back_as_they_were_and_cover_every_byte(files: dict[str, bytes]) -> None:
    assert split_files(append_files(MODEL, files)) == (MODEL, files, True)


def test_other_programs_read_the_archive() -> None:
    with zipfile.ZipFile(io.BytesIO(append_files(MODEL, FILES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert stat.filemode(entry.external_attr >> 16) == "?rw-r--r--"


def test_the_same_files_give_the_same_bytes() -> None:
    assert append_files(MODEL, FILES) == append_files(MODEL, dict(FILES))


def test_a_real_export_is_written_byte_for_byte_as_it_was(model_file: Path) -> None:
    data = model_file.read_bytes()
    model, files, exact = split_files(data)
    assert exact
    assert list(files)[:2] == ["labels.txt", "edgecnn.json"]
    assert append_files(model, files) == data


def test_a_file_without_an_archive_is_all_model() -> None:
    assert split_files(MODEL)[:2] == (MODEL, {})


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_of_other_tools_are_read_but_are_not_exact(kind: int) -> None:
    model, files, exact = split_files(zipped([("labels.txt", b"cat\ndog\n")], kind))
    assert (model, files, exact) == (MODEL, {"labels.txt": b"cat\ndog\n"}, False)


@pytest.mark.parametrize("place", ["between", "comment", "behind"])
def test_bytes_that_belong_to_nothing_are_noticed(place: str) -> None:
    whole = append_files(MODEL, FILES)
    if place == "behind":
        assert split_files(whole + b"\x00")[2] is False or split_files(whole + b"\x00")[1] == {}
    elif place == "comment":
        assert split_files(zipped([("a", b"1")], comment=b"hello"))[2] is False
    else:
        directory = whole.index(b"PK\x01\x02")
        end = bytearray(whole[-22:])
        struct.pack_into("<I", end, 16, directory + 4)
        assert split_files(whole[:directory] + b"hole" + whole[directory:-22] + end)[2] is False


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(ModelIntegrityError, match="too many or two have one name"):
        split_files(zipped([("labels.txt", b"cat\n"), ("labels.txt", b"dog\n")]))


def test_too_many_files_are_refused() -> None:
    with pytest.raises(ModelIntegrityError, match="too many"):
        split_files(zipped([(str(index), b"") for index in range(MAX_FILES + 1)]))


def test_a_small_archive_that_unpacks_to_a_large_file_is_refused() -> None:
    bomb = zipped([("edgecnn.json", bytes(MAX_FILE_BYTES + 1))], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 20_000
    with pytest.raises(ModelIntegrityError, match=f"'edgecnn.json' claims {MAX_FILE_BYTES + 1} bytes"):
        split_files(bomb)


def test_many_files_that_are_large_together_are_refused() -> None:
    bomb = zipped([(str(index), bytes(MAX_FILE_BYTES)) for index in range(9)], zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelIntegrityError, match="claim more than 64 MiB"):
        split_files(bomb)


def test_a_file_that_unpacks_to_more_than_it_claims_is_refused() -> None:
    bomb = zipped([("edgecnn.json", bytes(MAX_FILE_BYTES + 1))], zipfile.ZIP_DEFLATED)
    honest = struct.pack("<I", MAX_FILE_BYTES + 1)
    with pytest.raises(ModelIntegrityError, match="damaged"):
        split_files(bomb.replace(honest, struct.pack("<I", 100)))


def test_a_file_with_a_wrong_checksum_is_refused() -> None:
    whole = append_files(MODEL, FILES)
    with pytest.raises(ModelIntegrityError, match=r"'labels\.txt' is damaged: Bad CRC-32"):
        split_files(whole.replace(b"cat\ndog\n", b"cat\ndig\n"))


def test_an_encrypted_file_is_refused() -> None:
    whole = bytearray(append_files(MODEL, FILES))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(mark) + flags] |= 1
    with pytest.raises(ModelIntegrityError, match=r"cannot be read: .*encrypted"):
        split_files(bytes(whole))


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_never_ends_in_a_foreign_error(kind: int) -> None:
    whole = zipped([("labels.txt", b"cat\ndog\n" * 20), ("ä.txt", b"x")], kind)
    rng = random.Random(kind)
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(MODEL), len(whole))] = rng.randrange(256)
        try:
            split_files(bytes(damaged))
        except EdgecnnError as exc:
            assert str(exc)  # noqa: PT017 -- most damages are refused, but not all of them are noticed here


def test_an_entry_that_points_into_the_network_is_refused(exported: ModelFile) -> None:
    # The first file is said to begin earlier, so that the network would be cut there.
    data = append_files(exported.model, dict(exported.files))
    directory = data.index(b"PK\x01\x02")
    moved = bytearray(data)
    struct.pack_into("<I", moved, directory + 42, 1000)
    with pytest.raises(ModelIntegrityError):
        ModelFile.from_bytes(bytes(moved), path=Path("model.tflite"))
