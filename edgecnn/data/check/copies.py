"""The same picture twice: in one class, in two classes, in two splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from edgecnn.data.check.finding import KINDS, Finding, files_of, shorten
from edgecnn.data.check.inventory import Entry
from edgecnn.data.check.look import Look
from edgecnn.data.similarity import HASH_BITS, group_near

MAX_SHARE = 0.1
_MIN_COPIES = 3

Group = tuple[int, ...]


def group_same(looks: Sequence[Look]) -> list[Group]:
    """Return the indices of files that are equal in every byte, as groups of at least two."""
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for index, look in enumerate(looks):
        if not look.problem:
            by_digest[look.digest].append(index)
    return [tuple(group) for group in by_digest.values() if len(group) > 1]


def group_similar(looks: Sequence[Look]) -> list[Group]:
    """Return the indices of pictures that look the same, equal ones included, as groups of at least two."""
    shown = [index for index, look in enumerate(looks) if look.hash]
    packed = np.frombuffer(b"".join(looks[index].hash for index in shown), np.uint8).reshape(-1, HASH_BITS // 8)
    return [tuple(shown[member] for member in group) for group in group_near(np.unpackbits(packed, axis=1).view(bool))]


def group_alike(looks: Sequence[Look]) -> list[Group]:
    """Return the indices of pictures that are equal or look the same, as groups of at least two.

    Pictures of one even colour have no hash: they are alike if they are equal.
    """
    return [*group_similar(looks), *(group for group in group_same(looks) if not looks[group[0]].hash)]


def find_copies(
    entries: Sequence[Entry], looks: Sequence[Look], same: Iterable[Group], similar: Iterable[Group]
) -> Iterator[Finding]:
    """Name every group of copies, and say where there are so many that the model or its figures are worth nothing."""
    same = list(same)
    for prefix, groups in (("same", same), ("near", similar)):
        for group in groups:
            if prefix == "near" and len({looks[index].digest for index in group}) == 1:
                continue
            kind = prefix + _spread(entries, group)
            severity, text, advice = KINDS[kind]
            yield Finding(kind, severity, text, advice, files_of(entries[index].path for index in group))
    yield from _find_contradictions(entries, looks, same)
    yield from _find_leaks(entries, looks, same)


def _spread(entries: Sequence[Entry], group: Group) -> str:
    if len({entries[index].label for index in group}) > 1:
        return "-classes"
    return "-splits" if len({entries[index].split for index in group}) > 1 else ""


def _find_contradictions(entries: Sequence[Entry], looks: Sequence[Look], same: list[Group]) -> Iterator[Finding]:
    torn = Counter(entries[i].label for group in same if _spread(entries, group) == "-classes" for i in group)
    totals = Counter(entry.label for entry, look in zip(entries, looks, strict=True) if not look.problem)
    for label, num in sorted(torn.items()):
        if num >= max(_MIN_COPIES, MAX_SHARE * totals[label]):
            text = f"{num} of the {totals[label]} pictures of class {shorten(label)!r} lie in other classes, too"
            yield Finding("same-classes", "error", text, KINDS["same-classes"].advice, worthless=True)


def _find_leaks(entries: Sequence[Entry], looks: Sequence[Look], same: list[Group]) -> Iterator[Finding]:
    leaked: Counter[str] = Counter()
    for group in same:
        splits = [entries[index].split for index in group]
        leaked.update(split for split in splits if split != "train" and "train" in splits)
    totals = Counter(entry.split for entry, look in zip(entries, looks, strict=True) if not look.problem)
    for split, num in sorted(leaked.items()):
        if num >= max(_MIN_COPIES, MAX_SHARE * totals[split]):
            text = f"{num} of the {totals[split]} pictures of {split} lie in train, too: its figures would be too good"
            yield Finding("same-splits", "error", text, KINDS["same-splits"].advice, worthless=True)
