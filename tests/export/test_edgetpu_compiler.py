"""Everything around ``edgetpu_compiler``, with a stand-in in its place: Google's own cannot be had in a test."""

import hashlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import flatbuffers
import msgspec
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.labels import digest_labels
from edgecnn.errors import EdgecnnError, ExportError, UnsupportedOpError
from edgecnn.export.edgetpu import (
    Compiler,
    adopt,
    check_for_edgetpu,
    check_plain_name,
    command_elsewhere,
    compile_model,
    compiled_path,
    complete_compiled,
    describe_check,
    describe_verdict,
    find_compiler,
    predicted_part,
)
from edgecnn.export.edgetpu.failures import describe_exit, explain
from edgecnn.export.edgetpu.log import LogRow, parse_log
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import append_files, split_files
from edgecnn.modelfile.edgetpu import read_compiled
from edgecnn.modelfile.manifest import LabelsPart
from edgecnn.modelfile.metadata import METADATA_NAME, attach_metadata
from edgecnn.modelfile.modelfile import pack_model_file
from edgecnn.modelfile.summary import format_summary, summarize
from edgecnn.testing.fake_edgetpu import fake_compiled

STAND_IN = Path(__file__).parent.parent / "stand_ins" / "edgetpu_compiler.py"
LAYERS = ("conv1", "conv2", "conv3", "conv4", "logits")

# As people have shown it in public: version 16, everything mapped but four operators.
REAL_LOG = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1354 ms.

Input model: yolox.tflite
Input size: 5.10MiB
Output model: yolox_edgetpu.tflite
Output size: 6.28MiB
On-chip memory used for caching model parameters: 6.03MiB
On-chip memory remaining for caching model parameters: 1.21MiB
Off-chip memory used for streaming uncached model parameters: 41.75KiB
Number of Edge TPU subgraphs: 1
Total number of operations: 143
Operation log: yolox_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model
Number of operations that will run on Edge TPU: 139
Number of operations that will run on CPU: 4

Operator                       Count      Status

