"""What becomes of single Keras layers on an Edge TPU: converts each to int8 and prints the checker's verdict.

    python tools/edgetpu_layers.py [--json] [--keep FOLDER] [LAYER ...]

One line per layer: how many operators are mapped, what refuses the whole model, and the status of every
operator that is not mapped. With --json, one object by layer name.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np

SIDE, CHANNELS = 12, 8


def layers() -> dict[str, Callable[[Any], Any]]:
    """Return what is put between two convolutions, by name."""
    import keras

    act, conv = keras.layers.Activation, keras.layers.Conv2D
    return {
        "relu": act("relu"),
        "relu6": act("relu6"),
        "swish": act("swish"),
        "sigmoid": act("sigmoid"),
        "tanh": act("tanh"),
        "gelu": act("gelu"),
        "elu": act("elu"),
        "hard_swish": act("hard_swish"),
        "leaky_relu": keras.layers.LeakyReLU(),
        "prelu": keras.layers.PReLU(),
        "prelu_shared": keras.layers.PReLU(shared_axes=[1, 2]),
        "batch_norm": keras.layers.BatchNormalization(),
        "layer_norm": keras.layers.LayerNormalization(),
        "group_norm": keras.layers.GroupNormalization(groups=2),
        "grouped_conv": conv(CHANNELS, 3, padding="same", groups=2),
        "dilated_conv": conv(CHANNELS, 3, padding="same", dilation_rate=2),
        "strided_conv": conv(CHANNELS, 3, padding="same", strides=2),
        "depthwise": keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
        "separable": keras.layers.SeparableConv2D(CHANNELS, 3),
        "conv_transpose": keras.layers.Conv2DTranspose(CHANNELS, 3, strides=2, padding="same"),
        "upsample_nearest": keras.layers.UpSampling2D(2, interpolation="nearest"),
        "upsample_bilinear": keras.layers.UpSampling2D(2, interpolation="bilinear"),
        "zero_padding": keras.layers.ZeroPadding2D(2),
        "max_pool": keras.layers.MaxPooling2D(2),
        "average_pool": keras.layers.AveragePooling2D(2),
        "global_max_pool": keras.layers.GlobalMaxPooling2D(keepdims=True),
        "permute": keras.layers.Permute((2, 1, 3)),
        "rescaling": keras.layers.Rescaling(1 / 127.5, offset=-1),
        "unit_norm": keras.layers.UnitNormalization(),
        "squeeze_excite": _squeeze_excite,
    }


def _squeeze_excite(values: Any) -> Any:
    import keras

    scale = keras.layers.GlobalAveragePooling2D(keepdims=True)(values)
    scale = keras.layers.Conv2D(CHANNELS, 1, activation="sigmoid")(scale)
    return keras.layers.Multiply()([values, scale])


def convert(layer: Callable[[Any], Any]) -> bytes:
    """Return a small classifier with the layer inside, in full int8 with batch 1."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3), batch_size=1)
    values = keras.layers.Conv2D(CHANNELS, 3, name="first")(image)
    values = layer(values)
    values = keras.layers.Conv2D(CHANNELS, 1, name="second")(values)
    values = keras.layers.GlobalAveragePooling2D()(values)
    model = keras.Model(image, keras.layers.Dense(4, activation="softmax", name="last")(values))

    rng = np.random.default_rng(0)

    def pictures() -> Iterator[list[Any]]:
        for _ in range(4):
            yield [rng.random((1, SIDE, SIDE, 3), dtype=np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = pictures
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    converted: bytes = converter.convert()
    return converted


def main() -> None:
    """Convert, check and print."""
    from edgecnn.modelfile.edgetpu import check_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="LAYER")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="write the converted models into this folder")
    arguments = parser.parse_args()
    known = layers()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    result = {}
    for name in arguments.names or known:
        with contextlib.redirect_stdout(sys.stderr):  # the converter prints there, too
            model = convert(known[name])
        if arguments.keep:
            (arguments.keep / f"{name}.tflite").write_bytes(model)
        report = check_model(model)
        result[name] = {
            "refusals": [problem.text for problem in report.refusals],
            "statuses": [[check.operator, check.status] for check in report.operators],
        }
        if not arguments.json:
            left = [f"{check.operator}: {check.status}" for check in report.operators if not check.is_mapped]
            print(
                f"{name:<18}{report.mapped:>3}/{len(report.operators):<4}", *result[name]["refusals"], *left, sep="  "
            )
    if arguments.json:
        json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
