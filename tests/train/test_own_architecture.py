import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import RunError
from edgecnn.train.architectures import Architecture, find_architecture
from edgecnn.train.backend import keras
from edgecnn.train.config import TrainConfig
from edgecnn.train.networks import NORMALIZATION_LAYER

# Of Keras with numpy 2, when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIZE_PX, NUM_CLASSES = 32, 4
START = """
import keras
L = keras.layers

class Own(L.Layer):
    def call(self, x):
        return x

@keras.saving.register_keras_serializable("own")
class Registered(L.Layer):
    def call(self, x):
        return x

@keras.saving.register_keras_serializable("own")
def twice(x):
    return 2 * x

class Subclass(keras.Model):
    def __init__(self, n):
        super().__init__()
        self.first, self.last = L.Conv2D(4, 3, strides=4), L.Dense(n, activation="softmax")
        self.flat = L.Flatten()

    def call(self, x):
        return self.last(self.flat(self.first(x)))

def end(x, n, activation="softmax"):
    return L.Dense(n, activation=activation)(L.GlobalAveragePooling2D()(x))

def build(s, n):
    i = keras.Input((s, s, 3))
"""
SEQUENTIAL = 'return keras.Sequential([{0}L.Conv2D(4, 3), L.Flatten(), L.Dense(n, activation="softmax")])'
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file with a function ``build`` and return what ``--arch`` takes."""

    def write_body(body: str, start: str = START) -> str:
        path = tmp_path / "my_model.py"
        path.write_text(f"{start}    {body}\n")
        return f"{path}:build"

    return write_body


def prepare(reference: str) -> Architecture:
    return find_architecture(reference).prepared(SIZE_PX, NUM_CLASSES)


def built(row: Architecture) -> Any:
    return row.build(row.contract(SIZE_PX, "squash"), NUM_CLASSES)


@pytest.mark.parametrize(
    ("body", "mean", "std"),
    [
        (SEQUENTIAL.format("L.Input((s, s, 3)), L.Rescaling(1 / 255), "), 0.0, 255.0),
        (SEQUENTIAL.format("L.Rescaling(1 / 128, offset=-1.0), "), 128.0, 128.0),
        (SEQUENTIAL.format(""), 0.0, 1.0),
        # No pixel would be its own code.
        (SEQUENTIAL.format("L.Rescaling(1 / 127.5, offset=-1.0), "), 0.0, 1.0),
        ("return keras.Model(i, end(L.Rescaling([1 / 255, 1 / 128, 1 / 64])(i), n))", 0.0, 1.0),
        ("return keras.Model(i, end(L.Rescaling(1 / 255)(i - 3.0), n))", 0.0, 1.0),
        ("return keras.Model(i, end(L.Add()([L.Rescaling(1 / 255)(i), i]), n))", 0.0, 1.0),
        ("return Subclass(n)", 0.0, 1.0),
    ],
)
def test_a_first_rescaling_becomes_the_contract_where_a_contract_can_say_it(
    write: Write, body: str, mean: float, std: float
) -> None:
    row = prepare(write(body))
    assert (row.mean, row.std) == (mean, std)
    network = built(row)
    assert network.input_shape == (None, SIZE_PX, SIZE_PX, 3)
    normalize = keras.Model(network.input, network.get_layer(NORMALIZATION_LAYER).output)
    values = np.asarray(normalize(np.full((1, SIZE_PX, SIZE_PX, 3), 200.0, np.float32)))
    np.testing.assert_allclose(values, (200.0 - mean) / std, rtol=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        "keras.utils.set_random_seed(1); return keras.Model(i, end(keras.ops.relu(L.Conv2D(4, 3)(i / 99.0 - 1.0)), n))",
        "keras.utils.set_random_seed(1); c = L.Conv2D(3, 3); return keras.Model(i, end(c(c(L.Rescaling(0.01)(i))), n))",
        "keras.utils.set_random_seed(1); b = keras.Sequential([L.Rescaling(0.01), L.Conv2D(4, 3)]); "
        "b = keras.Sequential([b, L.ReLU()]); return keras.Model(i, end(b(i), n))",
    ],
    ids=["operators", "a shared layer", "networks in networks"],
)
def test_it_computes_what_the_user_wrote_in_a_flat_graph(write: Write, body: str) -> None:
    reference = write(body)
    network = built(prepare(reference))
    assert not any(isinstance(layer, keras.Model) for layer in network.layers)
    namespace: dict[str, Any] = {}
    exec(Path(reference.removesuffix(":build")).read_text(), namespace)
    pixels = np.stack([synthetic_picture(seed, SIZE_PX, SIZE_PX) for seed in range(2)]).astype(np.float32)
    expected = np.asarray(namespace["build"](SIZE_PX, NUM_CLASSES)(pixels))
    np.testing.assert_allclose(np.asarray(network(pixels)), expected, atol=1e-5)


def test_what_was_looked_at_is_what_is_built_even_if_the_file_changes(write: Write, tmp_path: Path) -> None:
    row = prepare(write(SEQUENTIAL.format("")))
    (tmp_path / "my_model.py").write_text("raise RuntimeError")
    assert built(row).output_shape == (None, NUM_CLASSES)
    assert row.code.decode().startswith(START)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return None", "returned a NoneType; let it return a keras.Model"),
        (
            "raise ValueError('no\\nway')",
            r"failed when it was called with 32 pixels and 4 classes: ValueError: no \(line",
        ),
        ("raise SystemExit", "failed when it was called .*: SystemExit"),
        (
            "return keras.Model(i, end(i, n + 1))",
            r"an output of shape \(None, 5\); give a score for each .* \(None, 4\)",
        ),
        ("return keras.Model(i, [end(i, n), i])", "an output of shape"),
        ("return keras.Model(i, end(i, n, None))", "not scores with the sum 1; end it with"),
        ("return keras.Model(i, end(i, n, 'sigmoid'))", "not scores with the sum 1; end it with"),
        (
            "i = keras.Input((s, s, 1)); return keras.Model(i, end(L.Conv2D(2, 3)(i), n))",
            "does not take .* RGB pictures",
        ),
        ("j = keras.Input((s, s, 3)); return keras.Model([i, j], end(i + j, n))", "does not take .* RGB pictures"),
        ("x = L.Flatten()(i)[:, :n]; return keras.Model(i, L.Softmax()(x))", "no weights"),
        ("return keras.Model(i, end(Own()(i), n))", "uses the class 'Own', which is not one of Keras's own"),
        ("return keras.Model(i, end(Registered()(i), n))", "uses the class 'Registered', which is not"),
        ("return keras.Model(i, end(L.Activation(twice)(i), n))", "uses the function 'twice', which is not"),
        ("return keras.Model(i, end(L.Activation(lambda x: 2 * x)(i), n))", "uses a lambda"),
        ("return keras.Model(i, end(L.Lambda(lambda x: 2 * x)(i), n))", "has a Lambda layer"),
        ("return keras.Model(i, end(L.Normalization(mean=3.0, variance=2.0)(i), n))", "a layer named .* another name"),
        ("return keras.Model(i, end(keras.ops.erfinv(i / 300.0), n))", "cannot be exported .* no builtin .* Erfinv"),
        ("return keras.Model(i, end(L.Conv2D(2, 3, dtype='mixed_float16')(i), n))", "cannot be exported"),
    ],
)
def test_every_mistake_is_told_in_one_sentence_before_training(write: Write, body: str, reason: str) -> None:
    with pytest.raises(RunError, match=reason) as raised:
        prepare(write(body))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        ("def other(): pass", "has no function 'build'; write: def build"),
        ("build = 3", "has no function 'build' but a value of type int"),
        ("import nowhere_to_be_found", "cannot be run: ModuleNotFoundError: No module named"),
        ("def build(:", "cannot be run: SyntaxError"),
    ],
)
def test_a_file_that_has_no_such_function_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "my_model.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match=reason):
        prepare(f"{path}:build")


@pytest.mark.parametrize("name", ["my_model.py", "my_model:build", "my_model.py:", "my_model.py:1x", "lite1"])
def test_what_is_neither_a_name_nor_a_function_of_a_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"architecture must be one of lite0, .* or your own FILE\.py:FUNCTION"):
        TrainConfig(data=Path("pictures"), architecture=name)


@pytest.mark.slow
def test_its_run_keeps_the_program_and_is_exported(write: Write, shapes: Path, tmp_path: Path) -> None:
    reference = write("print('noise'); " + SEQUENTIAL.format("L.Rescaling(1 / 127.5, offset=-1), "))
    run, file = tmp_path / "run", tmp_path / "own.tflite"
    words = ("train", shapes, "-o", run, "--arch", reference, "--size", "32", "--epochs", "2", "--json")
    for command in (words, ("export", run, "--int8", "-o", file, "--max-drop", "100")):
        line = [sys.executable, "-m", "edgecnn", *map(str, command)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        if command is words:
            assert json.loads(done.stdout)["architecture"] == "my_model.py:build"
    code = (tmp_path / "my_model.py").read_bytes()
    assert (run / "architecture.py").read_bytes() == code
    config = json.loads((run / "config.json").read_bytes())
    assert [stage["name"] for stage in config["stages"]] == ["scratch"]
    digest = hashlib.sha256(code).hexdigest()
    expected = {"path": str(tmp_path / "my_model.py"), "sha256": digest, "copy": "architecture.py"}
    assert config["ingredients"] == [expected]
    assert file.stat().st_size > 0
