"""A FAKE libedgetpu for tests: built from the C source beside, loaded like the real one, no device needed."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np

from edgecnn.modelfile.graph import Tensor
from edgecnn.runtime.backends.edgetpu_worker import bare_file
from edgecnn.runtime.interpreter import Interpreter

SOURCE = Path(__file__).with_name("fake_libedgetpu.c")
_BUILD_TIMEOUT_S = 60.0

_running = threading.Lock()
_networks: dict[str, tuple[Tensor, Interpreter]] = {}


def find_c_compiler() -> str | None:
    """Return the C compiler of this machine; None where there is none, and the library cannot be built."""
    return next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)


def build_fake_library(folder: Path) -> Path:
    """Build the library into a folder, for ``EDGECNN_EDGETPU_LIB``; its source tells what switches it has.

    Raises:
        RuntimeError: there is no C compiler, or it refuses.
    """
    compiler = find_c_compiler()
    if compiler is None:
        raise RuntimeError("the FAKE libedgetpu needs a C compiler: cc, gcc or clang")
    library = folder / "libedgetpu-FAKE.so.1"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_BUILD_TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(f"{compiler} cannot build the FAKE libedgetpu: {done.stderr.strip()}")
    return library


def run_payload(
    model_at: int, model_bytes: int, input_at: int, input_bytes: int, output_at: int, output_bytes: int
) -> None:
    """Run the network inside a FAKE compiled file; called by the library, with addresses and sizes in bytes."""
    model = ctypes.string_at(model_at, model_bytes)  # a copy: an interpreter wants it aligned
    values = ctypes.string_at(input_at, input_bytes)
    digest = hashlib.sha256(model).hexdigest()
    with _running:
        if digest not in _networks:
            file = bare_file(model)
            _networks[digest] = file.input, Interpreter(file, num_threads=1)
        taken, interpreter = _networks[digest]
        result = interpreter.invoke(np.frombuffer(values, taken.dtype).reshape(taken.shape[1:])).tobytes()
    if len(result) != output_bytes:
        raise ValueError(f"the payload gives {len(result)} bytes, the operator has room for {output_bytes}")
    ctypes.memmove(output_at, result, output_bytes)
