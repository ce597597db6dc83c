"""LiteRT's GPU code for real, on SwiftShader: a Vulkan driver that computes on the CPU."""

import gc
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import msgspec
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecnn.core.contract import InputContract
from edgecnn.core.labels import digest_labels
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import BackendUnavailableError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.golden import golden_input, record
from edgecnn.modelfile.manifest import GoldenPart, Manifest
from edgecnn.modelfile.metadata import attach_metadata, build_metadata
from edgecnn.modelfile.modelfile import pack_model_file
from edgecnn.runtime.backends.gpu_check import compare
from edgecnn.runtime.backends.gpu_engine import GpuEngine
from edgecnn.runtime.backends.gpu_reasons import explain
from edgecnn.runtime.classifier import Classifier, to_values
from edgecnn.runtime.engine import Engine, EngineOptions, open_engine
from edgecnn.runtime.interpreter import Interpreter
from edgecnn.runtime.verification import verify

SIDE, LABELS = 16, ("a", "b", "c")
Builder = Callable[..., ModelFile]


def build_network(*, half: bool = False, twist: int = schema.BuiltinOperator.RELU) -> bytes:
    """A small float network with random weights: convolution, one twist, mean, dense layer, softmax.

    half: keep the weights in float16, as an fp16 file does. twist: an operator from a tensor to its like.
    """
    model, graph, rng = schema.ModelT(), schema.SubGraphT(), np.random.default_rng(7)
    model.version, model.description, model.buffers, model.operatorCodes = 3, b"", [schema.BufferT()], []
    graph.tensors, graph.operators = [], []

    def tensor(name: str, shape: tuple[int, ...], values: np.ndarray | None = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name.encode(), list(shape), 0
        dtype = values.dtype.name.upper() if values is not None else "FLOAT32"
        made.type = getattr(schema.TensorType, dtype)
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(kind: int, inputs: list[int], output: int) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), 1
        model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(model.operatorCodes) - 1, inputs, [output]
        graph.operators.append(made)
        return output

    def weights(name: str, *shape: int) -> int:
        values = rng.normal(0, 1.5 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float16)
        if not half:
            return tensor(name, shape, values.astype(np.float32))
        return operator(schema.BuiltinOperator.DEQUANTIZE, [tensor(name, shape, values)], tensor(f"{name}_32", shape))

    def with_options(kind: Any, **fields: Any) -> None:
        options = kind()
        for field, value in fields.items():
            setattr(options, field, value)
        made = graph.operators[-1]
        made.builtinOptions = options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, kind.__name__[:-1])

    kinds, inner = schema.BuiltinOperator, (1, SIDE // 2, SIDE // 2, 8)
    pixels = tensor("pixels", (1, SIDE, SIDE, 3))
    filters, bias = weights("filters", 8, 3, 3, 3), tensor("bias", (8,), np.zeros(8, np.float32))
    operator(kinds.CONV_2D, [pixels, filters, bias], tensor("edges", inner))
    with_options(schema.Conv2DOptionsT, strideH=2, strideW=2, dilationHFactor=1, dilationWFactor=1)
    operator(twist, [graph.operators[-1].outputs[0]], tensor("twisted", inner))
    axes = tensor("axes", (2,), np.array([1, 2], np.int32))
    operator(kinds.MEAN, [graph.operators[-1].outputs[0], axes], tensor("features", (1, 8)))
    with_options(schema.ReducerOptionsT, keepDims=False)
    features = graph.operators[-1].outputs[0]
    dense = [features, weights("dense", 3, 8), tensor("offsets", (3,), np.zeros(3, np.float32))]
    operator(kinds.FULLY_CONNECTED, dense, tensor("logits", (1, 3)))
    with_options(schema.FullyConnectedOptionsT)
    operator(kinds.SOFTMAX, [graph.operators[-1].outputs[0]], tensor("scores", (1, 3)))
    with_options(schema.SoftmaxOptionsT, beta=1.0)
    graph.inputs, graph.outputs = [pixels], [graph.operators[-1].outputs[0]]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1 << 14)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="module")
