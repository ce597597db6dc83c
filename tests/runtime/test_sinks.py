import io
import json
import os
import pty
import sys
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.decisions import DecisionRules
from edgecnn.core.frame import Frame
from edgecnn.core.predictions import Category, Prediction, StageTimes
from edgecnn.errors import SinkError
from edgecnn.imaging import decode
from edgecnn.runtime.loop import run
from edgecnn.runtime.options import RunOptions
from edgecnn.runtime.sinks.console import ConsoleSink, cut_to_columns
from edgecnn.runtime.sinks.jsonl import JsonlSink
from edgecnn.runtime.sinks.report import ReportSink, format_stats
from edgecnn.runtime.sinks.video import VideoSink
from edgecnn.runtime.sources.video import VideoSource
from edgecnn.runtime.stats import RunSetup
from edgecnn.testing import CollectSink, FakeClassifier, ScriptedSource, grey_of, write_clip

LABELS = ("Katze 猫", "dog")
SETUP = RunSetup(model="m.tflite", name="m", num_classes=2, backend="none, 1 thread", source="scripted")


def plain(level, size_wh=(64, 48)):
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def classifier(function=lambda pixels: [0.25, 0.75]):
    return FakeClassifier(LABELS, function)


def by_brightness(pixels):
    return [0.875, 0.125] if pixels.mean() < 128 else [0.25, 0.75]


def predict(label="dog", *, age_ms=12.0, captured_ns=0, name=""):
    return Prediction(categories=(Category(1, label, 0.75),), age_ms=age_ms, captured_ns=captured_ns, name=name)


def frame(level=0, captured_ns=0, size_wh=(64, 48)):
    return Frame(pixels=plain(level, size_wh), color_order="bgr", captured_ns=captured_ns)


def read_clip(path):
    with VideoSource(str(path)) as source:
        return [decode(frame) for frame in source]


def test_jsonl_has_one_object_per_frame_and_a_summary_at_the_end(tmp_path):
    out = tmp_path / "out.jsonl"
    sinks = [JsonlSink(str(out)), CollectSink()]
    stats = run(ScriptedSource([plain(0)] * 3), classifier(), sinks, RunOptions(setup=SETUP))
    *lines, last = map(json.loads, out.read_text("utf-8").splitlines())
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert list(lines[0]) == ["index", "camera", "captured_ns", "age_ms", "categories", "stages_ms", "dropped"]
    assert lines[0]["categories"] == [
        {"index": 1, "label": "dog", "score": 0.75},
        {"index": 0, "label": "Katze 猫", "score": 0.25},
    ]
    assert list(lines[0]["stages_ms"]) == ["read", "decode", "resize", "invoke"]
    assert list(last) == ["summary"]
    summary = last["summary"]
    assert (summary["frames"], summary["dropped"], summary["unreadable"]) == (3, 0, 0)
    assert (summary["model"], summary["backend"], summary["source"]) == ("m.tflite", "none, 1 thread", "scripted")
    assert summary["fps"] == pytest.approx(stats.fps, abs=0.01)
    assert list(summary["age_ms"]) == ["p50", "p95", "p99"]


def test_jsonl_names_a_picture_even_if_its_name_is_no_text(tmp_path):
    out = tmp_path / "out.jsonl"
    sink = JsonlSink(str(out))
    sink.open(ScriptedSource([]))
    sink.write(frame(), predict(name=os.fsdecode(b"caf\xe9.jpg")))
    sink.close()
    assert json.loads(out.read_bytes())["name"] == "caf?.jpg"


def test_a_jsonl_line_is_out_as_soon_as_it_is_written(tmp_path):
    out = tmp_path / "out.jsonl"
    sink = JsonlSink(str(out))
    sink.open(ScriptedSource([]))
    sink.write(frame(), predict())
    assert json.loads(out.read_text("utf-8"))["age_ms"] == 12.0
    sink.close()


def test_jsonl_on_standard_output_leaves_it_open(capfdbinary):
    run(ScriptedSource([plain(0)]), classifier(), [JsonlSink("-")])
    sys.stdout.flush()
    assert [next(iter(json.loads(line))) for line in capfdbinary.readouterr().out.splitlines()] == ["index", "summary"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/no/such/folder/out.jsonl", "cannot write /no/such/folder/out.jsonl: No such file or directory"),
        ("/", "cannot write /: Is a directory"),
        ("a\0b", "cannot write a\0b: embedded null byte"),
    ],
)
def test_a_jsonl_file_that_cannot_be_written_is_explained_before_the_first_frame(place, message):
    sink = CollectSink()
    with pytest.raises(SinkError) as caught:
        run(ScriptedSource([plain(0)]), classifier(), [sink, JsonlSink(place)])
    assert str(caught.value) == message
    assert sink.predictions == []


def test_a_jsonl_sink_without_a_place_is_explained():
    with pytest.raises(SinkError, match="needs a file; give jsonl:FILE"):
        JsonlSink("")


