"""What the Edge TPU compiler will say about a model: per operator, in its own words, without it."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.edgetpu.advice import warnings_about
from edgecnn.modelfile.edgetpu.constants import is_out_of_line, num_stored_bytes
from edgecnn.modelfile.edgetpu.memory import activation_bytes, parameter_bytes
from edgecnn.modelfile.edgetpu.partition import first_part
from edgecnn.modelfile.edgetpu.refusals import refusals_of
from edgecnn.modelfile.edgetpu.replacements import replacement_for
from edgecnn.modelfile.edgetpu.rules import PARAMETERS, RULES, RUNTIME_OF
from edgecnn.modelfile.edgetpu.site import Site, trimmed
from edgecnn.modelfile.edgetpu.words import (
    DATA_TYPE,
    LIMITED,
    MAPPED,
    MORE_SUBGRAPHS,
    NOT_CONSTANT,
    NOT_SUPPORTED,
    RANK,
    EdgeTpuReport,
    OperatorCheck,
)
from edgecnn.modelfile.graph import Graph, Operator, Tensor

NEWEST_RUNTIME, OLDEST_RUNTIME = 14, 10
_INT8_RUNTIME = 12
_MAX_RANK = 3


def check_model(model: bytes, *, runtime_version: int = NEWEST_RUNTIME) -> EdgeTpuReport:
    """Check the FlatBuffer of a model; see ``check_graph``."""
    return check_graph(Graph.parse(model), runtime_version=runtime_version)


def check_graph(graph: Graph, *, runtime_version: int = NEWEST_RUNTIME) -> EdgeTpuReport:
    """Predict what the Edge TPU compiler maps, and what it refuses.

    Args:
        graph: the network, in int8 or uint8.
        runtime_version: oldest Edge TPU runtime that the compiled file shall work with, 10 to 14; the
            compiler's ``--min_runtime_version``.

    Raises:
        ModelIntegrityError: the graph is damaged.
        ValueError: there is no such runtime version.
    """
    if not OLDEST_RUNTIME <= runtime_version <= NEWEST_RUNTIME:
        raise ValueError(f"the Edge TPU runtime version must be {OLDEST_RUNTIME} to {NEWEST_RUNTIME}")
    _check_indices(graph)
    judged = [_judge(Site(graph, operator, runtime_version)) for operator in graph.operators]
    mapped = first_part(graph, [check.is_mapped for check in judged])
    operators = tuple(
        check if position in mapped or not check.is_mapped else _stranded(check)
        for position, check in enumerate(judged)
    )
    on_tpu = [graph.operators[position] for position in sorted(mapped)]
    largest = max((activation_bytes(graph, operator) for operator in on_tpu), default=0)
    return EdgeTpuReport(
        operators=operators,
        refusals=refusals_of(graph),
        warnings=warnings_about(graph, on_tpu, largest),
        subgraphs=int(bool(mapped)),
        parameter_bytes=sum(parameter_bytes(graph, operator) for operator in on_tpu),
        activation_bytes=largest,
    )


def _judge(site: Site) -> OperatorCheck:
    """Say what becomes of an operator by itself."""
    operator = site.operator
    status, why = next(_objections(site), (MAPPED, ""))
    return OperatorCheck(
        operator=operator.name.partition(" ")[0],  # the compiler's table calls all custom operators CUSTOM
        version=operator.version,
        tensor=site.graph.tensors[operator.outputs[0]].name,
        status=status,
        why=why,
        replacement="" if status == MAPPED else replacement_for(operator.name),
    )


def _stranded(check: OperatorCheck) -> OperatorCheck:
    return check._replace(status=MORE_SUBGRAPHS, why="it comes after an operator that is not mapped")


def _objections(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the reasons against an operator, in the order in which the compiler seems to ask."""
    operator = site.operator
    needed = RUNTIME_OF.get(operator.name)
    tensors = _tensors(site)
    if needed is None:
        # Seen in the compiler's logs: of those that it does not have, the ones that end in floats get these words.
        ends_in_floats = operator.name == "DEQUANTIZE" or operator.name.startswith("CUSTOM ")
        name = operator.name.removeprefix("CUSTOM ")
        what = "it" if name == operator.name else name
        yield DATA_TYPE if ends_in_floats else NOT_SUPPORTED, f"the Edge TPU does not have {what}"
        return
    wrong = next((tensor for tensor in tensors if not _is_usable_type(site, tensor)), None)
    if wrong is not None:
        # Seen in the compiler's logs: a QUANTIZE from float gets other words than everything else.
        yield LIMITED if operator.name == "QUANTIZE" else DATA_TYPE, f"it works on {wrong.dtype}"
    if site.runtime_version < needed:
        yield LIMITED, f"it needs Edge TPU runtime {needed}"
    yield from _parameter_objections(site)
    for tensor in tensors:
        if not num_stored_bytes(site.graph, tensor) and len(trimmed(_sizes(tensor))) > _MAX_RANK:
            yield RANK, f"a tensor of it has the shape {tensor.shape}"
    rule = RULES.get(operator.name)
    if rule and (why := rule(site)):
        yield LIMITED, why


def _parameter_objections(site: Site) -> Iterator[tuple[str, str]]:
    for position in PARAMETERS.get(site.operator.name, ()):
        tensor = site.input(position)
        if tensor is None:
            if position == 1:
                yield NOT_CONSTANT, "it has no filter"
        elif is_out_of_line(site.graph, tensor):
            yield NOT_CONSTANT, "its weights lie outside of the FlatBuffer"
        elif not site.is_constant(position):
            yield NOT_CONSTANT, "its weights are computed at run time"
        elif position == 1 and len(tensor.shape) < 2 and site.operator.name != "PRELU":
            yield LIMITED, f"its filter has the shape {tensor.shape}"


def _tensors(site: Site) -> list[Tensor]:
    operator = site.operator
    return [site.graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]


def _is_usable_type(site: Site, tensor: Tensor) -> bool:
    if tensor.dtype == "uint8" or (tensor.dtype == "int8" and site.runtime_version >= _INT8_RUNTIME):
        return True
    # Biases, shapes and axes.
    return tensor.dtype in ("int32", "int64") and num_stored_bytes(site.graph, tensor) > 0


def _sizes(tensor: Tensor) -> tuple[int, ...]:
    return tuple(abs(size) for size in tensor.shape)


def _check_indices(graph: Graph) -> None:
    num = len(graph.tensors)
    for operator in graph.operators:
        _check_operator(operator, num)


def _check_operator(operator: Operator, num: int) -> None:
    if not operator.outputs or any(not 0 <= index < num for index in operator.outputs):
        raise ModelIntegrityError(f"operator {operator.name} has no output or one that is not there")
    if any(not -1 <= index < num for index in operator.inputs):
        raise ModelIntegrityError(f"operator {operator.name} reads a tensor that is not there")
