"""A folder of pictures that is made out of another one: hidden until it is whole, and linked where possible."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecnn.errors import DatasetError


def check_new_folder(target: Path, source: Path) -> None:
    """Raise DatasetError if the name is taken by something but an empty folder, or lies in ``source`` or around it."""
    inside, outside = target.resolve(), source.resolve()
    if inside == outside or outside in inside.parents or inside in outside.parents:
        raise DatasetError(f"{target} and {source} must not lie within each other; name another new folder")
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise DatasetError(f"{target} exists and is not an empty folder; name another new folder")


@contextmanager
def new_folder(target: Path, source: Path) -> Iterator[Path]:
    """Give a hidden folder beside ``target`` to write into; it gets the name when all went well, else it is removed.

    Raises:
        DatasetError: ``check_new_folder`` refuses the name, or it cannot be written.
    """
    check_new_folder(target, source)
    hidden = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
    made = [folder for folder in target.absolute().parents if not folder.exists()]
    try:
        hidden.mkdir(parents=True)
        yield hidden
        if target.exists():
            target.rmdir()
        hidden.rename(target)
    except OSError as exc:
        raise DatasetError(f"cannot write {target}: {exc.strerror or exc}; name another new folder") from exc
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        for folder in made:  # the innermost first; one that holds something stays
            with suppress(OSError):
                folder.rmdir()


def place_file(source: Path, target: Path) -> None:
    """Make a file known under another name, too: a hard link, or a copy where the file system has none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    original = source.resolve()
    try:
        os.link(original, target)
    except FileExistsError:  # copying would write into whatever that name is linked to
        raise
    except OSError:
        shutil.copy2(original, target)


class FreeNames:
    """Paths in a new folder, each given once; names that differ in case only would be one on some disks.

    Args:
        taken: paths that others will have.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {path.casefold() for path in taken}

    def take(self, wanted: str) -> str:
        """Return the path, or one with a number before the suffix if it is taken."""
        path = Path(wanted)
        free, number = wanted, 1
        while free.casefold() in self._taken:
            number += 1
            free = path.with_name(f"{path.stem}-{number}{path.suffix}").as_posix()
        self._taken.add(free.casefold())
        return free
