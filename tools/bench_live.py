"""How ``edgecnn run`` compares with what people write instead, on 1080p Motion JPEG.

    python tools/bench_live.py speed PHOTOGRAPH… [--model FILE] [--mediapipe PYTHON]
    python tools/bench_live.py accuracy PICTURES --model FILE
    python tools/bench_live.py overhead [--model FILE]
    python tools/bench_live.py imports
    python tools/bench_live.py age PHOTOGRAPH… [--minutes 10] [--plot FILE.png]

speed: frames per second, CPU milliseconds per frame and peak memory of three programs that
label one clip, in rounds, each in a process of its own: the usual loop (VideoCapture.read,
cvtColor, INTER_AREA, LiteRT with the best number of threads), edgecnn's, and MediaPipe Tasks'
ImageClassifier in video mode (PYTHON has mediapipe installed). Model and clip are loaded
before the clock starts.
accuracy: the same top class, and the right one, frame by frame, when each frame is a picture of
PICTURES (a folder of class folders) enlarged to 1080 rows.
overhead: the loop without decoding over the interpreter alone.
imports: what edgecnn's runtime adds to the imports of numpy, cv2 and LiteRT.
age: a network camera of 30 frames per second and a model that takes longer than one of them.

The photographs become a clip that pans over each of them. Ratios are taken within a round; the
machine should be doing nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.core.predictions import Prediction
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.data import ImageFolder
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.find_model import find_model
from edgecnn.runtime.interpreter import default_num_threads
from edgecnn.runtime.loop import run
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.plugins import open_source
from edgecnn.runtime.sources.video import VideoSource
from edgecnn.runtime.streams import Sink, Source
from edgecnn.testing import MjpegServer

SIZE_WH = (1920, 1080)
JPEG_QUALITY = 90

USUAL = r"""
import json, re, sys, time
import cv2, numpy as np
from ai_edge_litert.interpreter import Interpreter
model, clip, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
it = Interpreter(model_path=model, num_threads=threads)
it.allocate_tensors()
i, o = it.get_input_details()[0], it.get_output_details()[0]["index"]
h, w = i["shape"][1:3]
def classify(f):
    x = cv2.cvtColor(cv2.resize(f, (w, h), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    it.set_tensor(i["index"], (x if i["dtype"] == np.uint8 else (x ^ 0x80).view(np.int8))[None])
    it.invoke()
    return int(it.get_tensor(o)[0].argmax())
cap = cv2.VideoCapture(clip)
ok, f = cap.read()
top = [classify(f)]
start, cpu = time.perf_counter(), time.process_time()
while True:
    ok, f = cap.read()
    if not ok:
        break
    top.append(classify(f))
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
peak_mb = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps({"top": top, "wall_s": wall, "cpu_s": cpu, "peak_mb": peak_mb}))
"""

MEDIAPIPE = r"""
import json, re, sys, time
import cv2, mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision
options = vision.ImageClassifierOptions(
    base_options=BaseOptions(model_asset_path=sys.argv[1]), running_mode=vision.RunningMode.VIDEO, max_results=1)
with vision.ImageClassifier.create_from_options(options) as classifier:
    cap = cv2.VideoCapture(sys.argv[2])
    def classify(f, k):
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=cv2.cvtColor(f, cv2.COLOR_BGR2RGB))
        return classifier.classify_for_video(image, 33 * k).classifications[0].categories[0].index
    ok, f = cap.read()
    top = [classify(f, 0)]
    start, cpu = time.perf_counter(), time.process_time()
    while True:
        ok, f = cap.read()
        if not ok:
            break
        top.append(classify(f, len(top)))
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
peak_mb = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps({"top": top, "wall_s": wall, "cpu_s": cpu, "peak_mb": peak_mb}))
"""


class TopSink(Sink):
    """Keeps the top class and the age of every result, and times from the first result on."""

    def __init__(self) -> None:
        self.top: list[int] = []
        self.ages: list[tuple[float, float]] = []
        self.wall_s = self.cpu_s = 0.0

    def write(self, frame: AnyFrame, prediction: Prediction) -> None:
        """Keep it."""
        if not self.top:
            self._start_s, self._start_cpu_s = time.perf_counter(), time.process_time()
        self.top.append(prediction.categories[0].index)
        self.wall_s, self.cpu_s = time.perf_counter() - self._start_s, time.process_time() - self._start_cpu_s
        self.ages.append((self.wall_s, prediction.age_ms))


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "accuracy", "overhead", "imports", "age", "ours"])
    parser.add_argument("paths", type=Path, nargs="*")
    parser.add_argument("--model", help="an int8 file or a published model; left out: imagenet-lite0")
    parser.add_argument("--mediapipe", type=Path, help="a Python with mediapipe")
    parser.add_argument("--frames", type=int, default=480)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    model = find_model(args.model or "imagenet-lite0")
    if args.what != "ours":
        print(f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; {model}")
    with tempfile.TemporaryDirectory() as folder:
        match args.what:
            case "ours":
                print(json.dumps(label_clip(model, args.paths[0])))
            case "speed":
                clip = write_clip(Path(folder) / "clip.avi", pan_over(args.paths, args.frames))
                measure_speed(model, clip, args.rounds, args.mediapipe)
            case "accuracy":
                measure_accuracy(model, args.paths[0], Path(folder))
            case "overhead":
                measure_overhead(model, args.rounds)
            case "imports":
                measure_imports(args.rounds)
            case "age":
                measure_age(model, args.paths, args.minutes, args.plot)


def pan_over(photographs: Sequence[Path], num_frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield 1080p pictures that wander over each photograph in turn."""
    width, height = SIZE_WH
    for photograph in photographs:
        picture = cv2.imread(str(photograph))
        if picture is None:
            sys.exit(f"cannot read {photograph}")
        scale = max((width + 480) / picture.shape[1], (height + 270) / picture.shape[0])
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        num = num_frames // len(photographs)
        for index in range(num):
            x, y = index * 480 // num, index * 270 // num
            yield np.ascontiguousarray(picture[y : y + height, x : x + width])