def build(exported: ModelFile) -> Builder:
    """Makes a model file of ``build_network``, with golden vectors that the CPU gives."""

    def make(
        kind: str = "float32",
        twist: int = schema.BuiltinOperator.RELU,
        change: Callable[[Manifest], Manifest] | None = None,
    ) -> ModelFile:
        assert exported.manifest is not None
        model = build_network(half=kind == "fp16", twist=twist)
        replace, manifest = msgspec.structs.replace, exported.manifest
        manifest = replace(
            manifest,
            schema=3,
            input=replace(manifest.input, width=SIDE, height=SIDE, mean=127.5, std=127.5),
            labels=replace(manifest.labels, num=len(LABELS), sha256=digest_labels(LABELS)),
            model=replace(manifest.model, num_bytes=len(model), sha256=_sha256(model)),
            recipe=replace(manifest.recipe, kind=kind),
            calibration=None,
            target="gpu",
            golden=GoldenPart(
                generator=manifest.golden.generator,
                runtime="a test",
                tolerance_score=0.001,
                vectors=(record(np.zeros(len(LABELS), np.float32), seed=0),),
            ),
        )
        draft = _opened(model, manifest)
        cpu, vectors = Interpreter(draft), []
        for seed in range(8):
            answer = cpu.invoke(to_values(synthetic_picture(seed, SIDE, SIDE), draft))
            vectors.append(record(answer, seed=seed))
        manifest = replace(manifest, golden=replace(manifest.golden, vectors=tuple(vectors)))
        return _opened(model, change(manifest) if change else manifest)

    return make


def test_it_computes_what_the_file_says(gpu: None, exported: ModelFile) -> None:
    engine = open_engine(exported, "gpu")
    for vector in exported.manifest.golden.vectors[:2]:
        values = golden_input(exported, vector, lambda data, name: pytest.fail("it has seeds only"))
        right = np.frombuffer(vector.output_bytes(), np.uint8).astype(int)
        assert np.abs(engine.invoke(values).astype(int) - right).max() <= exported.manifest.golden.tolerance_codes
    assert engine.kernels.startswith("WebGPU on SwiftShader")
    assert engine.runtime.startswith("LiteRT")


@pytest.mark.parametrize("kind", ["float32", "fp16"])
def test_float_files_work_too(gpu: None, build: Builder, kind: str) -> None:
    file = build(kind)
    pictures = [synthetic_picture(seed, SIDE, SIDE) for seed in range(20, 26)]
    on_gpu, on_cpu = Classifier(file, backend="gpu"), Classifier(file, backend="cpu")
    for picture in pictures:
        np.testing.assert_allclose(on_gpu.scores(picture), on_cpu.scores(picture), atol=0.02)
    assert not on_gpu.has_twins


def test_a_file_from_elsewhere_is_held_against_the_cpu(gpu: None) -> None:
    contract = InputContract(width=SIDE, height=SIDE, mean=127.5, std=127.5)
    metadata = build_metadata(name="other", description="", contract=contract)
    model = attach_metadata(build_network(), metadata.replace(b"edgecnn.json", b"other---json"))
    file = ModelFile.from_bytes(model, path=Path("network.tflite"), labels=LABELS)
    values = to_values(synthetic_picture(40, SIDE, SIDE), file)
    right = open_engine(file, "cpu").invoke(values)
    np.testing.assert_allclose(open_engine(file, "gpu").invoke(values), right, atol=0.02)


def test_inner_tensors_come_along(gpu: None, build: Builder) -> None:
    file = build("float32")
    also = tuple(index for index, tensor in enumerate(file.graph.tensors) if tensor.name in ("features", "logits"))
    values = to_values(synthetic_picture(30, SIDE, SIDE), file)
    gpu_engine, cpu = open_engine(file, "gpu", EngineOptions(also=also)), Interpreter(file, also=also)
    np.testing.assert_allclose(gpu_engine.invoke(values), cpu.invoke(values), atol=0.02)
    assert [each.shape for each in gpu_engine.extras] == [(8,), (3,)]
    for found, right in zip(gpu_engine.extras, cpu.extras, strict=True):
        np.testing.assert_allclose(found, right, atol=0.05)


def test_inner_tensors_of_a_file_with_a_signature_come_along(gpu: None, exported: ModelFile) -> None:
    dense = next(each for each in exported.graph.operators if each.name == "FULLY_CONNECTED")
    also, values = (dense.inputs[0], dense.outputs[0]), synthetic_picture(9, 96, 96)
    engine, cpu = GpuEngine(exported, also=also), Interpreter(exported, also=also)
    engine.invoke(values)
    cpu.invoke(values)
    for found, right in zip(engine.extras, cpu.extras, strict=True):
        assert found.dtype == right.dtype
        assert np.abs(found.astype(int) - right.astype(int)).max() <= 3


def test_a_slower_gpu_is_taken_when_named_and_both_times_are_told(gpu: None, build: Builder) -> None:
    said: list[str] = []
    engine = open_engine(build(), "gpu", EngineOptions(say=said.append))
    assert engine.kernels.startswith("WebGPU")
    assert len(said) == 1
    assert said[0].count(" ms") == 2
    assert "SwiftShader" in said[0]


