"""The process that holds the run's Keras model, with networks that training does not make."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.errors import ExportError
from edgecnn.export.convert import KerasProcess
from edgecnn.export.float_network import check_scores
from edgecnn.train.run_folder import RunFolder

_BUILD = """
import sys, keras
from keras import layers
folder, size_px, num, mean, std = sys.argv[1], *map(float, sys.argv[2:])
class Twice(layers.Layer):
    def call(self, values):
        return 2 * values
def save(name, normalization, *behind):
    pixels = keras.Input((int(size_px), int(size_px), 3))
    values = layers.GlobalAveragePooling2D()(normalization(pixels))
    for layer in (*behind, layers.Dense(int(num), activation="softmax")):
        values = layer(values)
    keras.Model(pixels, values).save(f"{folder}/{name}/model.keras")
def right():
    return layers.Rescaling(1 / std, -mean / std, name="normalization")
save("right", right())
save("foreign", right(), Twice())
save("other-input", layers.Rescaling(1 / 255, name="normalization"))
"""


@pytest.fixture(scope="module")
def runs(converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs whose networks end in a dense layer with softmax inside: ``right``, ``foreign`` and ``other-input``."""
    folder = tmp_path_factory.mktemp("runs")
    run = RunFolder.open(converted / "run")
    for name in ("right", "foreign", "other-input"):
        shutil.copytree(run.path, folder / name)
    facts = (run.contract.width, len(run.labels), run.contract.mean, run.contract.std)
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", _BUILD, str(folder), *map(str, facts)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return folder


def start(run: Path, tmp_path: Path) -> KerasProcess:
    work = tmp_path / "work"
    work.mkdir()
    return KerasProcess(run, work_folder=work, log_path=tmp_path / "export.log")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("foreign", "it uses the class 'Twice', which is not one of Keras's own"),
        ("other-input", "'normalization' makes 0 of 0 and 1 of 255, which is not the mean 128 and std 128"),
    ],
)
def test_a_network_that_cannot_be_taken_apart_is_refused_by_name(
    runs: Path, tmp_path: Path, name: str, words: str
) -> None:
    with start(runs / name, tmp_path) as keras, pytest.raises(ExportError, match=words):
        _ = keras.layers


@pytest.mark.slow
def test_a_temperature_cools_softmax_inside_the_dense_layer_and_tensorflow_leaves_nothing_behind(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    contract = RunFolder.open(runs / "right").contract
    pixels = np.random.default_rng(0).integers(0, 256, (4, contract.height, contract.width, 3), np.uint8)
    with start(runs / "right", tmp_path) as keras:
        before = keras.score(pixels).astype(np.float64)
        assert keras.cool(0.5)
        squares = before**2
        np.testing.assert_allclose(keras.score(pixels), squares / squares.sum(axis=1, keepdims=True), atol=1e-5)
        assert list(elsewhere.iterdir()) == []  # it is told where its temporary files are removed
        with pytest.raises(ExportError, match="converter's own words"):
            keras.convert("int8")  # without pictures
        # After an error the process has ended: that is said, and leaving the block does not fail.
        with pytest.raises(ExportError, match="the converter died"):
            keras.score(pixels)


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([[0.5, np.nan]], "not all numbers"),
        ([[np.inf, 0.0]], "not all numbers"),
        ([[-3.0, 0.5]], "numbers from -3 to 0.5 instead of scores from 0 to 1; end it with softmax"),
        ([[0.1, 12.0]], "numbers from 0.1 to 12 instead"),
    ],
)
def test_what_is_no_score_is_refused(scores: list[list[float]], words: str) -> None:
    values: NDArray[np.float32] = np.array(scores, np.float32)
    with pytest.raises(ExportError, match=words):
        check_scores(values)


def test_scores_may_be_off_by_rounding_and_need_not_add_up_to_one() -> None:
    check_scores(np.array([[1.0002, -0.0002], [0.9, 0.9]], np.float32))