def write_clip(path: Path, pictures: Iterator[NDArray[np.uint8]]) -> Path:
    """Write a Motion JPEG clip."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, SIZE_WH)
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, JPEG_QUALITY)
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def label_clip(model: Path, clip: Path) -> dict[str, Any]:
    """Label a clip as ``edgecnn run`` does."""
    sink = TopSink()
    num_lanes = default_num_threads()
    run(VideoSource(str(clip)), Classifier.load(model, num_threads=1), [sink], RunOptions(num_lanes=num_lanes))
    # Not getrusage: its peak is inherited from the process that started this one.
    peak_kb = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    peak_mb = int(peak_kb[1]) / 1024 if peak_kb else 0.0
    return {"top": sink.top, "wall_s": sink.wall_s, "cpu_s": sink.cpu_s, "peak_mb": peak_mb}


def measure_speed(model: Path, clip: Path, num_rounds: int, mediapipe: Path | None) -> None:
    """Print frames per second, CPU time and memory of the programs, and their ratios."""
    cores = default_num_threads()
    programs: dict[str, list[str]] = {
        f"usual loop, {n} thread{'s' * (n > 1)}": [sys.executable, "-c", USUAL, str(model), str(clip), str(n)]
        for n in sorted({1, cores})
    }
    if mediapipe:
        programs["MediaPipe, video mode"] = [str(mediapipe), "-c", MEDIAPIPE, str(model), str(clip)]
    programs["edgecnn"] = [sys.executable, __file__, "ours", str(clip), "--model", str(model)]
    rounds = [{name: result_of(command) for name, command in programs.items()} for _ in range(num_rounds)]
    print(f"{'':26}{'fps':>8}{'CPU ms/frame':>14}{'peak MB':>9}{'fps, edgecnn/this':>19}{'CPU':>6}{'same top':>10}")
    for name in programs:
        rows = [one[name] for one in rounds]
        ours = [one["edgecnn"] for one in rounds]
        fps, cpu_ms = median(map(fps_of, rows)), median(map(cpu_ms_of, rows))
        faster = median(fps_of(our) / fps_of(row) for our, row in zip(ours, rows, strict=True))
        cheaper = median(cpu_ms_of(our) / cpu_ms_of(row) for our, row in zip(ours, rows, strict=True))
        same = np.mean(np.array(rows[0]["top"]) == np.array(ours[0]["top"]))
        peak_mb = median(row["peak_mb"] for row in rows)
        print(f"{name:26}{fps:>8.1f}{cpu_ms:>14.2f}{peak_mb:>9.1f}{faster:>19.2f}{cheaper:>6.2f}{same:>10.1%}")


def result_of(command: Sequence[str]) -> dict[str, Any]:
    """Run a program and read the JSON object in its last line."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def fps_of(result: dict[str, Any]) -> float:
    """Return frames per second after the first."""
    return float((len(result["top"]) - 1) / result["wall_s"])


def cpu_ms_of(result: dict[str, Any]) -> float:
    """Return CPU milliseconds per frame after the first."""
    return float(1e3 * result["cpu_s"] / (len(result["top"]) - 1))


def measure_accuracy(model: Path, root: Path, folder: Path) -> None:
    """Print how often the usual loop and edgecnn name the same class, and the right one."""
    pictures = ImageFolder.scan(root)
    labels = Classifier.load(model).labels
    truths = np.array([labels.index(pictures.labels[picture.label_index]) for picture in pictures.pictures])

    def enlarged() -> Iterator[NDArray[np.uint8]]:
        for picture in pictures.pictures:
            pixels = cv2.imread(str(root / picture.path))
            assert pixels is not None, picture.path
            yield cv2.resize(pixels, SIZE_WH, interpolation=cv2.INTER_CUBIC)

    clip = write_clip(folder / "labelled.avi", enlarged())
    usual = np.array(result_of([sys.executable, "-c", USUAL, str(model), str(clip), "1"])["top"])
    ours = np.array(result_of([sys.executable, __file__, "ours", str(clip), "--model", str(model)])["top"])
    print(
        f"{len(truths)} frames: usual loop {np.mean(usual == truths):.1%} right, edgecnn {np.mean(ours == truths):.1%}"
    )
    print(f"same top class on {np.mean(usual == ours):.1%}")


