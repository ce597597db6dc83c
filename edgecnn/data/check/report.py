"""The check of a folder: everything is listed, looked at once, and judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from edgecnn.core.names import as_text
from edgecnn.core.progress import Progress
from edgecnn.data.check.classes import count_classes, find_in_classes
from edgecnn.data.check.copies import Group, find_copies, group_same, group_similar
from edgecnn.data.check.finding import SEVERITIES, Finding, find
from edgecnn.data.check.inventory import Inventory, take_inventory
from edgecnn.data.check.look import Fact, Look
from edgecnn.data.check.looking import look_at_files

_TINY_PX = 16
_FACTS = {fact.name.lower(): fact.value for fact in Fact if fact.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCheck:
    """What a check saw and found.

    Attributes:
        inventory: what lies in the folder.
        looks: one for each of its entries.
        same: indices of entries that are equal in every byte, in groups.
        similar: indices of entries that look the same, in groups.
        findings: errors first, then warnings, then notes.
    """

    inventory: Inventory
    looks: tuple[Look, ...]
    same: tuple[Group, ...]
    similar: tuple[Group, ...]
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a model trained on this would be worth nothing; empty if it need not be."""
        return tuple(finding.text for finding in self.findings if finding.worthless)

    def count_per_class(self) -> dict[str, dict[str, int]]:
        """Return the number of different readable pictures by class and split ("" where there are none)."""
        return count_classes(self.inventory, self.looks)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON holds it."""
        return {
            "folder": as_text(str(self.inventory.root)),
            "num_files": len(self.looks),
            "num_readable": sum(not look.problem for look in self.looks),
            "classes": {as_text(label): splits for label, splits in self.count_per_class().items()},
            "findings": [asdict(finding) for finding in self.findings],
            "worthless": list(self.reasons),
        }


def check_folder(root: Path, progress: Progress | None = None, *, num_processes: int | None = None) -> DataCheck:
    """Check a folder with one sub-folder of pictures per class, or with such folders in ``train``, ``val``, ``test``.

    Nothing in it is changed.

    Args:
        root: the folder.
        progress: told of every file.
        num_processes: how many look at files; None: one for each core.

    Raises:
        DatasetError: there is no such folder.
        MissingExtraError: imagehash or OpenCV is not installed.
    """
    inventory = take_inventory(root)
    paths = [entry.path for entry in inventory.entries]
    looks = look_at_files(root, paths, progress=progress, num_processes=num_processes)
    same, similar = group_same(looks), group_similar(looks)
    findings = [
        *find_in_classes(inventory, looks),
        *_find_in_files(paths, looks),
        *(find(kind, found) for kind, found in inventory.oddities.items() if found),
        *find_copies(inventory.entries, looks, same, similar),
    ]
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), not finding.worthless))
    return DataCheck(
        inventory=inventory,
        looks=tuple(looks),
        same=tuple(same),
        similar=tuple(similar),
        findings=tuple(findings),
    )


def tiny_below(looks: Sequence[Look]) -> float:
    """Return the shorter side, in pixels, below which a picture is tiny: 16, or less where all are small."""
    sides = [min(look.width, look.height) for look in looks if not look.problem]
    return min(_TINY_PX, median(sides) / 2) if sides else 0


def _find_in_files(paths: Sequence[str], looks: Sequence[Look]) -> Iterator[Finding]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    smallest = tiny_below(looks)
    for path, look in zip(paths, looks, strict=True):
        if look.problem:
            found[look.problem, look.detail].append(path)
            continue
        if min(look.width, look.height) < smallest:
            found["tiny", ""].append(path)
        for kind, fact in _FACTS.items() if look.facts else ():
            if look.facts & fact:
                found[kind, ""].append(path)
    for (kind, detail), files in found.items():
        yield find(kind, files, detail=detail)
