"""Converts a network of many kinds of layers, and writes down what Keras computes in each, in a process of its own.

python convert_for_explain.py FOLDER

FOLDER gets ``float32.tflite``, ``float16.tflite``, ``dynamic.tflite`` and ``int8.tflite``, all of raw pixels,
and ``keras.npz``: ``pixels`` uint8 (2, h, w, 3), each layer's output as ``out:NAME``, its kernel as ``kernel:NAME``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.train.backend import keras, make_repeatable, tf

SIDE = 32


def build() -> Any:
    """Return a network behind its normalization: strides, dilation, both paddings, branches, two dense layers."""
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3), batch_size=1, name="image")
    maps = layers.Rescaling(1 / 128, offset=-1.0, name="normalization")(image)
    maps = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(maps)
    maps = layers.ReLU(6.0, name="stem_relu")(layers.BatchNormalization(name="stem_bn")(maps))
    wide = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="wide")(maps)
    wide = layers.ReLU(name="wide_relu")(layers.BatchNormalization(name="wide_bn")(wide))
    narrow = layers.Conv2D(8, 1, name="narrow")(wide)
    maps = layers.Add(name="join")([maps, narrow])
    maps = layers.Conv2D(12, (3, 2), dilation_rate=2, padding="same", name="spread")(maps)
    pooled = [layers.MaxPooling2D(2, name="largest")(maps), layers.AveragePooling2D(2, name="mean")(maps)]
    maps = layers.Concatenate(name="both")(pooled)
    maps = layers.Conv2D(10, 3, activation="relu", name="last")(
        layers.ZeroPadding2D(((1, 0), (0, 1)), name="rim")(maps)
    )
    maps = layers.GlobalAveragePooling2D(name="average")(maps)
    maps = layers.Dense(9, activation="relu", name="hidden")(maps)
    return keras.Model(image, layers.Softmax(name="scores")(layers.Dense(4, name="logits")(maps)))


def convert(network: Any, pixels: Any, folder: Path) -> None:
    """Write the four files."""
    for kind in ("float32", "float16", "dynamic", "int8"):
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind == "int8":
            converter.representative_dataset = lambda: ([one[np.newaxis].astype(np.float32)] for one in pixels)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        folder.joinpath(f"{kind}.tflite").write_bytes(converter.convert())


def main() -> None:
    """Make everything."""
    folder = Path(sys.argv[1])
    make_repeatable(5)
    network = build()
    pixels = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
    pixels[0, 0, 0], pixels[0, -1, -1] = 0, 255
    for layer in network.layers:  # statistics as after training, instead of zeros and ones
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.moving_mean.shape
            rng = np.random.default_rng(len(layer.name))
            layer.moving_mean.assign(rng.normal(0, 0.3, size))
            layer.moving_variance.assign(rng.uniform(0.3, 1.5, size))
            layer.beta.assign(rng.normal(0, 0.5, size))
    outputs = {layer.name: layer.output for layer in network.layers[1:]}
    inside = keras.Model(network.input, outputs)
    values = [inside(one[np.newaxis].astype(np.float32), training=False) for one in pixels[:2]]
    saved = {f"out:{name}": np.concatenate([one[name] for one in values]) for name in outputs}
    saved |= {f"kernel:{layer.name}": np.array(layer.weights[0]) for layer in network.layers if layer.weights}
    np.savez(folder / "keras.npz", pixels=pixels, **saved)
    convert(network, pixels, folder)


if __name__ == "__main__":
    main()
