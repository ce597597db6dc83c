import csv
import json
import os
import subprocess
import sys
import time
from datetime import datetime

import cv2
import numpy as np
import pytest

from edgecnn.core.decisions import Decision, DecisionRules
from edgecnn.core.frame import EncodedFrame, Frame
from edgecnn.core.predictions import UNDECIDED, Category, Prediction, StageTimes
from edgecnn.core.view import make_view
from edgecnn.errors import SinkError
from edgecnn.imaging import decode
from edgecnn.runtime.loop import RunOptions, run
from edgecnn.runtime.plugins import open_sink
from edgecnn.runtime.several import SeveralSources
from edgecnn.runtime.sinks.csv_table import COLUMNS, CsvSink
from edgecnn.runtime.sinks.displays import ProcessScreen, check_display, check_framework, gui_framework
from edgecnn.runtime.sinks.events import EventsSink
from edgecnn.runtime.sinks.frames import FramesSink
from edgecnn.runtime.sinks.names import CameraNames, name_part
from edgecnn.runtime.sinks.video import VideoSink
from edgecnn.runtime.sinks.window import MAX_SIDE_PX, WindowSink
from edgecnn.runtime.sources.video import VideoSource
from edgecnn.runtime.streams import CameraEvent
from edgecnn.testing import CollectSink, FakeClassifier, ManualClock, ScriptedSource, write_clip

SOURCE = ScriptedSource([])
START_NS = 1_795_000_000_000_000_000  # 2026-11-18T11:06:40 UTC


def plain(level=0, size_wh=(64, 48)):
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def frame(level=0, *, index=0, camera="camera:0", size_wh=(64, 48), **more):
    return Frame(pixels=plain(level, size_wh), color_order="bgr", index=index, camera=camera, **more)


def predict(label="dog", *, camera="camera:0", at_ms=0, **more):
    categories = () if label is None else (Category(1, label, 0.75), Category(0, "cat", 0.25))
    return Prediction(categories=categories, camera=camera, captured_ns=at_ms * 1_000_000, **more)


def decided(label, index=1, *, camera="camera:0", at_ms=0):
    decision = Decision(index=index, label=label, score=0.625, changed=False, frames=1)
    return predict("noise", camera=camera, at_ms=at_ms, decision=decision)


def by_brightness(pixels):
    return [0.875, 0.125] if pixels.mean() < 128 else [0.25, 0.75]


def classifier(labels=("night", "day"), function=by_brightness):
    return FakeClassifier(labels, function)


def write_all(sink, predictions, source=SOURCE):
    sink.open(source)
    for prediction in predictions:
        sink.write(frame(), prediction)
    sink.close()


# csv


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_csv_file_has_a_row_for_each_result(tmp_path):
    out = tmp_path / "out.csv"
    run(ScriptedSource([plain(0), plain(255)]), classifier(), [CsvSink(str(out))])
    rows = rows_of(out)
    assert tuple(rows[0]) == COLUMNS
    assert [(row["index"], row["camera"], row["label"], row["score"]) for row in rows] == [
        ("0", "scripted", "night", "0.875"),
        ("1", "scripted", "day", "0.75"),
    ]
    assert [(row["top_label"], row["decision"]) for row in rows] == [("night", ""), ("day", "")]
    assert all(float(row["age_ms"]) >= 0 and float(row["invoke_ms"]) >= 0 for row in rows)


def test_a_csv_row_tells_the_decision_from_the_best_category(tmp_path):
    out = tmp_path / "out.csv"
    write_all(CsvSink(str(out)), [predict(decision=UNDECIDED), decided("cat"), predict(None)])
    columns = ("label", "score", "top_label", "top_score", "decision")
    assert [tuple(row[name] for name in columns) for row in rows_of(out)] == [
        ("", "", "dog", "0.75", ""),
        ("cat", "0.625", "noise", "0.75", "cat"),
        ("", "", "", "", ""),
    ]


