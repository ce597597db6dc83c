import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import RunError
from edgecnn.train import TrainConfig, train
from edgecnn.train.architectures import ARCHITECTURES, find_architecture
from edgecnn.train.backend import keras
from edgecnn.train.networks import NORMALIZATION_LAYER

# Of Keras with numpy 2, when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
NAME, ALPHA = "mobilenetv2-0.35", 0.35


def application(alpha: float, size_px: int = 224, **options: Any) -> Any:
    return keras.applications.MobileNetV2((size_px, size_px, 3), alpha=alpha, weights=None, **options)


@pytest.fixture(scope="module")
def known() -> Any:
    """Stands for the network that knows ImageNet: what matters is that these very weights arrive."""
    keras.utils.set_random_seed(7)
    return application(ALPHA)


@pytest.fixture(scope="module")
def weights(known: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("weights") / "known.weights.h5"
    bare = application(ALPHA, include_top=False)
    bare.set_weights(known.get_weights()[:-2])
    bare.save_weights(path)
    return path


def build(path: Path, size_px: int, num_classes: int = 5, *, pooled: bool = True) -> Any:
    row = find_architecture(NAME, path).prepared(size_px, num_classes)
    return row.build(row.contract(size_px, "squash"), num_classes, pooled=pooled)


def output_of(network: Any, layer: str, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(keras.Model(network.input, network.get_layer(layer).output)(pixels))


@pytest.mark.parametrize("size_px", [96, 101])
def test_it_computes_what_the_application_computes_with_these_weights(known: Any, weights: Path, size_px: int) -> None:
    network = build(weights, size_px)
    pixels = synthetic_picture(1, size_px, size_px)[None].astype(np.float32)
    bare = application(ALPHA, size_px, include_top=False)
    bare.set_weights(known.get_weights()[:-2])
    # Half a grey level beside keras.applications: a pixel has to be its own code in an int8 file.
    expected = np.asarray(bare(keras.applications.mobilenet_v2.preprocess_input(pixels + 0.5)))
    np.testing.assert_allclose(output_of(network, "out_relu", pixels), expected, atol=1e-4)


@pytest.mark.parametrize("pooled", [True, False])
def test_it_is_flat_and_its_scores_sum_to_one(weights: Path, pooled: bool) -> None:
    network = build(weights, 96, pooled=pooled)
    assert [layer.name for layer in network.layers[:2]] == ["pixels", NORMALIZATION_LAYER]
    assert not any(isinstance(layer, keras.Model) for layer in network.layers)
    assert network.get_layer(ARCHITECTURES[NAME].cut_layer).output.shape[1:3] == (6, 6)
    scores = np.asarray(network(np.full((2, 96, 96, 3), 90.0, np.float32)))
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("file_name", ["whole.weights.h5", "whole.h5"])
def test_a_file_with_the_top_serves_as_well(known: Any, weights: Path, tmp_path: Path, file_name: str) -> None:
    path = tmp_path / file_name
    known.save_weights(path) if file_name.endswith(".weights.h5") else known.save(path)
    for found, expected in zip(build(path, 96).get_weights(), build(weights, 96).get_weights(), strict=True):
        if found.shape[-1:] not in [(5,)]:  # the new head
            np.testing.assert_array_equal(found, expected)


def test_weights_of_another_width_are_refused(weights: Path) -> None:
    with pytest.raises(RunError, match=r"does not hold all weights of mobilenetv2-0\.5.* another width with --arch"):
        find_architecture("mobilenetv2-0.5", weights).prepared(96, 5)


def test_a_file_that_lacks_a_layer_is_refused_instead_of_filled_up_with_random_numbers(tmp_path: Path) -> None:
    bare = application(ALPHA, include_top=False)
    part = keras.Model(bare.input, bare.get_layer("block_16_project_BN").output)
    part.save_weights(tmp_path / "part.weights.h5")
    with pytest.raises(RunError, match=f"does not hold all weights of {NAME}"):
        find_architecture(NAME, tmp_path / "part.weights.h5").prepared(96, 5)


@pytest.mark.parametrize(
    ("file_name", "content", "reason"),
    [
        ("none.h5", None, "cannot be read: No such file"),
        ("text.h5", b"no weights", "is no file of weights that Keras wrote"),
        ("torn.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "does not hold all weights"),
    ],
)
def test_a_file_of_something_else_is_refused(
    tmp_path: Path, file_name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / file_name).write_bytes(content)
    with pytest.raises(RunError, match=reason):
        find_architecture(NAME, tmp_path / file_name).prepared(96, 5)


@pytest.mark.slow
def test_where_the_network_is_closed_one_sentence_says_what_to_do(tmp_path: Path, shapes: Path) -> None:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "edgecnn", "train", shapes, "-o", tmp_path / "run", "--arch", NAME],
        env={**os.environ, **proxies, "KERAS_HOME": str(tmp_path / "keras")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: the ImageNet weights of {NAME} do not come with edgecnn and cannot be downloaded")
    assert "_0.35_224_no_top.h5 elsewhere and add --weights FILE, or train lite0" in last
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"architecture": "lite0", "weights": Path("w.h5")}, "goes with mobilenetv2 only"),
        ({"architecture": "my.py:build", "weights": Path("w.h5")}, "goes with mobilenetv2 only"),
        ({"architecture": NAME, "size_px": 95}, "size_px must be at least 96"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        TrainConfig(data=Path("pictures"), **options)


@pytest.mark.slow
def test_its_run_says_which_weights_it_began_with(weights: Path, shapes: Path, tmp_path: Path) -> None:
    train(TrainConfig(data=shapes, run=tmp_path / "run", architecture=NAME, weights=weights, size_px=96, epochs=1))
    config = json.loads((tmp_path / "run" / "config.json").read_bytes())
    assert config["architecture"] == NAME
    assert (config["input"]["mean"], config["input"]["std"]) == (127.0, 127.5)
    assert [stage["name"] for stage in config["stages"]] == ["head", "fine-tuning"]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert config["ingredients"] == [{"path": str(weights), "sha256": digest, "copy": ""}]
