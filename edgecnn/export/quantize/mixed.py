"""Mixed precision: the layers that int8 hurts most in int16 or in float, all others in int8.

The work is done by litert-quantizer. It is given ranges instead of measuring its own (it would take
a moving average over the calibration pictures), and what it leaves to be done is done here: operator
versions, and weights inside the FlatBuffer.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import flatbuffers
import numpy as np

from edgecnn.core.contract import InputContract
from edgecnn.errors import ExportError, MissingExtraError, UnsupportedOpError
from edgecnn.export.quantize.op_versions import needed_version
from edgecnn.export.quantize.scale_groups import SAME_SCALE
from edgecnn.modelfile.graph import FILE_IDENTIFIER, Graph
from edgecnn.modelfile.structure import MIN_SCALE
from edgecnn.quiet import quiet_stderr

Width = Literal["int16", "float"]
_Recipe = list[dict[str, Any]]
_MIN_RANGE = 256 * MIN_SCALE


def keep_layers_wide(
    float_model: bytes,
    contract: InputContract,
    ranges: Mapping[str, tuple[float, float]],
    operators: Sequence[int],
    width: Width = "float",
) -> bytes:
    """Quantize a network to int8, except for some of its operators and for those that read their results.

    A result would pass through 8 bits on its way to a reader in int8, and nothing would be won.
    The file takes raw uint8 pixels, each its own code, and gives uint8 scores; float32 scores when the
    last operator is kept in float. In int16 the last operator is always left out.

    Args:
        float_model: the FlatBuffer of the network behind its normalization, in float32.
        contract: the input of the whole model.
        ranges: lowest and highest value of every activation, by its name in ``float_model``.
        operators: indices of the operators to keep wide, in ``float_model``.
        width: ``int16`` for 16-bit activations with 8-bit weights, or ``float`` for float32.

    Returns:
        A FlatBuffer without metadata of its own. No Edge TPU takes it.

    Raises:
        UnsupportedOpError: an operator has no form of that width.
        ExportError: the network is not float32, a range is missing, or the quantizer failed.
        MissingExtraError: litert-quantizer is not installed.
    """
    graph = Graph.parse(float_model)
    if graph.tensors[graph.inputs[0]].dtype != "float32":
        raise ExportError("mixed precision starts from the float32 network, and this one is quantized already")
    wide = [graph.tensors[graph.operators[index].outputs[0]].name for index in with_readers(graph, operators)]
    if width == "int16":
        # Its scores leave in 8 bits all the same, and no runtime turns 16-bit ones into uint8.
        wide = [name for name in wide if name != graph.tensors[graph.outputs[0]].name]
    recipe = _recipe(wide, width)
    statistics = _statistics(graph, contract, ranges)
    try:
        with warnings.catch_warnings(), quiet_stderr():
            warnings.simplefilter("ignore")  # it opens an interpreter in LiteRT's debugging mode
            model = _finish(_quantize(float_model, recipe, statistics))
    except ImportError as exc:
        raise MissingExtraError(
            f"mixed precision needs litert-quantizer, which cannot be imported ({exc}); "
            "run: pip install 'edgecnn[train]'"
        ) from exc
    except Exception as exc:  # it raises whatever its own code comes upon
        reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
        raise ExportError(f"litert-quantizer failed to keep {len(wide)} layers in {width}: {reason}") from exc
    _check_width(Graph.parse(model), wide, width)
    return model


def with_readers(graph: Graph, operators: Sequence[int]) -> list[int]:
    """Return the operators with all that read their results; results that keep their scale are read on."""
    wide = set(operators)
    scaled = set(operators)  # those whose result must not pass through 8 bits
    for index, operator in enumerate(graph.operators):  # readers come later than what they read
        if any(set(graph.operators[maker].outputs) & set(operator.inputs) for maker in scaled):
            wide.add(index)
            if operator.name in SAME_SCALE:
                scaled.add(index)
    return sorted(wide)


def _recipe(wide: Sequence[str], width: Width) -> _Recipe:
    """Return litert-quantizer's rules; of those that fit an operator the last one counts."""
    recipe = [_rule(".*", "*"), _rule(".*", "FULLY_CONNECTED")]
    recipe += [_rule(".*", end, dtype="UINT") for end in ("INPUT", "OUTPUT")]
    for name in wide:
        scope = f"^{re.escape(name)};$"
        if width == "float":
            recipe.append(_float_rule(scope, "*"))
        else:
            recipe += [_rule(scope, "*", bits=16), _rule(scope, "FULLY_CONNECTED", bits=16)]
    return recipe


