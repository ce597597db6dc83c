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
import msgspec

from edgecnn.cli.progress import TerminalProgress
from edgecnn.core.contract import ASPECT_RULES
from edgecnn.errors import RunError
from edgecnn.train import TrainConfig, TrainedRun, train
from edgecnn.train.architectures import ARCHITECTURES, AUTO, AUTO_CANDIDATES, DEFAULT_ARCHITECTURE, find_architecture
from edgecnn.train.candidates import list_candidates
from edgecnn.train.config import AUGMENTATIONS, CLASS_WEIGHT_RULES
from edgecnn.train.recipe import LEARNING_RATE_RULES, Distillation

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


class ArchitectureName(click.ParamType[str]):
    """A name out of the table, ``auto``, or the user's own ``FILE.py:FUNCTION``."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with those that there are."""
        try:
            if value != AUTO:
                find_architecture(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
        return str(value)


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
    names: dict[str, list[str]] = {}
    for name, row in ARCHITECTURES.items():
        if not row.like:
            names.setdefault(f"{getattr(row.schedule, field):g}", []).append(name)
    values = "; ".join(f"{', '.join(listed)} {value}" for value, listed in names.items())
    return f"[default: {values}]"


def _own_rule(field: str) -> str:
    """Return the same for a rule of learning; once where it is the same for all networks."""
    values = {name: getattr(row.recipe, field) for name, row in ARCHITECTURES.items()}
    if len(set(values.values())) == 1:
        return f"[default: {values.popitem()[1]}]"
    return f"[default: {', '.join(f'{name} {value}' for name, value in values.items())}]"


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
    type=ArchitectureName(),
    default=DEFAULT_ARCHITECTURE,
    show_default=True,
    help="The network. "
    + "".join(f"{name}: {row.summary}. " for name, row in ARCHITECTURES.items())
    + "FILE.py:FUNCTION: your own; FUNCTION(size_px, num_classes) returns a keras.Model. "
    + f"{AUTO}: trains {' and '.join(AUTO_CANDIDATES)}, and mobilenetv2 if its weights are there, and keeps what "
    + "validation finds best.",
)
@click.option(
    "--weights",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="ImageNet weights of mobilenetv2 as Keras saves them, where they cannot be downloaded.",
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
    "--label-smoothing",
    type=click.FloatRange(0, 1, max_open=True),
    help=f"Share of each label that all classes divide among them. {_own_rule('label_smoothing')}",
)
@click.option(
    "--weight-decay",
    type=click.FloatRange(0, 1),
    help=f"What AdamW takes off the weights. {_own_rule('weight_decay')}",
)
@click.option(
    "--ema",
    metavar="DECAY",
    type=click.FloatRange(0, 1, max_open=True),
    help="Judge and keep the exponential moving average of the weights, such as 0.998; 0 for the weights themselves. "
    f"{_own_rule('ema')}",
)
@click.option(
    "--mixup",
    metavar="ALPHA",
    type=click.FloatRange(0, 100),
    help=f"Blend pairs of examples, such as 0.2; 0 for none. {_own_rule('mixup')}",
)
@click.option(
    "--cutmix",
    metavar="ALPHA",
    type=click.FloatRange(0, 100),
    help="Paste a piece of one picture into another, such as 1; 0 for none. Only for networks that are trained from "
    f"the first layer on. {_own_rule('cutmix')}",
)
@click.option(
    "--lr-schedule",
    type=click.Choice(LEARNING_RATE_RULES),
    help=f"How the learning rate goes on after its warm-up. {_own_rule('lr_schedule')}",
)
@click.option(
    "--teacher",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Learn from the scores of a larger run, or of a .tflite file of floats, too.",
)
@click.option(
    "--teacher-temperature",
    type=click.FloatRange(1, 100),
    help=f"What both networks' logits are divided by. [default: {Distillation().temperature:g}]",
)
@click.option(
    "--teacher-weight",
    type=click.FloatRange(0, 1, min_open=True),
    help=f"Share of the teacher in the loss; the labels have the rest. [default: {Distillation().weight:g}]",
)
@click.option(
    "--teacher-views",
    type=click.IntRange(1, 10_000),
    help=f"Changed copies of each picture that it scores, in the first epochs. [default: {Distillation().views}]",
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
@click.option(
    "--ablation",
    is_flag=True,
    help="After the model train the same network without augmentation, without pooling and without both, for "
    "edgecnn explain to show what they are worth. Takes up to 4 times as long.",
)
@click.option(
    "--preview",
    metavar="FILE.png",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Train nothing; draw what augmentation makes of a few pictures.",
)
@click.option("--overwrite", is_flag=True, help="Replace a run that is there, once the new one is whole.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output.")
def command(as_json: bool, preview: Path | None, **options: Any) -> None:
    """Train a classifier on the pictures in DIR.

    DIR holds one folder per class, or train/, val/ and test/ with one folder per class in each. Ctrl-C ends
    training and keeps the best so far.
    """
    try:
        config = TrainConfig(**options)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    if preview is not None:
        _draw_preview(config, preview)
        return
    with _signals_as_interrupts():
        trained = train(config, TerminalProgress())
    click.echo(json.dumps(_to_json(trained), ensure_ascii=False) if as_json else _summarize(trained))


def _draw_preview(config: TrainConfig, path: Path) -> None:
    from edgecnn.imaging import encode_png
    from edgecnn.modelfile.atomic import write_atomically
    from edgecnn.train.contact_sheet import preview

    config = list_candidates(config)[0][0]
    if not config.augments:
        raise click.UsageError("there is nothing to preview: a training with these options changes no picture")
    data = encode_png(preview(config, TerminalProgress()))
    try:
        write_atomically(path, data)
    except OSError as exc:
        raise RunError(f"cannot write the contact sheet {path}: {exc.strerror}; name another file") from exc


def _to_json(trained: TrainedRun) -> dict[str, Any]:
    return {
        "run": str(trained.run.path),
        "architecture": trained.run.architecture,
        "interrupted": trained.run.config.interrupted,
        "metrics": {"val": trained.val.to_json(), "test": trained.test.to_json() if trained.test else None},
        "candidates": msgspec.to_builtins(trained.candidates),
        "variants": {one.name: one.val.accuracy for one in trained.ablation.variants} if trained.ablation else None,
        "seconds": trained.seconds,
    }


def _summarize(trained: TrainedRun) -> str:
    judged = trained.test or trained.val
    weakest = sorted(judged.per_class.items(), key=lambda item: item[1].recall)[:_NUM_WEAKEST]
    lines = [f"validation {trained.val.top1:.1%} of {trained.val.num} pictures"]
    if trained.test:
        lines.append(f"test       {trained.test.top1:.1%} of {trained.test.num} pictures")
    if trained.candidates:
        listed = ", ".join(
            f"{one.name} {one.val_accuracy:.1%} ({one.seconds:.0f} s)" for one in trained.candidates.trained
        )
        lines.append(f"candidates {listed} of the validation pictures; kept: {trained.candidates.chosen}")
    if trained.ablation:
        listed = ", ".join(f"{one.name} {one.val.accuracy:.1%}" for one in trained.ablation.variants)
        lines.append(f"variants   {listed} of the validation pictures")
    early = ", ended early" if trained.run.config.interrupted else ""
    lines += [
        f"weakest    {', '.join(f'{label} {figures.recall:.0%}' for label, figures in weakest)}",
        f"run        {trained.run.path} ({trained.seconds:.0f} s{early})",
        f"next       edgecnn export {trained.run.path} --int8",
    ]
    return "\n".join(lines)
