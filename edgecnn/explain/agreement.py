"""Whether a file computed in all cells of a convolution what its weights say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.arithmetic import convolve, convolve_each
from edgecnn.explain.clamp import clamped
from edgecnn.explain.layer import Layer
from edgecnn.explain.maps import before_activation, biases, feature_maps, filters
from edgecnn.explain.network import LayerKey, Look
from edgecnn.explain.tensors import step_of
from edgecnn.explain.tolerance import float_tolerance, input_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """All cells of a convolution's maps, computed again and compared.

    Attributes:
        num_cells: cells of all maps.
        num_agreeing: those where the two are not farther apart than they may be, as in ``WindowSum``.
        num_same_codes: those where the sum rounds to the very code in the file; None in a float file.
        max_abs: the largest difference, a real value.
        step: distance of two neighbouring values that the file can write down; 0 in a float file.
    """

    num_cells: int
    num_agreeing: int
    num_same_codes: int | None
    max_abs: float
    step: float


def agreement(look: Look, layer: LayerKey) -> Agreement:
    """Compute a convolution's maps again, and compare each cell with the file's own number.

    Args:
        look: the picture in the network.
        layer: a convolution, depthwise or not.

    Raises:
        ModelFileError: the layer has no weights.
    """
    found = look.network.layer(layer)
    tensor = look.network.file.graph.tensors[found.output]
    step = step_of(tensor)
    mine = clamped(look.network, found, before_activation(look, found).astype(np.float64))
    apart = np.abs(mine - feature_maps(look, found))
    allowed = step if step else _float_tolerances(look, found)
    same = None
    if step:
        rounded = np.rint(mine / step) + (tensor.zero_points or (0,))[0]
        same = int((rounded == look.codes(found)).sum())
    return Agreement(
        num_cells=apart.size,
        num_agreeing=int((apart <= allowed).sum()),
        num_same_codes=same,
        max_abs=float(apart.max()),
        step=step,
    )


def _float_tolerances(look: Look, layer: Layer) -> NDArray[np.float64]:
    """Return how far each cell may be off: float64, shape of the maps."""
    assert layer.window is not None
    weights = np.abs(filters(look.network, layer))
    slide = convolve_each if layer.kind == "depthwise" else convolve
    output_hw = layer.output_shape[0], layer.output_shape[1]
    size = slide(np.abs(look.input_values(layer)), weights, layer.window, output_hw)
    size += np.abs(biases(look.network, layer))
    return float_tolerance(weights[0].size, size, input_step(look, layer), weights.sum(axis=(1, 2, 3)))
