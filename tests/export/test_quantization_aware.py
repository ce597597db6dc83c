from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.progress import SilentProgress
from edgecnn.data import load_pixels
from edgecnn.errors import DatasetError, UnsupportedOpError
from edgecnn.export.quantize.qat import FineTuned, QatConfig, fine_tune
from edgecnn.export.quantize.requantize import requantize
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph
from edgecnn.runtime.interpreter import Interpreter
from edgecnn.train import RunFolder

pytestmark = pytest.mark.slow

CONFIG = QatConfig(epochs=2, learning_rate=1e-2, batch_size=8, pictures=24)


@pytest.fixture(scope="module")
def run(converted: Path) -> RunFolder:
    return RunFolder.open(converted / "run")


Tune = Callable[[str, QatConfig], FineTuned]


@pytest.fixture(scope="module")
def tune(converted: Path, run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Tune:
    """Fine-tunes the network of a name."""

    def tune(name: str, config: QatConfig) -> FineTuned:
        work = tmp_path_factory.mktemp("work")
        model = (converted / f"{name}-float.tflite").read_bytes()
        return fine_tune(
            model,
            run,
            run.data_root,
            config,
            work_folder=work,
            log_path=work / "log.txt",
            progress=SilentProgress(),
            layers=("upwards",),
        )

    return tune


@pytest.fixture(scope="module")
def tuned(tune: Tune) -> FineTuned:
    """The trained network, fine-tuned."""
    return tune("tiny", CONFIG)


def scores_of(model: bytes, pixels: NDArray[np.uint8], labels: tuple[str, ...]) -> NDArray[np.float32]:
    runtime = Interpreter(ModelFile.from_bytes(model, path=Path("tuned.tflite"), labels=labels))
    return np.stack([runtime.invoke(picture) for picture in pixels]) / np.float32(256)


def test_the_network_that_learns_gives_the_scores_of_the_int8_file(converted: Path, run: RunFolder) -> None:
    from edgecnn.export.quantize.fake_quantized import FakeQuantized

    pixels = load_pixels(run.data_root, run.splits.train, run.contract).pixels
    for name in ("tiny", "many"):
        model = (converted / f"{name}-float.tflite").read_bytes()
        layer = FakeQuantized(Graph.parse(model), run.contract, freeze_after=1, distillation=0.0)
        layer.measure(iter([pixels[:16], pixels[16:]]))
        learning = layer(pixels.astype(np.float32)).numpy()
        file = requantize((converted / f"{name}-int8.tflite").read_bytes(), model, layer.activation_ranges())
        deployed = scores_of(file, pixels, run.labels)
        assert np.abs(learning - deployed).max() <= 4 / 256
        assert (learning.argmax(axis=1) == deployed.argmax(axis=1)).mean() >= 0.9
        # Rounding is what makes the difference, and it is seen.
        assert np.abs(learning - deployed).mean() < np.abs(layer.float_scores(pixels).numpy() - deployed).mean()


def test_fine_tuning_changes_weights_and_nothing_else(converted: Path, tuned: FineTuned) -> None:
    before, after = Graph.parse((converted / "tiny-float.tflite").read_bytes()), Graph.parse(tuned.float_model)
    assert [(op.name, op.inputs, op.outputs) for op in before.operators] == [
        (op.name, op.inputs, op.outputs) for op in after.operators
    ]
    assert before.tensors == after.tensors
    changed = {
        index
        for index, tensor in enumerate(before.tensors)
        if before.buffer(tensor.buffer).tobytes() != after.buffer(tensor.buffer).tobytes()
    }
    weighted = [op for op in before.operators if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")]
    assert changed == {index for operator in weighted for index in operator.inputs[1:]}


def test_the_int8_file_is_as_good_as_fine_tuning_said(converted: Path, run: RunFolder, tuned: FineTuned) -> None:
    file = requantize((converted / "tiny-int8.tflite").read_bytes(), tuned.float_model, tuned.ranges)
    val = load_pixels(run.data_root, run.splits.val, run.contract)
    scores = scores_of(file, val.pixels, run.labels)
    best = max(tuned.rows, key=lambda row: (row.val_accuracy, -row.val_loss))
    loss = -np.log(np.maximum(scores[np.arange(len(val)), val.label_indices], 1e-7)).mean()
    assert loss == pytest.approx(best.val_loss, rel=0.05, abs=0.02)
    assert [row.epoch for row in tuned.rows] == [0, 1, 2]


def test_every_activation_has_a_range_with_zero_on_its_grid_and_pools_keep_it(tuned: FineTuned) -> None:
    graph = Graph.parse(tuned.float_model)
    for operator in graph.operators:
        name = graph.tensors[operator.outputs[0]].name
        low, high = tuned.ranges[name]
        assert low <= 0.0 <= high
        assert low / (high - low) * 255 == pytest.approx(round(low / (high - low) * 255), abs=1e-3)
        if operator.name == "MAX_POOL_2D":
            assert tuned.ranges[graph.tensors[operator.inputs[0]].name] == (low, high)


def test_the_same_seed_gives_the_same_weights(tune: Tune, tuned: FineTuned) -> None:
    again = tune("tiny", CONFIG)
    assert (again.float_model, again.ranges) == (tuned.float_model, tuned.ranges)


def test_every_kind_of_layer_passes_a_gradient_to_all_weights(converted: Path, run: RunFolder) -> None:
    from edgecnn.export.quantize.fake_quantized import FakeQuantized
    from edgecnn.train.backend import tf

    layer = FakeQuantized(
        Graph.parse((converted / "many-float.tflite").read_bytes()), run.contract, freeze_after=1, distillation=1.0
    )
    pixels = load_pixels(run.data_root, run.splits.train[:8], run.contract).pixels
    layer.measure(iter([pixels]))
    with tf.GradientTape() as tape:
        scores = layer(pixels.astype(np.float32), training=True)
        loss = -tf.reduce_mean(tf.math.log(scores[:, 0]))
    for weight, gradient in zip(layer.trainable_variables, tape.gradient(loss, layer.trainable_variables), strict=True):
        assert gradient is not None, weight.name
        assert np.isfinite(gradient.numpy()).all()
        assert np.abs(gradient.numpy()).max() > 0.0, weight.name


def test_ranges_follow_the_pictures_until_they_are_frozen(converted: Path, run: RunFolder) -> None:
    from edgecnn.export.quantize.fake_quantized import FakeQuantized

    graph = Graph.parse((converted / "tiny-float.tflite").read_bytes())
    layer = FakeQuantized(graph, run.contract, freeze_after=2, distillation=0.0)
    layer.measure(iter([np.full((1, 32, 32, 3), 128, np.uint8)]))
    pixels = load_pixels(run.data_root, run.splits.train[:8], run.contract).pixels.astype(np.float32)
    seen = [layer.activation_ranges()]
    for _ in range(3):
        layer(pixels, training=True)
        seen.append(layer.activation_ranges())
    first = graph.tensors[graph.operators[0].outputs[0]].name
    assert seen[0][first][1] < seen[1][first][1] < seen[2][first][1]
    assert seen[3] == seen[2]


def test_a_layer_that_cannot_be_trained_is_refused_by_its_name(tune: Tune) -> None:
    with pytest.raises(UnsupportedOpError, match="layer 'upwards' is computed by TRANSPOSE_CONV"):
        tune("odd", CONFIG)


def test_pictures_that_are_gone_are_named(converted: Path, run: RunFolder, tmp_path: Path) -> None:
    model = (converted / "tiny-float.tflite").read_bytes()
    with pytest.raises(DatasetError, match=r"no pictures of the split 'train': .*gone"):
        fine_tune(
            model,
            run,
            tmp_path / "gone",
            CONFIG,
            work_folder=tmp_path,
            log_path=tmp_path / "log.txt",
            progress=SilentProgress(),
        )


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"learning_rate": -1.0}, {"batch_size": 0}, {"pictures": 0}, {"seed": -1}, {"distillation": -1.0}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        QatConfig(**wrong)  # type: ignore[arg-type]
