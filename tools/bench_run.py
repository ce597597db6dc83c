"""How much ``edgecnn run`` costs over the bare libraries, and whether its two stages overlap.

    python tools/bench_run.py photograph.jpg [--model FILE] [--labels FILE]

(a) Time from the start of a process to its first prediction on a clip: ``edgecnn run`` against
    a bare script, in pairs, one right after the other. Byte code of edgecnn is compiled and
    cached before, as pip does on installation.
(b) Frames per second of the whole against those of the slower of its two stages alone in one
    thread, in rounds of: decode and resize alone, invoke alone, both as ``run`` does them.

The clip is a slow pan over the photograph, 1920 x 1080, Motion JPEG. Minima tell about the
program, medians about the machine, which should be doing nothing else.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import cv2

from edgecnn.core.frame import AnyFrame
from edgecnn.core.predictions import Prediction
from edgecnn.imaging import decode
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.find_model import find_model
from edgecnn.runtime.interpreter import default_num_threads
from edgecnn.runtime.loop import run
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.sources.video import VideoSource
from edgecnn.runtime.streams import Sink

FIRST_RATIO_AIM, OVERLAP_AIM = 1.3, 0.95
SIZE_WH = (1920, 1080)

BARE = """
import cv2, numpy as np, sys
from ai_edge_litert.interpreter import Interpreter
it = Interpreter(model_path=sys.argv[1])
it.allocate_tensors()
d = it.get_input_details()[0]
h, w = d["shape"][1:3]
ok, f = cv2.VideoCapture(sys.argv[2]).read()
x = cv2.cvtColor(cv2.resize(f, (w, h)), cv2.COLOR_BGR2RGB)
x = x if d["dtype"] == np.uint8 else (x ^ 0x80).view(np.int8)
it.set_tensor(d["index"], x[None])
it.invoke()
print(it.get_tensor(it.get_output_details()[0]["index"]).argmax(), flush=True)
"""


class NoSink(Sink):
    """Takes results and does nothing with them."""

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Do nothing."""


def main() -> None:
    """Make the clip, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photograph", type=Path)
    parser.add_argument("--model", help="an int8 file or a published model; left out, as edgecnn run chooses")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--lanes", type=int, default=default_num_threads(), help="pictures at a time, for (b)")
    parser.add_argument("--pairs", type=int, default=15, help="pairs of processes for (a)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds for (b)")
    parser.add_argument("--frames", type=int, default=240, help="frames in the clip")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.avi"
        make_clip(args.photograph, clip, args.frames)
        model = find_model(args.model)
        print(f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; {args.frames} frames; {model}")
        measure_first(model, args.labels, clip, args.pairs)
        measure_lanes(Classifier.load(model, labels_path=args.labels, num_threads=1), clip, args.lanes, args.rounds)


def make_clip(photograph: Path, clip: Path, num_frames: int) -> None:
    """Write a clip that pans over a photograph."""
    picture = cv2.imread(str(photograph))
    if picture is None:
        sys.exit(f"cannot read {photograph}")
    width, height = SIZE_WH
    picture = cv2.resize(picture, (width + 480, height + 270))
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 30, SIZE_WH)
    for index in range(num_frames):
        x, y = index * 480 // num_frames, index * 270 // num_frames
        writer.write(picture[y : y + height, x : x + width])
    writer.release()


def measure_first(model: Path, labels: Path | None, clip: Path, num_pairs: int) -> None:
    """Print the times to the first prediction."""
    script = "from edgecnn.cli.main import main; main()"  # what the installed command does
    run_command = [sys.executable, "-c", script, "run", str(model), "--camera", str(clip), "--frames", "1", "--json"]
    run_command += ["--labels", str(labels)] if labels else []
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONPATH": str(Path(__file__).parents[1])}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        commands = ([sys.executable, "-c", BARE, str(model), str(clip)], run_command)
        for command in commands:  # fills the cache and the page cache
            first_line_s(command, environment)
        pairs = [[first_line_s(command, environment) for command in commands] for _ in range(num_pairs)]
    bare, ours = ([pair[side] * 1e3 for pair in pairs] for side in (0, 1))
    print(f"\n(a) ms to the first prediction, {num_pairs} pairs")
    print(f"{'':24}{'min':>9}{'median':>9}")
    print(f"{'bare script':24}{min(bare):>9.1f}{median(bare):>9.1f}")
    print(f"{'edgecnn run':24}{min(ours):>9.1f}{median(ours):>9.1f}")
    ratios = [b / a for a, b in zip(bare, ours, strict=True)]
    print(f"{'ratio':24}{min(ours) / min(bare):>9.2f}{median(ratios):>9.2f}  aim: at most {FIRST_RATIO_AIM}")


def first_line_s(command: Sequence[str], environment: dict[str, str]) -> float:
    """Start a process and return the seconds until its first line on stdout."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - start
        process.stdout.read()
        errors = process.stderr.read()
    if not line or process.returncode:
        sys.exit(f"{' '.join(command[1:3])} failed: {errors.decode()}")
    return elapsed


def measure_lanes(classifier: Classifier, clip: Path, num_lanes: int, num_rounds: int) -> None:
    """Print the frames per second of the stages and of the whole."""
    with VideoSource(str(clip)) as source:
        pixels = [classifier.prepare(decode(frame, classifier.contract)) for frame in source]

    def prepare_all() -> None:
        with VideoSource(str(clip)) as source:
            for frame in source:
                classifier.prepare(decode(frame, classifier.contract))

    def invoke_all() -> None:
        for picture in pixels:
            classifier.scores(picture)

    def run_all() -> None:
        run(VideoSource(str(clip)), classifier, [NoSink()], RunOptions(num_lanes=num_lanes))

    rounds = [[len(pixels) / seconds(work) for work in (prepare_all, invoke_all, run_all)] for _ in range(num_rounds)]
    print(f"\n(b) frames per second, {num_rounds} rounds, {classifier.backend}, {num_lanes} pictures at a time")
    print(f"{'':24}{'max':>9}{'median':>9}")
    titles = ("decode and resize alone", "invoke alone", "edgecnn run")
    for title, column in zip(titles, zip(*rounds, strict=True), strict=True):
        print(f"{title:24}{max(column):>9.1f}{median(column):>9.1f}")
    ratios = [whole / min(prepare, invoke) for prepare, invoke, whole in rounds]
    print(f"{'run / slower stage':24}{max(ratios):>9.2f}{median(ratios):>9.2f}  aim: at least {OVERLAP_AIM}")


def seconds(work: Callable[[], None]) -> float:
    """Return how long some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