@pytest.mark.parametrize("text", ['say "hi", please', "two\nlines", "a\rb", "猫", "", "a;b", " x "])
def test_any_text_comes_out_of_a_csv_file_as_it_went_in(tmp_path, text):
    out = tmp_path / "out.csv"
    write_all(CsvSink(str(out)), [predict(text, name=text), predict("next")])
    first, second = rows_of(out)
    assert (first["label"], first["name"], second["label"]) == (text, text, "next")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_finds_no_formula_in_a_label_or_a_name(tmp_path, text):
    out = tmp_path / "out.csv"
    write_all(CsvSink(str(out)), [predict(text, name=text, camera=text)])
    row = rows_of(out)[0]
    assert [row[name] for name in ("label", "top_label", "name", "camera")] == ["'" + text] * 4


def test_a_csv_row_is_out_as_soon_as_it_is_written(tmp_path):
    out = tmp_path / "out.csv"
    sink = CsvSink(str(out))
    sink.open(SOURCE)
    assert out.read_text("utf-8").rstrip() == ",".join(COLUMNS)
    sink.write(frame(), predict(stages_ms=StageTimes(read=1.23456), age_ms=0.5, dropped=3))
    row = rows_of(out)[0]
    assert (row["read_ms"], row["age_ms"], row["dropped"]) == ("1.235", "0.5", "3")
    sink.close()


def test_csv_and_events_on_standard_output_leave_it_open(capfdbinary):
    run(ScriptedSource([plain(0)]), classifier(), [CsvSink("-")])
    run(ScriptedSource([plain(0)]), classifier(), [EventsSink("-")])
    sys.stdout.flush()
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert [line.split(",")[0] for line in lines] == ["index", "0", '{"event":"label"', '{"event":"end"']


@pytest.mark.parametrize("scheme", ["csv", "events"])
def test_a_place_that_cannot_be_written_is_explained_before_the_first_frame(scheme):
    with pytest.raises(SinkError, match=f"the sink {scheme} needs a file; give {scheme}:FILE, or {scheme}:-"):
        open_sink(scheme)
    with pytest.raises(SinkError, match="cannot write /no/such/out: No such file or directory"):
        open_sink(f"{scheme}:/no/such/out").open(SOURCE)
    with pytest.raises(SinkError, match=f"cannot write to {scheme}:/dev/full: No space left on device"):
        run(ScriptedSource([plain(0)]), classifier(), [open_sink(f"{scheme}:/dev/full")])


# events