def test_a_full_disk_is_explained():
    with pytest.raises(SinkError, match="cannot write to jsonl:/dev/full: No space left on device"):
        run(ScriptedSource([plain(0)]), classifier(), [JsonlSink("/dev/full")])


def test_off_a_terminal_the_console_writes_a_line_per_change_of_label():
    stream = io.StringIO()
    pictures = [plain(level) for level in (0, 10, 250, 240, 0)]
    run(ScriptedSource(pictures), classifier(by_brightness), [ConsoleSink(stream=stream)])
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Katze 猫", "dog", "Katze 猫"]
    assert lines[0].split("  ")[1] == "88%"
    assert "ms old" in lines[0]


def test_the_console_says_when_nothing_reaches_the_threshold():
    stream = io.StringIO()
    run(ScriptedSource([plain(0)]), classifier(), [ConsoleSink(stream=stream)], RunOptions(score_threshold=0.9))
    assert stream.getvalue().startswith("(nothing above the threshold)")


def test_on_a_terminal_the_console_keeps_to_one_line():
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w", encoding="utf-8") as stream, os.fdopen(controller, "rb", buffering=0) as screen:
        sink = ConsoleSink(stream=stream)
        for index in range(5):
            sink.write(frame(), predict(f"label {index}", captured_ns=index * 200_000_000))
        sink.finish(None)
        sink.close()
        shown = ""
        while "\n" not in shown:
            shown += screen.read(4096).decode()
    assert shown.count("\n") == 1
    assert shown.endswith("\n")
    drawn = shown.strip().split("\r")
    assert [text.split("  ")[0] for text in drawn if text][-1] == "label 4"
    assert "5 fps" in drawn[-1]


def test_on_a_terminal_the_line_holds_all_cameras():
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w", encoding="utf-8") as stream, os.fdopen(controller, "rb", buffering=0) as screen:
        sink, source = ConsoleSink(stream=stream), ScriptedSource([], live=True)
        source.num_cameras = 2
        sink.open(source)
        for camera, label in (("a", "cat"), ("b", "dog"), ("a", "bird")):
            sink.write(frame(), replace(predict(label), camera=camera, name="truth" if camera == "b" else ""))
        sink.finish(None)
        sink.close()
        shown = ""
        while "\n" not in shown:
            shown += screen.read(4096).decode()
    last = shown.strip().split("\r")[-1]
    assert last.index("a: bird  75%") < last.index("  |  ") < last.index("truth: dog  75%")


def test_the_console_says_when_nothing_is_decided_yet():
    stream = io.StringIO()
    run(
        ScriptedSource([plain(0)]),
        classifier(),
        [ConsoleSink(stream=stream)],
        RunOptions(rules=DecisionRules(confirm=2)),
    )
    assert stream.getvalue().startswith("(not decided yet)  ")


def test_the_console_lets_no_escape_sequence_through():
    stream = io.StringIO()
    ConsoleSink(stream=stream).write(frame(), predict(name="evil\x1b[2J\u009b31m.jpg"))
    assert stream.getvalue().startswith("evil?[2J?31m.jpg: dog")


def test_a_label_that_the_console_cannot_encode_is_replaced():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    ConsoleSink(stream=stream).write(frame(), predict("Katze 猫"))
    assert raw.getvalue().startswith(b"Katze ?  75%")


def test_a_console_takes_no_place():
    with pytest.raises(SinkError, match="the sink console takes no place, got 'x'"):
        ConsoleSink("x")


@pytest.mark.parametrize(
    ("text", "num_columns", "cut"),
    [("abc", 5, "abc"), ("abc", 2, "ab"), ("猫猫猫", 5, "猫猫"), ("e\u0301x", 1, "e\u0301")],
)
def test_a_line_is_cut_by_columns_not_by_characters(text, num_columns, cut):
    assert cut_to_columns(text, num_columns) == cut


@pytest.mark.parametrize("name", ["out.avi", "out.mp4", "OUT.AVI"])
def test_a_clip_comes_out_with_every_frame_and_its_label_on_it(tmp_path, name):
    clip = write_clip(tmp_path / "in.avi", 20, size_wh=(320, 240), frame_rate=12.5)
    run(VideoSource(str(clip)), classifier(), [VideoSink(str(tmp_path / name))])
    with VideoSource(str(tmp_path / name)) as source:
        assert source.frame_rate == pytest.approx(12.5)
    frames = read_clip(tmp_path / name)
    assert len(frames) == 20
    for index, written in enumerate(frames):
        assert float(written.pixels[200:].mean()) == pytest.approx(grey_of(index), abs=5)
        assert float(written.pixels[:26, :40].max()) > 180, "white text"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in.avi", name])


