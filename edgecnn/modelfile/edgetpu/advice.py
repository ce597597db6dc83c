"""What nobody can say for sure about a model on the Edge TPU, or what costs accuracy or speed there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edgecnn.modelfile.edgetpu.memory import ACTIVATION_BYTES
from edgecnn.modelfile.edgetpu.versions import is_certain, is_possible
from edgecnn.modelfile.graph import Graph, Operator

# The compiler's limits of size are not published: 1 x 256 x 128 x 3 was seen not to be mapped, 1 x 7 x 7 x 1024 to be.
_LARGE_MEAN, _LARGE_MOVE = 64 * 64, 1 << 16
_RESIZES = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")


def warnings_about(graph: Graph, mapped: Sequence[Operator], largest_bytes: int) -> tuple[str, ...]:
    """Return one sentence for each doubt.

    Args:
        graph: the network.
        mapped: its operators that the Edge TPU is expected to run.
        largest_bytes: most that one of them reads and writes.
    """
    found = [text for operator in mapped for text in _about_operator(graph, operator)]
    found += _about_whole(graph, largest_bytes)
    return tuple(dict.fromkeys(found))


def _about_operator(graph: Graph, operator: Operator) -> Iterator[str]:
    name = graph.tensors[operator.outputs[0]].name
    shape = [abs(size) for size in graph.tensors[operator.inputs[0]].shape] if operator.inputs else []
    if operator.name == "FULLY_CONNECTED" and len(graph.tensors[operator.inputs[1]].scales) > 1:
        yield (
            f"FULLY_CONNECTED {name!r} has one weight scale per channel, which the compiler's generation does not "
            "know: the scores may be wrong; convert with one scale for dense layers"
        )
    if operator.name in _RESIZES:
        yield f"{operator.name} {name!r} may not be mapped: the compiler leaves out some sizes, by a rule not published"
    if operator.name == "MEAN" and len(shape) == 4 and shape[1] * shape[2] > _LARGE_MEAN:
        yield f"MEAN {name!r} may not be mapped: it goes over {shape[1]} x {shape[2]} places"
    if operator.name in ("RESHAPE", "TRANSPOSE") and math.prod(shape) > _LARGE_MOVE:
        yield f"{operator.name} {name!r} may not be mapped: it moves {math.prod(shape):,} values"


def _about_whole(graph: Graph, largest_bytes: int) -> Iterator[str]:
    for operator in graph.operators:
        if is_possible(operator.name, operator.version) and not is_certain(operator.name, operator.version):
            yield (
                f"{operator.name} version {operator.version} came with TensorFlow 2.6 or 2.7; "
                "whether the compiler reads it is not known"
            )
    if largest_bytes > ACTIVATION_BYTES:
        yield (
            f"one operator works on {largest_bytes / 2**20:.1f} MiB, and the Edge TPU has 3 MiB for that: the compiler "
            'may say "Compilation failed due to large activation tensors in model"; take a smaller input'
        )
    ends = [graph.tensors[index] for index in (*graph.inputs, *graph.outputs) if 0 <= index < len(graph.tensors)]
    batches = {tensor.shape[0] for tensor in ends if tensor.shape}
    if any(batch > 1 for batch in batches):
        yield f"the batch is {max(batches)}; the Edge TPU takes one picture at a time"
    if -1 in batches:
        yield "the batch is open; give the model a batch of 1 before converting"
    if any(tensor.dtype == "float32" for tensor in ends):
        yield "the model takes or gives floats: QUANTIZE and DEQUANTIZE stay on the CPU"
