"""What a file that the Edge TPU compiler wrote says about itself, read without compiler and without device.

The compiler puts everything that it mapped into operators ``edgetpu-custom-op``. Their data is a
FlexBuffer map that holds a ``DWN1`` package, a FlatBuffer of executables for the device.

Reference: https://github.com/google-coral/libedgetpu, ``executable/executable.fbs``; the numbers below are its
field numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.edgetpu.flexbuffer import read_blobs
from edgecnn.modelfile.flatbuffer import Table

CUSTOM_OPERATOR = "edgetpu-custom-op"
GRAPH_NAME = f"CUSTOM {CUSTOM_OPERATOR}"
# First bytes of what the test stand-in of the compiler writes: sixteen, so that the model behind them stays aligned.
FAKE_MAGIC = b"FAKE-EDGETPU-1\0\0"
PACKAGE_MARK = b"DWN1"
_CUSTOM_CODE = 32
_PACKAGE_FIELDS = {"min_runtime_version": 0, "executables": 1, "compiler_version": 4}
_EXECUTABLE_FIELDS = {"instructions": 5, "parameters": 6, "chip": 10, "narrow_bytes": 12, "type": 13}
_PARAMETER_CACHING = 1
_MAX_VERSION = 1000


class CompiledInfo(NamedTuple):
    """The Edge TPU's part of a compiled file.

    Attributes:
        is_fake: written by the stand-in that edgecnn's tests use: no Edge TPU can run it.
        num_custom_operators: operators that run on the Edge TPU as a whole each; the compiler's "subgraphs".
        num_cpu_operators: operators that are left to the CPU.
        min_runtime_version: oldest Edge TPU runtime (libedgetpu) that takes it; None for a fake.
        cached_bytes: parameters that are loaded into the Edge TPU's memory once.
        streamed_bytes: parameters that are sent to it for every picture.
        instruction_bytes: instructions that are sent to it for every picture.
        activation_bytes_per_tile: of the 196,608 that each of the 16 tiles has for activations.
        chip: what it was compiled for; ``beagle`` is the Coral Edge TPU.
    """

    is_fake: bool
    num_custom_operators: int
    num_cpu_operators: int
    min_runtime_version: int | None
    cached_bytes: int
    streamed_bytes: int
    instruction_bytes: int
    activation_bytes_per_tile: int
    chip: str


def read_compiled(model: bytes) -> CompiledInfo | None:
    """Read what the compiler left in a FlatBuffer.

    Args:
        model: the FlatBuffer of a model.

    Returns:
        None where no operator is for the Edge TPU: the file was not compiled.

    Raises:
        ModelIntegrityError: an operator claims to be the compiler's, but what it holds is damaged.
    """
    payloads, num_cpu = custom_payloads(model)
    if not payloads:
        return None
    fakes = [payload.startswith(FAKE_MAGIC) for payload in payloads]
    if any(fakes):
        if not all(fakes):
            raise ModelIntegrityError("the file mixes real and FAKE parts for the Edge TPU; compile it again")
        return CompiledInfo(True, len(payloads), num_cpu, None, 0, 0, 0, 0, "FAKE")
    packages = [_read_package(payload) for payload in payloads]
    return CompiledInfo(
        is_fake=False,
        num_custom_operators=len(payloads),
        num_cpu_operators=num_cpu,
        min_runtime_version=max(package.min_runtime_version or 0 for package in packages),
        cached_bytes=sum(package.cached_bytes for package in packages),
        streamed_bytes=sum(package.streamed_bytes for package in packages),
        instruction_bytes=sum(package.instruction_bytes for package in packages),
        activation_bytes_per_tile=max(package.activation_bytes_per_tile for package in packages),
        chip=packages[0].chip,
    )


def read_parameters(model: bytes) -> bytes:
    """Return all parameters that a compiled file holds, cached and streamed, one after the other; none of a FAKE.

    Raises:
        ModelIntegrityError: an operator for the Edge TPU is damaged.
    """
    payloads, _ = custom_payloads(model)
    return b"".join(
        data.tobytes()
        for payload in payloads
        if not payload.startswith(FAKE_MAGIC)
        for executable in _executables(_package(payload))
        if (data := executable.array(_EXECUTABLE_FIELDS["parameters"], np.uint8)) is not None
    )


def custom_payloads(model: bytes) -> tuple[list[bytes], int]:
    """Return the data of each operator for the Edge TPU, in order, and how many operators are for the CPU."""
    root = Table.root(model)
    codes = [(code.integer(0, "b"), code.text(1)) for code in root.tables(1)]
    payloads, num_cpu = [], 0
    for subgraph in root.tables(2):
        for operator in subgraph.tables(3):
            index = operator.integer(0, "I")
            if index < len(codes) and codes[index] == (_CUSTOM_CODE, CUSTOM_OPERATOR):
                data = operator.array(5, np.uint8)
                payloads.append(b"" if data is None else data.tobytes())
            else:
                num_cpu += 1
    return payloads, num_cpu


def _package(payload: bytes) -> Table:
    package = next((blob for blob in read_blobs(payload).values() if blob[4:8] == PACKAGE_MARK), None)
    if package is None:
        raise ModelIntegrityError("the Edge TPU operator holds no DWN1 package: no compiler of Google wrote it")
    return Table.root(package)


def _read_package(payload: bytes) -> CompiledInfo:
    table = _package(payload)
    version = table.integer(_PACKAGE_FIELDS["min_runtime_version"], "i")
    if not 0 < version < _MAX_VERSION:
        raise ModelIntegrityError(f"the Edge TPU package asks for the impossible runtime version {version}")
    executables = list(_executables(table))
    if not executables:
        raise ModelIntegrityError("the Edge TPU package holds nothing to run; compile the model again")
    caching = [_type(executable) == _PARAMETER_CACHING for executable in executables]
    sizes = [_num_bytes(executable, _EXECUTABLE_FIELDS["parameters"]) for executable in executables]
    return CompiledInfo(
        is_fake=False,
        num_custom_operators=1,
        num_cpu_operators=0,
        min_runtime_version=version,
        cached_bytes=sum(size for size, cached in zip(sizes, caching, strict=True) if cached),
        streamed_bytes=sum(size for size, cached in zip(sizes, caching, strict=True) if not cached),
        instruction_bytes=sum(
            _instruction_bytes(executable)
            for executable, cached in zip(executables, caching, strict=True)
            if not cached
        ),
        activation_bytes_per_tile=max(
            executable.integer(_EXECUTABLE_FIELDS["narrow_bytes"], "i") for executable in executables
        ),
        chip=executables[0].text(_EXECUTABLE_FIELDS["chip"]),
    )


def _executables(package: Table) -> Iterator[Table]:
    several = package.array(_PACKAGE_FIELDS["executables"], np.uint8)
    if several is not None:
        for data in Table.root(several.tobytes()).byte_strings(0):
            yield Table.root(data)


def _type(executable: Table) -> int:
    return executable.integer(_EXECUTABLE_FIELDS["type"], "h")


def _num_bytes(executable: Table, field: int) -> int:
    data = executable.array(field, np.uint8)
    return 0 if data is None else data.size


def _instruction_bytes(executable: Table) -> int:
    return sum(_num_bytes(chunk, 0) for chunk in executable.tables(_EXECUTABLE_FIELDS["instructions"]))