def test_a_clip_has_its_name_only_when_it_is_complete(tmp_path):
    out = tmp_path / "out.avi"
    sink = VideoSink(str(out))
    sink.open(ScriptedSource([]))
    sink.write(frame(), predict())
    assert not out.exists()
    sink.close()
    assert len(read_clip(out)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.avi"]


def test_the_frames_are_not_written_on_themselves(tmp_path):
    sink = CollectSink()
    run(ScriptedSource([plain(77)]), classifier(), [VideoSink(str(tmp_path / "out.avi")), sink])
    assert (sink.frames[0].pixels == 77).all()


def test_a_run_without_frames_leaves_no_clip(tmp_path):
    run(ScriptedSource([]), classifier(), [VideoSink(str(tmp_path / "out.avi"))])
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_all_sizes_get_into_one_clip(tmp_path):
    out = tmp_path / "out.avi"
    pictures = [plain(100, size) for size in ((64, 48), (200, 20), (31, 77))]
    run(ScriptedSource(pictures), classifier(), [VideoSink(str(out))])
    assert [written.pixels.shape for written in read_clip(out)] == [(48, 64, 3)] * 3


@pytest.mark.parametrize("num_frames", [3, 30])
def test_a_clip_of_a_camera_runs_as_fast_as_its_results_came(tmp_path, num_frames):
    out, source = tmp_path / "out.avi", ScriptedSource([], live=True)
    source.frame_rate = 30.0
    sink = VideoSink(str(out))
    sink.open(source)
    for index in range(num_frames):
        sink.write(frame(captured_ns=5_000_000_000 + index * 80_000_000 + (index == 1) * 3_000_000), predict())
    sink.close()
    with VideoSource(str(out)) as clip:
        assert clip.frame_rate == pytest.approx(12.5, rel=0.05)
        assert len(list(clip)) == num_frames


def test_a_clip_is_completed_even_if_another_sink_fails(tmp_path):
    out = tmp_path / "out.avi"
    with pytest.raises(SinkError):
        run(ScriptedSource([plain(0)] * 3), classifier(), [VideoSink(str(out)), JsonlSink("/dev/full")])
    assert len(read_clip(out)) == 1


@pytest.mark.parametrize(
    ("label", "num_scripts"),
    [("a very long name of a class that does not fit at all", 1), ("日本語 Ελληνικά", 2), ("", 0)],
)
def test_any_label_can_be_written_into_a_small_picture(tmp_path, label, num_scripts):
    out = tmp_path / "out.avi"
    sink = VideoSink(str(out))
    sink.open(ScriptedSource([]))
    sink.write(frame(), predict(label))
    sink.write(frame(), Prediction(categories=()))
    sink.close()
    labelled, unlabelled = read_clip(out)
    assert labelled.pixels.max() > 100
    assert unlabelled.pixels.max() < 20


@pytest.mark.parametrize("place", ["out.mkv", "out", "", ".avi", "out.jsonl"])
def test_a_clip_of_another_kind_is_refused(place):
    with pytest.raises(SinkError, match=r"the sink video writes \.avi or \.mp4, got"):
        VideoSink(place)


def test_a_clip_that_cannot_be_written_is_explained_before_the_first_frame(tmp_path):
    (tmp_path / "folder.avi").mkdir()
    sink = CollectSink()
    for place, reason in (
        (tmp_path / "folder.avi", "it is a folder"),
        ("/no/such/out.avi", "No such file or directory"),
    ):
        with pytest.raises(SinkError, match=f"cannot write {place}: {reason}"):
            run(ScriptedSource([plain(0)]), classifier(), [sink, VideoSink(str(place))])
    assert sink.predictions == []


def test_the_report_says_what_runs_and_what_it_did():
    said = []
    source = ScriptedSource([plain(0)] * 4)
    stats = run(source, classifier(), [ReportSink(SETUP, said.append)], RunOptions(setup=SETUP))
    assert said == ["m (2 classes, m.tflite) on none, 1 thread; source scripted", format_stats(stats)]
    first, header, *rows = said[1].splitlines()
    assert first.startswith("4 frames in ")
    assert header.split() == ["p50", "p95", "p99", "ms"]
    assert [row.split()[0] for row in rows] == ["read", "decode", "resize", "invoke", "age"]
    assert len({len(row) for row in rows}) == 1


def test_times_are_rounded_in_jsonl(tmp_path):
    out = tmp_path / "out.jsonl"
    sink = JsonlSink(str(out))
    sink.open(ScriptedSource([]))
    sink.write(frame(), Prediction(categories=(), age_ms=1.23456789, stages_ms=StageTimes(invoke=0.00012345)))
    sink.close()
    line = json.loads(out.read_text("utf-8"))
    assert (line["age_ms"], line["stages_ms"]["invoke"], line["categories"]) == (1.235, 0.0, [])


def test_opencv_is_quiet_about_a_clip_it_cannot_write(tmp_path, capfd):
    sink = VideoSink(str(tmp_path / "out.mp4"))
    sink.open(ScriptedSource([]))
    with pytest.raises(SinkError, match="OpenCV cannot write"):
        sink.write(frame(size_wh=(1, 1)), predict())
    assert capfd.readouterr() == ("", "")
