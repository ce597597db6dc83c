"""A clean copy of a folder: what cannot be used is left out, what is oddly stored is stored plainly."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from edgecnn.core.names import as_text
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data.check.copies import Group
from edgecnn.data.check.finding import KINDS
from edgecnn.data.check.inventory import Entry
from edgecnn.data.check.look import Fact, Look, many_looks
from edgecnn.data.check.report import DataCheck, tiny_below
from edgecnn.data.check.rewriting import rewrite
from edgecnn.data.new_folder import FreeNames, new_folder, place_file
from edgecnn.errors import DatasetError

CHANGES_FILE = "changes.json"
_REWRITTEN = Fact.ROTATED | Fact.ALPHA | Fact.CMYK | Fact.DEEP | Fact.ANIMATED
_CHANGED = _REWRITTEN | Fact.MISNAMED
_ABOUT_FOLDERS = ("nested", "mixed")
# Of copies in several splits the one stays that figures come from: these are few.
_PRECEDENCE = ("test", "val", "train", "")


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a file that is not in the copy as it was.

    Attributes:
        file: relative to the folder that was checked.
        action: ``left out``, ``renamed`` or ``rewritten``.
        why: a sentence part.
        new: its path in the copy; empty if it was left out.
    """

    file: str
    action: str
    why: str
    new: str = ""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What a clean copy holds.

    Attributes:
        num_kept: files that are the same as before, under the same path.
        changes: the others, sorted by path.
    """

    num_kept: int
    changes: tuple[Change, ...]

    @property
    def num_by_action(self) -> Counter[str]:
        """Number of changes of each kind."""
        return Counter(change.action for change in self.changes)


def write_clean_copy(check: DataCheck, target: Path, progress: Progress | None = None) -> Fixed:
    """Write a folder without what a check found wrong; the folder that was checked stays as it is.

    Left out: what cannot be read, tiny and torn pictures, further copies of a file, all copies of a file
    that lies in several classes, and pictures of ``train`` (or ``val``) that look like one of their class in
    ``test`` (or ``val``). Turned, transparent, CMYK, 16-bit and animated pictures become upright 8-bit RGB:
    a JPEG stays one (see ``rewrite``), all others become PNG.
    Everything else is linked, or copied where the file system has no hard links: who edits such a file in
    place edits both. ``changes.json`` in the new folder lists what was changed.

    Args:
        check: of the folder.
        target: the new folder; it appears when it is whole.
        progress: told of every file.

    Raises:
        DatasetError: the new folder cannot be written, exists, or lies within the one that was checked.
    """
    inventory = check.inventory
    left_out = _choose_left_out(check)
    pictures = list(zip(inventory.entries, check.looks, strict=True))
    unchanged = [
        entry.path
        for index, (entry, look) in enumerate(pictures)
        if index not in left_out and not look.facts & _CHANGED
    ]
    names = FreeNames(unchanged)
    changes = [
        Change(as_text(path), "left out", KINDS[kind].text)
        for kind, paths in inventory.oddities.items()
        if kind not in _ABOUT_FOLDERS
        for path in paths
    ]
    with (
        new_folder(target, inventory.root) as folder,
        (progress or SilentProgress()).task("writing", len(pictures)) as task,
        many_looks(),
    ):
        for index, (entry, look) in enumerate(pictures):
            if index in left_out:
                changes.append(Change(as_text(entry.path), "left out", left_out[index]))
            elif change := _place(inventory.root, entry.path, look, folder, names):
                changes.append(change)
            task.advance()
        changed = {change.file for change in changes}
        num_kept = len(pictures) - sum(as_text(entry.path) in changed for entry, _ in pictures)
        fixed = Fixed(num_kept, tuple(sorted(changes, key=lambda change: change.file)))
        record = {"from": as_text(str(inventory.root.resolve())), **asdict(fixed)}
        (folder / CHANGES_FILE).write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return fixed


def _choose_left_out(check: DataCheck) -> dict[int, str]:
    """Return the indices of the entries that a copy shall not have, with the reasons."""
    reasons: dict[int, str] = {}
    smallest = tiny_below(check.looks)
    for index, look in enumerate(check.looks):
        if look.problem:
            reasons[index] = KINDS[look.problem].text
        elif look.facts & Fact.TORN:
            reasons[index] = KINDS["torn"].text
        elif min(look.width, look.height) < smallest:
            reasons[index] = KINDS["tiny"].text
    entries = check.inventory.entries
    _choose_copies(entries, check.same, reasons)
    _choose_look_alikes(entries, check.similar, reasons)
    return reasons


def _choose_copies(entries: tuple[Entry, ...], groups: Iterable[Group], reasons: dict[int, str]) -> None:
    for group in groups:
        left = sorted((i for i in group if i not in reasons), key=lambda i: (_rank(entries[i]), entries[i].path))
        if len({entries[index].label for index in group}) > 1:
            others = ", ".join(sorted({as_text(entries[index].label) for index in group}))
            reasons.update(dict.fromkeys(left, f"the same file lies in several classes: {others}"))
        else:
            reasons.update((index, f"the same file as {as_text(entries[left[0]].path)}") for index in left[1:])


def _choose_look_alikes(entries: tuple[Entry, ...], groups: Iterable[Group], reasons: dict[int, str]) -> None:
    for group in groups:
        by_label: dict[str, list[int]] = defaultdict(list)
        for index in group:
            if index not in reasons:
                by_label[entries[index].label].append(index)
        for members in by_label.values():
            first = min(members, key=lambda index: (_rank(entries[index]), entries[index].path))
            reasons.update(
                (index, f"looks like {as_text(entries[first].path)}")
                for index in members
                if entries[index].split != entries[first].split
            )


def _rank(entry: Entry) -> int:
    return _PRECEDENCE.index(entry.split)


def _place(root: Path, path: str, look: Look, folder: Path, names: FreeNames) -> Change | None:
    """Put a good file into the copy; return what was changed, if anything."""
    facts = [kind for kind in Fact if look.facts & kind & _REWRITTEN]
    try:
        if facts:
            data, suffix = rewrite(root / path, look)
            new = names.take(PurePosixPath(path).with_suffix(suffix).as_posix())
            (folder / new).parent.mkdir(parents=True, exist_ok=True)
            (folder / new).write_bytes(data)
            return Change(path, "rewritten", "; ".join(KINDS[(kind.name or "").lower()].text for kind in facts), new)
        if look.facts & Fact.MISNAMED:
            new = names.take(PurePosixPath(path).with_suffix(look.suffixes[0]).as_posix())
            place_file(root / path, folder / new)
            return Change(path, "renamed", KINDS["misnamed"].text, new)
        place_file(root / path, folder / path)
    except (DatasetError, FileNotFoundError):
        return Change(path, "left out", KINDS["vanished"].text)
    return None
