"""``edgecnn data``: is a folder of pictures fit to train on, and which picture is for what?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.main import EXIT_GATE_FAILED
from edgecnn.cli.progress import TerminalProgress
from edgecnn.core.names import as_text
from edgecnn.data import SPLIT_NAMES
from edgecnn.data.check import DataCheck, Finding, check_folder
from edgecnn.data.check.finding import SEVERITIES, shorten
from edgecnn.data.check.fixing import CHANGES_FILE, Fixed, write_clean_copy
from edgecnn.data.check.splitting import WrittenSplit, write_split
from edgecnn.data.new_folder import check_new_folder
from edgecnn.data.split import TEST_FRACTION, VAL_FRACTION

_NUM_EXAMPLES = 3
_MAX_CLASSES = 20
_FOLDER = click.Path(path_type=Path)


@click.group()
def command() -> None:
    """Check a folder of pictures, or divide it into train, val and test."""


@command.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--fix-into",
    metavar="NEWDIR",
    type=_FOLDER,
    help=f"Write a clean copy there; {CHANGES_FILE} in it lists what was changed. DIR stays as it is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all findings with all files as one JSON object.")
def check(folder: Path, fix_into: Path | None, as_json: bool) -> int:
    """Look at every picture in DIR and say what is wrong.

    DIR holds one folder per class, or train/, val/ and test/ with one folder per class in each. Exit code 3: a model
    trained on it would be worth nothing.
    """
    progress = TerminalProgress()
    if fix_into:
        check_new_folder(fix_into, folder)
    checked = check_folder(folder, progress)
    fixed = write_clean_copy(checked, fix_into, progress) if fix_into else None
    if as_json:
        fixes = {"fixed": {"folder": as_text(str(fix_into)), **_count(fixed)}} if fixed else {}
        click.echo(json.dumps({**checked.to_json(), **fixes}, ensure_ascii=False))
    else:
        click.echo("\n".join([*_describe(checked), *(_describe_fixed(fixed, fix_into) if fixed else ())]))
    return EXIT_GATE_FAILED if checked.reasons else 0


@command.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--into", "target", metavar="NEWDIR", type=_FOLDER, required=True, help="The folder to write.")
@click.option(
    "--val",
    default=VAL_FRACTION,
    show_default=True,
    type=click.FloatRange(0, 0.8, min_open=True),
    help="Share of each class that chooses.",
)
@click.option(
    "--test",
    default=TEST_FRACTION,
    show_default=True,
    type=click.FloatRange(0, 0.8),
    help="Share of each class that judges; 0: none.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the draw.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output.")
def split(folder: Path, target: Path, val: float, test: float, seed: int, as_json: bool) -> None:
    """Divide the classes in DIR into NEWDIR/train, val and test.

    Every class is divided in the same shares, pictures of a class that look the same stay on one side, and files are
    linked where possible. Pictures that are added to DIR later move few of the others.
    """
    if val + test > 0.9:
        raise click.UsageError(f"--val {val:g} and --test {test:g} leave less than a tenth to train; give less")
    written = write_split(folder, target, seed=seed, val_fraction=val, test_fraction=test, progress=TerminalProgress())
    if as_json:
        click.echo(json.dumps(_split_to_json(written, target), ensure_ascii=False))
    else:
        click.echo("\n".join(_describe_split(written, target)))


def _describe(checked: DataCheck) -> Iterator[str]:
    counts = checked.count_per_class()
    num_readable = sum(not look.problem for look in checked.looks)
    name = as_text(str(checked.inventory.root))
    yield f"{name}: {len(checked.looks)} pictures, {num_readable} readable, in {len(counts)} classes"
    yield from _describe_classes(counts)
    for _, alike in groupby(sorted(checked.findings, key=_order), key=_order):
        yield from _describe_kind(list(alike))
    if checked.reasons:
        yield f"not fit to train on: {'; '.join(checked.reasons)}"
    else:
        yield "fit to train on"


def _order(finding: Finding) -> tuple[int, str, bool]:
    return SEVERITIES.index(finding.severity), finding.kind, not finding.worthless


def _describe_classes(counts: dict[str, dict[str, int]]) -> Iterator[str]:
    ranked = sorted(counts.items(), key=lambda item: -sum(item[1].values()))
    shown = ranked if len(ranked) <= _MAX_CLASSES else ranked[: _MAX_CLASSES // 2] + ranked[-_MAX_CLASSES // 2 :]
    width = max((len(shorten(label)) for label, _ in shown), default=0)
    for place, (label, by_split) in enumerate(shown):
        if len(shown) < len(ranked) and place == _MAX_CLASSES // 2:
            yield f"  … {len(ranked) - len(shown)} more classes"
        parts = ", ".join(f"{name} {by_split[name]}" for name in SPLIT_NAMES if name in by_split)
        yield f"  {shorten(label):{width}}  {sum(by_split.values()):6}" + (f"  ({parts})" if parts else "")


def _describe_kind(alike: Sequence[Finding]) -> Iterator[str]:
    first = alike[0]
    if first.files and first.kind.startswith(("same", "near")):
        num = sum(len(finding.files) for finding in alike)
        yield f"{first.severity}: {first.text}: {num} files in {len(alike)} groups"
        examples = [" = ".join(_some(finding.files)) for finding in alike]
    else:
        for finding in alike:
            yield f"{finding.severity}: {finding.text}"
        examples = [file for finding in alike for file in finding.files]
    if examples:
        yield f"    {', '.join(_some(examples))}"
    yield f"    → {first.advice}"


def _some(names: Sequence[str]) -> list[str]:
    more = [f"{len(names) - _NUM_EXAMPLES} more"] if len(names) > _NUM_EXAMPLES else []
    return [*names[:_NUM_EXAMPLES], *more]


def _describe_fixed(fixed: Fixed, target: Path | None) -> Iterator[str]:
    counts = [f"{num} {action}" for action, num in sorted(fixed.num_by_action.items())]
    numbers = ", ".join([f"{fixed.num_kept} files as they were", *counts])
    yield f"wrote {as_text(str(target))}: {numbers}; see {CHANGES_FILE} there"


def _count(fixed: Fixed) -> dict[str, Any]:
    return {"num_kept": fixed.num_kept, **{f"num_{k.replace(' ', '_')}": n for k, n in fixed.num_by_action.items()}}


def _describe_split(written: WrittenSplit, target: Path) -> Iterator[str]:
    for file, why in written.skipped.items():
        click.echo(f"left out: {file} ({why})", err=True)
    numbers = ", ".join(f"{name} {len(written.splits.select(name))}" for name in SPLIT_NAMES)
    yield f"{len(written.labels)} classes; {numbers}"
    if written.num_alike:
        yield f"{written.num_alike} pictures look like another one of their class and stand on its side"
    for unit in written.torn[:_NUM_EXAMPLES]:
        label = shorten(written.labels[unit[0].label_index])
        yield f"warning: class {label!r} holds little but {len(unit)} pictures that look the same: they were divided"
    name = as_text(str(target))
    yield f"wrote {name}"
    yield f"next: edgecnn train {name}"


def _split_to_json(written: WrittenSplit, target: Path) -> dict[str, Any]:
    return {
        "folder": as_text(str(target)),
        "num": {name: len(written.splits.select(name)) for name in SPLIT_NAMES},
        "num_alike": written.num_alike,
        "num_torn_groups": len(written.torn),
        "skipped": written.skipped,
    }
