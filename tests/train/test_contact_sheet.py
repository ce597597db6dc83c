from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.data import ImageFolder, Picture
from edgecnn.errors import DatasetError
from edgecnn.imaging import load_input
from edgecnn.train.augment import Augmentation
from edgecnn.train.config import AUGMENTATIONS, TrainConfig
from edgecnn.train.contact_sheet import draw_sheet, draw_sheet_of, first_of_each_class, preview

SIDE_PX = 32
STEP_PX = SIDE_PX + 4


def test_the_first_pictures_of_the_first_six_classes_are_shown() -> None:
    assert first_of_each_class(np.array([1, 0, 1, 2, 3, 7, 4, 5, 6, 0])) == [1, 0, 3, 4, 6, 7]


def test_a_row_is_the_picture_and_what_training_makes_of_it_in_its_first_epochs() -> None:
    pixels = np.stack([synthetic_picture(seed, SIDE_PX, SIDE_PX) for seed in range(9)])
    sheet = draw_sheet({4: pixels[4], 7: pixels[7]}, AUGMENTATIONS, seed=3)
    assert sheet.shape == (2 * STEP_PX - 4, 6 * STEP_PX - 4, 3)
    for line, row in enumerate((4, 7)):
        for column in range(6):
            tile = sheet[line * STEP_PX :, column * STEP_PX :][:SIDE_PX, :SIDE_PX]
            seen = Augmentation().apply_batch(pixels, np.array([row]), 3, column)[0] if column else pixels[row]
            np.testing.assert_array_equal(tile, seen)


def test_tiles_of_large_pictures_are_made_small_and_keep_their_shape() -> None:
    picture = synthetic_picture(0, 512, 256)
    assert draw_sheet({0: picture}, AUGMENTATIONS, seed=0).shape == (64, 6 * 132 - 4, 3)


def test_the_preview_shows_a_picture_of_each_class(shapes: Path) -> None:
    config = TrainConfig(data=shapes, architecture="tiny", size_px=SIDE_PX)
    sheet = preview(config)
    assert sheet.shape == (4 * STEP_PX - 4, 6 * STEP_PX - 4, 3)
    np.testing.assert_array_equal(sheet, preview(config))


def test_a_picture_that_cannot_be_read_gives_its_place_to_the_next(shapes: Path, tmp_path: Path) -> None:
    good = ImageFolder.scan(shapes).pictures[0]
    (tmp_path / "broken.png").write_text("no picture")
    (tmp_path / "good.png").write_bytes((shapes / good.path).read_bytes())
    config = TrainConfig(data=tmp_path, architecture="tiny", size_px=SIDE_PX)
    pictures = [Picture("broken.png", 0, ""), Picture("good.png", 0, "")]
    sheet = draw_sheet_of(tmp_path, pictures, config.contract, config)
    np.testing.assert_array_equal(sheet[:SIDE_PX, :SIDE_PX], load_input(tmp_path / "good.png", config.contract))
    with pytest.raises(DatasetError, match="none of the training pictures"):
        draw_sheet_of(tmp_path, pictures[:1], config.contract, config)