class RepeatedFrame(Source):
    """The same decoded picture again and again."""

    def __init__(self, pixels: NDArray[np.uint8], num_frames: int) -> None:
        self._pixels, self._num_frames = pixels, num_frames

    def __iter__(self) -> Iterator[AnyFrame]:
        """Give it."""
        for index in range(self._num_frames):
            yield Frame(pixels=self._pixels, color_order="rgb", captured_ns=time.monotonic_ns(), index=index)


def measure_overhead(model: Path, num_rounds: int) -> None:
    """Print the milliseconds that the loop adds to each inference, one picture at a time."""
    classifier = Classifier.load(model, num_threads=1)
    contract = classifier.contract
    # Of this size nothing is left to resize after the crop.
    pixels = synthetic_picture(0, *(round(side / contract.crop_fraction) for side in contract.size_wh))
    prepared = classifier.prepare(Frame(pixels=pixels, color_order="rgb"))
    num = 300

    def alone() -> None:
        for _ in range(num):
            classifier.scores(prepared)

    def looped() -> None:
        run(RepeatedFrame(pixels, num), classifier, [TopSink()])

    alone()
    added = []
    for _ in range(num_rounds):
        without, within = seconds(alone), seconds(looped)
        added.append(1e3 * (within - without) / num)
        print(f"invoke alone {1e3 * without / num:.3f} ms, in the loop {1e3 * within / num:.3f} ms per frame")
    print(f"the loop adds {median(added):.3f} ms per frame (median of {num_rounds}); aim: at most 0.3")


def measure_imports(num_rounds: int) -> None:
    """Print the milliseconds that the imports of edgecnn's runtime add."""
    bare = "import numpy, cv2, ai_edge_litert.interpreter"
    ours = f"{bare}, edgecnn.runtime"
    whole = f"{ours}.classifier, edgecnn.runtime.loop, edgecnn.runtime.plugins"
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(code: str) -> float:
            return seconds(lambda: subprocess.run([sys.executable, "-c", code], env=environment, check=True))

        rounds = [[1e3 * start(code) for code in (bare, ours, whole)] for _ in range(4 * num_rounds)][1:]
    for title, column in (("edgecnn.runtime", 1), ("classifier, loop and plugins, too", 2)):
        added = median(one[column] - one[0] for one in rounds)
        print(f"{title}: {added:.1f} ms more than {median(one[0] for one in rounds):.0f} ms; aim: at most 30")


class SlowClassifier(Classifier):
    """A classifier that runs its network so often that it is slower than the camera."""

    repeats = 1

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network ``repeats`` times."""
        for _ in range(self.repeats - 1):
            super().scores(pixels)
        return super().scores(pixels)


def measure_age(model: Path, photographs: Sequence[Path], minutes: float, plot: Path | None) -> None:
    """Print the age of the pictures when their results come out, and draw it over the time."""
    classifier = SlowClassifier.load(model)
    pixels = synthetic_picture(0, *classifier.contract.size_wh)
    assert isinstance(classifier, SlowClassifier)
    classifier.repeats = max(1, round(50 / (1e3 * min(seconds(lambda: classifier.scores(pixels)) for _ in range(20)))))
    jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pan_over(photographs, 120)]
    sink = TopSink()
    with MjpegServer(jpegs, frame_rate=30.0) as camera:
        source = open_source(camera.url)
        stats = run(source, classifier, [sink], RunOptions(max_duration_s=60 * minutes))
    ages = np.array(sink.ages)
    limit_ms = 1e3 / 30 + 1.5 * stats.invoke_ms.p50
    age, invoke_ms = stats.age_ms, stats.invoke_ms.p50
    print(f"{stats.frames} results in {stats.wall_s:.0f} s, {stats.dropped} dropped; inference {invoke_ms:.1f} ms")
    print(f"age p50 {age.p50:.1f}, p95 {age.p95:.1f}, p99 {age.p99:.1f} ms; aim: p95 at most {limit_ms:.1f}")
    fifth = len(ages) // 5
    first, last = (np.percentile(part[:, 1], 95) for part in (ages[:fifth], ages[-fifth:]))
    print(f"p95 in the first fifth {first:.1f} ms, in the last {last:.1f} ms")
    if plot:
        draw_ages(ages, limit_ms, plot)


def draw_ages(ages: NDArray[np.float64], limit_ms: float, path: Path) -> None:
    """Draw the age of every result over the time of the run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(ages[:, 0] / 60, ages[:, 1], ",", color="tab:blue")
    axes.axhline(limit_ms, color="tab:red", linewidth=1, label="one camera period + 1.5 inferences")
    axes.set(xlabel="minutes", ylabel="age of the picture, ms", ylim=(0, 2 * limit_ms))
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=100)


def seconds(work: Callable[[], Any]) -> float:
    """Return how long some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
