import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from edgecnn.core.progress import SilentTask, Task
from edgecnn.train import RunFolder, TrainConfig, TrainedRun, train
from edgecnn.train.candidates import CANDIDATES_FILE, CandidateRecord, list_candidates, read_candidates

# Of Keras with numpy 2, when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class Listener:
    """Progress that keeps what it hears, and answers one message with Ctrl-C."""

    def __init__(self, unwanted: str = "\n") -> None:
        self.heard: list[str] = []
        self._unwanted = unwanted

    def say(self, message: str) -> None:
        self._hear(message)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Task]:
        self._hear(title)
        yield SilentTask()

    def _hear(self, text: str) -> None:
        self.heard.append(text)
        if text.startswith(self._unwanted):
            raise KeyboardInterrupt


def auto(shapes: Path, run: Path, **options: Any) -> TrainConfig:
    given: dict[str, Any] = {"architecture": "auto", "size_px": 32, "epochs": 1, **options}
    return TrainConfig(data=shapes, run=run, **given)


def candidate(val_accuracy: float, val_loss: float, num_weights: int) -> CandidateRecord:
    return CandidateRecord(
        name="network",
        size_px=32,
        val_accuracy=val_accuracy,
        val_loss=val_loss,
        num_weights=num_weights,
        seconds=1.0,
        interrupted=False,
    )


def test_accuracy_decides_then_the_loss_then_the_size() -> None:
    worst_first = [candidate(0.8, 0.1, 10), candidate(0.9, 0.5, 10), candidate(0.9, 0.4, 20), candidate(0.9, 0.4, 10)]
    for worse, better in combinations(worst_first, 2):
        assert better.rank > worse.rank


def test_a_named_architecture_is_its_own_only_candidate() -> None:
    config = TrainConfig(data=Path("pictures"), architecture="tiny")
    assert list_candidates(config) == ((config,), ())


def test_mobilenetv2_is_a_candidate_where_its_weights_are_given(tmp_path: Path) -> None:
    configs, left_out = list_candidates(auto(tmp_path, tmp_path, size_px=None, weights=tmp_path / "w.h5"))
    assert [(one.architecture, one.weights) for one in configs] == [
        ("lite0", None),
        ("tiny", None),
        ("mobilenetv2", tmp_path / "w.h5"),
    ]
    assert left_out == ()


def test_what_the_options_do_not_suit_is_left_out_with_the_reason(tmp_path: Path) -> None:
    configs, left_out = list_candidates(auto(tmp_path, tmp_path, size_px=64, epochs=0))
    assert [one.architecture for one in configs] == ["lite0"]
    reasons = {one.name: one.reason for one in left_out}
    assert "epochs must be at least 1" in reasons["tiny"]
    assert "size_px must be at least 96" in reasons["mobilenetv2"]


def test_options_that_suit_no_candidate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="epochs must be 0 to 10000"):
        auto(tmp_path, tmp_path, epochs=-1)


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def chosen(shapes: Path, tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> TrainedRun:
    return train(auto(shapes, tmp_path_factory.mktemp("auto") / "run"), listener)


@pytest.mark.slow
def test_the_run_holds_the_candidate_that_validation_finds_best(chosen: TrainedRun) -> None:
    record = read_candidates(chosen.run)
    assert record is not None
    assert record == chosen.candidates
    assert [one.name for one in record.trained] == ["lite0", "tiny"]
    best = max(record.trained, key=lambda one: one.rank)
    assert record.chosen == best.name == chosen.run.architecture == chosen.run.config.options.architecture
    assert best.val_accuracy == pytest.approx(chosen.val.top1)
    assert record.num_val == chosen.val.num
    assert [one.name for one in record.left_out] == ["mobilenetv2"]


@pytest.mark.slow
def test_the_test_pictures_are_read_once_after_all_training(chosen: TrainedRun, listener: Listener) -> None:
    reads = [index for index, text in enumerate(listener.heard) if text == "reading test pictures"]
    trainings = [index for index, text in enumerate(listener.heard) if text.startswith(("scratch ", "fine-tuning "))]
    assert len(reads) == 1
    assert reads[0] > max(trainings)
    assert chosen.test is not None


@pytest.mark.slow
def test_a_candidate_becomes_what_its_name_alone_gives(chosen: TrainedRun, shapes: Path, tmp_path: Path) -> None:
    assert chosen.candidates is not None
    second = chosen.candidates.trained[1]
    named = train(auto(shapes, tmp_path / "named", architecture=second.name))
    assert named.candidates is None
    assert not (named.run.path / CANDIDATES_FILE).exists()
    assert named.val.top1 == pytest.approx(second.val_accuracy)
    assert named.run.read_history()[-1].val_loss == pytest.approx(second.val_loss, rel=1e-5)


@pytest.mark.slow
def test_ctrl_c_during_a_later_candidate_keeps_the_best_finished_one(shapes: Path, tmp_path: Path) -> None:
    trained = train(auto(shapes, tmp_path / "run"), Listener("scratch 1/"))
    assert trained.candidates is not None
    assert [one.name for one in trained.candidates.trained] == ["lite0"]
    assert trained.run.config.interrupted
    assert RunFolder.open(tmp_path / "run").architecture == "lite0"
    assert json.loads((tmp_path / "run" / CANDIDATES_FILE).read_bytes())["chosen"] == "lite0"
