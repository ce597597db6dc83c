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
    assert layer.weights is not None
    rounding = FLOAT_STEP * (products.size + 1) * (float(np.abs(products).sum()) + abs(bias))
    source = stored(graph, layer.weights)
    if source != layer.weights or not graph.tensors[source].scales:
        return rounding
    input_step = float(np.abs(look.input_values(layer)).max()) / _LARGEST_CODE
    return rounding + input_step / 2 * float(np.abs(weights).sum())
