"""What must be true of a graph before an interpreter may see it.

LiteRT verifies the FlatBuffer's own structure; tflite-runtime verifies nothing; neither asks
whether an operator has the inputs, scales and strides that its kernel reads. A file that breaks
one of the rules below crashes the process instead of raising an error.
"""

from __future__ import annotations

import math

from edgecnn.errors import ModelFileError, ModelIntegrityError
from edgecnn.modelfile.flatbuffer import Table
from edgecnn.modelfile.graph import Graph, Operator, Tensor
from edgecnn.modelfile.opcodes import NEEDS_SCALES, OPERATOR_RULES

MAX_TENSOR_BYTES = 1 << 30
MAX_TENSORS = 100_000
MAX_RANK = 8
# Positive, finite, and so is the reciprocal, in float32.
MIN_SCALE, MAX_SCALE = 2.0**-126, 2.0**126
# A factor of this or more between scales overflows the kernels' fixed-point arithmetic; real ones stay below 2**20.
MAX_RESCALING = 2.0**24
_EIGHT_BIT = ("int8", "uint8")


def check_structure(graph: Graph) -> None:
    """Raise with the first rule that the graph breaks.

    Raises:
        ModelIntegrityError: it breaks one.
        ModelFileError: it has an operator for which there is none.
    """
    if graph.num_subgraphs != 1:
        raise ModelIntegrityError(
            f"the file holds {graph.num_subgraphs} graphs (control flow); edgecnn runs plain networks of one"
        )
    if not (graph.inputs and graph.outputs and graph.operators) or len(graph.tensors) > MAX_TENSORS:
        raise ModelIntegrityError("the graph has no inputs, no outputs, no operators or too many tensors")
    for index in (*graph.inputs, *graph.outputs):
        _check_index(graph, index, "the graph's ends")
    for tensor in graph.tensors:
        _check_tensor(graph, tensor)
    ready = {index for index, tensor in enumerate(graph.tensors) if tensor.is_variable or graph.is_constant(tensor)}
    ready.update(graph.inputs)
    for operator in graph.operators:
        _check_operator(graph, operator, ready)
        ready.update(operator.outputs)
    if not ready.issuperset(graph.outputs):
        raise ModelIntegrityError("an output of the graph is never computed")


def _check_index(graph: Graph, index: int, where: str) -> None:
    if not 0 <= index < len(graph.tensors):
        raise ModelIntegrityError(f"{where} name tensor {index}, but the graph has {len(graph.tensors)}")


def _check_tensor(graph: Graph, tensor: Tensor) -> None:
    if len(tensor.shape) > MAX_RANK or min(tensor.shape, default=1) < -1 or 0 in tensor.shape:
        raise ModelIntegrityError(f"tensor {tensor.name!r} has the impossible shape {tensor.shape}")
    size, stored = tensor.num_bytes, graph.buffer(tensor.buffer).size
    if size is not None and size > MAX_TENSOR_BYTES:
        raise ModelIntegrityError(f"tensor {tensor.name!r} of shape {tensor.shape} would take {size >> 20} MiB")
    if stored and size is not None and stored != size:
        raise ModelIntegrityError(f"tensor {tensor.name!r} needs {size} bytes, but the file has {stored} for it")
    if tensor.scales:
        _check_scales(tensor)


def _check_scales(tensor: Tensor) -> None:
    # The sum is for NaN, which min and max may pass over.
    if not (min(tensor.scales) >= MIN_SCALE and max(tensor.scales) <= MAX_SCALE) or math.isnan(sum(tensor.scales)):
        raise ModelIntegrityError(f"tensor {tensor.name!r} has a scale that is not a positive, normal number")
    if len(tensor.zero_points) not in (0, len(tensor.scales)):
        raise ModelIntegrityError(
            f"tensor {tensor.name!r} has {len(tensor.scales)} scales and {len(tensor.zero_points)} zero points"
        )
    limits = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}.get(tensor.dtype)
    zero_points = tensor.zero_points or (0,)
    if limits and not limits[0] <= min(zero_points) <= max(zero_points) <= limits[1]:
        raise ModelIntegrityError(f"tensor {tensor.name!r} has a zero point outside of {tensor.dtype}")
    if len(tensor.scales) > 1:
        axis = tensor.axis
        if not (0 <= axis < len(tensor.shape) and tensor.shape[axis] == len(tensor.scales)):
            raise ModelIntegrityError(
                f"tensor {tensor.name!r} has {len(tensor.scales)} scales along axis {axis} of shape {tensor.shape}"
            )


