"""How far a sum that is done again may be from the one that a file did."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.layer import Layer
from edgecnn.explain.network import Look
from edgecnn.explain.tensors import step_of, stored

FLOAT_STEP = float(np.finfo(np.float32).eps)
# The kernels of dynamic-range files round a picture's values to steps of the largest by 127, or to smaller ones.
_LARGEST_CODE = 127


def tolerance_of(
    look: Look, layer: Layer, products: NDArray[np.float64], weights: NDArray[np.float32], bias: float
) -> float:
    """Return how far a sum of a convolution or dense layer may be off after its activation.

    Args:
        look: the picture in the network.
        layer: the layer.
        products: float64: what is summed.
        weights: float32: the weights of these products.
        bias: what is added to them.

    Returns:
        The quantization step of the output; for floats what rounding may do, and where the file rounds
        the inputs of float sums to 8 bits, what that may do.

    Reference: Higham, "Accuracy and Stability of Numerical Algorithms", equation 3.5, for the rounding.
    """
    graph = look.network.file.graph
    step = step_of(graph.tensors[layer.output])
    if step:
        return step
    inputs = input_step(look, layer)
    return float(float_tolerance(products.size, np.abs(products).sum() + abs(bias), inputs, np.abs(weights).sum()))


def float_tolerance(
    num: int, size: NDArray[np.float64], inputs: float, weights: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return how far float sums may be off.

    Args:
        num: products in a sum.
        size: float64, any shape: of their absolute values and that of the bias, the sum.
        inputs: the step to which the file rounds what is multiplied, 0 where it does not.
        weights: floats, to be broadcast with ``size``: sum of the absolute weights.
    """
    return FLOAT_STEP * (num + 1) * size + inputs / 2 * np.asarray(weights, np.float64)


def input_step(look: Look, layer: Layer) -> float:
    """Return the step to which a layer of float sums rounds its inputs: 0, but in a dynamic-range file."""
    graph = look.network.file.graph
    assert layer.weights is not None
    source = stored(graph, layer.weights)
    if source != layer.weights or not graph.tensors[source].scales or step_of(graph.tensors[layer.output]):
        return 0.0
    return float(np.abs(look.input_values(layer)).max()) / _LARGEST_CODE
