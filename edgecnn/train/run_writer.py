"""The place where a run is written: hidden until it is whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from edgecnn.errors import RunError
from edgecnn.train.run_folder import is_run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """A folder that is being filled and the name that it will get.

    Attributes:
        folder: hidden, beside the final name and so on the same disk; write here.
        target: the run's name; None takes the first free ``<numbered>-<n>``.
        numbered: start of the names to try, also where ``target`` was taken by something else meanwhile.
        overwrite: whether a run that has the name is replaced.
    """

    folder: Path
    target: Path | None
    numbered: Path
    overwrite: bool

    def commit(self) -> Path:
        """Give the folder its final name, in place of a run that may be replaced; return the name."""
        target = self.target or _first_free(self.numbered)
        if not _is_taken(target):
            self.folder.rename(target)
        elif self.overwrite and is_run(target):
            # Two renames, then the deletion: at no moment is half a run to be seen.
            old = _hidden_sibling(target, "old")
            target.rename(old)
            self.folder.rename(target)
            shutil.rmtree(old)
        else:
            target = _first_free(self.numbered)
            self.folder.rename(target)
        return target


@contextmanager
def reserve_run(run: Path | None, data: Path, *, overwrite: bool) -> Iterator[RunPlace]:
    """Make the folder that a run is written to, and remove it again unless it was committed.

    Args:
        run: the wanted name; None takes the first free ``runs/<name of data>-<n>``.
        data: the folder of pictures, which must not get mixed up with the run.
        overwrite: whether a run that has the name may be replaced.

    Raises:
        RunError: the name is taken, lies among the pictures, or cannot be written.
    """
    target = None if run is None else run.resolve() if run.is_symlink() else run
    numbered = Path("runs") / (data.resolve().name or "pictures") if target is None else target
    try:
        if target is not None:
            _check_target(target, data, overwrite)
        parent = numbered.absolute().parent
        made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
        folder = _hidden_sibling(numbered.absolute(), "partial")
        folder.mkdir(parents=True)
    except OSError as exc:
        raise RunError(f"cannot write a run to {numbered.parent}: {exc.strerror}; name another place with -o") from exc
    try:
        yield RunPlace(folder=folder, target=target, numbered=numbered, overwrite=overwrite)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for created in made:  # the innermost first; one that holds something stays
            with suppress(OSError):
                created.rmdir()


def _check_target(run: Path, data: Path, overwrite: bool) -> None:
    inside, outside = run.resolve(), data.resolve()
    if inside == outside or outside in inside.parents or inside in outside.parents:
        raise RunError(
            f"the run {run} and the pictures {data} must not lie within each other; name another place with -o"
        )
    if not _is_taken(run):
        return
    if not is_run(run):
        raise RunError(f"{run} exists and is not a training run; move it away or name another place with -o")
    if not overwrite:
        raise RunError(f"{run} exists; add --overwrite to replace it, or name another place with -o")


def _is_taken(path: Path) -> bool:
    """Tell whether something has the name; an empty folder may be filled."""
    return path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir())))


def _first_free(numbered: Path) -> Path:
    candidates = (numbered.with_name(f"{numbered.name}-{number}") for number in count(1))
    return next(path for path in candidates if not (path.exists() or path.is_symlink()))


def _hidden_sibling(path: Path, purpose: str) -> Path:
    return path.with_name(f".{path.name}.{purpose}-{secrets.token_hex(4)}")