def events_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_only_changes_of_the_label_are_events(tmp_path):
    out = tmp_path / "out.jsonl"
    labels = ("dog", "dog", "cat", "cat", "cat", "dog")
    write_all(EventsSink(str(out)), [predict(label, at_ms=1000 * index) for index, label in enumerate(labels)])
    events = events_of(out)
    assert list(events[0]) == ["event", "camera", "captured_ns", "time", "label", "score", "previous", "held_s"]
    assert [(e["event"], e["label"], e["previous"], e["held_s"], e["captured_ns"] // 10**9) for e in events] == [
        ("label", "dog", None, None, 0),
        ("label", "cat", "dog", 2.0, 2),
        ("label", "dog", "cat", 3.0, 5),
    ]
    assert {event["score"] for event in events} == {0.75}


def test_each_camera_has_a_state_of_its_own(tmp_path):
    out = tmp_path / "out.jsonl"
    shown = [("a", "dog"), ("b", "cat"), ("a", "dog"), ("b", "cat"), ("b", "dog")]
    write_all(EventsSink(str(out)), [predict(label, camera=camera) for camera, label in shown])
    assert [(event["camera"], event["label"]) for event in events_of(out)] == [("a", "dog"), ("b", "cat"), ("b", "dog")]


def test_the_loss_of_every_category_is_an_event_but_no_first_one(tmp_path):
    out = tmp_path / "out.jsonl"
    write_all(EventsSink(str(out)), [predict(label) for label in (None, "dog", None, None, "dog")])
    assert [(event["label"], event["previous"], event["held_s"]) for event in events_of(out)] == [
        ("dog", None, None),
        (None, "dog", 0.0),
        ("dog", None, 0.0),
    ]


def test_with_rules_only_decisions_are_events_and_unknown_is_no_class_of_that_name(tmp_path):
    out = tmp_path / "out.jsonl"
    undecided = predict("noise", decision=UNDECIDED)
    shown = [undecided, decided("cat", 0), decided("cat", 0), decided("unknown", None), decided("unknown", 1)]
    write_all(EventsSink(str(out)), shown)
    events = events_of(out)
    assert [(event["label"], event["previous"]) for event in events] == [
        ("cat", None),
        ("unknown", "cat"),
        ("unknown", "unknown"),
    ]
    assert events[0]["score"] == 0.625


def test_a_run_with_rules_gives_as_many_events_as_confirmed_changes(tmp_path):
    out = tmp_path / "out.jsonl"
    levels = (0, 0, 0, 255, 0, 0, 255, 255, 255)
    options = RunOptions(rules=DecisionRules(confirm=2))
    run(ScriptedSource([plain(level) for level in levels]), classifier(), [EventsSink(str(out))], options)
    *labels, end = events_of(out)
    assert [event["label"] for event in labels] == ["night", "day"]
    assert (end["event"], end["frames"], end["dropped"], end["undelivered"]) == ("end", 9, 0, 0)


def test_the_time_of_an_event_is_that_of_its_picture_by_the_wall_clock(tmp_path):
    out = tmp_path / "out.jsonl"
    clock = ManualClock(50_000_000_000)
    sink = EventsSink(str(out), clock=clock, wall_clock=lambda: START_NS + clock() - 50_000_000_000)
    sink.open(SOURCE)
    clock.advance(10_250)  # what waited in line for that long
    sink.write(frame(), predict(at_ms=50_000))
    sink.tell(CameraEvent("camera_lost", "camera:0", 51_500_000_000, "unplugged"))
    sink.tell(CameraEvent("camera_back", "camera:0", 60_250_000_000, "camera:0 is back after 8.8 s"))
    sink.close()
    label, lost, back = events_of(out)
    assert [event["time"] for event in (label, lost, back)] == [
        "2026-11-18T11:06:40.000Z",
        "2026-11-18T11:06:41.500Z",
        "2026-11-18T11:06:50.250Z",
    ]
    assert datetime.fromisoformat(label["time"].replace("Z", "+00:00")).timestamp() * 1e9 == START_NS
    del lost["time"]
    assert lost == {"event": "camera_lost", "camera": "camera:0", "at_ns": 51_500_000_000, "reason": "unplugged"}
    assert (back["event"], back["reason"]) == ("camera_back", "camera:0 is back after 8.8 s")


def test_an_event_names_the_picture_of_a_folder_even_if_its_name_is_no_text(tmp_path):
    out = tmp_path / "out.jsonl"
    write_all(EventsSink(str(out)), [predict(name=os.fsdecode(b"caf\xe9.jpg"))])
    assert events_of(out)[0]["name"] == "caf?.jpg"


# frames


def pictures_in(folder):
    """Return the names of the pictures of the only run in a folder."""
    (inner,) = folder.iterdir()
    return sorted(path.name for path in inner.iterdir())


def test_each_judged_frame_becomes_a_picture_with_its_label(tmp_path):
    out = tmp_path / "deep" / "out"
    run(
        ScriptedSource([plain(20, (320, 240)), plain(230, (320, 240))]),
        classifier(("Katze 猫", "a/b: *?")),
        [FramesSink(str(out))],
    )
    assert pictures_in(out) == ["scripted_000000000_Katze_猫.jpg", "scripted_000000001_a_b.jpg"]
    (folder,) = out.iterdir()
    for name, level in zip(pictures_in(out), (20, 230), strict=True):
        picture = cv2.imdecode(np.fromfile(folder / name, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (240, 320, 3)
        assert abs(float(picture[200:].mean()) - level) < 3
        assert picture[:26, :40].max() > 180, "white text"


def test_the_frame_itself_is_not_drawn_on(tmp_path):
    sink = CollectSink()
    run(ScriptedSource([plain(77)]), classifier(), [FramesSink(str(tmp_path / "out")), sink])
    assert (sink.frames[0].pixels == 77).all()


def test_two_runs_that_begin_in_the_same_second_do_not_write_over_each_other(tmp_path):
    for _ in range(3):
        sink = FramesSink(str(tmp_path), wall_clock=lambda: START_NS)
        write_all(sink, [predict()])
    began = "20261118T110640Z"
    assert sorted(path.name for path in tmp_path.iterdir()) == [began, f"{began}-2", f"{began}-3"]
    assert len(list(tmp_path.glob("*/*.jpg"))) == 3


def test_a_run_without_frames_leaves_no_empty_folder(tmp_path):
    run(ScriptedSource([]), classifier(), [FramesSink(str(tmp_path))])
    assert list(tmp_path.iterdir()) == []


def test_a_frame_that_is_still_encoded_is_written_upright(tmp_path):
    data = cv2.imencode(".jpg", plain(100, (64, 48)))[1].tobytes()
    sink = FramesSink(str(tmp_path))
    sink.open(SOURCE)
    sink.write(EncodedFrame(data=data, encoding="jpeg", camera="camera:0", view=make_view(rotate=90)), predict())
    sink.close()
    (picture,) = tmp_path.glob("*/*.jpg")
    assert cv2.imread(str(picture)).shape == (64, 48, 3)


def test_a_frame_without_a_label_is_written_without_one(tmp_path):
    write_all(FramesSink(str(tmp_path)), [predict(None)])
    assert pictures_in(tmp_path) == ["camera_0_000000000.jpg"]


def test_cameras_are_told_apart_even_if_their_names_look_alike(tmp_path):
    sink = FramesSink(str(tmp_path))
    sink.open(SOURCE)
    for camera in ("rtsp://a/b", "rtsp://a:b", "///", "rtsp://a/b"):
        sink.write(frame(camera=camera, index=len(list(tmp_path.glob("*/*.jpg")))), predict("x"))
    sink.close()
    assert pictures_in(tmp_path) == [
        "camera_000000002_x.jpg",
        "rtsp___a_b-2_000000001_x.jpg",
        "rtsp___a_b_000000000_x.jpg",
        "rtsp___a_b_000000003_x.jpg",
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a dog", "a_dog"),
        ("../../etc/passwd", "etc_passwd"),
        ("बिल्ली", "बिल्ली"),
        ("Cafe\u0301", "Café"),
        ("\ud800\0\n\x1b", ""),
        ("", ""),
        (".hidden", "hidden"),
        ("猫" * 100, "猫" * 16),
        ("x" * 300, "x" * 50),
    ],
)
def test_a_part_of_a_file_name_is_safe_whatever_it_is_made_of(text, part):
    assert name_part(text) == part


def test_a_camera_keeps_its_name():
    names = CameraNames()
    assert [names.name_of(camera) for camera in ("a:b", "a/b", "a:b")] == ["a_b", "a_b-2", "a_b"]


@pytest.mark.parametrize(
    ("place", "message"),
    [("", "needs a folder"), ("file", "it is a file; give a folder"), ("file/x", "Not a directory"), ("a\0b", "null")],
)
def test_a_folder_that_cannot_be_made_is_explained(tmp_path, monkeypatch, place, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(SinkError, match=message):
        open_sink(f"frames:{place}").open(SOURCE)
    assert (tmp_path / "file").read_text() == "x"


FULL_DISK = """
import resource, sys
import numpy as np
from edgecnn.core.frame import Frame
from edgecnn.core.predictions import Category, Prediction
from edgecnn.errors import SinkError
from edgecnn.imaging import decode
from edgecnn.runtime.sinks.frames import FramesSink
from edgecnn.testing import ScriptedSource

sink = FramesSink(sys.argv[1])
sink.open(ScriptedSource([]))
prediction = Prediction(categories=(Category(0, "x", 1.0),))
sink.write(Frame(pixels=np.zeros((48, 64, 3), np.uint8), color_order="bgr", index=1), prediction)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    sink.write(Frame(pixels=np.zeros((48, 64, 3), np.uint8), color_order="bgr", index=2), prediction)
except SinkError as exc:
    print(exc)
sink.close()
"""


def test_a_disk_that_takes_no_more_is_explained_and_keeps_no_half_picture(tmp_path, repository):
    script = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    result = subprocess.run(script, capture_output=True, text=True, cwd=repository, timeout=60, check=False)
    assert result.stderr == ""
    assert result.stdout.startswith("cannot write ")
    assert result.stdout.endswith("camera_000000002_x.jpg: File too large\n")
    assert pictures_in(tmp_path) == ["camera_000000001_x.jpg"]


# video of several cameras


def test_of_several_cameras_each_gets_a_clip_of_its_own(tmp_path):
    out, source = tmp_path / "out.avi", ScriptedSource([], live=True)
    source.num_cameras = 2
    sink = VideoSink(str(out))
    sink.open(source)
    for index in range(12):
        sink.write(frame(200, camera="camera:0", size_wh=(64, 48), captured_ns=index * 100_000_000), predict())
        if index % 2:
            sink.write(frame(50, camera="camera:1", size_wh=(96, 32), captured_ns=index * 100_000_000), predict())
    assert not list(tmp_path.glob("[!.]*"))
    sink.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-camera_0.avi", "out-camera_1.avi"]
    for name, num_frames, rate, shape in (("0", 12, 10.0, (48, 64, 3)), ("1", 6, 5.0, (32, 96, 3))):
        with VideoSource(str(tmp_path / f"out-camera_{name}.avi")) as clip:
            assert clip.frame_rate == pytest.approx(rate)
            assert [decoded.pixels.shape for decoded in map(decode, clip)] == [shape] * num_frames


def test_the_clips_of_several_clips_keep_the_frame_rate_that_is_common_to_them(tmp_path):
    clips = [write_clip(tmp_path / f"in{number}.avi", 10, frame_rate=12.5) for number in (1, 2)]
    source = SeveralSources([VideoSource(str(clip)) for clip in clips])
    out = tmp_path / "out"
    out.mkdir()
    run(source, classifier(), [VideoSink(str(out / "o.avi"))])
    written = sorted(out.iterdir())
    assert len(written) == 2
    for path in written:
        with VideoSource(str(path)) as clip:
            assert (clip.frame_rate, len(list(clip))) == (pytest.approx(12.5), 10)


def test_the_judged_part_is_outlined_in_frames_of_any_size(tmp_path):
    out = tmp_path / "out.avi"
    view = make_view(roi="0.25,0.25,0.5,0.5")
    sink = VideoSink(str(out))
    sink.open(SOURCE)
    for size_wh in ((640, 480), (320, 240)):
        sink.write(frame(0, size_wh=size_wh, view=view), predict(None))
    sink.close()
    with VideoSource(str(out)) as clip:
        for written in map(decode, clip):
            assert written.pixels[118:124, 300:340].max() > 128
            assert written.pixels[200:280, 300:340].max() < 32


# window


class PaperScreen:
    """A screen that remembers, and a person in front of it who acts when so many pictures were shown."""

    def __init__(self, *, leaves_after=None, leaves_after_polls=None):
        self.shown, self.num_polls, self.opened, self.closed = [], 0, False, False
        self._leaves_after, self._leaves_after_polls = leaves_after, leaves_after_polls

    def open(self):
        self.opened = True

    def show(self, title, canvas):
        self.shown.append((title, canvas))

    def poll(self, wait_ms):
        self.num_polls += 1
        return len(self.shown) == self._leaves_after or self.num_polls == self._leaves_after_polls

    def close(self):
        self.closed = True


def test_a_window_shows_every_frame_with_its_label_and_large_ones_smaller():
    screen = PaperScreen(leaves_after_polls=9)
    sizes = ((1920, 1080), (1080, 2400), (64, 48))
    source = ScriptedSource([plain(30, size_wh) for size_wh in sizes])
    with pytest.raises(BrokenPipeError):
        run(source, classifier(), [WindowSink(screen=screen)])
    assert [canvas.shape for _, canvas in screen.shown] == [(720, 1280, 3), (1280, 576, 3), (48, 64, 3)]
    assert MAX_SIDE_PX == 1280
    assert all(canvas[:80, :100].max() > 180 for _, canvas in screen.shown)
    assert {title for title, _ in screen.shown} == {"edgecnn scripted"}
    assert screen.closed


@pytest.mark.parametrize("live", [False, True])
def test_who_closes_the_window_ends_the_run(live):
    screen, other = PaperScreen(leaves_after=3), CollectSink()
    source = ScriptedSource([plain()] * 10_000, live=live, interval_ms=1)
    with pytest.raises(BrokenPipeError):
        run(source, classifier(), [WindowSink(screen=screen), other])
    assert len(other.predictions) < 1000
    assert (source.closed, screen.closed, other.closed) == (True, True, True)


def test_the_last_picture_of_a_file_stays_until_somebody_has_seen_it():
    screen = PaperScreen(leaves_after_polls=20)
    with pytest.raises(BrokenPipeError):
        run(ScriptedSource([plain()]), classifier(), [WindowSink(screen=screen)])
    assert (len(screen.shown), screen.num_polls) == (1, 20)


def test_a_window_does_not_hold_up_a_run_that_is_told_to_end():
    screen = PaperScreen()
    run(ScriptedSource([plain()] * 9), classifier(), [WindowSink(screen=screen)], RunOptions(max_frames=2))
    run(ScriptedSource([plain()] * 2, live=True, interval_ms=1), classifier(), [WindowSink(screen=screen)])
    run(ScriptedSource([]), classifier(), [WindowSink(screen=screen)])
    assert screen.closed


def test_a_window_answers_while_no_picture_comes():
    screen = PaperScreen(leaves_after_polls=3)

    class StalledSource(ScriptedSource):
        def __iter__(self):
            yield from super().__iter__()
            while not self.is_over():
                time.sleep(0.01)

    with pytest.raises(BrokenPipeError):
        run(StalledSource([plain()], live=True), classifier(), [WindowSink(screen=screen)])
    assert (len(screen.shown), screen.num_polls) == (1, 3)


def test_each_camera_has_a_window_whose_title_is_text():
    screen = PaperScreen()
    sink = WindowSink(screen=screen)
    sink.open(SOURCE)
    for camera in ("camera:0", "a\x1bb"):
        sink.write(frame(camera=camera), predict())
    assert [title for title, _ in screen.shown] == ["edgecnn camera:0", "edgecnn a?b"]


def test_the_window_of_a_lost_camera_turns_dark_and_says_so():
    screen = PaperScreen()
    sink = WindowSink(screen=screen)
    sink.open(SOURCE)
    sink.tell(CameraEvent("camera_lost", "camera:1", 0, "never seen"))
    sink.write(frame(200, size_wh=(640, 480)), predict())
    sink.tell(CameraEvent("camera_lost", "camera:0", 0, "unplugged"))
    sink.tell(CameraEvent("camera_back", "camera:0", 0, "camera:0 is back"))
    (title, _), (title_of_lost, lost) = screen.shown
    assert title_of_lost == title
    assert float(lost[300:].mean()) == pytest.approx(60, abs=2)
    assert lost[:60].max() > 180, "white text"


def test_a_window_takes_no_place():
    with pytest.raises(SinkError, match="the sink window takes no place, got 'x'; give just: window"):
        open_sink("window:x")


def test_an_opencv_without_windows_is_explained_before_the_first_frame():
    if gui_framework():
        pytest.skip("this OpenCV has windows")
    other = CollectSink()
    with pytest.raises(
        SinkError, match=r"built without windows; run: pip uninstall .*, then: pip install opencv-python$"
    ):
        run(ScriptedSource([plain()]), classifier(), [other, open_sink("window:")])
    assert other.predictions == []


def test_an_environment_without_a_display_is_explained():
    check_framework("QT5")
    for environment in ({"DISPLAY": ":0"}, {"WAYLAND_DISPLAY": "wayland-0"}, {"QT_QPA_PLATFORM": "offscreen"}):
        check_display(environment)
    for environment in ({}, {"DISPLAY": ""}):
        with pytest.raises(SinkError, match="there is no display for a window: DISPLAY is not set"):
            check_display(environment)


LIBRARY = """
import os, sys, time
WINDOW_AUTOSIZE, WINDOW_GUI_NORMAL, WND_PROP_VISIBLE = 1, 16, 4
error = RuntimeError
shown = []
def namedWindow(title, flags=0): pass
def destroyAllWindows(): print("noise", flush=True)
def imshow(title, pixels):
    shown.append((title, pixels.shape, int(pixels[0, 0, 0])))
    open(os.path.join(os.path.dirname(__file__), "shown"), "w").write(repr(shown))
def waitKey(time_ms): return -1
def getWindowProperty(title, which): return 1.0
"""
QT = "qt.qpa.xcb: could not connect to display :97\nqt.qpa.plugin: Could not load the Qt platform plugin\n\nUseless."


@pytest.fixture
def screen_on(tmp_path):
    """Makes a screen on which a library, whose Python is given, shows windows."""
    screens = []

    def make(code="", **options):
        (tmp_path / "cv2.py").write_text(LIBRARY + code)
        screens.append(ProcessScreen([str(tmp_path), *sys.path], **options))
        return screens[-1]

    yield make
    for screen in screens:
        screen.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f"sys.stderr.write({QT!r}); os.abort()", "on this display: qt.qpa.xcb: could not connect to display :97;"),
        ("raise RuntimeError('no such font')", "on this display: RuntimeError: no such font;"),
        ("sys.exit(3)", "on this display: it gave no reason;"),
        ("time.sleep(60)", r"within 0\.5 s: the display does not answer"),
    ],
)
def test_a_library_that_ends_its_process_for_want_of_a_display_does_not_end_the_run(screen_on, body, message):
    screen = screen_on(f"def namedWindow(title, flags=0): {body}\n", timeout_s=0.5 if "sleep" in body else 20.0)
    with pytest.raises(SinkError, match=message):
        screen.open()


