import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.contract import InputContract
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.data import ImageFolder, Picture, load_pixels
from edgecnn.data.pixels import iter_pixels
from edgecnn.errors import DatasetError
from edgecnn.imaging import encode_png

CONTRACT = InputContract(width=16, height=12)


def write(root: Path, num: int) -> list[Picture]:
    """Write so many different pictures and return them in turns of two classes."""
    for index in range(num):
        (root / f"{index:03}.png").write_bytes(encode_png(synthetic_picture(index, 16, 12)))
    return [Picture(f"{index:03}.png", index % 2) for index in range(num)]


def test_pictures_become_one_array_in_their_order(tmp_path: Path) -> None:
    loaded = load_pixels(tmp_path, write(tmp_path, 150), CONTRACT)
    assert len(loaded) == 150
    assert (loaded.pixels.shape, loaded.pixels.dtype) == ((150, 12, 16, 3), np.uint8)
    assert (loaded.label_indices.tolist(), loaded.label_indices.dtype) == ([0, 1] * 75, np.int64)
    for index in (0, 1, 63, 64, 149):
        np.testing.assert_array_equal(loaded.pixels[index], synthetic_picture(index, 16, 12))


def test_unreadable_pictures_are_left_out_and_listed_with_the_reason(tmp_path: Path) -> None:
    pictures = write(tmp_path, 6)
    (tmp_path / "001.png").write_bytes(b"")
    (tmp_path / "003.png").write_bytes((tmp_path / "003.png").read_bytes()[:-20])
    (tmp_path / "004.png").unlink()
    loaded = load_pixels(tmp_path, pictures, CONTRACT)
    assert [picture.path for picture in loaded.pictures] == ["000.png", "002.png", "005.png"]
    assert loaded.label_indices.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(loaded.pixels[1], synthetic_picture(2, 16, 12))
    empty, cut, missing = loaded.unreadable
    assert "001.png is empty" in empty
    assert "003.png is a PNG file that is cut short or damaged" in cut
    assert "004.png: No such file or directory" in missing


def test_no_pictures_give_an_empty_array(tmp_path: Path) -> None:
    loaded = load_pixels(tmp_path, [], CONTRACT)
    assert (len(loaded), loaded.pixels.shape, loaded.label_indices.shape) == (0, (0, 12, 16, 3), (0,))


def test_a_broken_picture_comes_with_its_error_and_in_its_place(tmp_path: Path) -> None:
    pictures = write(tmp_path, 3)
    (tmp_path / "001.png").write_bytes(b"no picture")
    kinds = [type(loaded) for _, loaded in iter_pixels(tmp_path, pictures, CONTRACT)]
    assert kinds == [np.ndarray, DatasetError, np.ndarray]


def test_a_folder_of_drawn_shapes_is_read_whole(picture_folder: Path) -> None:
    folder = ImageFolder.scan(picture_folder)
    loaded = load_pixels(folder.root, folder.pictures, CONTRACT)
    assert folder.labels == ("Kreis ○", "square", "star", "triangle")
    assert loaded.unreadable == ()
    assert np.bincount(loaded.label_indices).tolist() == [12, 12, 12, 12]


def test_a_disk_without_room_for_the_array_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    for index in range(4):
        (tmp_path / f"{index}.png").write_bytes(encode_png(np.zeros((9, 9, 3), np.uint8)))
    code = (
        "import sys; from pathlib import Path; from edgecnn.core.contract import InputContract\n"
        "from edgecnn.data import Picture, load_pixels\n"
        "pictures = [Picture(f'{index}.png', 0) for index in range(4)]\n"
        "contract = InputContract(width=256, height=256)\n"
        "load_pixels(Path(sys.argv[1]), pictures, contract, file=Path(sys.argv[1]) / 'small' / 'pixels.npy')\n"
    )
    mount = f'mount -t tmpfs -o size=100k none "{tmp_path}/small"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*unshare, mount], capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs unshare and the right to mount a tmpfs in a namespace of its own")
    command = [*unshare, f'{mount} && "$@"', "sh", sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "DatasetError" in done.stderr
    assert "has no room for 0.8 MB of decoded pictures (No space left on device)" in done.stderr
