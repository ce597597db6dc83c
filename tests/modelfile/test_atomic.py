import os
import stat
from pathlib import Path

import pytest

from edgecnn.modelfile.atomic import write_atomically


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_atomically(tmp_path / "model.tflite", b"new")
    assert (tmp_path / "model.tflite").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old" * 1000)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_file_may_be_read_by_those_whom_the_user_lets_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_folder_that_is_not_there_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "model.tflite", b"new")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_folder_of_that_name_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "model.tflite", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]
