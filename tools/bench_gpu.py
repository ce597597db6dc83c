"""The GPU against the CPU on this machine: right, faster, and what it does to the thread that reads a camera.

    python tools/bench_gpu.py model-fp16.tflite model-int8.tflite

Three ways are measured for each file: the CPU with its best number of threads; the GPU as edgecnn runs it,
in a process of its own; and the GPU in this very process, where LiteRT holds Python's lock while it computes.
A thread that wants to wake up 30 times a second stands for a camera's; how late it wakes up is what a
picture would have aged. A GPU that is only a program on the CPU is measured with EDGECNN_ALLOW_SOFTWARE_GPU=1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.core.quantization import dequantize
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import BackendUnavailableError
from edgecnn.modelfile import ModelFile
from edgecnn.quiet import quiet_stderr
from edgecnn.runtime.backends.gpu_engine import GpuEngine
from edgecnn.runtime.backends.gpu_memory import Ends
from edgecnn.runtime.backends.gpu_worker import GpuNetwork
from edgecnn.runtime.bench.threads import usable_thread_counts
from edgecnn.runtime.classifier import to_values
from edgecnn.runtime.interpreter import Interpreter

FRAME_S = 1 / 30


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--labels", type=Path, help="labels file, for files that bring none")
    parser.add_argument("--pictures", type=int, default=32, help="pictures to compare results on")
    parser.add_argument("--seconds", type=float, default=3.0, help="time of each measurement")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.in_process:
        print(json.dumps(measure_in_process(open_file(given.files[0], given.labels), given.seconds)))
        return 0
    for path in given.files:
        file = open_file(path, given.labels)
        try:
            gpu = GpuEngine(file)
        except BackendUnavailableError as exc:
            print(f"nothing to measure on this machine: {exc}")
            return 0
        print(f"{path}: {gpu.runtime}, {gpu.kernels}")
        compare(file, gpu, given.pictures)
        report_times(path, file, gpu, given)
        gpu.close()
    return 0


def open_file(path: Path, labels: Path | None) -> ModelFile:
    """Open a model file, with labels from elsewhere if it needs them."""
    return ModelFile.open(path, labels_path=labels)


def inputs(file: ModelFile, num: int) -> list[Any]:
    """Return so many synthetic pictures as the network takes them."""
    contract = file.contract
    return [to_values(synthetic_picture(seed, contract.width, contract.height), file) for seed in range(num)]


def compare(file: ModelFile, gpu: GpuEngine, num: int) -> None:
    """Print how far the results of GPU and CPU are apart."""
    cpu, quantization = Interpreter(file), file.output_quantization
    differences, same = [], 0
    for values in inputs(file, num):
        right, found = cpu.invoke(values), gpu.invoke(values)
        if quantization:
            right, found = dequantize(right, quantization), dequantize(found, quantization)
        differences.append(np.abs(right - found).max())
        same += int(right.argmax() == found.argmax())
    print(f"  results: largest difference of a score {max(differences):.2g}, same best class {same} of {num}")


def report_times(path: Path, file: ModelFile, gpu: GpuEngine, given: argparse.Namespace) -> None:
    """Print a row for each way to run the file."""
    values, rows = inputs(file, 1)[0], []
    for count in usable_thread_counts():
        cpu = Interpreter(file, num_threads=count)
        rows.append((f"CPU, threads: {count}", measure(partial(cpu.invoke, values), given.seconds)))
    rows.append(("GPU, own process", measure(partial(gpu.invoke, values), given.seconds)))
    labels = ["--labels", str(given.labels)] if given.labels else []
    command = [sys.executable, __file__, "--in-process", str(path), "--seconds", str(given.seconds), *labels]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        rows.append(("GPU, this process", json.loads(done.stdout.splitlines()[-1])))
    print("  what                 ms: median      p95   reading thread late, ms: median      p95      max")
    for name, row in rows:
        print(
            f"  {name:20s} {row['p50_ms']:11.2f} {row['p95_ms']:8.2f}"
            f"                           {row['late_p50_ms']:7.2f} {row['late_p95_ms']:8.2f} {row['late_max_ms']:8.2f}"
        )
    if done.returncode:
        print(f"  the GPU in one process with Python ended with exit code {done.returncode}")


def measure_in_process(file: ModelFile, seconds: float) -> dict[str, float]:
    """Measure the GPU without a process of its own; a driver that crashes ends this one."""
    ends = Ends((file.input.dtype, (1, *file.input.shape[1:])), ((file.output.dtype, (1, *file.output.shape[1:])),))
    outputs = [np.empty((1, *file.output.shape[1:]), file.output.dtype)]
    with quiet_stderr():
        network = GpuNetwork(file.model, ends, exact=False)
        values = inputs(file, 1)[0][np.newaxis]
        return measure(partial(network.run, values, outputs), seconds)


def measure(work: Callable[[], object], seconds: float) -> dict[str, float]:
    """Return how long the work takes again and again, and how late a thread wakes up beside it."""
    work()
    over = threading.Event()
    late_ms: list[float] = []
    took_ms: list[float] = []

    def read() -> None:
        due_s = time.perf_counter() + FRAME_S
        while not over.is_set():
            time.sleep(max(0.0, due_s - time.perf_counter()))
            late_ms.append((time.perf_counter() - due_s) * 1e3)
            due_s = max(due_s, time.perf_counter()) + FRAME_S

    reader = threading.Thread(target=read)
    reader.start()
    until_s = time.perf_counter() + seconds
    while time.perf_counter() < until_s or len(took_ms) < 5:
        began_s = time.perf_counter()
        work()
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    over.set()
    reader.join()
    return {**percentiles(took_ms, ""), **percentiles(late_ms, "late_")}


def percentiles(values: Sequence[float], prefix: str) -> dict[str, float]:
    """Return median, 95th percentile and maximum by name."""
    return {
        f"{prefix}p50_ms": float(np.percentile(values, 50)),
        f"{prefix}p95_ms": float(np.percentile(values, 95)),
        f"{prefix}max_ms": float(max(values)),
    }


if __name__ == "__main__":
    sys.exit(main())
