"""The networks themselves: flat functional graphs of built-in Keras layers.

Every network takes raw RGB pixels (float32, 0 to 255, shape (N, size, size, 3)), normalizes them in
a layer named ``normalization`` and ends in softmax scores (N, C). The exporter cuts it behind the
normalization, which is why nothing here is nested or of a class of our own.
"""

from __future__ import annotations

from typing import Any

from edgecnn.core.contract import InputContract
from edgecnn.train.backend import keras
from edgecnn.train.lite0_network import build_lite0_backbone

NORMALIZATION_LAYER = "normalization"
POOLING_LAYER = "avg_pool"
TINY_FILTERS = (24, 48, 96, 192)
TINY_DROPOUT = 0.2
PRETRAINED_DROPOUT = 0.3


def build_tiny(contract: InputContract, num_classes: int, *, pooled: bool = True) -> Any:
    """Return the plain network of the textbooks: some 220,000 random weights.

    Four times convolution, batch normalization, ReLU and pooling, then the average of every
    feature map, and one dense layer. Not ``pooled``, it keeps one value of four without looking at the
    others: as many weights and the same sizes, so that only what taking the largest does is left out.
    """
    inputs, features = _begin(contract)
    for number, filters in enumerate(TINY_FILTERS, start=1):
        features = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{number}")(features)
        features = keras.layers.BatchNormalization(momentum=0.9, name=f"conv{number}_bn")(features)
        features = keras.layers.ReLU(name=f"conv{number}_relu")(features)
        features = (_pool if pooled else _subsample)(features, f"conv{number}_pool")
    return keras.Model(inputs, _end(features, num_classes, TINY_DROPOUT), name="tiny")


def build_lite0(contract: InputContract, num_classes: int, *, pooled: bool = True) -> Any:
    """Return EfficientNet-Lite0 with its ImageNet weights and a new head for these classes.

    Not ``pooled``, its dense layer looks at every place of every feature map instead of at their averages.

    Reference:
        Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        arXiv:1905.11946; the Lite variants have ReLU6 and no squeeze-and-excitation.
    """
    return build_on(build_lite0_backbone(contract.width), contract, num_classes, pooled=pooled, name="lite0")


def build_on(backbone: Any, contract: InputContract, num_classes: int, *, pooled: bool, name: str) -> Any:
    """Return a network with its weights and a new head for these classes.

    Args:
        backbone: a ``keras.Model`` from normalized pixels to feature maps.
        contract: how pixels are normalized.
        num_classes: scores to give.
        pooled: False gives its dense layer every place of every feature map instead of their averages.
        name: of the network.
    """
    inputs, normalized = _begin(contract)
    features = _graft(backbone, normalized)
    return keras.Model(inputs, _end(features, num_classes, PRETRAINED_DROPOUT, pooled=pooled), name=name)


def _begin(contract: InputContract) -> tuple[Any, Any]:
    inputs = keras.Input((contract.height, contract.width, 3), name="pixels")
    scale, offset = 1.0 / contract.std, -contract.mean / contract.std
    return inputs, keras.layers.Rescaling(scale, offset, name=NORMALIZATION_LAYER)(inputs)


def _graft(network: Any, tensor: Any) -> Any:
    """Build a network's layers and weights anew on top of a tensor; return what comes out.

    Calling the network would nest it as a single layer, and calling its own layers would give each of
    them two outputs to choose from.
    """
    made = {id(network.input): tensor}
    for layer in network.layers[1:]:
        twin, given = type(layer).from_config(layer.get_config()), layer.input
        made[id(layer.output)] = twin([made[id(t)] for t in given] if isinstance(given, list) else made[id(given)])
        twin.set_weights(layer.get_weights())
    return made[id(network.output)]


def _pool(maps: Any, name: str) -> Any:
    return keras.layers.MaxPooling2D(2, name=name)(maps)


def _subsample(maps: Any, name: str) -> Any:
    """Keep the upper left value of every window that ``_pool`` looks at, which leaves out an odd last row or column."""
    rows, columns = maps.shape[1:3]
    even = keras.layers.Cropping2D(((0, rows % 2), (0, columns % 2)), name=f"{name}_crop")(maps)
    return keras.layers.MaxPooling2D(1, strides=2, name=name)(even)


def _end(features: Any, num_classes: int, dropout: float, *, pooled: bool = True) -> Any:
    layer = keras.layers.GlobalAveragePooling2D if pooled else keras.layers.Flatten
    # The name is the place where transfer takes the features, whatever stands there.
    pooled_features = layer(name=POOLING_LAYER)(features)
    kept = keras.layers.Dropout(dropout, name="dropout")(pooled_features)
    logits = keras.layers.Dense(num_classes, name="logits")(kept)
    return keras.layers.Softmax(name="scores")(logits)
