"""Open, load and run model files, each in a process of its own, and tell how it ended.

    python tools/judge_model_files.py FILE... [--unchecked]

Prints one JSON object a line: file, outcome and reason. The outcome is one of

    result    the network ran
    refused   an EdgecnnError said why not
    leaked    another exception came through
    crashed   a signal ended the process
    hung      it had not ended after CPU_S of computing or WALL_S of waiting

A file without labels gets numbered ones. With --unchecked the file goes to LiteRT as it is, which
shows what edgecnn's checks are good for.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter as LiteRt

from edgecnn.errors import EdgecnnError, ModelFileError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph
from edgecnn.runtime.classifier import Classifier

CPU_S, WALL_S = 20, 180
MEMORY_BYTES = 6 << 30
_NAMES = {0: "result", 10: "refused", 11: "leaked"}


@dataclass(frozen=True)
class Verdict:
    """How one file ended."""

    outcome: str
    reason: str

    @property
    def is_safe(self) -> bool:
        """Whether it ended as a file may end: with a result or with a sentence."""
        return self.outcome in ("result", "refused")


def main() -> None:
    """Parse the command line and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--unchecked", action="store_true", help="give the files to LiteRT without any check")
    arguments = parser.parse_args()
    for file in arguments.files:
        verdict = judge(file.read_bytes(), unchecked=arguments.unchecked)
        print(json.dumps({"file": str(file), **asdict(verdict)}), flush=True)


def judge(data: bytes, *, unchecked: bool = False) -> Verdict:
    """Run a model file in a forked child; whatever happens, this process goes on."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run_in_child(data, writer, unchecked)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        reason = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return Verdict("hung" if name in ("SIGALRM", "SIGXCPU") else "crashed", name)
    return Verdict(_NAMES.get(os.WEXITSTATUS(status), "crashed"), reason)


def _run_in_child(data: bytes, writer: int, unchecked: bool) -> None:
    """Run the file and leave with a number out of _NAMES; never return."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    signal.alarm(WALL_S)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    code, reason = 0, ""
    try:
        (_run_unchecked if unchecked else _run_checked)(data)
    except EdgecnnError as exc:
        code, reason = 10, f"{type(exc).__name__}: {exc}"
    except BaseException as exc:
        code, reason = (10 if unchecked else 11), f"{type(exc).__name__}: {exc}"
    os.write(writer, reason.encode(errors="replace")[:4000])
    os._exit(code)


def _run_checked(data: bytes) -> None:
    classifier = Classifier(_open(data), num_threads=1)
    height, width = classifier.contract.height, classifier.contract.width
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    scores = classifier.scores(pixels)
    assert scores.shape == (len(classifier.labels),), f"{scores.shape} scores for {len(classifier.labels)} labels"


def _open(data: bytes) -> ModelFile:
    try:
        return ModelFile.from_bytes(data, path=Path("model.tflite"))
    except ModelFileError as exc:
        if "brings no labels" not in str(exc):
            raise
    graph = Graph.parse(data)
    num = graph.tensors[graph.outputs[0]].shape[-1]
    labels = tuple(f"class {index}" for index in range(min(num, 100_000)))
    return ModelFile.from_bytes(data, path=Path("model.tflite"), labels=labels)


def _run_unchecked(data: bytes) -> None:
    interpreter = LiteRt(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    random = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        values = random.integers(0, 256, details["shape"]).astype(details["dtype"])
        interpreter.set_tensor(details["index"], values)
    interpreter.invoke()
    for details in interpreter.get_output_details():
        interpreter.get_tensor(details["index"])


if __name__ == "__main__":
    main()
