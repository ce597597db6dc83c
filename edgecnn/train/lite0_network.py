"""EfficientNet-Lite0 without its top, with weights learnt from ImageNet.

Lite0 is EfficientNet-B0 made for integer hardware: ReLU6 instead of swish, no squeeze and
excite, the first and the last layer as wide as in B0. The weights come with the package
(``weights/efficientnet_lite0.npz``; origin and licence stand beside it), so nothing is
downloaded.

Reference:
    M. Tan, Q. V. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural
    Networks, arXiv:1905.11946, table 1; the Lite variants:
    https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.train.backend import keras

INPUT_MEAN = 127.0
INPUT_STD = 128.0
WEIGHTS_PATH = Path(__file__).parent / "weights" / "efficientnet_lite0.npz"
_BATCH_NORM_EPSILON = 1e-3
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280


@dataclass(frozen=True, slots=True)
class _Stage:
    """Inverted residual blocks in a row; only the first one changes size and channels.

    Attributes:
        num_blocks: how many.
        kernel_px: side of the depthwise filters.
        stride: of the first block.
        expansion: channels inside a block per channel that enters it.
        channels: that leave each block.
    """

    num_blocks: int
    kernel_px: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(num_blocks=1, kernel_px=3, stride=1, expansion=1, channels=16),
    _Stage(num_blocks=2, kernel_px=3, stride=2, expansion=6, channels=24),
    _Stage(num_blocks=2, kernel_px=5, stride=2, expansion=6, channels=40),
    _Stage(num_blocks=3, kernel_px=3, stride=2, expansion=6, channels=80),
    _Stage(num_blocks=3, kernel_px=5, stride=1, expansion=6, channels=112),
    _Stage(num_blocks=4, kernel_px=5, stride=2, expansion=6, channels=192),
    _Stage(num_blocks=1, kernel_px=3, stride=1, expansion=6, channels=320),
)


def build_lite0_backbone(size_px: int) -> keras.Model:
    """Return the network with its ImageNet weights, from normalized pixels to feature maps.

    Layers are named ``stem_*``, ``block0_*`` to ``block15_*`` and ``head_*``; a block ends with
    ``blockN_add`` where it has a shortcut and with ``blockN_project_bn`` where it has none.

    Args:
        size_px: side of the square input; the weights were learnt at 224.

    Returns:
        A model from float32 (N, size_px, size_px, 3), RGB, ``(pixel - 127) / 128``, to float32
        (N, ceil(size_px / 32), ceil(size_px / 32), 1280), values 0 to 6. All its layers are trainable.
    """
    image = keras.Input((size_px, size_px, 3), name="image")
    maps = keras.layers.Conv2D(_STEM_CHANNELS, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(image)
    maps = _activate(_normalize(maps, "stem"), "stem")
    index = 0
    for stage in _STAGES:
        for position in range(stage.num_blocks):
            maps = _block(maps, stage, stage.stride if position == 0 else 1, f"block{index}")
            index += 1
    maps = _pointwise(maps, _HEAD_CHANNELS, "head_conv")
    maps = _activate(_normalize(maps, "head"), "head")
    network = keras.Model(image, maps, name="efficientnet_lite0")
    _load_weights(network)
    return network


def _block(maps: Any, stage: _Stage, stride: int, name: str) -> Any:
    """Widen, filter each channel by itself, narrow again; add the input where shapes allow.

    Reference:
        M. Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381.
    """
    channels = maps.shape[-1]
    inner = maps
    if stage.expansion > 1:
        inner = _pointwise(inner, channels * stage.expansion, f"{name}_expand")
        inner = _activate(_normalize(inner, f"{name}_expand"), f"{name}_expand")
    inner = keras.layers.DepthwiseConv2D(
        stage.kernel_px, strides=stride, padding="same", use_bias=False, name=f"{name}_dw"
    )(inner)
    inner = _activate(_normalize(inner, f"{name}_dw"), f"{name}_dw")
    inner = _normalize(_pointwise(inner, stage.channels, f"{name}_project"), f"{name}_project")
    if stride == 1 and channels == stage.channels:
        return keras.layers.Add(name=f"{name}_add")([inner, maps])
    return inner


def _pointwise(maps: Any, channels: int, name: str) -> Any:
    return keras.layers.Conv2D(channels, 1, use_bias=False, name=name)(maps)


def _normalize(maps: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=_BATCH_NORM_EPSILON, name=f"{name}_bn")(maps)


def _activate(maps: Any, name: str) -> Any:
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu")(maps)


def _load_weights(network: keras.Model) -> None:
    """Fill every layer from the packaged file, whose keys are ``LAYER/WEIGHT``."""
    with np.load(WEIGHTS_PATH, allow_pickle=False) as arrays:
        for layer in network.layers:
            layer.set_weights([arrays[f"{layer.name}/{weight.name}"] for weight in layer.weights])
