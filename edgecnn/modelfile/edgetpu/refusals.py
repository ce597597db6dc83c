"""Why the Edge TPU compiler refuses a model as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.modelfile.edgetpu.compiled import GRAPH_NAME
from edgecnn.modelfile.edgetpu.constants import is_out_of_line, num_stored_bytes
from edgecnn.modelfile.edgetpu.replacements import FIXED_SIZE, replacement_for
from edgecnn.modelfile.edgetpu.rules import PARAMETERS, SHAPERS
from edgecnn.modelfile.edgetpu.versions import is_possible, refusal_words
from edgecnn.modelfile.edgetpu.words import NOT_CONSTANT, Refusal
from edgecnn.modelfile.graph import Graph, Operator

# Custom operators that the compiler's reader registers by itself; they stay on the CPU.
_KNOWN_CUSTOM = ("TFLite_Detection_PostProcess", "PosenetDecoderOp", "AudioSpectrogram", "Mfcc")
_DYNAMIC = (
    "Attempting to use a delegate that only supports static-sized tensors with a graph that has dynamic-sized tensors"
)


def refusals_of(graph: Graph) -> tuple[Refusal, ...]:
    """Return what makes the compiler refuse the graph; one entry for each operator that is to blame."""
    grouped = {operator[:2] for operator in graph.operators if _is_grouped(graph, operator)}
    return (
        *_whole(graph),
        *(
            refusal._replace(position=position)
            for position, operator in enumerate(graph.operators)
            for refusal in _refusals(graph, operator, grouped)
        ),
    )


def _whole(graph: Graph) -> Iterator[Refusal]:
    if graph.num_subgraphs != 1:
        yield Refusal("Invalid model", f"it holds {graph.num_subgraphs} graphs (control flow); one is allowed")
    if not graph.operators:
        yield Refusal("Invalid model", "it has no operators")
    for index in graph.inputs:
        shape = graph.tensors[index].shape if 0 <= index < len(graph.tensors) else ()
        if any(size < 0 for size in shape[1:]):
            yield Refusal(_DYNAMIC, f"its input has the open size {shape}", replacement=FIXED_SIZE)
    if any(operator.name == GRAPH_NAME for operator in graph.operators):
        yield Refusal("Invalid model", "it is compiled already", replacement="give the file it was compiled from")
    elif graph.operators and not any(_is_quantized(graph, operator) for operator in graph.operators):
        yield Refusal(
            "Model not quantized", "it does not compute in 8-bit integers", replacement="export it with --int8"
        )


def _is_quantized(graph: Graph, operator: Operator) -> bool:
    """Whether an operator computes in 8 bits: reads and writes them at run time."""
    if operator.name in ("QUANTIZE", "DEQUANTIZE") or operator.name.startswith("CUSTOM "):
        return False
    ends = [graph.tensors[index] for index in (*operator.inputs[:1], *operator.outputs) if index >= 0]
    return all(tensor.dtype in ("int8", "uint8") for tensor in ends if not num_stored_bytes(graph, tensor))


def _refusals(graph: Graph, operator: Operator, grouped: set[tuple[str, int]]) -> Iterator[Refusal]:
    if operator.name.startswith("CUSTOM "):
        name = operator.name.removeprefix("CUSTOM ")
        if name not in _KNOWN_CUSTOM and operator.name != GRAPH_NAME:
            yield Refusal(
                f"Encountered unresolved custom op: {name}",
                f"{name} is no operator of TensorFlow Lite",
                replacement="use layers that convert to TensorFlow Lite's builtin operators",
            )
        return
    # The converter gives all operators of one kind the version that one of them needs: only that one is to blame.
    is_bystander = operator[:2] in grouped and not _is_grouped(graph, operator)
    if not is_possible(operator.name, operator.version) and not is_bystander:
        yield Refusal(
            refusal_words(operator.name, operator.version),
            f"{_describe(graph, operator)} is newer than the compiler, which is of 2021",
            replacement=replacement_for(operator.name),
        )
    yield from _open_sizes(graph, operator)
    weights = PARAMETERS.get(operator.name, ())
    if any(
        place < len(operator.inputs)
        and operator.inputs[place] >= 0
        and is_out_of_line(graph, graph.tensors[operator.inputs[place]])
        for place in weights
    ):
        yield Refusal(
            NOT_CONSTANT,
            "its weights lie outside of the FlatBuffer, where the compiler does not look",
            replacement="write the model again with its weights inside",
        )


def _open_sizes(graph: Graph, operator: Operator) -> Iterator[Refusal]:
    made = [
        operator.inputs[place]
        for place in SHAPERS.get(operator.name, ())
        if place < len(operator.inputs) and operator.inputs[place] >= 0
    ]
    if any(not num_stored_bytes(graph, graph.tensors[index]) for index in made):
        yield Refusal(
            _DYNAMIC, f"the size that {operator.name} gives is known only at run time", replacement=FIXED_SIZE
        )


def _describe(graph: Graph, operator: Operator) -> str:
    name = f"{operator.name} version {operator.version}"
    return f"a grouped convolution ({name})" if _is_grouped(graph, operator) else name


def _is_grouped(graph: Graph, operator: Operator) -> bool:
    if operator.name != "CONV_2D" or len(operator.inputs) < 2:
        return False
    picture, weights = (graph.tensors[index].shape for index in operator.inputs[:2])
    return picture[-1:] != weights[-1:]