def test_pictures_are_shown_by_another_process_until_it_is_told_to_end(screen_on, tmp_path, capfd):
    screen = screen_on()
    screen.open()
    screen.show("edgecnn Küche 猫", plain(7, (640, 480)))
    screen.show("edgecnn b", plain(9, (3, 2)))
    assert not screen.poll(0)
    screen.close()
    shown = (tmp_path / "shown").read_text()
    assert shown == "[('edgecnn Küche 猫', (480, 640, 3), 7), ('edgecnn b', (2, 3, 3), 9)]"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "act",
    [
        "def waitKey(time_ms): return ord('q') if len(shown) == 2 else -1",
        "def waitKey(time_ms): return 0x100000 + 27 if len(shown) == 2 else -1",
        "def getWindowProperty(title, which): return float(len(shown) < 2)",
    ],
)
@pytest.mark.parametrize("live", [False, True])
def test_who_presses_q_or_escape_or_closes_a_window_ends_the_run(screen_on, act, live):
    source = ScriptedSource([plain()] * 20_000, live=live, interval_ms=1)
    with pytest.raises(BrokenPipeError):
        run(source, classifier(), [WindowSink(screen=screen_on(act)), CollectSink()])
    assert source.closed


def failures(said):
    return [text for text in said if "failed" in text]


