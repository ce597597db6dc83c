"""What runs in the process that owns an Edge TPU: LiteRT and libedgetpu, behind two pipes.

libedgetpu ends its process when a transfer fails, as it does when the device is unplugged, and an old one
crashes new runtimes: ``TfLiteRegistration``, a struct that LiteRT takes from a delegate by value, has
grown since TensorFlow 2.5, and a library built before leaves the new part to chance.

On standard input comes one line of JSON, ``{"library", "options"}``, and then requests, each a line of
JSON and its bytes: ``{"load": size, "num_threads", "use_xnnpack"}`` with a network, ``{"run": number,
"size"}`` with an input tensor, and ``{"close": number}``. Each but the last is answered by a line, ``{"size"}``
with so many bytes behind it, or ``{"step", "error"}``. The process ends with its input.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from edgecnn.core.contract import InputContract
from edgecnn.errors import DeviceMissingError, EdgecnnError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph
from edgecnn.runtime.interpreter import Interpreter, open_delegate, runtime_name

REFUSED, LIBRARY, LOAD, RUN = "refused", "library", "load", "run"


def serve() -> None:
    """Open the device that comes in on standard input, and load and run networks as often as asked."""
    answers = os.dup(1)
    os.dup2(2, 1)  # libraries greet there
    with os.fdopen(os.dup(0), "rb") as stream, os.fdopen(answers, "wb") as output:
        wanted = json.loads(stream.readline())
        found: list[Any] = []
        _answer(output, LIBRARY, lambda: _open(found, wanted))
        networks: dict[int, tuple[ModelFile, Interpreter]] = {}
        while found and (line := stream.readline()):
            request = json.loads(line)
            if "load" in request:
                model = stream.read(request.pop("load"))
                _answer(output, LOAD, lambda: _load(networks, model, found, **request))  # noqa: B023  (called at once)
            elif "run" in request:
                values = stream.read(request["size"])
                _answer(output, RUN, lambda: _run(*networks[request["run"]], values))  # noqa: B023  (called at once)
            else:
                networks.pop(request["close"], None)


def bare_file(model: bytes) -> ModelFile:
    """Return a model file of a FlatBuffer alone, which was checked before: enough for an interpreter."""
    graph = Graph.parse(model)
    _, height, width, _ = graph.tensors[graph.inputs[0]].shape
    return ModelFile(
        path=Path("the network"),
        model=model,
        graph=graph,
        labels=(),
        contract=InputContract(width=width, height=height),
        manifest=None,
        files={},
        num_bytes=len(model),
    )


def _open(found: list[Any], wanted: dict[str, Any]) -> bytes:
    found.append(open_delegate(wanted["library"], wanted["options"]))
    return runtime_name().encode()


def _load(
    networks: dict[int, tuple[ModelFile, Interpreter]],
    model: bytes,
    delegates: list[Any],
    num_threads: int,
    use_xnnpack: bool,
) -> bytes:
    file, number = bare_file(model), max(networks, default=0) + 1
    networks[number] = (
        file,
        Interpreter(file, num_threads=num_threads, use_xnnpack=use_xnnpack, delegates=delegates),
    )
    return str(number).encode()


def _run(file: ModelFile, interpreter: Interpreter, values: bytes) -> bytes:
    tensor = file.input
    return interpreter.invoke(np.frombuffer(values, tensor.dtype).reshape(tensor.shape[1:])).tobytes()


def _answer(output: BinaryIO, step: str, work: Callable[[], bytes]) -> None:
    try:
        data = work()
        head: dict[str, object] = {"size": len(data)}
    except EdgecnnError as exc:
        data = b""
        # What LiteRT says itself; the sentence around it is written where the file is known.
        reason = " ".join(str(exc if step == LIBRARY else exc.__cause__ or exc).split())
        head = {"step": REFUSED if isinstance(exc, DeviceMissingError) else step, "error": reason}
    output.write(json.dumps(head).encode() + b"\n" + data)
    output.flush()
