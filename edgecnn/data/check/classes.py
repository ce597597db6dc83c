"""The classes and splits as a whole: what ``train`` would refuse, and what would make a poor model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from edgecnn.core.labels import check_labels
from edgecnn.data.check.finding import KINDS, Finding, shorten
from edgecnn.data.check.inventory import Inventory
from edgecnn.data.check.look import Look
from edgecnn.data.split import MIN_PICTURES_PER_CLASS

FEW_PICTURES = 20
MAX_RATIO = 10
MAX_BROKEN = 0.2
_MAX_NAMED = 5


def count_classes(inventory: Inventory, looks: Sequence[Look]) -> dict[str, dict[str, int]]:
    """Return the number of different readable pictures by class and split; classes without any count, too."""
    digests: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for entry, look in zip(inventory.entries, looks, strict=True):
        if not look.problem:
            digests[entry.label, entry.split].add(look.digest)
    labels = sorted({label for names in inventory.classes.values() for label in names})
    return {
        label: {split: len(digests[label, split]) for split, names in inventory.classes.items() if label in names}
        for label in labels
    }


def find_in_classes(inventory: Inventory, looks: Sequence[Look]) -> Iterator[Finding]:
    """Say what is wrong with the classes, their names, their numbers and the splits."""
    counts = count_classes(inventory, looks)
    yield from _find_names(inventory, counts)
    yield from _find_split_classes(inventory)
    yield from _find_numbers(inventory, counts)
    num_broken = sum(bool(look.problem) for look in looks)
    if num_broken > MAX_BROKEN * len(looks):
        yield _finding("many-broken", f"{num_broken} of {len(looks)} pictures cannot be read", worthless=True)


def _find_names(inventory: Inventory, counts: dict[str, dict[str, int]]) -> Iterator[Finding]:
    if len(counts) < 2:
        found = f"only one class, {shorten(next(iter(counts)))!r}" if counts else "no class folders"
        yield _finding("classes", f"there are at least two classes to tell apart, but here is {found}", worthless=True)
    by_case: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        by_case[label.casefold()].append(label)
        try:
            check_labels([label])
        except ValueError:
            text = f"{shorten(label)!r} cannot be a label: it is too long or holds control characters"
            yield _finding("class-name", text, worthless=True)
    for alike in by_case.values():
        if len(alike) > 1:
            yield _finding("class-case", f"{' and '.join(map(shorten, alike))} differ in case only")


def _find_split_classes(inventory: Inventory) -> Iterator[Finding]:
    wanted = set(inventory.classes.get("train", ()))
    for split, names in inventory.classes.items():
        odd = sorted(map(shorten, wanted ^ set(names)))
        if split and odd:
            yield _finding("split-classes", f"train and {split} differ in {_name_some(odd)}", worthless=True)


def _find_numbers(inventory: Inventory, counts: dict[str, dict[str, int]]) -> Iterator[Finding]:
    learnt = {label: by_split.get("train", by_split.get("", 0)) for label, by_split in counts.items()}
    empty = [
        f"{shorten(label)}{f' in {split}' if split else ''}"
        for label in counts
        for split in counts[label]
        if not counts[label][split]
    ]
    if empty:
        yield _finding("class-empty", f"no picture can be read of {_name_some(empty)}", worthless=True)
    least = MIN_PICTURES_PER_CLASS
    for kind, low, high in (("too-few", 1, least), ("few", least, FEW_PICTURES)):
        few = [f"{shorten(label)} ({num})" for label, num in learnt.items() if low <= num < high]
        if few:
            text = f"classes with fewer than {high} different pictures to learn from: {_name_some(few)}"
            yield _finding(kind, text, worthless=kind == "too-few")
    if learnt and min(learnt.values()) and max(learnt.values()) >= MAX_RATIO * min(learnt.values()):
        (most, high), (fewest, low) = (Counter(learnt).most_common()[place] for place in (0, -1))
        times = f"{high / low:.0f} times fewer"
        text = f"{shorten(most)} has {high} pictures to learn from, {shorten(fewest)} {low}: {times}"
        yield _finding("imbalance", text)


def _finding(kind: str, text: str, *, worthless: bool = False) -> Finding:
    severity, _, advice = KINDS[kind]
    return Finding(kind, severity, text, advice, worthless=worthless)


def _name_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
