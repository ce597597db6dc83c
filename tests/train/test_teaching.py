import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import SilentProgress
from edgecnn.data import ImageFolder, load_pixels, split_pictures
from edgecnn.errors import RunError
from edgecnn.train.activations import MAX_COPIES
from edgecnn.train.architectures import ARCHITECTURES
from edgecnn.train.augment import Augmentation
from edgecnn.train.config import TrainConfig
from edgecnn.train.learning import learn
from edgecnn.train.material import Material
from edgecnn.train.run_folder import TeacherRecord
from edgecnn.train.teacher import Teacher
from edgecnn.train.teaching import TeacherScores

SIZE_PX = 32
TEACHER_CONTRACT = InputContract(width=48, height=48)
TURNED = np.array([3, 2, 1, 0])
Score = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def brightest(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return four scores that say how much of a picture is in each of its quarters."""
    rows, columns = pixels.shape[1] // 2, pixels.shape[2] // 2
    quarters = [
        pixels[:, top : top + rows, left : left + columns].astype(np.float64).mean(axis=(1, 2, 3)) + 1e-3
        for top in (0, rows)
        for left in (0, columns)
    ]
    sums = np.stack(quarters, axis=1)
    scores: NDArray[np.float32] = (sums / sums.sum(axis=1, keepdims=True)).astype(np.float32)
    return scores


def material_of(
    shapes: Path, tmp_path: Path, score: Score, contract: InputContract, columns: NDArray[np.int64], **options: object
) -> Material:
    config = TrainConfig(data=shapes, **{"architecture": "tiny", "size_px": SIZE_PX, "teacher": tmp_path} | options)  # type: ignore[arg-type]
    folder = ImageFolder.scan(shapes)
    splits = split_pictures(folder, 0)
    train, val = (load_pixels(shapes, splits.select(name), config.contract) for name in ("train", "val"))
    record = TeacherRecord(name="teacher", sha256="")
    return Material(
        train=train,
        val=val,
        class_weights=None,
        config=config,
        work_folder=tmp_path / "work",
        progress=SilentProgress(),
        prepared=ARCHITECTURES[config.architecture],
        teacher=Teacher(record=record, contract=contract, columns=columns, load=lambda: score),
    )


def test_the_teacher_sees_the_copy_of_the_student_at_its_own_size(shapes: Path, tmp_path: Path) -> None:
    material = material_of(shapes, tmp_path, brightest, TEACHER_CONTRACT, np.arange(4))
    material.work_folder.mkdir()
    scores = TeacherScores(material, 3)
    rows, copies = np.array([4, 0, 7]), np.array([2, 0, 3])
    large = load_pixels(shapes, material.train.pictures, TEACHER_CONTRACT).pixels
    change = Augmentation().change
    seen = np.stack([change(large[4], 4, 0, 2), large[0], change(large[7], 7, 0, 3)])
    np.testing.assert_allclose(np.exp(scores.log_scores(rows, copies)), brightest(seen), rtol=2e-3)


def test_scores_come_in_the_order_of_the_students_classes(shapes: Path, tmp_path: Path) -> None:
    material = material_of(shapes, tmp_path, brightest, TEACHER_CONTRACT, TURNED)
    material.work_folder.mkdir()
    large = load_pixels(shapes, material.train.pictures[:1], TEACHER_CONTRACT).pixels
    got = TeacherScores(material, 0).log_scores(np.zeros(1, np.int64), np.zeros(1, np.int64))
    np.testing.assert_allclose(np.exp(got), brightest(large)[:, ::-1], rtol=2e-3)


def test_no_copy_is_scored_twice(shapes: Path, tmp_path: Path) -> None:
    num_scored = 0

    def count(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal num_scored
        num_scored += len(pixels)
        return brightest(pixels)

    material = material_of(shapes, tmp_path, count, TEACHER_CONTRACT, np.arange(4))
    material.work_folder.mkdir()
    scores = TeacherScores(material, 2)
    rows = np.array([5, 5, 6, 7])
    first, again = (scores.log_scores(rows, np.array([1, 1, 1, 2])) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert num_scored == 3


def test_a_teacher_with_the_students_input_reads_no_picture_again(shapes: Path, tmp_path: Path) -> None:
    material = material_of(shapes, tmp_path, brightest, InputContract(width=SIZE_PX, height=SIZE_PX), np.arange(4))
    material.work_folder.mkdir()
    got = TeacherScores(material, 0).log_scores(np.arange(2), np.zeros(2, np.int64))
    np.testing.assert_allclose(np.exp(got), brightest(material.train.pixels[:2]), rtol=2e-3)
    assert [path.name for path in material.work_folder.iterdir()] == ["teacher.f16"]


def test_a_picture_that_went_away_meanwhile_is_named(shapes: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(shapes, tmp_path / "pictures"))
    material = material_of(copy, tmp_path, brightest, TEACHER_CONTRACT, np.arange(4))
    (copy / material.train.pictures[3].path).unlink()
    material.work_folder.mkdir()
    with pytest.raises(RunError, match="pictures changed while training read them: "):
        TeacherScores(material, 0)


@pytest.mark.slow
@pytest.mark.parametrize("augment", [("flip", "shift"), ()])
def test_training_from_scratch_looks_at_each_copy_once_and_at_no_other(
    shapes: Path, tmp_path: Path, augment: tuple[str, ...]
) -> None:
    seen: list[bytes] = []

    def look(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.extend(picture.tobytes() for picture in pixels)
        return brightest(pixels)

    contract = InputContract(width=SIZE_PX, height=SIZE_PX)
    material = material_of(
        shapes, tmp_path, look, contract, np.arange(4), epochs=4, augment=augment, teacher_views=2 if augment else None
    )
    _, outcome = learn(material, 4)
    pictures = material.train.pixels
    copies = [Augmentation(parts=augment).apply_batch(pictures, np.arange(len(pictures)), 0, copy) for copy in (1, 2)]
    expected = np.concatenate(copies) if augment else pictures
    assert sorted(seen) == sorted(picture.tobytes() for picture in expected)
    assert len(outcome.rows) == 4
    assert not material.work_folder.exists()


@pytest.mark.slow
def test_transfer_is_taught_in_both_stages(shapes: Path, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def look(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.extend(picture.tobytes() for picture in pixels)
        return brightest(pixels)

    contract, parts = InputContract(width=SIZE_PX, height=SIZE_PX), ("flip", "shift")
    material = material_of(
        shapes, tmp_path, look, contract, np.arange(4), architecture="lite0", epochs=1, augment=parts
    )
    _, outcome = learn(material, 4)
    assert [stage.name for stage in outcome.stages] == ["head", "fine-tuning"]
    pictures = material.train.pixels
    rows = np.arange(len(pictures))
    copies = [Augmentation(parts=parts).apply_batch(pictures, rows, 0, copy) for copy in range(1, MAX_COPIES + 1)]
    plain = sorted(picture.tobytes() for picture in pictures)
    # The head learns from pictures as they are, and fine-tuning from some of their changed copies.
    assert sorted(seen[: len(plain)]) == plain
    assert len(seen) > len(plain)
    assert set(seen[len(plain) :]) <= {picture.tobytes() for picture in np.concatenate(copies)}
