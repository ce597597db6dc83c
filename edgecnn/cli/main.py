"""The ``edgecnn`` command: finds the verb, and turns an error into one sentence and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from edgecnn import __version__
from edgecnn.errors import (
    AccuracyGateError,
    BackendUnavailableError,
    CalibrationError,
    CameraMissingError,
    DeviceMissingError,
    EdgecnnError,
    MissingExtraError,
    ModelVersionError,
    SourceLostError,
)

# The help of a verb stands here, so that `edgecnn --help` imports none of them.
VERBS = {
    "data": "Check a folder of pictures, or divide it into train, val and test.",
    "train": "Train a classifier on a folder of pictures.",
    "report": "Say how good a training run is, and what to do next.",
    "export": "Turn a training run into one .tflite file, checked for accuracy.",
    "run": "Label what a camera, a clip or a folder shows.",
    "eval": "Measure the accuracy of runs and exported files.",
    "inspect": "Show what is inside a model file.",
    "explain": "Show how a network looks at a picture.",
    "verify": "Replay a file's golden vectors on this machine.",
    "bench": "Measure how fast a model runs on this machine.",
}

# What a verb needs beyond the device half; a board has no use for it.
_NEEDS_TRAIN = {"train", "report", "export"}

EXIT_ERROR = 1
EXIT_GATE_FAILED = 3
_EXIT_CODES: tuple[tuple[type[EdgecnnError], int], ...] = (
    (AccuracyGateError, EXIT_GATE_FAILED),
    (CalibrationError, EXIT_GATE_FAILED),
    (CameraMissingError, 4),
    (SourceLostError, 4),
    (DeviceMissingError, 4),
    (BackendUnavailableError, 5),
    (ModelVersionError, 5),
)


class LazyGroup(click.Group):
    """A group whose verbs are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one verb that was asked for."""
        if cmd_name not in VERBS:
            return None
        try:
            command: click.Command = importlib.import_module(f"edgecnn.cli.{cmd_name}").command
        except MissingExtraError as exc:
            if cmd_name in _NEEDS_TRAIN:
                raise MissingExtraError(
                    f"edgecnn {cmd_name} needs TensorFlow, Keras and OpenCV; run: pip install 'edgecnn[train]'"
                ) from exc
            raise
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: edgecnn train PICTURES, then edgecnn export RUN --int8, then edgecnn run --camera 0",
)
@click.version_option(__version__, prog_name="edgecnn", message="%(prog)s %(version)s")
def cli() -> None:
    """A folder of pictures goes in; a camera that knows what it sees comes out."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    0 ok, 1 error, 2 usage, 3 a gate failed, 4 camera or device missing, 5 model and runtime do
    not fit, 130 interrupted before there was anything to keep.
    """
    try:
        code = _invoke(args)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error, and nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _invoke(args: Sequence[str] | None) -> int:
    try:
        result: Any = cli.main(args=args, prog_name="edgecnn", standalone_mode=False)
    except EdgecnnError as exc:
        click.echo(f"error: {exc}", err=True)
        return next((code for kind, code in _EXIT_CODES if isinstance(exc, kind)), EXIT_ERROR)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing unfinished was left behind", err=True)
        return 130
    return result if isinstance(result, int) else 0