def test_a_display_that_goes_away_costs_a_live_run_only_its_window(screen_on):
    said, other = [], CollectSink()

    class PatientSource(ScriptedSource):
        def __iter__(self):
            for frame in super().__iter__():
                yield frame
                end_s = time.monotonic() + 5
                while frame.index >= 10 and not failures(said) and time.monotonic() < end_s:
                    time.sleep(0.01)

    source = PatientSource([plain()] * 20, live=True, interval_ms=1)
    source.say = said.append
    broken = "def imshow(title, pixels): sys.stderr.write('The X11 connection broke'); os._exit(1)"
    with pytest.raises(SinkError, match="no window can be shown on this display: The X11 connection broke;"):
        run(source, classifier(), [WindowSink(screen=screen_on(broken)), other])
    assert other.predictions[-1].frame_index > 10
    assert len(failures(said)) == 1
    assert "the sink window failed, the run goes on without it" in failures(said)[0]


def test_all_text_sinks_can_be_written_at_once(tmp_path):
    sinks = [open_sink(f"{scheme}:{tmp_path / scheme}") for scheme in ("csv", "events", "jsonl")]
    stats = run(ScriptedSource([plain(0)] * 5, live=True, interval_ms=5), classifier(), sinks)
    num_lines = [len((tmp_path / name).read_text("utf-8").splitlines()) for name in ("csv", "jsonl", "events")]
    assert num_lines == [stats.frames + 1, stats.frames + 1, 2]
