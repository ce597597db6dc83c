import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.labels import encode_labels
from edgecnn.core.progress import SilentTask
from edgecnn.data import ImageFolder, Splits, split_pictures
from edgecnn.errors import ModelFileError, RunError
from edgecnn.train.config import TrainConfig
from edgecnn.train.run_folder import (
    CONFIG_FILE,
    LABELS_FILE,
    MODEL_FILE,
    RUN_FORMAT,
    RUN_VERSION,
    SPLIT_FILE,
    RunConfig,
    RunFolder,
    encode_json,
)
from edgecnn.train.teacher import open_teacher

MODEL = b"nothing here loads it"


class Heard:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[SilentTask]:
        yield SilentTask()


def write_run(path: Path, root: Path, labels: Sequence[str], splits: Splits, seed: int = 0) -> Path:
    """Write a run whose model nobody loads."""
    options = TrainConfig(data=root, architecture="tiny", seed=seed)
    config = RunConfig(
        format=RUN_FORMAT,
        version=RUN_VERSION,
        tools={},
        architecture="tiny",
        input=options.contract,
        options=options,
        schedule=options.schedule,
        data_root=str(root.resolve()),
        has_given_splits=False,
        seed=seed,
        class_weights=None,
        skipped=(),
        interrupted=False,
        stages=(),
    )
    listed = {name: [picture.path for picture in splits.select(name)] for name in ("train", "val", "test")}
    path.mkdir()
    (path / MODEL_FILE).write_bytes(MODEL)
    (path / LABELS_FILE).write_bytes(encode_labels(tuple(labels)))
    (path / CONFIG_FILE).write_bytes(encode_json(config))
    (path / SPLIT_FILE).write_bytes(encode_json(listed))
    return path


@pytest.fixture
def folder(shapes: Path) -> ImageFolder:
    return ImageFolder.scan(shapes)


def test_a_teacher_is_recorded_by_name_and_digest(folder: ImageFolder, tmp_path: Path) -> None:
    splits, heard = split_pictures(folder, 0), Heard()
    run = write_run(tmp_path / "large", folder.root, folder.labels, splits)
    teacher = open_teacher(run, folder, splits, heard)
    assert (teacher.record.name, teacher.record.sha256) == ("large", sha256(MODEL).hexdigest())
    assert teacher.columns.tolist() == [0, 1, 2, 3]
    assert heard.messages == []


def test_a_teacher_that_is_trained_again_meanwhile_is_not_the_recorded_one(folder: ImageFolder, tmp_path: Path) -> None:
    splits = split_pictures(folder, 0)
    run = write_run(tmp_path / "large", folder.root, folder.labels, splits)
    teacher = open_teacher(run, folder, splits, Heard())
    (run / MODEL_FILE).write_bytes(b"another")
    with pytest.raises(RunError, match="is another one than at the beginning of the training"):
        teacher.load()


def test_classes_in_another_order_are_found(folder: ImageFolder, tmp_path: Path) -> None:
    splits = split_pictures(folder, 0)
    turned = folder.labels[::-1]
    run = write_run(tmp_path / "large", folder.root, turned, splits)
    teacher = open_teacher(run, folder, splits, Heard())
    assert tuple(np.array(turned)[teacher.columns]) == folder.labels


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (("Kreis ○", "square", "star"), "it knows 3, the pictures show 4, and on one side only stand 'triangle';"),
        (("Kreis ○", "square", "star", "<b>"), "it knows 4, the pictures show 4, .* only stand '<b>', 'triangle';"),
        (
            ("Kreis ○", "square", "star", "triangle", "star"),
            "it knows 5, the pictures show 4, .* only stand equal names;",
        ),
        (("Kreis ○", "square", "star", "Triangle"), "'Triangle', 'triangle';"),
        (tuple(str(number) for number in range(1000)), "it knows 1000, the pictures show 4, .* and 999 more;"),
    ],
)
def test_a_teacher_of_other_classes_is_refused(
    folder: ImageFolder, tmp_path: Path, labels: tuple[str, ...], complaint: str
) -> None:
    nothing = Splits(train=(), val=(), test=())
    run = write_run(tmp_path / "large", folder.root, labels, nothing)
    with pytest.raises(RunError, match=complaint):
        open_teacher(run, folder, nothing, Heard())


