"""Running ``edgetpu_compiler``, and telling what came of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import ExportError
from edgecnn.export.edgetpu.compiler import PROGRAM, Compiler
from edgecnn.export.edgetpu.failures import describe_exit, explain, last_words
from edgecnn.export.edgetpu.log import CompilerLog, parse_log
from edgecnn.modelfile.edgetpu import CompiledInfo, read_compiled
from edgecnn.modelfile.edgetpu.check import NEWEST_RUNTIME
from edgecnn.modelfile.manifest import EdgeTpuPart

TIMEOUT_S = 180.0
# The compiler has a clock of its own; ours is for a compiler that hangs in spite of it.
GRACE_S = 30.0
_KILL_S = 30.0
_NAME = "model"
_INSTEAD = "compile it elsewhere and take the result in with: edgecnn export --adopt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What the compiler made.

    Attributes:
        model: the FlatBuffer that it wrote.
        part: the manifest's record of it.
        log: what it said, read.
        output: what it printed.
    """

    model: bytes
    part: EdgeTpuPart
    log: CompilerLog
    output: str


def compile_model(
    model: bytes,
    compiler: Compiler,
    *,
    runtime_version: int = NEWEST_RUNTIME,
    timeout_s: float = TIMEOUT_S,
    grace_s: float = GRACE_S,
) -> Compiled:
    """Compile a model for the Edge TPU.

    Args:
        model: the FlatBuffer of the int8 model.
        compiler: what to call.
        runtime_version: oldest Edge TPU runtime that the result shall work with, 10 to 14.
        timeout_s: the time that the compiler is given.
        grace_s: the time after that at which it is stopped from outside.

    Raises:
        ExportError: the compiler failed, hung, or gave something that is not understood; the message has
            its words and what helps. Nothing is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="edgecnn-edgetpu-", ignore_cleanup_errors=True) as work:
        source, target = Path(work, "in"), Path(work, "out")
        source.mkdir()
        target.mkdir()
        (source / f"{_NAME}.tflite").write_bytes(model)
        options = ["-s", "-m", str(runtime_version), "-t", f"{timeout_s:.0f}"]
        output = _run(compiler, source, target, options, timeout_s + grace_s)
        return _read(target, output)


def _run(compiler: Compiler, source: Path, target: Path, options: list[str], limit_s: float) -> str:
    """Run the compiler and return what it printed."""
    container = f"edgecnn-{uuid.uuid4().hex}"
    command = _command(compiler, container, source, target, options)
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as exc:
        raise ExportError(f"cannot run the Edge TPU compiler {compiler}: {exc.strerror or exc}") from exc
    with process:
        try:
            printed, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as exc:
            _stop(process, compiler, container)
            raise ExportError(
                f"the Edge TPU compiler {compiler} did not end within {limit_s:g} s and was stopped; "
                "take a smaller model, or look whether it runs at all"
            ) from exc
        except BaseException:
            _stop(process, compiler, container)
            raise
    output = printed.decode(errors="replace")
    if process.returncode or "Compilation failed" in output:
        why = explain(output) or f"it {describe_exit(process.returncode)}; its last words: {last_words(output)}"
        raise ExportError(f"the Edge TPU compiler failed: {why}")
    return output


def _command(compiler: Compiler, container: str, source: Path, target: Path, options: list[str]) -> list[str]:
    if compiler.image is None:
        return [compiler.program, *options, "-o", str(target), str(source / f"{_NAME}.tflite")]
    user = ["--user", f"{os.getuid()}:{os.getgid()}"] if sys.platform != "win32" else []
    mounts = ["-v", f"{source}:/in:ro", "-v", f"{target}:/out"]
    run = [compiler.program, "run", "--rm", "--name", container, "--network", "none", *user, *mounts]
    return [*run, compiler.image, PROGRAM, *options, "-o", "/out", f"/in/{_NAME}.tflite"]


def _stop(process: subprocess.Popen[bytes], compiler: Compiler, container: str) -> None:
    """End the compiler with all that it started: it works in a child process."""
    if compiler.image is not None:
        subprocess.run([compiler.program, "kill", container], capture_output=True, check=False, timeout=_KILL_S)
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _read(target: Path, output: str) -> Compiled:
    """Take the compiler's result, if it is one."""
    result, log_file = target / f"{_NAME}_edgetpu.tflite", target / f"{_NAME}_edgetpu.log"
    if not result.is_file():
        why = explain(output) or f"its last words: {last_words(output)}"
        raise ExportError(f"the Edge TPU compiler ended without an error but wrote no file; {why}")
    model = result.read_bytes()
    log = parse_log(output)
    if not log.rows and log_file.is_file():
        log = log._replace(rows=parse_log(log_file.read_text("utf-8", errors="replace")).rows)
    if not log.version or not log.rows or log.cached_bytes is None or log.streamed_bytes is None:
        raise ExportError(
            f"the Edge TPU compiler printed a log that edgecnn cannot read (it ends with {last_words(output)}); "
            f"{_INSTEAD}"
        )
    info = read_compiled(model)
    if info is None:
        raise ExportError(
            "the Edge TPU compiler mapped nothing: no part of the model would run on the Edge TPU; "
            f"first line of its table: {log.rows[0].operator}: {log.rows[0].status}"
        )
    return Compiled(model=model, part=part_of(info, log), log=log, output=output)


def part_of(info: CompiledInfo, log: CompilerLog) -> EdgeTpuPart:
    """Return the manifest's record: numbers of bytes from the file itself, of operators from the compiler's log."""
    return EdgeTpuPart(
        status="compiled",
        compiler=f"{PROGRAM} {log.version}",
        mapped=log.mapped,
        operators=log.operators or log.listed,
        subgraphs=info.num_custom_operators,
        cached_bytes=(log.cached_bytes or 0) if info.is_fake else info.cached_bytes,
        streamed_bytes=(log.streamed_bytes or 0) if info.is_fake else info.streamed_bytes,
    )
