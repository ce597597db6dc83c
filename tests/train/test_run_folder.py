import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecnn.core.labels import encode_labels
from edgecnn.errors import RunError
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
    StageRecord,
    encode_json,
    is_run,
)

LABELS = ("cat", "Öl")
SPLITS = {"train": ["cat/a.jpg", "Öl/x/b.jpg"], "val": ["cat/c.jpg", "Öl/d.jpg"], "test": []}


def make_config(data: Path, *, has_given_splits: bool = False) -> RunConfig:
    options = TrainConfig(data=data, architecture="tiny", augment=("flip",))
    return RunConfig(
        format=RUN_FORMAT,
        version=RUN_VERSION,
        tools={"edgecnn": "0.1.0"},
        architecture="tiny",
        input=options.contract,
        options=options,
        schedule=options.schedule,
        data_root=str(data),
        has_given_splits=has_given_splits,
        seed=0,
        class_weights={"cat": 1.0, "Öl": 1.0},
        skipped=(),
        interrupted=False,
        stages=(StageRecord(name="scratch", seconds=1.0, epochs=2, best_epoch=1, kept=True),),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run without a real model: nothing here loads it."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes(b"model")
    (folder / LABELS_FILE).write_bytes(encode_labels(LABELS))
    (folder / CONFIG_FILE).write_bytes(encode_json(make_config(tmp_path / "pictures")))
    (folder / SPLIT_FILE).write_bytes(encode_json(SPLITS))
    return folder


def edit(run: Path, **changes: Any) -> None:
    config = json.loads((run / CONFIG_FILE).read_bytes())
    (run / CONFIG_FILE).write_text(json.dumps(config | changes))


def test_a_run_is_read_back_as_it_was_written(run: Path, tmp_path: Path) -> None:
    opened = RunFolder.open(run)
    assert opened.config == make_config(tmp_path / "pictures")
    assert opened.labels == LABELS
    assert opened.contract == opened.config.options.contract
    assert opened.data_root == tmp_path / "pictures"
    assert [(picture.path, picture.label_index) for picture in opened.splits.train] == [
        ("cat/a.jpg", 0),
        ("Öl/x/b.jpg", 1),
    ]
    assert is_run(run)


def test_with_given_splits_the_class_is_the_second_part_of_the_path(run: Path, tmp_path: Path) -> None:
    (run / CONFIG_FILE).write_bytes(encode_json(make_config(tmp_path, has_given_splits=True)))
    splits = {"train": ["train/cat/a.jpg"], "val": ["train/Öl/d.jpg"], "test": []}
    (run / SPLIT_FILE).write_bytes(encode_json(splits))
    opened = RunFolder.open(run)
    assert [picture.label_index for picture in (*opened.splits.train, *opened.splits.val)] == [0, 1]


def test_a_folder_that_is_no_run_is_named_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere is not a training run: it does not exist; .*edgecnn train"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"is not a training run: it holds no config\.json"):
        RunFolder.open(tmp_path)
    assert not is_run(tmp_path)


@pytest.mark.parametrize("name", [MODEL_FILE, LABELS_FILE, SPLIT_FILE])
def test_a_missing_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    with pytest.raises(RunError, match=name):
        RunFolder.open(run)


@pytest.mark.parametrize("name", [CONFIG_FILE, SPLIT_FILE, LABELS_FILE])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x00" * 9])
def test_a_damaged_file_is_named(run: Path, name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    with pytest.raises(RunError, match=rf"{name} is damaged"):
        RunFolder.open(run)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": "diary"}, "says 'diary'"),
        ({"version": 2}, "format 2, this edgecnn reads format 1"),
        ({"surprise": 1}, "surprise"),
        ({"input": {"width": 0, "height": 96}}, "width must be 1"),
        ({"seed": "0"}, "seed"),
    ],
)
def test_a_config_that_is_not_understood_whole_is_refused(run: Path, changes: dict[str, Any], complaint: str) -> None:
    edit(run, **changes)
    with pytest.raises(RunError, match=complaint):
        RunFolder.open(run)


@pytest.mark.parametrize("path", ["../cat/a.jpg", "/cat/a.jpg", "dog/a.jpg", "a.jpg", ""])
def test_a_split_does_not_lead_out_of_the_pictures(run: Path, path: str) -> None:
    (run / SPLIT_FILE).write_bytes(encode_json(SPLITS | {"test": [path]}))
    with pytest.raises(RunError, match="is not a picture of one of the run's classes"):
        RunFolder.open(run)


def test_a_split_file_lists_exactly_three_splits(run: Path) -> None:
    (run / SPLIT_FILE).write_bytes(msgspec.json.encode({"train": []}))
    with pytest.raises(RunError, match="expected"):
        RunFolder.open(run)


def test_a_model_that_keras_cannot_read_is_named(run: Path) -> None:
    from edgecnn.train.keras_model import load_keras_scorer

    with pytest.raises(RunError, match=r"model\.keras cannot be loaded"):
        load_keras_scorer(RunFolder.open(run))


def test_reading_a_run_loads_no_tensorflow(run: Path) -> None:
    code = (
        "import sys, pathlib; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "import edgecnn.train, edgecnn.cli.train\n"
        "edgecnn.train.RunFolder.open(pathlib.Path(sys.argv[1]))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], check=True)


def test_training_without_tensorflow_says_what_to_install(shapes: Path, tmp_path: Path) -> None:
    # A stand-in for a machine without the extra: an interpreter whose search finds no TensorFlow.
    code = (
        "import importlib.util as util, sys, pathlib\n"
        "class Nothing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('tensorflow', 'keras'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
        "from edgecnn.cli.main import main\n"
        "main(['train', sys.argv[1], '-o', sys.argv[2]])\n"
    )
    run = tmp_path / "run"
    finished = subprocess.run([sys.executable, "-c", code, str(shapes), str(run)], capture_output=True, text=True)
    assert finished.returncode == 1
    assert finished.stderr == "error: training needs tensorflow and keras; run: pip install 'edgecnn[train]'\n"


def test_a_run_may_be_moved(run: Path, tmp_path: Path) -> None:
    shutil.move(run, tmp_path / "elsewhere")
    assert RunFolder.open(tmp_path / "elsewhere").labels == LABELS
