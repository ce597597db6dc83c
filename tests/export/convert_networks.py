"""Trains a small run and converts it, and networks of other layers, in a process of its own.

python convert_networks.py PICTURES FOLDER

FOLDER gets ``run/`` and, in float32 and in int8, ``tiny``, ``many`` (a network of many kinds of layers),
and ``odd`` (one with a layer that cannot be fine-tuned), as ``NAME-float.tflite`` and ``NAME-int8.tflite``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.core.contract import InputContract
from edgecnn.data import load_pixels
from edgecnn.train import RunFolder, TrainConfig, train
from edgecnn.train.backend import keras, make_repeatable, tf
from edgecnn.train.keras_model import load_keras_model


def build_many(size_px: int, num_classes: int) -> Any:
    """Return a network behind its normalization in which each common kind of layer occurs."""
    layers = keras.layers
    image = keras.Input((size_px, size_px, 3), name="image")
    maps = layers.ZeroPadding2D(1)(image)
    maps = layers.Conv2D(8, 3, strides=2, use_bias=False)(maps)
    maps = layers.Activation("swish")(layers.BatchNormalization()(maps))
    wide = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(maps)
    wide = layers.ReLU(6.0)(layers.BatchNormalization()(wide))
    wide = layers.SeparableConv2D(8, 3, padding="same", activation="relu")(wide)
    maps = layers.ReLU()(layers.Add()([wide, maps]))
    maps = layers.Concatenate()([layers.MaxPooling2D(2)(maps), layers.AveragePooling2D(2)(maps)])
    maps = layers.BatchNormalization()(maps)
    maps = layers.Conv2D(12, 3, dilation_rate=2, padding="same", activation="tanh")(maps)
    flat = layers.Dense(16, activation="relu")(layers.Flatten()(layers.MaxPooling2D(4)(maps)))
    pooled = layers.Dense(16, activation="sigmoid")(layers.GlobalAveragePooling2D()(maps))
    return keras.Model(image, layers.Dense(num_classes, activation="softmax")(layers.Add()([flat, pooled])))


def build_odd(size_px: int, num_classes: int) -> Any:
    """Return a network with a transposed convolution and with an activation that int16 does not have."""
    image = keras.Input((size_px, size_px, 3), name="image")
    maps = keras.layers.Conv2D(4, 3, strides=4, activation="hard_swish")(image)
    maps = keras.layers.Conv2DTranspose(4, 3, strides=2, name="upwards")(maps)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.Model(image, keras.layers.Dense(num_classes, activation="softmax")(pooled))


def settle(network: Any, values: Any) -> None:
    """Give batch normalization the statistics of some pictures instead of zeros and ones."""
    for _ in range(30):
        network(values, training=True)


def convert(network: Any, values: Any, contract: InputContract, path: Path) -> None:
    """Write PATH-float.tflite and PATH-int8.tflite."""
    picture = keras.Input(batch_shape=(1, contract.height, contract.width, 3), name="image")
    fixed = keras.Model(picture, network(picture))
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    path.with_name(f"{path.name}-float.tflite").write_bytes(converter.convert())
    low, high = (0.0 - contract.mean) / contract.std, (255.0 - contract.mean) / contract.std
    corners = np.clip(values, low, high)
    corners[0, 0, 0], corners[0, -1, -1] = low, high
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one[np.newaxis]] for one in corners)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    path.with_name(f"{path.name}-int8.tflite").write_bytes(converter.convert())


def main() -> None:
    """Make everything."""
    pictures, folder = Path(sys.argv[1]), Path(sys.argv[2])
    config = TrainConfig(data=pictures, run=folder / "run", architecture="tiny", size_px=32, epochs=6, batch_size=8)
    train(config)
    run = RunFolder.open(folder / "run")
    pixels = load_pixels(pictures, run.splits.train, run.contract).pixels
    values = ((pixels.astype(np.float32) - run.contract.mean) / run.contract.std).astype(np.float32)
    trained = load_keras_model(run)
    make_repeatable(3)
    networks = {
        "tiny": keras.Model(trained.get_layer("normalization").output, trained.output),
        "many": build_many(32, len(run.labels)),
        "odd": build_odd(32, len(run.labels)),
    }
    settle(networks["many"], values)
    for name, network in networks.items():
        convert(network, values, run.contract, folder / name)


if __name__ == "__main__":
    main()