def test_a_teacher_that_learnt_from_pictures_that_judge_is_refused(folder: ImageFolder, tmp_path: Path) -> None:
    own, other = split_pictures(folder, 0), split_pictures(folder, 7)
    run = write_run(tmp_path / "large", folder.root, folder.labels, other, seed=7)
    judging = {*own.val, *own.test}
    num = len(judging & set(other.train))
    assert num > 0
    with pytest.raises(RunError, match=rf"has learnt from {num} of the {len(judging)} pictures .*--seed 7"):
        open_teacher(run, folder, own, Heard())


def test_one_picture_that_only_tests_is_enough_to_refuse(folder: ImageFolder, tmp_path: Path) -> None:
    own = split_pictures(folder, 0)
    leaking = replace(own, train=(*own.train, own.test[0]), test=own.test[1:])
    run = write_run(tmp_path / "large", folder.root, folder.labels, leaking)
    with pytest.raises(RunError, match="has learnt from 1 of the"):
        open_teacher(run, folder, own, Heard())


def test_the_same_pictures_at_another_place_are_known_by_their_names(folder: ImageFolder, tmp_path: Path) -> None:
    own, other = split_pictures(folder, 0), split_pictures(folder, 7)
    for splits, beginning in ((own, None), (other, "warning: ")):
        heard, run = Heard(), tmp_path / f"run-{beginning}"
        write_run(run, tmp_path / "elsewhere", folder.labels, splits)
        open_teacher(run, folder, own, heard)
        assert [message.startswith(str(beginning)) for message in heard.messages] == [True] * (beginning is not None)


def test_pictures_that_the_teacher_never_heard_of_may_still_be_its_own(folder: ImageFolder, tmp_path: Path) -> None:
    heard, nothing = Heard(), Splits(train=(), val=(), test=())
    run = write_run(tmp_path / "large", tmp_path / "elsewhere", folder.labels, nothing)
    open_teacher(run, folder, split_pictures(folder, 0), heard)
    (message,) = heard.messages
    assert "which cannot be told" in message


def test_scores_in_8_bits_do_not_teach(folder: ImageFolder, model_file: Path) -> None:
    with pytest.raises(RunError, match="it gives its scores in 8 bits"):
        open_teacher(model_file, folder, split_pictures(folder, 0), Heard())


def test_what_is_neither_a_run_nor_a_model_is_named(folder: ImageFolder, tmp_path: Path) -> None:
    splits = split_pictures(folder, 0)
    with pytest.raises(RunError, match="is not a training run"):
        open_teacher(tmp_path, folder, splits, Heard())
    (tmp_path / "empty.tflite").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"empty\.tflite"):
        open_teacher(tmp_path / "empty.tflite", folder, splits, Heard())


def test_a_run_that_is_older_than_teachers_and_recipes_is_read(folder: ImageFolder, tmp_path: Path) -> None:
    splits = split_pictures(folder, 0)
    run = write_run(tmp_path / "old", folder.root, folder.labels, splits)
    config = json.loads((run / CONFIG_FILE).read_bytes())
    for name in ("recipe", "teacher"):
        del config[name]
    for name in ("ema", "mixup", "cutmix", "teacher", "teacher_weight", "label_smoothing"):
        del config["options"][name]
    (run / CONFIG_FILE).write_text(json.dumps(config))
    opened = RunFolder.open(run)
    assert (opened.config.recipe, opened.config.teacher, opened.config.options.teacher) == (None, None, None)
    assert open_teacher(run, folder, splits, Heard()).record.name == "old"
