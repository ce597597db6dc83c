from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import ExportError, UnsupportedOpError
from edgecnn.export.quantize.mixed import Width, keep_layers_wide
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.modelfile import quantization_of
from edgecnn.modelfile.structure import check_structure
from edgecnn.runtime.interpreter import InnerTensors, Interpreter

pytestmark = pytest.mark.slow

CONTRACT = InputContract(width=32, height=32)
LABELS = ("a", "b", "c", "d")
PICTURES = [synthetic_picture(seed, 32, 32) for seed in range(12)]
WIDTHS: tuple[Width, ...] = ("int16", "float")
Ranges = dict[str, tuple[float, float]]


@pytest.fixture(scope="module")
def many(converted: Path) -> bytes:
    """A network of many kinds of layers, in float32."""
    return (converted / "many-float.tflite").read_bytes()


@pytest.fixture(scope="module")
def ranges(many: bytes) -> Ranges:
    return measure(many)


def normalize(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return ((picture.astype(np.float32) - CONTRACT.mean) / CONTRACT.std).astype(np.float32)


def measure(model: bytes) -> Ranges:
    graph, runtime = Graph.parse(model), InnerTensors(model)
    found: Ranges = {}
    for picture in PICTURES:
        runtime.run(normalize(picture))
        for index in (index for operator in graph.operators for index in operator.outputs):
            values, name = runtime.read(index), graph.tensors[index].name
            low, high = found.get(name, (0.0, 0.0))
            found[name] = min(low, float(values.min())), max(high, float(values.max()))
    return found


def float_scores(model: bytes) -> NDArray[np.float32]:
    output, runtime = Graph.parse(model).outputs[0], InnerTensors(model)
    scores = []
    for picture in PICTURES:
        runtime.run(normalize(picture))
        scores.append(runtime.read(output)[0])
    return np.stack(scores)


def scores_of(model: bytes, *, use_xnnpack: bool = True) -> NDArray[np.float32]:
    file = ModelFile.from_bytes(model, path=Path("mixed.tflite"), labels=LABELS)
    runtime = Interpreter(file, use_xnnpack=use_xnnpack)
    scores = np.stack([runtime.invoke(picture) for picture in PICTURES])
    return scores / np.float32(256) if scores.dtype == np.uint8 else scores


def versions(model: bytes) -> dict[str, int]:
    return {operator.name: operator.version for operator in Graph.parse(model).operators}


def operator_index(graph: Graph, name: str) -> int:
    return next(index for index, operator in enumerate(graph.operators) if operator.name == name)


def test_a_raw_pixel_is_its_own_code_and_scores_are_bytes_whatever_is_kept_wide(many: bytes, ranges: Ranges) -> None:
    choices: list[list[int]] = [[], [0, 1, 2], [5]]
    for operators in choices:
        for width in WIDTHS:
            graph = Graph.parse(keep_layers_wide(many, CONTRACT, ranges, operators, width))
            check_structure(graph)
            assert quantization_of(graph.tensors[graph.inputs[0]]) == CONTRACT.pixel_quantization
            assert graph.tensors[graph.outputs[0]].dtype == "uint8"


def test_what_was_asked_for_is_wide_with_what_reads_it_and_nothing_else(many: bytes, ranges: Ranges) -> None:
    floats = Graph.parse(many)
    first = operator_index(floats, "CONV_2D")
    output = floats.operators[first].outputs[0]
    wanted = {floats.tensors[op.outputs[0]].name for op in floats.operators if output in (*op.inputs, *op.outputs)}
    for width in WIDTHS:
        dtype = "float32" if width == "float" else "int16"
        mixed = Graph.parse(keep_layers_wide(many, CONTRACT, ranges, [first], width))
        computed = [op for op in mixed.operators if op.name not in ("QUANTIZE", "DEQUANTIZE")]
        results = [mixed.tensors[operator.outputs[0]] for operator in computed]
        assert {tensor.name for tensor in results if tensor.dtype == dtype} == wanted
        assert {tensor.dtype for tensor in results if tensor.name not in wanted} == {"int8"}


def test_a_network_kept_in_float_from_end_to_end_gives_the_float_scores(many: bytes, ranges: Ranges) -> None:
    everything = range(len(Graph.parse(many).operators))
    kept = keep_layers_wide(many, CONTRACT, ranges, everything, "float")
    np.testing.assert_allclose(scores_of(kept), float_scores(many), atol=1e-4)


def test_a_result_that_8_bits_cannot_hold_is_rescued_by_either_width(many: bytes, ranges: Ranges) -> None:
    graph = Graph.parse(many)
    worst = operator_index(graph, "CONCATENATION")
    name = graph.tensors[graph.operators[worst].outputs[0]].name
    too_wide = {**ranges, name: (-300.0, 300.0)}
    wanted = float_scores(many)

    def error(operators: list[int], width: Width) -> float:
        return float(np.abs(scores_of(keep_layers_wide(many, CONTRACT, too_wide, operators, width)) - wanted).mean())

    plain = error([], "float")
    assert error([worst], "float") < 0.5 * plain
    assert error([worst], "int16") < 0.5 * plain


def test_operators_have_the_versions_that_old_runtimes_need_to_know(
    many: bytes, ranges: Ranges, converted: Path
) -> None:
    everything = range(len(Graph.parse(many).operators))
    in_int8 = versions(keep_layers_wide(many, CONTRACT, ranges, []))
    assert in_int8 == versions((converted / "many-int8.tflite").read_bytes())
    in_int16 = versions(keep_layers_wide(many, CONTRACT, ranges, everything, "int16"))
    assert {name: in_int16[name] for name in ("MAX_POOL_2D", "MUL", "ADD", "PAD", "MEAN", "LOGISTIC")} == {
        "MAX_POOL_2D": 3, "MUL": 4, "ADD": 3, "PAD": 3, "MEAN": 3, "LOGISTIC": 3,
    }  # fmt: skip


def test_large_weights_stay_inside_the_flatbuffer_where_every_runtime_finds_them(converted: Path) -> None:
    tiny = (converted / "tiny-float.tflite").read_bytes()
    everything = range(len(Graph.parse(tiny).operators))
    model = keep_layers_wide(tiny, CONTRACT, measure(tiny), everything, "float")
    graph = Graph.parse(model)
    assert max(graph.buffer(tensor.buffer).size for tensor in graph.tensors) > 500_000
    np.testing.assert_allclose(scores_of(model, use_xnnpack=False), float_scores(tiny), atol=1e-4)


def test_a_range_that_was_not_measured_is_named(many: bytes, ranges: Ranges) -> None:
    name = max(ranges)
    with pytest.raises(ExportError, match="there is no range for"):
        keep_layers_wide(many, CONTRACT, {key: value for key, value in ranges.items() if key != name}, [])


def test_an_operator_without_a_16_bit_form_is_refused_by_name(converted: Path) -> None:
    odd = (converted / "odd-float.tflite").read_bytes()
    index = operator_index(Graph.parse(odd), "HARD_SWISH")
    with pytest.raises(UnsupportedOpError, match=r"HARD_SWISH of .* cannot be kept in int16; keep it in float"):
        keep_layers_wide(odd, CONTRACT, measure(odd), [index], "int16")


def test_a_network_that_is_quantized_already_is_refused(converted: Path, ranges: Ranges) -> None:
    with pytest.raises(ExportError, match="quantized already"):
        keep_layers_wide((converted / "many-int8.tflite").read_bytes(), CONTRACT, ranges, [])
