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
LITE0_DROPOUT = 0.3


def build_tiny(contract: InputContract, num_classes: int) -> Any:
    """Return the plain network of the textbooks: some 220,000 random weights.

    Four times convolution, batch normalization, ReLU and pooling, then the average of every
    feature map, and one dense layer.
    """
    inputs, features = _begin(contract)
    for number, filters in enumerate(TINY_FILTERS, start=1):
        features = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{number}")(features)
        features = keras.layers.BatchNormalization(momentum=0.9, name=f"conv{number}_bn")(features)
        features = keras.layers.ReLU(name=f"conv{number}_relu")(features)
        features = keras.layers.MaxPooling2D(2, name=f"conv{number}_pool")(features)
    return keras.Model(inputs, _end(features, num_classes, TINY_DROPOUT), name="tiny")


def build_lite0(contract: InputContract, num_classes: int) -> Any:
    """Return EfficientNet-Lite0 with its ImageNet weights and a new head for these classes.

    Reference:
        Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        arXiv:1905.11946; the Lite variants have ReLU6 and no squeeze-and-excitation.
    """
    inputs, normalized = _begin(contract)
    features = _graft(build_lite0_backbone(contract.width), normalized)
    return keras.Model(inputs, _end(features, num_classes, LITE0_DROPOUT), name="lite0")


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


def _end(features: Any, num_classes: int, dropout: float) -> Any:
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLING_LAYER)(features)
    kept = keras.layers.Dropout(dropout, name="dropout")(pooled)
    logits = keras.layers.Dense(num_classes, name="logits")(kept)
    return keras.layers.Softmax(name="scores")(logits)
