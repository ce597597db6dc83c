"""Are the weights inside a compiled file those of a plain one?

The Edge TPU keeps the weights of four neighbouring input channels of one output channel in one word.
The order of these words is the compiler's secret, but every one of them must be there. Found on
Google's MobileNetV1 files in uint8: all words of the plain file are in its compiled form, and less
than 2% of them in that of another one. No compiled file in int8 was at hand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.modelfile.edgetpu.constants import is_out_of_line
from edgecnn.modelfile.graph import Graph, Operator

_WORD = 4
_CONVOLUTIONS = ("CONV_2D", "FULLY_CONNECTED")
_SIGN_BIT = 0x80


def share_of_weights(graph: Graph, parameters: bytes) -> float:
    """Return the share of a network's words of four weights that are among a compiled file's parameters, 0 to 1.

    Depthwise filters, and filters whose input channels are no multiple of four, are left out. The weights
    are looked for as they are and with their sign bit flipped, for either may be how the device wants int8.

    Args:
        graph: the plain network.
        parameters: all parameters of the compiled file, as ``read_parameters`` returns them.
    """
    found = [_words(graph, operator) for operator in graph.operators if operator.name in _CONVOLUTIONS]
    words = np.concatenate([np.empty(0, np.uint32), *found])
    if not words.size:
        return 0.0
    there = np.frombuffer(parameters, "<u4", len(parameters) // _WORD)
    flipped = words ^ np.uint32(_SIGN_BIT * 0x01010101)
    return max(_share(words, there), _share(flipped, there))


def _words(graph: Graph, operator: Operator) -> NDArray[np.uint32]:
    weights = graph.tensors[operator.inputs[1]] if len(operator.inputs) > 1 else None
    if weights is None or weights.dtype not in ("int8", "uint8") or is_out_of_line(graph, weights):
        return np.empty(0, np.uint32)
    data = graph.buffer(weights.buffer)
    if not weights.shape or weights.shape[-1] % _WORD or data.size % _WORD:
        return np.empty(0, np.uint32)
    return np.frombuffer(data.tobytes(), "<u4").astype(np.uint32)


def _share(words: NDArray[np.uint32], there: NDArray[np.uint32]) -> float:
    """Return the share of ``words`` that ``there`` holds, each as often as it comes."""
    wanted, wanted_num = np.unique(words, return_counts=True)
    given, given_num = np.unique(there, return_counts=True)
    place = np.minimum(np.searchsorted(given, wanted), max(len(given) - 1, 0))
    num = np.where(given[place] == wanted, given_num[place], 0) if len(given) else np.zeros_like(wanted_num)
    return float(np.minimum(wanted_num, num).sum() / words.size)
