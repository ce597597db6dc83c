"""The same network with other ends, as other tools write it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecnn.core.contract import InputContract
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import BackendUnavailableError, ModelFileError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.metadata import attach_metadata, build_metadata
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.interpreter import MAX_THREADS, Interpreter, default_num_threads

LABELS = ("a", "b", "c", "d")
PICTURES = [synthetic_picture(seed, 96, 96) for seed in range(6)]
Model = Any  # the object API of the schema has no types


def change(model: bytes, damage: Callable[[Model], None]) -> bytes:
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    damage(unpacked)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(unpacked.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def opened(model: bytes) -> ModelFile:
    return ModelFile.from_bytes(model, path=Path("model.tflite"), labels=LABELS)


def scores(model: bytes) -> np.ndarray:
    classifier = Classifier(opened(model), num_threads=1)
    return np.stack([classifier.scores(picture) for picture in PICTURES])


def begin_with_int8(model: Model) -> None:
    graph = model.subgraphs[0]
    graph.inputs = graph.operators.pop(0).outputs
    model.signatureDefs = []


def begin_with_float(model: Model) -> None:
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].type, graph.tensors[graph.inputs[0]].quantization = schema.TensorType.FLOAT32, None


def end_with_float(model: Model) -> None:
    graph = model.subgraphs[0]
    graph.tensors[graph.outputs[0]].type, graph.tensors[graph.outputs[0]].quantization = schema.TensorType.FLOAT32, None
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 2
    model.operatorCodes.append(code)
    graph.operators[-1].opcodeIndex = len(model.operatorCodes) - 1


def end_with_int8(model: Model) -> None:
    graph = model.subgraphs[0]
    graph.outputs = graph.operators.pop().inputs
    model.signatureDefs = []


def with_metadata(model: bytes, contract: InputContract) -> bytes:
    payload = build_metadata(name="other", description="", contract=contract)
    return attach_metadata(model, payload.replace(b"edgecnn.json", b"other---json"))


def test_an_int8_input_takes_the_pixels_less_128(bare_model: bytes) -> None:
    np.testing.assert_array_equal(scores(change(bare_model, begin_with_int8)), scores(bare_model))


def test_a_float_input_takes_the_pixels_as_its_metadata_says(bare_model: bytes, exported: ModelFile) -> None:
    model = with_metadata(change(bare_model, begin_with_float), exported.contract)
    assert opened(model).contract == exported.contract
    np.testing.assert_array_equal(scores(model), scores(bare_model))


def test_a_float_input_without_metadata_is_refused_because_guessing_would_be_wrong(bare_model: bytes) -> None:
    with pytest.raises(ModelFileError, match="takes floats, and no TFLite Metadata says which range"):
        opened(change(bare_model, begin_with_float))


def test_metadata_that_cannot_be_true_is_refused(bare_model: bytes) -> None:
    model = with_metadata(change(bare_model, begin_with_float), InputContract(width=96, height=96, std=77.5))
    with pytest.raises(ModelFileError, match="the input cannot be served: mean must be 0 to 255 and std 0 to 255"):
        opened(model.replace(np.float32(77.5).tobytes(), np.float32(0).tobytes()))


@pytest.mark.parametrize("end", [end_with_float, end_with_int8])
def test_scores_are_the_same_numbers_whatever_type_the_output_has(
    bare_model: bytes, end: Callable[[Model], None]
) -> None:
    np.testing.assert_array_equal(scores(change(bare_model, end)), scores(bare_model))


def test_a_network_made_for_any_batch_and_saved_with_many_runs_one_picture(bare_model: bytes) -> None:
    def many(model: Model) -> None:
        graph = model.subgraphs[0]
        for tensor in graph.tensors:
            if len(tensor.shape) in (2, 4) and model.buffers[tensor.buffer].data is None:
                shape = tensor.shape.copy()
                tensor.shapeSignature = np.array([-1, *shape[1:]], np.int32)
                tensor.shape = np.array([8, *shape[1:]], np.int32)

    np.testing.assert_array_equal(scores(change(bare_model, many)), scores(bare_model))


def test_a_network_that_computes_another_shape_than_it_states_is_refused_when_it_runs(bare_model: bytes) -> None:
    def state_five(model: Model) -> None:
        graph = model.subgraphs[0]
        for index in (graph.outputs[0], graph.operators[-1].inputs[0], graph.operators[-2].inputs[0]):
            graph.tensors[index].shape = np.array([1, 5], np.int32)

    file = ModelFile.from_bytes(change(bare_model, state_five), path=Path("model.tflite"), labels=(*LABELS, "e"))
    with pytest.raises(BackendUnavailableError, match=r"model\.tflite: LiteRT .* cannot run this model"):
        Classifier(file).scores(PICTURES[0])


@pytest.mark.parametrize("num_threads", [1, 2, 64, 65, 100_000, None])
def test_any_number_of_threads_is_brought_to_one_that_litert_survives(
    exported: ModelFile, num_threads: int | None
) -> None:
    interpreter = Interpreter(exported, num_threads=num_threads)
    wanted = default_num_threads() if num_threads is None else min(num_threads, MAX_THREADS)
    assert interpreter.num_threads == wanted
    np.testing.assert_array_equal(interpreter.invoke(PICTURES[0]), Interpreter(exported).invoke(PICTURES[0]))


def test_a_classifier_says_what_really_runs(exported: ModelFile) -> None:
    assert Classifier(exported, num_threads=1).backend.endswith("XNNPACK kernels, 1 thread")
    assert Classifier(exported, num_threads=2).backend.endswith("2 threads")
    assert Interpreter(exported, use_xnnpack=False).kernels == "builtin"


def test_loading_a_model_writes_nothing_to_the_screen(exported: ModelFile, capfd: pytest.CaptureFixture[str]) -> None:
    Classifier(exported, num_threads=1).codes(PICTURES[0])
    assert capfd.readouterr() == ("", "")


def test_a_picture_that_is_none_is_refused(exported: ModelFile) -> None:
    classifier = Classifier(exported)
    for wrong in (np.zeros((96, 96, 3), np.float32), np.zeros((96, 96), np.uint8), np.zeros((96, 96, 4), np.uint8)):
        with pytest.raises(ValueError, match="pixels must"):
            classifier.classify(wrong)


def test_the_order_of_colours_matters_and_is_said(exported: ModelFile) -> None:
    classifier = Classifier(exported)
    picture = PICTURES[0]
    as_rgb = classifier.classify(picture, color_order="rgb", max_results=4)
    as_bgr = classifier.classify(np.ascontiguousarray(picture[..., ::-1]), max_results=4)
    assert as_rgb.categories == as_bgr.categories
    assert classifier.classify(picture, max_results=4).categories != as_rgb.categories
