from pathlib import Path

import cv2
import numpy as np
import pytest
from small_network import SmallNetwork

from edgecnn.data import ImageFolder
from edgecnn.data.folder import Picture
from edgecnn.errors import DatasetError
from edgecnn.explain import Box, Network, cut, feature_maps, top_patches
from edgecnn.imaging import load_input
from edgecnn.modelfile import ModelFile

RED = np.array([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3).repeat(3, axis=1).repeat(3, axis=2)


@pytest.fixture
def spotted(tmp_path: Path) -> tuple[Path, list[Picture]]:
    """Five pictures with a red spot of rising strength that moves to the right, and a file that is none."""
    for number in range(5):
        pixels = np.zeros((10, 12, 3), np.uint8)
        pixels[4:7, number + 1 : number + 4, 2] = 40 * (number + 1)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
    (tmp_path / "9.png").write_bytes(b"no picture")
    return tmp_path, [Picture(f"{name}.png", 0) for name in (3, 0, 9, 4, 1, 2)]


def red_finder() -> Network:
    small = SmallNetwork(10, 12)
    return small.network(small.mean(small.conv(0, RED)))


def test_each_filter_remembers_where_it_was_excited_most(spotted: tuple[Path, list[Picture]]) -> None:
    root, pictures = spotted
    found = top_patches(red_finder(), root, pictures, count=3)
    patches = found.of(0, 0)
    assert [patch.value for patch in patches] == [9 * 200, 9 * 160, 9 * 120]
    assert [pictures[patch.picture].path for patch in patches] == ["4.png", "3.png", "2.png"]
    assert (patches[0].y, patches[0].x, patches[0].box) == (4, 5, Box(4, 5, 7, 8))
    pixels = load_input(root / "4.png", red_finder().file.contract)
    assert (cut(pixels, patches[0].box)[:, :, 0] == 200).all()


def test_a_file_that_is_no_picture_is_named_and_left_out(spotted: tuple[Path, list[Picture]]) -> None:
    root, pictures = spotted
    found = top_patches(red_finder(), root, pictures, count=9)
    assert found.num_pictures == 5
    assert len(found.unreadable) == 1
    assert "9.png" in found.unreadable[0]
    assert len(found.of(0, 0)) == 5


def test_without_a_picture_that_can_be_read_there_are_no_patches(spotted: tuple[Path, list[Picture]]) -> None:
    root, pictures = spotted
    with pytest.raises(DatasetError, match=r"9\.png"):
        top_patches(red_finder(), root, [pictures[2]])
    with pytest.raises(DatasetError, match="no pictures to look at"):
        top_patches(red_finder(), root, [])


def test_a_layer_without_maps_has_no_patches(spotted: tuple[Path, list[Picture]]) -> None:
    with pytest.raises(ValueError, match="patches need maps"):
        top_patches(red_finder(), spotted[0], spotted[1], [1])


def test_the_patches_of_an_export_are_the_largest_values_of_its_maps(exported: ModelFile, picture_folder: Path) -> None:
    network = Network(exported)
    pictures = ImageFolder.scan(picture_folder).pictures[::4]
    found = top_patches(network, picture_folder, pictures, ["conv2", "conv3_pool"], count=4)
    maps = {
        name: [
            feature_maps(network.look(load_input(picture_folder / picture.path, exported.contract)), name)
            for picture in pictures
        ]
        for name in ("conv2", "conv3_pool")
    }
    for name, channel in (("conv2", 0), ("conv2", 17), ("conv3_pool", 95)):
        peaks = sorted((float(one[:, :, channel].max()) for one in maps[name]), reverse=True)
        patches = found.of(name, channel)
        assert [patch.value for patch in patches] == peaks[:4]
        assert all(maps[name][patch.picture][patch.y, patch.x, channel] == patch.value for patch in patches)