def _check_operator(graph: Graph, operator: Operator, ready: set[int]) -> None:
    present = [index for index in operator.inputs if index != -1]
    for index in (*present, *operator.outputs):
        _check_index(graph, index, f"operator {operator.name}")
    if not operator.outputs:
        raise ModelIntegrityError(f"operator {operator.name} has no output")
    if not ready.issuperset(present):
        raise ModelIntegrityError(f"operator {operator.name} reads a tensor that nothing has computed yet")
    if ready.intersection(operator.outputs):
        raise ModelIntegrityError(f"operator {operator.name} writes over an input, a constant or another result")
    _check_rule(graph, operator)
    if operator.name in NEEDS_SCALES:
        inputs, outputs = ([graph.tensors[index] for index in side] for side in (present, operator.outputs))
        _check_rescaling(
            operator, [t for t in inputs if t.dtype in _EIGHT_BIT], [t for t in outputs if t.dtype in _EIGHT_BIT]
        )


def _check_rescaling(operator: Operator, inputs: list[Tensor], outputs: list[Tensor]) -> None:
    """Raise unless the 8-bit tensors have scales, and such that one can be turned into the other."""
    for tensor in (*inputs, *outputs):
        if not tensor.scales:
            raise ModelIntegrityError(f"{operator.name} needs a scale for its 8-bit tensor {tensor.name!r}")
    for tensor in outputs:
        if max((max(source.scales) for source in inputs), default=0.0) > MAX_RESCALING * min(tensor.scales):
            raise ModelIntegrityError(f"the scale of {tensor.name!r} is far too small for what {operator.name} reads")


def _check_rule(graph: Graph, operator: Operator) -> None:
    if operator.name.startswith("CUSTOM "):
        return  # no runtime here has it, and saying so is the interpreter's task
    rule = OPERATOR_RULES.get(operator.name)
    if rule is None:
        raise ModelFileError(
            f"the network has the operator {operator.name}, which no picture classifier needs and edgecnn cannot check"
        )
    if any(index == -1 and position != rule.left_out for position, index in enumerate(operator.inputs)):
        raise ModelIntegrityError(f"operator {operator.name} lacks an input: it has {list(operator.inputs)}")
    num = len(operator.inputs)
    if not rule.min_inputs <= num <= rule.max_inputs:
        raise ModelIntegrityError(f"operator {operator.name} has {num} inputs, not {rule.min_inputs}-{rule.max_inputs}")
    options = operator.options if operator.options_type == rule.options_type else None
    num_outputs = _option(options, 0, 0) if rule.num_outputs is None else rule.num_outputs
    if len(operator.outputs) != num_outputs:
        raise ModelIntegrityError(f"operator {operator.name} has {len(operator.outputs)} outputs, not {num_outputs}")
    for field, default in rule.positive_options:
        value = _option(options, field, default)
        if value < 1:
            raise ModelIntegrityError(f"operator {operator.name} has a stride, filter size or dilation of {value}")
    if rule.filter_axis is not None and len(operator.inputs) == rule.max_inputs and operator.inputs[-1] != -1:
        _check_bias(graph, operator, rule.filter_axis)
    wanted = rule.gives if rule.typed_by is None else graph.tensors[operator.inputs[rule.typed_by]].dtype
    made = [graph.tensors[index].dtype for index in operator.outputs]
    if wanted and set(made) != {wanted}:
        raise ModelIntegrityError(f"operator {operator.name} gives {wanted} here, but its outputs are {made}")


def _check_bias(graph: Graph, operator: Operator, axis: int) -> None:
    weights, bias = graph.tensors[operator.inputs[1]].shape, graph.tensors[operator.inputs[-1]].shape
    if len(weights) <= axis or bias != (weights[axis],):
        raise ModelIntegrityError(f"operator {operator.name} has a filter of shape {weights} and a bias of {bias}")


def _option(options: Table | None, field: int, default: int) -> int:
    return options.integer(field, "i", default) if options else 0
