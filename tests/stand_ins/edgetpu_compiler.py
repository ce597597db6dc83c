"""A stand-in for ``edgetpu_compiler``: its options, its log and its exit codes, but everything says FAKE.

    python edgetpu_compiler.py [--behave HOW] -s -m 14 -t 180 -o DIR MODEL.tflite

What it writes is the whole model behind a mark of its own; no Edge TPU can run it. HOW makes it fail as
the real one has been seen to fail.
"""

import argparse
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from edgecnn.modelfile.archive import split_files
from edgecnn.modelfile.edgetpu import EdgeTpuReport, check_model
from edgecnn.testing.fake_edgetpu import fake_compiled

VERSION = "FAKE-1.0 (a stand-in for tests, not Google's)"
BEHAVIOURS = ("well", "refuse", "crash", "abort", "chatter", "keep", "nothing", "garbage", "plain")


def size(num_bytes: int) -> str:
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.2f}{unit}"
    return f"{num_bytes:.2f}B"


def table(report: EdgeTpuReport) -> str:
    counts = Counter((check.operator, check.status) for check in report.operators)
    rows = [f"{name:<31}{count:<11}{status}" for (name, status), count in counts.items()]
    return "\n".join(["Operator                       Count      Status", "", *rows])


def compile_one(source: Path, target: Path, behave: str) -> int:
    model, _, _ = split_files(source.read_bytes())
    report = check_model(model)
    if report.refusals or behave == "refuse":
        words = report.refusals[0].text if report.refusals else "Model not quantized"
        print(f"ERROR: {words}\nCompilation child process completed within timeout period.\nCompilation failed! ")
        return 1
    written = target / f"{source.stem}_edgetpu.tflite"
    log = written.with_suffix(".log")
    if behave != "keep":
        written.write_bytes({"garbage": b"\0" * 64, "plain": model}.get(behave) or fake_compiled(model))
    if behave == "chatter":
        print("all is well")
        return 0
    on_cpu = len(report.operators) - report.mapped
    print(
        f"\nModel compiled successfully in 12 ms.\n\nInput model: {source}\nInput size: {size(len(model))}\n"
        f"Output model: {written}\nOutput size: {size(len(model))}\n"
        f"On-chip memory used for caching model parameters: {size(report.cached_bytes)}\n"
        f"On-chip memory remaining for caching model parameters: {size((7 << 20) - report.cached_bytes)}\n"
        f"Off-chip memory used for streaming uncached model parameters: {size(report.streamed_bytes)}\n"
        f"Number of Edge TPU subgraphs: {report.subgraphs}\nTotal number of operations: {len(report.operators)}\n"
        f"Operation log: {log}\n"
    )
    if on_cpu:
        print(
            "Model successfully compiled but not all operations are supported by the Edge TPU.\n"
            f"Number of operations that will run on Edge TPU: {report.mapped}\n"
            f"Number of operations that will run on CPU: {on_cpu}\n"
        )
    print(table(report))
    log.write_text(
        f"Edge TPU Compiler version {VERSION}\nInput: {source}\nOutput: {written}\n\n{table(report)}\n", "utf-8"
    )
    print("Compilation child process completed within timeout period.\nCompilation succeeded! ")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--behave", choices=BEHAVIOURS, default="well")
    parser.add_argument("-s", "--show_operations", action="store_true")
    parser.add_argument("-m", "--min_runtime_version", type=int, default=14)
    parser.add_argument("-t", "--timeout_sec", type=int, default=180)
    parser.add_argument("-o", "--out_dir", type=Path, default=Path())
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    print(f"Edge TPU Compiler version {VERSION}", flush=True)
    if arguments.behave != "chatter":
        print(f"Started a compilation timeout timer of {arguments.timeout_sec} seconds.", flush=True)
    if arguments.behave == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if arguments.behave == "abort":
        print("\nInternal compiler error. Aborting! ", flush=True)
        os.abort()
    if arguments.behave == "nothing":
        return 0
    return compile_one(arguments.model, arguments.out_dir, arguments.behave)


if __name__ == "__main__":
    sys.exit(main())
