"""Make the four small files with which the tests climb the repair ladder.

    python tools/build_ladder_models.py tests/fixtures/ladder

A network of inverted residuals learns shapes without their colours. ``plain`` is it as it was trained. In
``hostile`` the channels between its linear bottlenecks were stretched by random factors, and the weights
that use them shrunk by the same: in floats the same network, but one scale no longer suits all channels.
Both are written in float32 and as ``TFLiteConverter``'s own int8, ranges from minimum to maximum.
Training is not repeatable to the last bit, so new files have other weights; the tests stand on no
particular ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.core.contract import InputContract
from edgecnn.data import ImageFolder, load_pixels
from edgecnn.train.backend import keras, make_repeatable, tf

SIDE_PX = 48
CONTRACT = InputContract(width=SIDE_PX, height=SIDE_PX)
NUM_PER_CLASS = 500
NUM_CALIBRATION = 100
EPOCHS = 15
STRETCH = 2.0
MAX_BYTES = 200_000
# Name of a linear bottleneck's batch norm -> the layer that uses its channels; the second block adds
# its input, so that both must have the same factors.
BOTTLENECKS = (("project1_bn", "expand2"), ("project2_bn", "expand3"), ("project3_bn", "head"))


def main() -> None:
    """Parse the command line, draw, train, stretch, convert."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    make_repeatable(1)
    with tempfile.TemporaryDirectory() as work:
        values, labels = draw(Path(work) / "pictures")
    network = build(int(labels.max()) + 1)
    network.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(values, labels, batch_size=32, epochs=EPOCHS, verbose=2)
    calibration = np.random.default_rng(0).permutation(values)[:NUM_CALIBRATION]
    convert(network, calibration, folder / "plain")
    stretch(network)
    convert(network, calibration, folder / "hostile")


def draw(folder: Path) -> tuple[Any, Any]:
    """Return pictures, normalized, float32 (N, 48, 48, 3), and their classes."""
    script = Path(__file__).with_name("draw_shapes.py")
    subprocess.run([sys.executable, script, folder, "--per-class", str(NUM_PER_CLASS), "--seed", "1"], check=True)
    loaded = load_pixels(folder, ImageFolder.scan(folder).pictures, CONTRACT)
    grey = loaded.pixels.mean(axis=3, keepdims=True).astype(np.uint8)
    values = np.repeat((grey.astype(np.float32) - CONTRACT.mean) / CONTRACT.std, 3, axis=3)
    return values.astype(np.float32), loaded.label_indices


def build(num_classes: int) -> Any:
    """Return the network: a stem, three inverted residuals, a head."""
    image = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
    maps = _convolve(image, 12, 3, "stem", strides=2)
    maps = _bottleneck(maps, 12, "1", strides=2)
    maps = keras.layers.Add(name="add2")([_bottleneck(maps, 12, "2"), maps])
    maps = _bottleneck(maps, 16, "3", strides=2)
    maps = _convolve(maps, 48, 1, "head")
    pooled = keras.layers.GlobalAveragePooling2D(name="avg_pool")(maps)
    scores = keras.layers.Dense(num_classes, activation="softmax", name="logits")(pooled)
    return keras.Model(image, scores)


def _convolve(maps: Any, filters: int, kernel: int, name: str, strides: int = 1) -> Any:
    maps = keras.layers.Conv2D(filters, kernel, strides, "same", use_bias=False, name=name)(maps)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(keras.layers.BatchNormalization(name=f"{name}_bn")(maps))


def _bottleneck(maps: Any, filters: int, number: str, strides: int = 1) -> Any:
    maps = _convolve(maps, 4 * maps.shape[-1], 1, f"expand{number}")
    maps = keras.layers.DepthwiseConv2D(3, strides, "same", use_bias=False, name=f"depthwise{number}")(maps)
    maps = keras.layers.ReLU(6.0)(keras.layers.BatchNormalization(name=f"depthwise{number}_bn")(maps))
    maps = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"project{number}")(maps)
    return keras.layers.BatchNormalization(name=f"project{number}_bn")(maps)


def stretch(network: Any) -> None:
    """Multiply the channels of every linear bottleneck by random factors, and divide where they are used."""
    random = np.random.default_rng(0)
    factors = {
        "project1_bn": np.exp(random.normal(0, STRETCH, 12)),
        "project3_bn": np.exp(random.normal(0, STRETCH, 16)),
    }
    factors["project2_bn"] = factors["project1_bn"]
    for made, used in BOTTLENECKS:
        norm, layer, factor = network.get_layer(made), network.get_layer(used), factors[made].astype(np.float32)
        norm.gamma.assign(norm.gamma * factor)
        norm.beta.assign(norm.beta * factor)
        layer.kernel.assign(layer.kernel / factor[None, None, :, None])


def convert(network: Any, calibration: Any, stem: Path) -> None:
    """Write STEM-float.tflite and STEM-int8.tflite."""
    picture = keras.Input(batch_shape=(1, SIDE_PX, SIDE_PX, 3), name="image")
    fixed = keras.Model(picture, network(picture))
    write(stem.with_name(f"{stem.name}-float.tflite"), tf.lite.TFLiteConverter.from_keras_model(fixed).convert())
    pictures = np.clip(calibration, -1.0, 127 / 128)
    pictures[0, 0, 0], pictures[0, -1, -1] = -1.0, 127 / 128
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one[np.newaxis]] for one in pictures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    write(stem.with_name(f"{stem.name}-int8.tflite"), converter.convert())


def write(path: Path, model: bytes) -> None:
    """Write a file, small enough for a repository."""
    if len(model) > MAX_BYTES:
        raise SystemExit(f"{path} has {len(model):,} bytes, more than {MAX_BYTES:,}")
    path.write_bytes(model)
    print(f"{path}: {len(model):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