CONCATENATION                  3          Operation is otherwise supported, but not mapped due to some limitation
CONV_2D                        138        Mapped to Edge TPU
QUANTIZE                       1          Mapped to Edge TPU
DEQUANTIZE                     1          Operation is working on an unsupported data type
Compilation child process completed within timeout period.
Compilation succeeded!
"""

MakeCompiler = Callable[..., Compiler]


@pytest.fixture
def compiler(tmp_path: Path) -> MakeCompiler:
    def make(behave: str = "well") -> Compiler:
        folder = tmp_path / "bin" / behave
        folder.mkdir(parents=True)
        program = folder / "edgetpu_compiler"
        command = shlex.join([sys.executable, str(STAND_IN), "--behave", behave])
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(0o755)
        found = find_compiler(str(program))
        assert found is not None
        return found

    return make


@pytest.fixture
def plain(model_file: Path, tmp_path: Path) -> ModelFile:
    path = tmp_path / "shapes.tflite"
    shutil.copyfile(model_file, path)
    return ModelFile.open(path)


def compiled_elsewhere(plain: ModelFile, compiler: Compiler, *, log: bool = True) -> Path:
    """Run the compiler by hand, as a user does on another machine."""
    folder = plain.path.parent
    command = [compiler.program, "-s", "-o", str(folder), str(plain.path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    if not log:
        (folder / "shapes_edgetpu.log").unlink()
    return folder / "shapes_edgetpu.tflite"


def repacked(unpacked: schema.ModelT) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(unpacked.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def without_metadata(model: bytes) -> bytes:
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    unpacked.metadata = [entry for entry in unpacked.metadata or [] if entry.name != METADATA_NAME.encode()]
    return repacked(unpacked)


def changed(model: bytes, change: Callable[[schema.SubGraphT], None]) -> bytes:
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    change(unpacked.subgraphs[0])
    return repacked(unpacked)


def test_the_log_of_the_real_compiler_is_read() -> None:
    log = parse_log(REAL_LOG)
    assert (log.version, log.subgraphs, log.operators, log.mapped, log.listed) == ("16.0.384591198", 1, 143, 139, 143)
    assert (log.cached_bytes, log.streamed_bytes) == (round(6.03 * 2**20), round(41.75 * 1024))
    assert log.rows[1] == LogRow("CONV_2D", 138, "Mapped to Edge TPU")
    assert log.rows[-1].operator == "DEQUANTIZE"


@given(st.text(max_size=400))
def test_any_text_is_a_log_without_facts_or_with_some(text: str) -> None:
    assert parse_log(text).mapped >= 0
    assert parse_log(REAL_LOG.replace("16.0", text)).operators in (143, None)


def test_a_model_that_can_be_compiled_is_described_in_the_compilers_words(plain: ModelFile) -> None:
    report = check_for_edgetpu(plain.model, LAYERS)
    lines = describe_check(report, plain.model, LAYERS)
    assert "13 of 13 operators mapped, 1 subgraph(s), about 285.8 KiB" in lines[0]
    assert any(line.split() == ["CONV_2D", "4", "Mapped", "to", "Edge", "TPU"] for line in lines)
    part = predicted_part(report)
    assert (part.status, part.mapped, part.operators, part.streamed_bytes) == ("checked", 13, 13, 0)


def test_a_refused_layer_is_named_with_its_replacement(bare_model: bytes) -> None:
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bare_model, 0))
    code = next(code for code in unpacked.operatorCodes if code.builtinCode == schema.BuiltinOperator.CONV_2D)
    code.version = 6
    with pytest.raises(UnsupportedOpError, match=r"refuse layer 'conv1': .*'CONV_2D' version '6'"):
        check_for_edgetpu(repacked(unpacked), LAYERS)


def test_the_stand_in_is_called_and_calls_itself_fake(plain: ModelFile, compiler: MakeCompiler) -> None:
    compiled = compile_model(plain.model, compiler())
    assert compiled.part.compiler.startswith("edgetpu_compiler FAKE")
    assert (compiled.part.status, compiled.part.mapped, compiled.part.operators) == ("compiled", 13, 13)
    assert compiled.part.cached_bytes == pytest.approx(check_for_edgetpu(plain.model, ()).cached_bytes, rel=1e-3)
    predicted = predicted_part(check_for_edgetpu(plain.model, ()))
    assert len(describe_verdict(compiled, predicted)) == 1
    lines = describe_verdict(compiled, msgspec.structs.replace(predicted, mapped=12))
    assert "had expected 12 mapped operators" in lines[-1]
    data = complete_compiled(plain, compiled.model, compiled.part)
    file = ModelFile.from_bytes(data, path=compiled_path(plain.path))
    assert file.manifest is not None
    assert plain.manifest is not None
    assert (file.manifest.target, file.manifest.schema) == ("edgetpu", 3)
    assert (file.labels, file.contract) == (plain.labels, plain.contract)
    assert file.manifest.golden.vectors == plain.manifest.golden.vectors
    assert file.manifest.golden.tolerance_codes == 24
    assert set(file.files) == set(plain.files)
    assert file.graph.find_metadata(METADATA_NAME) == plain.graph.find_metadata(METADATA_NAME)
    text = format_summary(file)
    assert "FAKE: written by a stand-in" in text
    assert "by the plain int8 file" in text
    assert summarize(file)["edgetpu"]["is_fake"] is True


@pytest.mark.parametrize(
    ("behave", "message"),
    [
        ("refuse", "Model not quantized.*export it with --int8"),
        ("crash", "crashed .SIGSEGV"),
        ("abort", "Internal compiler error.*16.0"),
        ("chatter", "printed a log that edgecnn cannot read.*--adopt"),
        ("keep", "wrote no file"),
        ("nothing", "wrote no file"),
        ("garbage", "offset|damaged|no part|mapped nothing"),
        ("plain", "mapped nothing"),
    ],
)
def test_a_compiler_that_fails_is_an_error_with_its_words(
    plain: ModelFile, compiler: MakeCompiler, behave: str, message: str
) -> None:
    with pytest.raises(EdgecnnError, match=message):
        compile_model(plain.model, compiler(behave))


def test_a_compiler_that_hangs_is_stopped_with_its_children(plain: ModelFile, tmp_path: Path) -> None:
    program = tmp_path / "edgetpu_compiler"
    program.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/child\nwait\n")
    program.chmod(0o755)
    with pytest.raises(ExportError, match=r"did not end within 2 s and was stopped"):
        compile_model(plain.model, Compiler(program=str(program)), timeout_s=1, grace_s=1)
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    for _ in range(50):
        if not child.exists() or child.read_text().split()[2] == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("the compiler's child still runs")


def test_a_compiler_in_a_container_is_called_without_network(
    plain: ModelFile, compiler: MakeCompiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = compiler().program
    docker = tmp_path / "docker"
    # Undoes what the mounts would do, and keeps the command line for the assertion.
    docker.write_text(
        f"#!{sys.executable}\n"
        "import subprocess, sys\n"
        "line = sys.argv[1:]\n"
        f"open({str(tmp_path / 'line')!r}, 'w').write(' '.join(line))\n"
        "mounts = dict(reversed(m.removesuffix(':ro').split(':')) for f, m in zip(line, line[1:]) if f == '-v')\n"
        "rest = [word for word in line[line.index('edgetpu_compiler') + 1:]]\n"
        "rest = [next((host + w[len(m):] for m, host in mounts.items() if w.startswith(m)), w) for w in rest]\n"
        f"sys.exit(subprocess.run([{stand_in!r}, *rest]).returncode)\n"
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_compiler("docker:edgetpu:16")
    assert found == Compiler(program=str(docker), image="edgetpu:16")
    assert compile_model(plain.model, found).part.mapped == 13
    line = (tmp_path / "line").read_text()
    assert line.startswith("run --rm --name edgecnn-")
    assert "--network none" in line
    assert "/in:ro" in line
    assert "edgetpu:16 edgetpu_compiler -s -m 14 -t 180 -o /out /in/model.tflite" in line


def test_the_compiler_is_found_where_it_is_said_to_be(
    compiler: MakeCompiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Path(compiler().program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler("none") is None
    assert find_compiler("auto") is None
    monkeypatch.setenv("EDGECNN_EDGETPU_COMPILER", str(program))
    assert find_compiler("auto") == Compiler(program=str(program))
    monkeypatch.delenv("EDGECNN_EDGETPU_COMPILER")
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_compiler() == Compiler(program=str(program))
    with pytest.raises(ExportError, match="needs docker"):
        find_compiler("docker:image")
    with pytest.raises(ExportError, match="no Edge TPU compiler"):
        find_compiler(str(tmp_path / "nowhere"))


def test_a_plain_file_may_not_take_a_compiled_files_name() -> None:
    check_plain_name(Path("lite0.tflite"))
    with pytest.raises(ExportError, match=r"call the plain file lite0\.tflite"):
        check_plain_name(Path("lite0_edgetpu.tflite"))


def test_without_a_compiler_there_is_a_command_to_type() -> None:
    assert command_elsewhere(Path("/some/where/lite0.tflite")) == "edgetpu_compiler -s -m 14 lite0.tflite"


@pytest.mark.parametrize("log", [True, False])
def test_a_file_compiled_elsewhere_is_taken_in(plain: ModelFile, compiler: MakeCompiler, log: bool) -> None:
    path = compiled_elsewhere(plain, compiler(), log=log)
    before = path.read_bytes()
    file = adopt(path)
    assert file.path == path
    assert file.manifest is not None
    assert file.manifest.edgetpu is not None
    assert (file.manifest.edgetpu.status, file.manifest.edgetpu.mapped) == ("compiled", 13)
    assert "FAKE" in file.manifest.edgetpu.compiler
    assert path.read_bytes() != before
    assert adopt(path).manifest == file.manifest  # once more changes nothing


def test_a_file_that_lies_elsewhere_is_taken_in_beside_its_plain_file(
    plain: ModelFile, compiler: MakeCompiler, tmp_path: Path
) -> None:
    path = compiled_elsewhere(plain, compiler())
    (tmp_path / "downloads").mkdir()
    moved = path.rename(tmp_path / "downloads" / "result.tflite")
    with pytest.raises(ExportError, match="--plain"):
        adopt(moved)
    assert adopt(moved, plain.path).path == tmp_path / "shapes_edgetpu.tflite"


def test_files_that_are_not_its_compiled_form_are_refused(
    plain: ModelFile, compiler: MakeCompiler, tmp_path: Path, bare_model: bytes
) -> None:
    path = compiled_elsewhere(plain, compiler())
    good = path.read_bytes()

    def rename(graph: schema.SubGraphT) -> None:
        graph.tensors[0].name = b"other"

    def rescale(graph: schema.SubGraphT) -> None:
        graph.tensors[1].quantization.scale = np.array([0.5], np.float32)

    def resize(graph: schema.SubGraphT) -> None:
        graph.tensors[0].shape = np.array([1, 32, 32, 3], np.int32)

    for data, message in (
        (plain.path.read_bytes(), "no part for the Edge TPU"),
        (changed(good, rename), "its input is 'other'"),
        (changed(good, rescale), "its output is .* scale 0.5"),
        (changed(good, resize), "its input is .* 32 x 32"),
        (fake_compiled(bare_model), "made from another file"),
        (good[: len(good) // 2], "cannot be taken in|outside|cut short|reaches past|not made from"),
        (b"", "cannot be taken in|outside"),
    ):
        path.write_bytes(data)
        with pytest.raises(EdgecnnError, match=message):
            adopt(path)
        assert path.read_bytes() == data
    with pytest.raises(ExportError, match="cannot read"):
        adopt(tmp_path / "absent.tflite", plain.path)
    with pytest.raises(ExportError, match=r"absent_edgetpu\.tflite does not exist"):
        adopt(tmp_path / "absent_edgetpu.tflite")
    with pytest.raises(ExportError, match=f"{plain.path.name} was compiled from cannot be told from its name"):
        adopt(plain.path)


def test_a_log_of_another_model_is_refused(plain: ModelFile, compiler: MakeCompiler) -> None:
    path = compiled_elsewhere(plain, compiler())
    path.with_suffix(".log").write_text(REAL_LOG)
    with pytest.raises(ExportError, match="the log beside it speaks of 143 operators"):
        adopt(path)


def test_a_real_compiled_file_is_not_taken_for_ours(plain: ModelFile, shared_data: Path) -> None:
    coral = shared_data / "models" / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    with pytest.raises(ExportError, match="its input is 'input'"):
        adopt(coral, plain.path)


def test_export_adopt_takes_a_compiled_file_in_and_refuses_what_is_none(
    run_edgecnn: Callable[..., subprocess.CompletedProcess[str]], plain: ModelFile, compiler: MakeCompiler
) -> None:
    path = compiled_elsewhere(plain, compiler())
    done = run_edgecnn("export", "--adopt", path)
    assert done.returncode == 0
    assert ModelFile.open(path).labels == plain.labels
    refused = run_edgecnn("export", "--adopt", plain.path, "--plain", plain.path)
    assert refused.returncode == 1
    assert "no part for the Edge TPU" in refused.stderr
    assert refused.stderr.count("\n") == 1


def as_exported(shared_data: Path, exported: ModelFile, folder: Path, change: Callable[[bytes], bytes]) -> ModelFile:
    """Google's plain MobileNet, as if edgecnn had exported it; what is said of accuracy in it is another model's."""
    source = ModelFile.open(shared_data / "models" / "coral" / "mobilenet_v1_0.25_128_quant.tflite")
    model = change(source.model)
    assert exported.manifest is not None
    manifest = msgspec.structs.replace(
        exported.manifest,
        input=msgspec.structs.replace(exported.manifest.input, width=128, height=128),
        labels=LabelsPart(num=len(source.labels), sha256=digest_labels(source.labels)),
        model=msgspec.structs.replace(
            exported.manifest.model, num_bytes=len(model), sha256=hashlib.sha256(model).hexdigest()
        ),
    )
    extra = {name: data for name, data in exported.files.items() if name.startswith("golden/")}
    path = folder / "mobilenet.tflite"
    path.write_bytes(pack_model_file(model, source.labels, manifest, extra))
    return ModelFile.open(path)


def test_what_google_compiled_is_taken_in_for_its_own_plain_file(
    shared_data: Path, exported: ModelFile, tmp_path: Path
) -> None:
    plain = as_exported(shared_data, exported, tmp_path, lambda model: model)
    compiled = shared_data / "models" / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    said: list[str] = []
    file = adopt(compiled, plain.path, said.append)
    assert said == ["the weights in it are those of mobilenet.tflite"]
    assert file.path == tmp_path / "mobilenet_edgetpu.tflite"
    assert file.manifest is not None
    part = file.manifest.edgetpu
    assert part is not None
    assert (part.mapped, part.operators, part.subgraphs, part.cached_bytes) == (31, 31, 1, 566_912)
    assert read_compiled(file.model) == read_compiled(split_files(compiled.read_bytes())[0])
    assert "runtime 12 or newer" in format_summary(file)


def test_what_google_compiled_is_refused_for_a_network_with_other_weights(
    shared_data: Path, exported: ModelFile, tmp_path: Path
) -> None:
    def train_again(model: bytes) -> bytes:
        unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
        rng = np.random.default_rng(0)
        for buffer in unpacked.buffers:
            if buffer.data is not None and len(buffer.data) > 2000:
                buffer.data = rng.permutation(buffer.data).astype(np.uint8)
        return repacked(unpacked)

    plain = as_exported(shared_data, exported, tmp_path, train_again)
    compiled = shared_data / "models" / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    with pytest.raises(ExportError, match=r"only \d% of the weights of mobilenet.tflite are in it"):
        adopt(compiled, plain.path)
    assert not (tmp_path / "mobilenet_edgetpu.tflite").exists()


def test_metadata_is_put_back_whether_the_compiler_kept_it_or_not(plain: ModelFile, compiler: MakeCompiler) -> None:
    compiled = compile_model(plain.model, compiler())
    bare = without_metadata(compiled.model)
    payload = plain.graph.find_metadata(METADATA_NAME)
    assert payload is not None
    others = (
        bare,
        attach_metadata(bare, payload),
        attach_metadata(bare, b"something else"),
        append_files(bare, {"a": b"b"}),
    )
    for model in others:
        data = complete_compiled(plain, model, compiled.part)
        opened = ModelFile.from_bytes(data, path=plain.path)
        assert opened.graph.find_metadata(METADATA_NAME) == payload
        assert read_compiled(opened.model) == read_compiled(bare)


def test_a_foreign_plain_file_has_nothing_to_hand_on(
    foreign_file: Path, labels_file: Path, plain: ModelFile, compiler: MakeCompiler
) -> None:
    compiled = compile_model(plain.model, compiler())
    foreign = ModelFile.open(foreign_file, labels_path=labels_file)
    with pytest.raises(ExportError, match="not exported by edgecnn"):
        complete_compiled(foreign, compiled.model, compiled.part)


def test_exit_codes_and_complaints_have_words() -> None:
    assert describe_exit(-11) == "crashed (SIGSEGV)"
    assert describe_exit(134) == "crashed (SIGABRT)"
    assert describe_exit(3) == "ended with exit code 3"
    assert explain("all is well") is None
    said = explain("ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'\nERROR: Registration failed.")
    assert said is not None
    assert "version '6'" in said
    assert "change the layer" in said


def test_the_file_of_the_stand_in_has_no_files_behind_its_network(plain: ModelFile, compiler: MakeCompiler) -> None:
    model, files, _ = split_files(compile_model(plain.model, compiler()).model)
    assert files == {}
    assert model[4:8] == b"TFL3"