def test_auto_takes_the_cpu_where_the_gpu_is_slower(gpu: None, build: Builder) -> None:
    said: list[str] = []
    engine = open_engine(build(), "auto", EngineOptions(say=said.append))
    assert engine.kernels == "XNNPACK"
    assert len(said) == 1
    assert said[0].startswith("the CPU is taken: the GPU SwiftShader")
    assert said[0].count(" ms") == 2


def test_a_trial_is_kept_and_made_again_where_what_is_kept_is_no_trial(
    gpu: None, build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file, said = build(), []
    open_engine(file, "gpu")
    (kept,) = (tmp_path / "edgecnn" / "probes").iterdir()
    trial = json.loads(kept.read_text())
    assert trial["difference"] < 0.02
    kept.write_text(json.dumps({**trial, "gpu_ms": 1.0, "cpu_ms": 2.0}))
    assert open_engine(file, "auto", EngineOptions(say=said.append)).kernels.startswith("WebGPU")
    assert said == []
    kept.write_text('{"gpu_ms": "fast"}')
    open_engine(file, "gpu")
    assert json.loads(kept.read_text())["cpu_ms"] > 0


def test_wrong_results_are_found(gpu: None, build: Builder) -> None:
    def other_answers(manifest: Manifest) -> Manifest:
        vectors = manifest.golden.vectors
        turned = [record(np.frombuffer(each.output_bytes(), np.float32)[::-1], seed=each.seed) for each in vectors]
        return msgspec.structs.replace(manifest, golden=msgspec.structs.replace(manifest.golden, vectors=tuple(turned)))

    with pytest.raises(BackendUnavailableError, match=r"computes something else: scores differ by up to 0\.\d+"):
        open_engine(build(change=other_answers), "gpu")


def test_verify_allows_for_half_precision(gpu: None, build: Builder) -> None:
    outcome = verify(build("fp16"), backend="gpu")
    assert outcome.passed
    assert outcome.tolerance == pytest.approx(0.05)
    assert outcome.reason == "GPUs compute in half precision"


def test_a_program_that_plays_a_gpu_is_refused(gpu: None, build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGECNN_ALLOW_SOFTWARE_GPU")
    with pytest.raises(BackendUnavailableError, match="EDGECNN_ALLOW_SOFTWARE_GPU=1"):
        open_engine(build(), "gpu")


def test_without_a_driver_there_is_no_gpu(gpu: None, build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VK_DRIVER_FILES", "/nowhere/driver.json")
    with pytest.raises(BackendUnavailableError, match="no GPU with a Vulkan driver here"):
        open_engine(build(), "gpu")


def test_operators_without_gpu_code_are_told(gpu: None, build: Builder) -> None:
    with pytest.raises(BackendUnavailableError, match="operators that LiteRT has no GPU code for"):
        open_engine(build(twist=schema.BuiltinOperator.ZEROS_LIKE), "gpu")


def test_a_crash_while_it_runs_becomes_a_sentence(gpu: None, build: Builder) -> None:
    file = build()
    engine = GpuEngine(file)
    values = to_values(synthetic_picture(0, SIDE, SIDE), file)
    engine.invoke(values)
    os.kill(engine.process_id, signal.SIGSEGV)
    with pytest.raises(BackendUnavailableError, match=r"driver crashed \(SIGSEGV\)"):
        engine.invoke(values)
    with pytest.raises(BackendUnavailableError, match="failed before"):
        engine.invoke(values)


def test_a_driver_that_hangs_while_it_runs_becomes_a_sentence(gpu: None, build: Builder) -> None:
    file = build()
    engine = GpuEngine(file, run_timeout_s=0.5)
    values = to_values(synthetic_picture(0, SIDE, SIDE), file)
    engine.invoke(values)
    os.kill(engine.process_id, signal.SIGSTOP)
    with pytest.raises(BackendUnavailableError, match="did not answer"):
        engine.invoke(values)
    assert not _is_alive(engine.process_id)


def test_a_driver_that_hangs_while_it_loads_becomes_a_sentence(
    gpu: None, build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "driver.so")  # whoever opens it waits for somebody who writes
    monkeypatch.setenv("VK_DRIVER_FILES", str(_declare_driver(tmp_path)))
    with pytest.raises(BackendUnavailableError, match="did not answer within 2 s"):
        GpuEngine(build(), load_timeout_s=2)


def test_a_driver_that_crashes_becomes_a_sentence(
    gpu: None, build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to build a driver that crashes")
    source = "__attribute__((constructor)) static void crash(void) { __builtin_trap(); }"
    command = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", tmp_path / "driver.so"]
    subprocess.run(command, input=source.encode(), check=True)
    monkeypatch.setenv("VK_DRIVER_FILES", str(_declare_driver(tmp_path)))
    with pytest.raises(BackendUnavailableError, match=r"driver crashed \(SIG(ILL|TRAP)\)"):
        open_engine(build(), "gpu")
    (tmp_path / "driver.so").write_bytes(b"no driver at all")
    with pytest.raises(BackendUnavailableError, match="driver crashed"):  # it is not asked again at every start
        open_engine(build(), "gpu:if-faster")
    with pytest.raises(BackendUnavailableError, match="no GPU"):  # but whoever names it means it
        open_engine(build(), "gpu")


def test_other_threads_go_on_while_it_computes(gpu: None, exported: ModelFile) -> None:
    engine, over, ticks = GpuEngine(exported), threading.Event(), []
    values = synthetic_picture(0, 96, 96)
    engine.invoke(values)

    def tick() -> None:
        while not over.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.005)

    reader = threading.Thread(target=tick)
    reader.start()
    for _ in range(3):
        engine.invoke(values)
    over.set()
    reader.join()
    assert len(ticks) > 9  # with LiteRT in this process there is one for each picture


@pytest.mark.parametrize("let_go", [GpuEngine.close, lambda engine: None])
def test_its_process_ends_with_it(gpu: None, build: Builder, let_go: Callable[[GpuEngine], None]) -> None:
    engine = GpuEngine(build())
    process_id = engine.process_id
    assert _is_alive(process_id)
    let_go(engine)
    del engine
    gc.collect()
    assert not _is_alive(process_id)


def test_nothing_of_what_litert_says_is_seen(gpu: None, build: Builder, capfd: pytest.CaptureFixture[str]) -> None:
    file = build()
    engine: Engine = open_engine(file, "gpu")
    engine.invoke(to_values(synthetic_picture(0, SIDE, SIDE), file))
    assert capfd.readouterr() == ("", "")


def test_an_unknown_place_is_told(exported: ModelFile) -> None:
    with pytest.raises(BackendUnavailableError, match="there is no gpu:1; give gpu or gpu:if-faster"):
        open_engine(exported, "gpu:1")


def test_half_precision_is_near_enough() -> None:
    rng = np.random.default_rng(5)
    scores = rng.dirichlet(np.ones(10), 8).astype(np.float32)
    rounded = scores + rng.uniform(-0.02, 0.02, scores.shape).astype(np.float32)
    assert compare(list(scores), list(rounded), None)[1]


@pytest.mark.parametrize(
    ("right", "found"),
    [
        pytest.param([[1, 0], [0, 1]], [[0, 1], [1, 0]], id="other classes"),
        pytest.param([[1, 0], [0, 1]], [[0.9, 0.1], [0, 1]], id="one score far off"),
        pytest.param([[0.02, 0.0], [0.0, 0.02]], [[0.01, 0.01], [0.01, 0.01]], id="always the same, all small"),
        pytest.param([[1, 0], [0, 1]], [[1, float("nan")], [0, 1]], id="no number"),
        pytest.param([[30, -30], [-30, 30]], [[25, -25], [-25, 25]], id="logits far off"),
    ],
)
def test_what_is_wrong_is_not_near_enough(right: list[list[float]], found: list[list[float]]) -> None:
    assert not compare([np.float32(each) for each in right], [np.float32(each) for each in found], None)[1]


def test_reasons_say_what_to_do() -> None:
    pi = "Warning: Vulkan shaderUniformBufferArrayDynamicIndexing required\nERROR: No adapters found"
    assert "Raspberry Pi" in explain("", pi)
    assert "libvulkan1" in explain("", "Couldn't load Vulkan: libvulkan.so.1")
    assert explain("ERROR: [a.h:1]\n└ ERROR: [b.cc:2] no memory.", "") == "LiteRT cannot use it: no memory"
    assert explain("ERROR: [a.h:1]", "") == "LiteRT cannot use it: it gave no reason"


@pytest.fixture(scope="module")
def kept_trials(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the tests keep what trying the GPU gave, so that not every one of them tries it."""
    return str(tmp_path_factory.mktemp("trials"))


@pytest.fixture
def gpu(software_gpu: dict[str, str], kept_trials: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SwiftShader stands for a GPU."""
    for name, value in {**software_gpu, "XDG_CACHE_HOME": kept_trials}.items():
        monkeypatch.setenv(name, value)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _opened(model: bytes, manifest: Manifest) -> ModelFile:
    return ModelFile.from_bytes(pack_model_file(model, LABELS, manifest, {}), path=Path("network.tflite"))


def _declare_driver(folder: Path) -> Path:
    declaration = folder / "driver.json"
    driver = {"library_path": str(folder / "driver.so"), "api_version": "1.0.5"}
    declaration.write_text(json.dumps({"file_format_version": "1.0.0", "ICD": driver}))
    return declaration


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
