"""Taking in what the Edge TPU compiler made of an exported file on another machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgecnn.errors import ExportError, ModelFileError
from edgecnn.export.edgetpu.compiler import PROGRAM
from edgecnn.export.edgetpu.compiling import part_of
from edgecnn.export.edgetpu.completing import SUFFIX, check_same_ends, compiled_path, complete_compiled
from edgecnn.export.edgetpu.log import CompilerLog, parse_log
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import split_files
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.modelfile.edgetpu import CompiledInfo, check_graph, read_compiled
from edgecnn.modelfile.edgetpu.compiled import FAKE_MAGIC, custom_payloads, read_parameters
from edgecnn.modelfile.edgetpu.weights import share_of_weights
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.manifest import EdgeTpuPart

# The estimate of parameters is within some percent where everything is mapped; a small network has fixed costs.
_MAX_FACTOR, _SLACK_BYTES = 1.5, 128 << 10
_SAME_SHARE = 0.99
_MAX_LOG_BYTES = 1 << 20


def adopt(compiled: Path, plain: Path | None = None, say: Callable[[str], None] = lambda _: None) -> ModelFile:
    """Make a complete file of a compiled one, and write it beside the plain file as ``NAME_edgetpu.tflite``.

    The compiler's log is read where it lies beside the compiled file, as ``edgetpu_compiler`` leaves it.
    All that can be seen is compared: input and output with their names and scales, the amount of
    parameters, and the weights, of which the device's form is known for uint8 and only guessed for int8.

    Args:
        compiled: what the compiler wrote.
        plain: the int8 file that it was given; None takes ``X.tflite`` beside ``X_edgetpu.tflite``.
        say: told in a sentence whether the weights could be compared.

    Returns:
        The complete file, opened again from the disk.

    Raises:
        ExportError: it is not a compiled form of the plain file, or cannot be read or written.
        ModelFileError: the plain file cannot be used.
    """
    source = ModelFile.open(plain or _plain_of(compiled))
    try:
        data = compiled.read_bytes()
    except OSError as exc:
        raise ExportError(f"cannot read {compiled}: {exc.strerror}") from exc
    try:
        part = _examine(source, data, _log_of(compiled), say)
        complete = complete_compiled(source, data, part)
    except ModelFileError as exc:
        raise ExportError(f"{compiled} cannot be taken in: {exc}") from exc
    target = compiled_path(source.path)
    try:
        write_atomically(target, complete)
    except OSError as exc:
        raise ExportError(f"cannot write {target}: {exc.strerror}") from exc
    return ModelFile.open(target)


def _plain_of(compiled: Path) -> Path:
    if not compiled.is_file():
        raise ExportError(f"{compiled} does not exist, or is no file; give what edgetpu_compiler wrote")
    plain = compiled.with_name(f"{compiled.stem.removesuffix(SUFFIX)}.tflite")
    where = f" beside it as {plain.name}" if compiled.stem.endswith(SUFFIX) else ""
    if not where or not plain.is_file():
        verb = "is not" if where else "cannot be told from its name"
        raise ExportError(
            f"the file that {compiled.name} was compiled from {verb}{where}; name it with --plain FILE.tflite"
        )
    return plain


def _examine(plain: ModelFile, data: bytes, log: CompilerLog | None, say: Callable[[str], None]) -> EdgeTpuPart:
    """Compare the compiled file with the plain one and with the log, and return its facts."""
    model, _, _ = split_files(data)
    info = read_compiled(model)
    if info is None:
        raise ExportError("it has no part for the Edge TPU: the compiler did not write it, or it mapped nothing")
    check_same_ends(plain, Graph.parse(model))
    say(_check_weights(plain, model, info))
    num = len(plain.graph.operators)
    if log is not None:
        if (log.operators or log.listed) != num:
            raise ExportError(
                f"the log beside it speaks of {log.operators or log.listed} operators, {plain.path.name} has {num}: "
                "it is of another model; remove the log or give the right file with --plain"
            )
        return part_of(info, log)
    kind = "FAKE, " if info.is_fake else ""
    return EdgeTpuPart(
        status="compiled",
        compiler=f"{PROGRAM} ({kind}version unknown: its log was not there)",
        mapped=max(num - info.num_cpu_operators, 0),
        operators=num,
        subgraphs=info.num_custom_operators,
        cached_bytes=info.cached_bytes,
        streamed_bytes=info.streamed_bytes,
    )


def _check_weights(plain: ModelFile, model: bytes, info: CompiledInfo) -> str:
    """Raise if the compiled file does not hold the plain file's weights; return a sentence on what was seen."""
    name = plain.path.name
    if info.is_fake:
        payloads, _ = custom_payloads(model)
        if payloads != [FAKE_MAGIC + plain.model]:
            raise ExportError(f"it is a FAKE that was made from another file than {name}")
        return f"it is a FAKE, made from {name}"
    report = check_graph(plain.graph)
    inside = info.cached_bytes + info.streamed_bytes
    low = report.parameter_bytes / _MAX_FACTOR - _SLACK_BYTES
    high = report.parameter_bytes * _MAX_FACTOR + _SLACK_BYTES
    # A file of which a part is left to the CPU holds less, and how much less is the compiler's affair.
    if inside > high or (inside < low and not info.num_cpu_operators):
        raise ExportError(
            f"it holds {inside / 1024:,.0f} KiB of parameters, and {name} should give about "
            f"{report.parameter_bytes / 1024:,.0f} KiB: it was compiled from another model"
        )
    share = share_of_weights(plain.graph, read_parameters(model))
    if share == 1.0:
        return f"the weights in it are those of {name}"
    if share >= _SAME_SHARE:
        lost = f"{1 - share:.4%}"
        return f"the weights in it are those of {name}, but for {lost} of them: it may be damaged, copy it again"
    if _is_uint8(plain) and not info.num_cpu_operators:
        raise ExportError(f"only {share:.0%} of the weights of {name} are in it: it was compiled from another model")
    return f"whether the weights in it are those of {name} could not be seen: {share:.0%} of them were found"


def _is_uint8(plain: ModelFile) -> bool:
    """Whether the weights are in uint8, whose form in compiled files is known."""
    return all(
        plain.graph.tensors[operator.inputs[1]].dtype == "uint8"
        for operator in plain.graph.operators
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    )


def _log_of(compiled: Path) -> CompilerLog | None:
    path = compiled.with_suffix(".log")
    if not path.is_file() or path.stat().st_size > _MAX_LOG_BYTES:
        return None
    log = parse_log(path.read_text("utf-8", errors="replace"))
    return log if log.version and log.rows else None
