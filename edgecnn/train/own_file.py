"""The user's own network as a function in a Python file of theirs: ``my_model.py:build``.

The file is run as it is, with all rights of the user, as ``python my_model.py`` would do.
"""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecnn.errors import RunError

# A class in the file says where it is from by this name.
OWN_MODULE = "edgecnn_own_architecture"
_REFERENCE = re.compile(r"(?P<path>.+\.py):(?P<function>[^\W\d]\w*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFunction:
    """Where the user's function is: in which file, under which name."""

    path: Path
    name: str

    @classmethod
    def parse(cls, text: str) -> OwnFunction | None:
        """Return what ``FILE.py:FUNCTION`` names; None for another text."""
        found = _REFERENCE.fullmatch(text)
        return cls(path=Path(found["path"]), name=found["function"]) if found else None

    def __str__(self) -> str:
        return f"{self.path.name}:{self.name}"

    def load(self) -> LoadedFunction:
        """Run the file.

        Raises:
            RunError: it cannot be read or run, or has no such function.
        """
        try:
            code = self.path.read_bytes()
        except OSError as exc:
            raise RunError(f"{self.path} cannot be read: {exc.strerror}; give --arch FILE.py:FUNCTION") from exc
        module = ModuleType(OWN_MODULE)
        module.__file__ = str(self.path.absolute())
        sys.modules[OWN_MODULE] = module
        try:
            with _prints_to_stderr():
                exec(compile(code, str(self.path), "exec"), module.__dict__)
        except (Exception, SystemExit) as exc:
            raise RunError(f"{self.path} cannot be run: {_describe(exc, self.path)}") from exc
        function = getattr(module, self.name, None)
        if not callable(function):
            instead = "" if function is None else f" but a value of type {type(function).__name__}"
            raise RunError(
                f"{self.path} has no function {self.name!r}{instead}; write: def {self.name}(size_px, num_classes)"
            )
        return LoadedFunction(origin=self, code=code, call=function)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFunction:
    """The user's function, and the very bytes that it was read from.

    Attributes:
        origin: where it was.
        code: content of the file.
        call: takes a size in pixels and a number of classes.
    """

    origin: OwnFunction
    code: bytes
    call: Callable[[int, int], Any]

    @property
    def sha256(self) -> str:
        """Digest of the file, in hexadecimal."""
        return hashlib.sha256(self.code).hexdigest()

    def build(self, size_px: int, num_classes: int) -> Any:
        """Call the function.

        Raises:
            RunError: it raises something.
        """
        try:
            with _prints_to_stderr():
                return self.call(size_px, num_classes)
        except (Exception, SystemExit) as exc:
            raise RunError(
                f"{self.origin} failed when it was called with {size_px} pixels and {num_classes} classes: "
                f"{_describe(exc, self.origin.path)}"
            ) from exc


def _prints_to_stderr() -> AbstractContextManager[Any]:
    """Keep standard output for the results of ours."""
    return redirect_stdout(sys.stderr)


def _describe(exc: BaseException, path: Path) -> str:
    """Return the first line of an error, and the last line of the user's file that it came through."""
    text = str(exc).strip()
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == str(path)]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(exc).__name__}: {text.splitlines()[0]}{where}" if text else f"{type(exc).__name__}{where}"
