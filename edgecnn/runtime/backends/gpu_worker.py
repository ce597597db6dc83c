"""What runs in the process that owns the GPU: LiteRT's CompiledModel behind two pipes and shared memory.

A driver that crashes or hangs takes only this process with it, and while LiteRT computes it holds
Python's lock, which would stop the threads that read cameras.

The process is told what to do by one line of JSON and the model's bytes on standard input, and
answers with one line of JSON. After that each byte that comes in means: run once, on what the
memory holds. One byte goes out when the outputs are there, ``.``, or ``!`` and a line with the
reason when they will never be. It ends with its input.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from edgecnn.errors import BackendUnavailableError, EdgecnnError
from edgecnn.runtime.backends.gpu_memory import Ends

DONE, FAILED = b".", b"!"


class GpuNetwork:
    """A network compiled for the GPU, in this very process.

    Attributes:
        runtime: name and version of the library that runs it.
    """

    def __init__(self, model: bytes, ends: Ends, *, exact: bool) -> None:
        """Compile it, with nothing left over for the CPU.

        Args:
            model: a FlatBuffer that was checked before.
            ends: what must go in and come out.
            exact: compute in float32, where drivers would take half of that.

        Raises:
            MissingExtraError: LiteRT is not installed.
            BackendUnavailableError: the ends are not what the file says.
            RuntimeError: LiteRT cannot compile it; what it says is on standard error.
        """
        module, self.runtime = _import()
        options = module.Options(
            hardware_accelerators=module.HardwareAccelerator.GPU, gpu_options=module.GpuOptions(enforce_f32=exact)
        )
        self._model = module.CompiledModel.from_buffer(model, options=options)
        if not self._model.is_fully_accelerated():
            raise RuntimeError("Some ops are not accelerated")
        self._inputs, self._outputs = self._model.create_input_buffers(0), self._model.create_output_buffers(0)
        self._ends = ends
        # CompiledModel takes bytes of any type and number, and computes something with them.
        _check([ends.input], self._inputs)
        _check(ends.outputs, self._outputs)

    def run(self, values: NDArray[Any], outputs: Sequence[NDArray[Any]]) -> None:
        """Run once on ``values`` and write what comes out into ``outputs``; nothing else in Python runs meanwhile."""
        self._inputs[0].write(values)
        self._model.run_by_index(0, self._inputs, self._outputs)
        for buffer, output in zip(self._outputs, outputs, strict=True):
            output[...] = buffer.read(output.size, output.dtype).reshape(output.shape)


def serve() -> None:
    """Compile the network that comes in on standard input and run it as often as asked."""
    answers = os.dup(1)
    os.dup2(2, 1)  # LiteRT greets on both
    with os.fdopen(os.dup(0), "rb") as stream:
        request = json.loads(stream.readline())
        model = stream.read(request["model_bytes"])
        ends = Ends(_end(request["input"]), tuple(map(_end, request["outputs"])))
        memory = mmap.mmap(request["memory"], ends.num_bytes())
        try:
            network = GpuNetwork(model, ends, exact=request["exact"])
        except (RuntimeError, ValueError, EdgecnnError) as exc:
            _answer(answers, {"error": str(exc)})
            return
        _answer(answers, {"runtime": network.runtime})
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        _run_when_asked(stream.fileno(), answers, network, ends.arrays(memory))


def _run_when_asked(entrance: int, answers: int, network: GpuNetwork, arrays: list[NDArray[Any]]) -> None:
    values, *outputs = arrays
    while os.read(entrance, 1):
        try:
            network.run(values, outputs)
        except (RuntimeError, ValueError) as exc:
            os.write(answers, FAILED)
            _answer(answers, {"error": str(exc)})
            return
        os.write(answers, DONE)


def _import() -> tuple[Any, str]:
    # Here, so that the parent can know this module without LiteRT.
    from edgecnn.runtime.interpreter import import_compiled_model

    return import_compiled_model()


def _check(wanted: Sequence[tuple[str, tuple[int, ...]]], buffers: Sequence[Any]) -> None:
    details = [buffer.get_tensor_details() for buffer in buffers]
    found = [(each["dtype"], tuple(each["shape"])) for each in details]
    if found != list(wanted):
        raise BackendUnavailableError(f"LiteRT gives the network the ends {found}, but the file says {list(wanted)}")


def _end(plain: list[Any]) -> tuple[str, tuple[int, ...]]:
    dtype, shape = plain
    return dtype, tuple(shape)


def _answer(answers: int, message: dict[str, str]) -> None:
    os.write(answers, json.dumps(message).encode() + b"\n")
