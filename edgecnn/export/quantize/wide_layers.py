"""Which layers shall have more than 8 bits: those that add most noise, by their Keras names."""

from __future__ import annotations

from edgecnn.errors import ExportError
from edgecnn.export.integer_check import layer_of
from edgecnn.export.quantize.layer_errors import LayerError
from edgecnn.modelfile.graph import Graph


def worst_layers(
    float_graph: Graph, errors: tuple[LayerError, ...], layers: tuple[str, ...], num: int
) -> tuple[str, ...]:
    """Return the Keras layers that add most noise to what they were given, worst first.

    Args:
        float_graph: the float model.
        errors: how closely each of its operators is followed by the int8 file.
        layers: names of all Keras layers.
        num: how many to return at most; layers that add nothing are none.
    """
    added = noise_added(float_graph, errors)
    names: list[str] = []
    for error in sorted(errors, key=lambda error: -added[error.float_operator]):
        layer = layer_of(error.name, layers)
        if layer is not None and layer not in names and added[error.float_operator] > 0:
            names.append(layer)
    return tuple(names[:num])


def noise_added(float_graph: Graph, errors: tuple[LayerError, ...]) -> dict[int, float]:
    """Return the noise that each operator adds: noise over signal, less that of its noisiest input.

    Returns:
        Operator of the float model -> share, below zero where the operator averages noise away.
    """
    share = {error.float_tensor: 10.0 ** (-error.sqnr_db / 10.0) for error in errors}
    return {
        error.float_operator: share[error.float_tensor]
        - max((share.get(i, 0.0) for i in float_graph.operators[error.float_operator].inputs), default=0.0)
        for error in errors
    }


def operators_of(float_graph: Graph, layers: tuple[str, ...]) -> tuple[int, ...]:
    """Return the operators of a float model that do the work of Keras layers.

    Raises:
        ExportError: a layer has none; the message names it.
    """
    names = [float_graph.tensors[operator.outputs[0]].name for operator in float_graph.operators]
    for layer in layers:
        if not any(layer_of(name, (layer,)) for name in names):
            raise ExportError(f"the network has no layer {layer!r} that could be kept wide; give names of Keras layers")
    return tuple(index for index, name in enumerate(names) if layer_of(name, layers))
