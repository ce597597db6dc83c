"""``edgecnn verify``: does the file compute here what it computed where it was made?"""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from edgecnn.cli.asking import backend_option
from edgecnn.cli.main import EXIT_GATE_FAILED
from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.find_model import find_model
from edgecnn.runtime.verification import Verification, verify


@click.command()
@click.argument("file")
@click.option("--builtin-kernels", is_flag=True, help="Run without XNNPACK, to see how far other kernels differ.")
@backend_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(file: str, builtin_kernels: bool, backend: str, as_json: bool) -> int:
    """Replay the golden vectors of the model file FILE.

    Exit code 3: they come out differently, or the file is not the one that was exported.
    """
    if builtin_kernels and backend not in ("auto", "cpu"):
        raise click.UsageError(f"--builtin-kernels are kernels of the CPU; leave out --backend {backend}")
    try:
        opened = ModelFile.open(find_model(file))
    except ModelIntegrityError as exc:
        click.echo(f"MISMATCH: {exc}", err=True)
        return EXIT_GATE_FAILED
    outcome = verify(opened, backend=backend, use_xnnpack=not builtin_kernels)
    if as_json:
        click.echo(json.dumps({**asdict(outcome), "passed": outcome.passed}))
    else:
        click.echo(_format(outcome))
    return 0 if outcome.passed else EXIT_GATE_FAILED


def _format(outcome: Verification) -> str:
    lines = [f"{outcome.backend}; allowed difference {outcome.tolerance:g} {outcome.unit}: {outcome.reason}"]
    for result in outcome.results:
        if result.max_difference > outcome.tolerance:
            top = "same best class" if result.same_top else "another best class"
            lines.append(
                f"{result.name}: {result.num_different} outputs differ, "
                f"by up to {result.max_difference:g} {outcome.unit}, {top}"
            )
    num = len(outcome.results)
    largest = max(result.max_difference for result in outcome.results)
    verdict = (
        f"verified: {num} golden vectors, largest difference {largest:g} {outcome.unit}"
        if outcome.passed
        else f"MISMATCH: {len(lines) - 1} of {num} golden vectors; do not trust this file on this machine"
    )
    return "\n".join([*lines, verdict])
