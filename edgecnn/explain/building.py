"""From the operators of a graph to layers."""

from __future__ import annotations

from collections.abc import Iterable

from edgecnn.explain.layer import FUSED, FUSED_FIELDS, KINDS, PICTURE, Kind, Layer
from edgecnn.explain.names import LayerPath, all_paths, main_path, make_unique, short_names
from edgecnn.explain.window import Window, read_window
from edgecnn.modelfile.graph import Graph, Operator

# Kinds with weights, and how many axes these have.
_RANKS: dict[Kind, int] = {"convolution": 4, "depthwise": 4, "dense": 2}
# What they give depends on a tensor's shape, not on its values.
_SIZES_ONLY = frozenset({"SHAPE", "RANK"})
_REDUCTIONS: dict[str, Kind] = {"MEAN": "global_average", "REDUCE_MAX": "global_max"}


def build_layers(graph: Graph) -> tuple[Layer, ...]:
    """Return the layers of a graph in the order in which they run.

    Operators that see constants only, such as those that unpack float16 weights, are no layers, and
    neither are those that reckon with sizes. One with several outputs is a layer by its first.
    """
    alive = _depends_on_picture(graph)
    operators = [operator for operator in graph.operators if alive.issuperset(operator.outputs)]
    made_by = {tensor: index for index, operator in enumerate(operators) for tensor in operator.outputs}
    mains = [main_path(_weights_name(graph, operator), _output_name(graph, operator)) for operator in operators]
    fused = [all_paths(_output_name(graph, operator)) for operator in operators]
    names = short_names([*mains, *(path for paths in fused for path in paths)])
    unique = make_unique(
        names.get(path) or f"{operator.name.lower()} {index}"
        for index, (path, operator) in enumerate(zip(mains, operators, strict=True))
    )
    # A converter lets operators share constants, and then writes the name of one on the output of another.
    owned = [
        [path for path in paths if path == main or path not in mains] for paths, main in zip(fused, mains, strict=True)
    ]
    return tuple(
        _build(graph, operator, index, unique[index], _short(owned[index], names), alive, made_by)
        for index, operator in enumerate(operators)
    )


def _depends_on_picture(graph: Graph) -> set[int]:
    alive = set(graph.inputs)
    for operator in graph.operators:
        if operator.name not in _SIZES_ONLY and alive.intersection(operator.inputs):
            alive.update(operator.outputs)
    return alive


def _build(
    graph: Graph,
    operator: Operator,
    index: int,
    name: str,
    keras_names: tuple[str, ...],
    alive: set[int],
    made_by: dict[int, int],
) -> Layer:
    inputs = tuple(tensor for tensor in operator.inputs if tensor in alive)
    shapes = tuple(_shape(graph, tensor) for tensor in inputs)
    output = operator.outputs[0]
    kind = _kind(graph, operator, inputs)
    has_weights = kind in _RANKS
    fused = _fused(operator)
    return Layer(
        index=index,
        name=name,
        keras_names=keras_names,
        operator=operator.name,
        kind=kind,
        sources=tuple(made_by.get(tensor, PICTURE) for tensor in inputs),
        inputs=inputs,
        output=output,
        input_shapes=shapes,
        output_shape=_shape(graph, output),
        weights=operator.inputs[1] if has_weights else None,
        bias=operator.inputs[2] if has_weights and len(operator.inputs) > 2 and operator.inputs[2] >= 0 else None,
        window=_window(graph, operator, shapes[0], _shape(graph, output)),
        activation=operator.name.lower() if kind == "activation" else fused,
        is_fused=bool(fused) and kind != "activation",
    )


def _kind(graph: Graph, operator: Operator, inputs: tuple[int, ...]) -> Kind:
    if operator.name in _REDUCTIONS:
        return _REDUCTIONS[operator.name] if _is_over_places(graph, operator) else "other"
    kind = KINDS.get(operator.name, "other")
    if kind not in _RANKS:
        return kind
    # Weights that are computed from the picture belong to a kind of network that is not looked into.
    is_plain = inputs == operator.inputs[:1] and len(graph.tensors[operator.inputs[1]].shape) == _RANKS[kind]
    return kind if is_plain else "other"


def _is_over_places(graph: Graph, operator: Operator) -> bool:
    """Whether a reduction goes over rows and columns, and over nothing else."""
    data = graph.buffer(graph.tensors[operator.inputs[1]].buffer)
    is_maps = len(graph.tensors[operator.inputs[0]].shape) == 4
    return is_maps and data.size % 4 == 0 and {int(axis) % 4 for axis in data.view("<i4")} == {1, 2}


def _window(graph: Graph, operator: Operator, before: tuple[int, ...], after: tuple[int, ...]) -> Window | None:
    if len(before) != 3 or len(after) != 3:
        return None
    if KINDS.get(operator.name) == "pad":
        return _rim(graph, operator)
    weights = graph.tensors[operator.inputs[1]].shape if len(operator.inputs) > 1 else ()
    if KINDS.get(operator.name) in _RANKS and len(weights) != 4:
        return None
    return read_window(operator, weights, ((before[0], before[1]), (after[0], after[1])))


def _rim(graph: Graph, operator: Operator) -> Window | None:
    """Return what a padding puts around its input, as a window of one cell that starts outside of it."""
    data = graph.buffer(graph.tensors[operator.inputs[1]].buffer)
    kind = {32: "<i4", 64: "<i8"}.get(data.size)  # four axes, two ends
    if kind is None:
        return None
    rim = data.view(kind).reshape(4, 2).tolist()
    return Window(size_hw=(1, 1), stride_hw=(1, 1), before_hw=(rim[1][0], rim[2][0]), after_hw=(rim[1][1], rim[2][1]))


def _fused(operator: Operator) -> str:
    field = FUSED_FIELDS.get(operator.name)
    if field is None or operator.options is None:
        return ""
    code = operator.options.integer(field, "b")
    return FUSED[code] if 0 <= code < len(FUSED) else ""


def _shape(graph: Graph, tensor: int) -> tuple[int, ...]:
    return graph.tensors[tensor].shape[1:]


def _weights_name(graph: Graph, operator: Operator) -> str:
    is_weighted = KINDS.get(operator.name) in _RANKS and operator.inputs[1] >= 0
    return graph.tensors[operator.inputs[1]].name if is_weighted else ""


def _output_name(graph: Graph, operator: Operator) -> str:
    return graph.tensors[operator.outputs[0]].name


def _short(paths: Iterable[LayerPath], names: dict[LayerPath, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names[path] for path in paths))