def _rule(scope: str, operation: str, *, bits: int = 8, dtype: str = "INT") -> dict[str, Any]:
    # Dense layers have one scale for all weights: runtimes before 2024 read no more.
    granularity = "TENSORWISE" if operation == "FULLY_CONNECTED" else "CHANNELWISE"
    activation = {"num_bits": bits, "symmetric": bits == 16, "granularity": "TENSORWISE", "dtype": dtype}
    weight = {"num_bits": 8, "symmetric": True, "granularity": granularity, "dtype": "INT"}
    return {
        "regex": scope,
        "operation": operation,
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "activation_tensor_config": activation,
            "weight_tensor_config": weight,
            "compute_precision": "INTEGER",
            "explicit_dequantize": False,
        },
    }


def _float_rule(scope: str, operation: str) -> dict[str, Any]:
    return {"regex": scope, "operation": operation, "algorithm_key": "no_quantize", "op_config": {}}


def _statistics(
    graph: Graph, contract: InputContract, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, dict[str, Any]]:
    """Return ranges in the form in which litert-quantizer calibrates; the input's are those of its pixels."""
    known = dict(ranges)
    known[graph.tensors[graph.inputs[0]].name] = (-contract.mean / contract.std, (255.0 - contract.mean) / contract.std)
    statistics: dict[str, dict[str, Any]] = {}
    computed = [index for operator in graph.operators for index in operator.outputs]
    for index in (graph.inputs[0], *computed):
        tensor = graph.tensors[index]
        if tensor.name not in known:
            raise ExportError(f"there is no range for {tensor.name!r}; measure all activations of this float model")
        low, high = known[tensor.name]
        shape = (1,) * len(tensor.shape)
        statistics[tensor.name] = {
            "min": np.full(shape, min(low, 0.0), np.float32),
            "max": np.full(shape, max(high, min(low, 0.0) + _MIN_RANGE, 0.0), np.float32),
        }
    return statistics


def _quantize(float_model: bytes, recipe: _Recipe, statistics: dict[str, dict[str, Any]]) -> Any:
    """Return litert-quantizer's result as an object of the schema."""
    from litert_quantizer.quantizer import Quantizer
    from litert_quantizer.utils.tfl_flatbuffer_utils import read_model

    quantizer = Quantizer(bytearray(float_model), recipe)
    result = quantizer.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    # It puts large weights behind the FlatBuffer, where older runtimes do not find them; reading takes them in.
    model = read_model(bytes(result.quantized_model))
    for buffer in model.buffers:
        if buffer.data is not None:  # as an array, or it would be written byte by byte
            buffer.data = np.frombuffer(buffer.data, np.uint8)
    return model


def _finish(model: Any) -> bytes:
    """Write the model with its weights inside and with the versions that its operators need."""
    draft = Graph.parse(_pack(model))
    operators = model.subgraphs[0].operators
    for written, operator in zip(operators, draft.operators, strict=True):
        code = model.operatorCodes[written.opcodeIndex]
        code.version = max(code.version, needed_version(draft, operator))
    return _pack(model)


def _pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def _check_width(graph: Graph, wide: Sequence[str], width: Width) -> None:
    """Raise unless every operator that was to be kept wide is."""
    wanted = "float32" if width == "float" else "int16"
    for operator in graph.operators:
        tensor = graph.tensors[operator.outputs[0]]
        if tensor.name in wide and tensor.dtype != wanted:
            other = "; keep it in float" if width == "int16" else ""
            raise UnsupportedOpError(f"{operator.name} of {tensor.name!r} cannot be kept in {width}{other}")
