import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core.contract import InputContract
from edgecnn.explain import (
    Network,
    before_activation,
    class_activation_map,
    compare,
    contributions,
    difference,
    feature_maps,
    filters,
    layer_counts,
    receptive_field,
    window_sum,
)
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph

pytestmark = pytest.mark.slow
KINDS = ("float32", "float16", "dynamic", "int8")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks from the converter and what Keras computes inside, see ``convert_for_explain.py``."""
    folder = tmp_path_factory.mktemp("keras")
    script = Path(__file__).parent / "convert_for_explain.py"
    done = subprocess.run([sys.executable, script, folder], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return folder


@pytest.fixture(scope="module")
def keras_values(converted: Path) -> dict[str, Any]:
    with np.load(converted / "keras.npz") as saved:
        return dict(saved)


def load(folder: Path, kind: str, exported: ModelFile) -> Network:
    """The file that was converted; its input takes raw pixels."""
    path = folder / f"{kind}.tflite"
    model = path.read_bytes()
    contract = InputContract(width=32, height=32, mean=0.0, std=1.0)
    graph = Graph.parse(model)
    return Network(
        replace(exported, path=path, model=model, graph=graph, contract=contract, manifest=None, files={}),
        num_threads=1,
    )


@pytest.fixture(scope="module", params=["float32", "float16"])
def as_float(request: pytest.FixtureRequest, converted: Path, exported: ModelFile) -> Network:
    return load(converted, request.param, exported)


def test_the_layers_have_the_names_that_keras_gave_them(as_float: Network) -> None:
    found = {name for layer in as_float.layers for name in (layer.name, *layer.keras_names)}
    wanted = {"stem", "stem_bn", "stem_relu", "wide", "wide_relu", "narrow", "join", "spread", "largest", "mean"}
    assert found >= wanted | {"both", "last", "average", "hidden", "logits", "normalization"}


def test_the_maps_are_those_that_keras_computes(as_float: Network, keras_values: dict[str, Any]) -> None:
    compared = set()
    for number in (0, 1):
        look = as_float.look(keras_values["pixels"][number])
        for layer in as_float.layers:
            # The converter names a fused operator by the last layer in it first; a normalization is two operators.
            names = [name for name in layer.keras_names if name != "normalization"]
            if names and f"out:{names[0]}" in keras_values:
                wanted = keras_values[f"out:{names[0]}"][number]
                half = "float16" in as_float.file.path.name
                np.testing.assert_allclose(
                    feature_maps(look, layer).reshape(wanted.shape),
                    wanted,
                    atol=2e-2 if half else 1e-4,
                    err_msg=layer.name,
                )
                compared.add(names[0])
    assert compared >= {"stem_relu", "wide_relu", "narrow", "join", "largest", "mean", "both", "last", "logits"}


def test_sums_before_a_fused_relu_are_those_of_the_batch_normalization(
    converted: Path, exported: ModelFile, keras_values: dict[str, Any]
) -> None:
    network = load(converted, "float32", exported)
    look = network.look(keras_values["pixels"][0])
    for name in ("stem", "wide"):
        layer = network.layer(name)
        assert layer.is_fused
        wanted = keras_values[f"out:{name}_bn"][0]
        np.testing.assert_allclose(before_activation(look, layer), wanted, atol=1e-4)
        assert (wanted < 0).any()


def test_filters_without_batch_normalization_are_keras_s_kernels(
    converted: Path, exported: ModelFile, keras_values: dict[str, Any]
) -> None:
    network = load(converted, "float32", exported)
    for name in ("narrow", "spread", "last"):
        kernel = keras_values[f"kernel:{name}"]  # (rows, columns, in, out)
        np.testing.assert_allclose(filters(network, name), kernel.transpose(3, 0, 1, 2), atol=1e-6)
    for name in ("hidden", "logits"):
        kernel = keras_values[f"kernel:{name}"]
        np.testing.assert_allclose(filters(network, name)[:, 0, 0], kernel.T, atol=1e-6)
    counts = {count.layer.name: count.weights for count in layer_counts(network)}
    assert {name: counts[name] for name in ("stem", "wide", "spread")} == {
        name: keras_values[f"kernel:{name}"].size for name in ("stem", "wide", "spread")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_variant_computes_what_its_weights_say(
    kind: str, converted: Path, exported: ModelFile, keras_values: dict[str, Any]
) -> None:
    network = load(converted, kind, exported)
    rng = np.random.default_rng(0)
    look = network.look(keras_values["pixels"][1])
    for layer in network.convolutions:
        for _ in range(25):
            y, x, channel = (int(rng.integers(size)) for size in layer.output_shape)
            shown = window_sum(look, layer, y, x, channel)
            assert shown.agrees, (kind, layer.name, y, x, channel, shown)


@pytest.mark.parametrize("kind", KINDS)
def test_in_every_variant_votes_and_places_add_up_to_the_score(
    kind: str, converted: Path, exported: ModelFile, keras_values: dict[str, Any]
) -> None:
    network = load(converted, kind, exported)
    look = network.look(keras_values["pixels"][1])
    for class_index in range(4):
        votes = contributions(look, class_index)
        assert votes.agrees
        assert class_activation_map(look, class_index).shape == network.layer("last").output_shape[:2]
        # Two dense layers and an average were rounded on the way.
        assert abs(votes.positions_rest) <= (1e-4 if "float" in kind else 0.1 * np.ptp(votes.logits) + 2 * votes.step)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_every_variant_is_paired_with_the_float_file(
    kind: str, converted: Path, exported: ModelFile, keras_values: dict[str, Any]
) -> None:
    mine, other = load(converted, kind, exported), load(converted, "float32", exported)
    looks = [network.look(keras_values["pixels"][0]) for network in (mine, other)]
    pairs = {pair.mine.name: pair for pair in compare(mine, other)}
    assert set(pairs) >= {"stem", "wide", "narrow", "join", "spread", "largest", "mean", "both", "last", "logits"}
    assert all(pair.other.name == name for name, pair in pairs.items() if pair.mine.keras_names)
    for pair in pairs.values():
        assert difference(*looks, pair).sqnr_db > 15, pair.mine.name


def test_a_pixel_outside_of_the_receptive_field_changes_nothing(converted: Path, exported: ModelFile) -> None:
    network = load(converted, "float32", exported)
    base = np.full((32, 32, 3), 100, np.uint8)
    before = network.look(base).values("last")
    field = receptive_field(network, "last")
    reached = np.zeros((32, *before.shape[:2]), bool)
    for row in range(32):
        pixels = base.copy()
        pixels[row, ::3] = 255
        reached[row] = (network.look(pixels).values("last") != before).any(axis=2)
    for y in range(before.shape[0]):
        (rows,) = np.nonzero(reached[:, y].any(axis=1))
        box = field.box(y, 0)
        assert box.top <= rows.min()
        assert rows.max() < box.bottom
    assert (field.rows[:, 1] - field.rows[:, 0] < 31).any()
