"""Train through the public command line and print what came of it, as a table.

    python tools/bench_accuracy.py lite0:pictures/trashnet tiny:pictures/sign_digits --seeds 0 1

Every row is one `edgecnn train`, one after the other; options behind `--` go to all of them. The test
column is for a final figure: choose settings by validation. Where other work shares the machine, the
processor seconds say more than the seconds on the clock.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Parse the command line, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="+", metavar="ARCH:FOLDER", help="what to train on which pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the runs there")
    arguments, options = parser.parse_known_args([word for word in sys.argv[1:] if word != "--"])
    print(
        f"{'job':<28} {'seed':>4} {'val':>6} {'test':>6} {'seconds':>8} {'cpu s':>6}  stages: seconds, best of epochs",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as scratch:
        for job in arguments.jobs:
            architecture, _, folder = job.partition(":")
            for seed in arguments.seeds:
                run = (arguments.keep or Path(scratch)) / f"{Path(folder).name}-{architecture}-{seed}"
                print(_format(job, seed, train(architecture, Path(folder), run, seed, options)), flush=True)


def train(architecture: str, folder: Path, run: Path, seed: int, options: list[str]) -> dict[str, Any]:
    """Train once and return the printed object, with the stages out of the run's config."""
    command = [sys.executable, "-m", "edgecnn", "train", str(folder), "--arch", architecture, "-o", str(run)]
    command += ["--seed", str(seed), "--overwrite", "--json", *options]
    before = _child_seconds()
    finished = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(finished.stdout)
    result["cpu_seconds"] = _child_seconds() - before
    result["stages"] = json.loads((run / "config.json").read_bytes())["stages"]
    return result


def _child_seconds() -> float:
    """Return the processor time, in seconds on all cores together, of every child that has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _format(job: str, seed: int, result: dict[str, Any]) -> str:
    val, test = result["metrics"]["val"], result["metrics"]["test"]
    stages = "; ".join(
        f"{stage['name']} {stage['seconds']:.0f}, {stage['best_epoch']} of {stage['epochs']}"
        f"{'' if stage['kept'] else ' (not kept)'}"
        for stage in result["stages"]
    )
    judged = f"{test['top1']:>6.1%}" if test else f"{'-':>6}"
    name = job if len(job) <= 28 else f"…{job[-27:]}"
    times = f"{result['seconds']:>8.0f} {result['cpu_seconds']:>6.0f}"
    return f"{name:<28} {seed:>4} {val['top1']:>6.1%} {judged} {times}  {stages}"


if __name__ == "__main__":
    main()
