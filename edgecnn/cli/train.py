"""``edgecnn train``: a folder of pictures becomes a run."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from edgecnn.cli.progress import TerminalProgress
from edgecnn.core.contract import ASPECT_RULES
from edgecnn.train import TrainConfig, TrainedRun, train
from edgecnn.train.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE
from edgecnn.train.config import AUGMENTATIONS, CLASS_WEIGHT_RULES

_NUM_WEAKEST = 3


class AugmentParts(click.ParamType[tuple[str, ...]]):
    """Names of random changes with commas between them, or ``none``."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names, or fail with the ones that there are."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in str(value).split(",")))
        if names == ("none",):
            return ()
        for name in names:
            if name not in AUGMENTATIONS:
                self.fail(f"{name!r} is not one of {', '.join(AUGMENTATIONS)}, or none alone", param, ctx)
        return names


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end training the same way; after the second one, nothing disturbs the cleaning up."""
    caught = [name for name in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(name) is not signal.SIG_IGN]
    num_signals = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal num_signals
        num_signals += 1
        if num_signals > 1:
            for name in caught:
                signal.signal(name, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {name: signal.signal(name, interrupt) for name in caught}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _own(field: str) -> str:
    """Return the defaults that depend on the network, as click writes a default."""
    values = ", ".join(f"{name} {getattr(row.schedule, field):g}" for name, row in ARCHITECTURES.items())
    return f"[default: {values}]"


@click.command()
@click.argument("data", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "run",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Folder to write; if left out: runs/<name of DIR>-<n>.",
)
@click.option(
    "--arch",
    "architecture",
    type=click.Choice(list(ARCHITECTURES)),
    default=DEFAULT_ARCHITECTURE,
    show_default=True,
    help="The network. " + "; ".join(f"{name}: {row.summary}" for name, row in ARCHITECTURES.items()) + ".",
)
@click.option(
    "--epochs",
    type=click.IntRange(0, 10_000),
    help=f"Passes over the training pictures at most; lite0: of fine-tuning, 0 = head only. {_own('epochs')}",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 10, min_open=True),
    help=f"The highest one. {_own('learning_rate')}",
)
@click.option("--batch-size", type=click.IntRange(1, 4096), help=f"Pictures per step. {_own('batch_size')}")
@click.option(
    "--patience",
    type=click.IntRange(1, 10_000),
    help=f"Epochs without a better validation before training stops. {_own('patience')}",
)
@click.option(
    "--size",
    "size_px",
    type=click.IntRange(32, 1024),
    help=f"Width and height of the model's input in pixels. {_own('size_px')}",
)
@click.option(
    "--aspect",
    type=click.Choice(ASPECT_RULES),
    default="squash",
    show_default=True,
    help="How pictures are made square.",
)
@click.option(
    "--augment",
    type=AugmentParts(),
    default=",".join(AUGMENTATIONS),
    show_default=True,
    help="Random changes of training pictures, or none.",
)
@click.option(
    "--class-weights",
    type=click.Choice(CLASS_WEIGHT_RULES),
    default="auto",
    show_default=True,
    help="Let rare classes count more.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Decides every random choice."
)
@click.option("--overwrite", is_flag=True, help="Replace a run that is there, once the new one is whole.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output.")
def command(as_json: bool, **options: Any) -> None:
    """Train a classifier on the pictures in DIR.

    DIR holds one folder per class, or train/, val/ and test/ with one folder per class in each. Ctrl-C ends
    training and keeps the best so far.
    """
    try:
        config = TrainConfig(**options)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    with _signals_as_interrupts():
        trained = train(config, TerminalProgress())
    click.echo(json.dumps(_to_json(trained), ensure_ascii=False) if as_json else _summarize(trained))


def _to_json(trained: TrainedRun) -> dict[str, Any]:
    return {
        "run": str(trained.run.path),
        "architecture": trained.run.architecture,
        "interrupted": trained.run.config.interrupted,
        "metrics": {"val": trained.val.to_json(), "test": trained.test.to_json() if trained.test else None},
        "seconds": trained.seconds,
    }


def _summarize(trained: TrainedRun) -> str:
    judged = trained.test or trained.val
    weakest = sorted(judged.per_class.items(), key=lambda item: item[1].recall)[:_NUM_WEAKEST]
    lines = [f"validation {trained.val.top1:.1%} of {trained.val.num} pictures"]
    if trained.test:
        lines.append(f"test       {trained.test.top1:.1%} of {trained.test.num} pictures")
    early = ", ended early" if trained.run.config.interrupted else ""
    lines += [
        f"weakest    {', '.join(f'{label} {figures.recall:.0%}' for label, figures in weakest)}",
        f"run        {trained.run.path} ({trained.seconds:.0f} s{early})",
        f"next       edgecnn export {trained.run.path} --int8",
    ]
    return "\n".join(lines)
