"""Finding Google's ``edgetpu_compiler``, on this machine or in a container."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import ExportError
from edgecnn.modelfile.edgetpu.check import NEWEST_RUNTIME

PROGRAM = "edgetpu_compiler"
ENVIRONMENT = "EDGECNN_EDGETPU_COMPILER"
_IMAGE_PREFIX = "docker:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """A compiler that can be called.

    Attributes:
        program: path of ``edgetpu_compiler``, or of ``docker``.
        image: container image that holds ``edgetpu_compiler``; None for one on this machine.
    """

    program: str
    image: str | None = None

    def __str__(self) -> str:
        """Return the address that finds it again."""
        return f"{_IMAGE_PREFIX}{self.image}" if self.image else self.program


def find_compiler(choice: str = "auto") -> Compiler | None:
    """Find the compiler.

    Args:
        choice: ``auto`` for what the variable EDGECNN_EDGETPU_COMPILER names, else for
            ``edgetpu_compiler`` on the search path; ``none``; ``docker:IMAGE``; or a path.

    Returns:
        None for ``none``, and for ``auto`` where there is no compiler.

    Raises:
        ExportError: a compiler was named and is not there.
    """
    if choice == "auto":
        choice = os.environ.get(ENVIRONMENT, "")
        if not choice:
            found = shutil.which(PROGRAM)
            return Compiler(program=found) if found else None
    if choice == "none":
        return None
    if choice.startswith(_IMAGE_PREFIX):
        docker, image = shutil.which("docker"), choice.removeprefix(_IMAGE_PREFIX)
        if docker is None or not image:
            raise ExportError(f"the compiler {choice!r} needs docker on the search path and the name of an image")
        return Compiler(program=docker, image=image)
    path = shutil.which(choice)
    if path is None:
        raise ExportError(f"there is no Edge TPU compiler {choice!r} that can be run; give its path or docker:IMAGE")
    return Compiler(program=str(Path(path).resolve()))


def command_elsewhere(model_path: Path, *, runtime_version: int = NEWEST_RUNTIME) -> str:
    """Return the command to type on a machine that has the compiler."""
    return f"{PROGRAM} -s -m {runtime_version} {model_path.name}"
