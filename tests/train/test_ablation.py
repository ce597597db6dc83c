import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgecnn.core.progress import SilentProgress
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.data import ImageFolder, load_pixels, split_pictures
from edgecnn.errors import RunError
from edgecnn.train import RunFolder, TrainConfig
from edgecnn.train.ablation import choose_variants, count_multiplications, train_variants
from edgecnn.train.ablation_record import ABLATION_FILE, AblationRecord, read_ablation
from edgecnn.train.architectures import ARCHITECTURES
from edgecnn.train.backend import keras
from edgecnn.train.keras_model import load_keras_model
from edgecnn.train.material import Material, Outcome


def build(name: str, size_px: int, *, pooled: bool) -> Any:
    row = ARCHITECTURES[name]
    return row.build(row.contract(size_px, "squash"), 4, pooled=pooled)


def output_of(network: Any, layer: str, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(keras.Model(network.input, network.get_layer(layer).output)(pixels))


@pytest.mark.parametrize("size_px", [32, 47])
def test_tiny_without_pooling_has_the_same_sizes_and_weights(size_px: int) -> None:
    with_it, without = (build("tiny", size_px, pooled=pooled) for pooled in (True, False))
    assert [weight.shape for weight in without.weights] == [weight.shape for weight in with_it.weights]
    for number in range(1, 5):
        layer = f"conv{number}_pool"
        assert without.get_layer(layer).output.shape == with_it.get_layer(layer).output.shape
    assert count_multiplications(without) == count_multiplications(with_it)


def test_tiny_without_pooling_keeps_the_upper_left_value_of_every_window() -> None:
    network = build("tiny", 47, pooled=False)
    pixels = synthetic_picture(3, 47, 47)[None].astype(np.float32)
    before, after = (output_of(network, f"conv1_{name}", pixels) for name in ("relu", "pool"))
    np.testing.assert_array_equal(after, before[:, :46:2, :46:2])


def test_lite0_without_pooling_has_a_weight_for_every_place_of_every_map() -> None:
    with_it, without = (build("lite0", 64, pooled=pooled) for pooled in (True, False))
    assert without.count_params() - with_it.count_params() == (2 * 2 - 1) * 1280 * 4


def test_multiplications_are_those_of_a_small_network_by_hand() -> None:
    layers = [
        keras.layers.Input((4, 6, 3)),
        keras.layers.Conv2D(5, 3, padding="same"),
        keras.layers.ReLU(),
        keras.layers.DepthwiseConv2D(3, strides=2, padding="same"),
        keras.layers.Flatten(),
        keras.layers.Dense(7),
    ]
    by_hand = (4 * 6) * (3 * 3 * 3 * 5) + (2 * 3) * (3 * 3 * 5) + (2 * 3 * 5) * 7
    assert count_multiplications(keras.Sequential(layers)) == by_hand


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"architecture": "tiny"}, ["no-augmentation", "no-pooling", "neither"]),
        ({"architecture": "tiny", "augment": ()}, ["no-pooling"]),
        ({"architecture": "lite0", "epochs": 0}, ["no-pooling"]),
    ],
)
def test_a_variant_that_would_be_the_model_again_is_not_trained(options: dict[str, Any], names: list[str]) -> None:
    config = TrainConfig(data=Path("pictures"), **options)
    assert [variant.name for variant in choose_variants(config)] == names


@pytest.fixture(scope="module")
def config(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return TrainConfig(
        data=shapes,
        run=tmp_path_factory.mktemp("ablated") / "run",
        architecture="tiny",
        size_px=32,
        epochs=2,
    )


@pytest.fixture(scope="module")
def run(config: TrainConfig) -> RunFolder:
    words = ("--arch", "tiny", "--size", "32", "--epochs", "2", "--ablation")
    command = [sys.executable, "-m", "edgecnn", "train", config.data, "-o", config.run, *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert config.run is not None
    return RunFolder.open(config.run)


@pytest.fixture(scope="module")
def record(run: RunFolder) -> AblationRecord:
    found = read_ablation(run)
    assert found is not None
    return found


@pytest.mark.slow
def test_the_record_holds_the_model_and_its_three_variants(run: RunFolder, record: AblationRecord) -> None:
    assert [(one.name, one.augmented, one.pooled) for one in record.variants] == [
        ("model", True, True),
        ("no-augmentation", False, True),
        ("no-pooling", True, False),
        ("neither", False, False),
    ]
    assert record.variants[0].rows == run.read_history()
    assert [len(one.rows) for one in record.variants] == [2, 2, 2, 2]
    assert len({one.num_weights for one in record.variants}) == 1
    assert (record.num_train, record.num_val) == (len(run.splits.train), len(run.splits.val))
    assert record.failed == ()


@pytest.mark.slow
def test_every_network_is_judged_by_the_weights_that_validation_chose(record: AblationRecord) -> None:
    for one in record.variants:
        assert one.val.accuracy == pytest.approx(max(row.val_accuracy for row in one.rows))
        difference = (one.only_variant - one.only_model) / record.num_val
        assert one.val.accuracy - record.variants[0].val.accuracy == pytest.approx(difference)


@pytest.mark.slow
def test_training_pictures_are_measured_as_they_are(run: RunFolder, record: AblationRecord) -> None:
    pictures = load_pixels(run.data_root, run.splits.train, run.contract)
    scores = load_keras_model(run).predict(pictures.pixels.astype(np.float32), verbose=0)
    share = float((scores.argmax(axis=1) == pictures.label_indices).mean())
    assert record.variants[0].train.accuracy == pytest.approx(share)


@pytest.mark.slow
def test_a_variant_that_fails_is_named_and_costs_neither_the_model_nor_the_others(
    run: RunFolder, config: TrainConfig
) -> None:
    folder = ImageFolder.scan(config.data)
    splits = split_pictures(folder, config.seed)
    material = Material(
        train=load_pixels(folder.root, splits.train, config.contract),
        val=load_pixels(folder.root, splits.val, config.contract),
        class_weights=None,
        config=replace(config, augment=()),
        work_folder=run.path / "unused",
        progress=SilentProgress(),
    )
    obstacle = run.path / "work"
    obstacle.write_text("a file where variants want a folder")
    before = (run.path / ABLATION_FILE).read_bytes()
    outcome = Outcome(rows=run.read_history(), stages=(), interrupted=False)
    try:
        record = train_variants(load_keras_model(run), outcome, material, run)
    finally:
        obstacle.unlink()
        (run.path / ABLATION_FILE).write_bytes(before)
    assert record is not None
    assert [one.name for one in record.variants] == ["model"]
    assert [one.name for one in record.failed] == ["no-pooling"]
    assert "exists" in record.failed[0].reason
    RunFolder.open(run.path)


@pytest.mark.slow
def test_a_damaged_record_is_named_and_a_run_without_one_has_none(run: RunFolder) -> None:
    whole = (run.path / ABLATION_FILE).read_bytes()
    try:
        (run.path / ABLATION_FILE).write_bytes(msgspec.json.encode({"variants": []}))
        with pytest.raises(RunError, match=r"ablation\.json is damaged"):
            read_ablation(run)
        (run.path / ABLATION_FILE).unlink()
        assert read_ablation(run) is None
    finally:
        (run.path / ABLATION_FILE).write_bytes(whole)
