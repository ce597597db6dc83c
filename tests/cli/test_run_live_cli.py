"""``edgecnn run`` on cameras, from the outside: the command line, its files, its signals."""

import json
import signal
import subprocess
import sys
import time

import cv2
import pytest

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.testing import MjpegServer, write_clip

FIXED_KEYS = {"index", "camera", "captured_ns", "age_ms", "categories", "stages_ms", "dropped"}


def pictures(num, size_wh=(320, 240)):
    """Return JPEGs of smooth pictures that differ."""
    return [cv2.imencode(".jpg", synthetic_picture(seed, *size_wh))[1].tobytes() for seed in range(num)]


@pytest.fixture
def camera():
    with MjpegServer(pictures(10)) as server:
        yield server


def start(*arguments):
    command = [sys.executable, "-m", "edgecnn", "run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_camera_in_the_network_is_labelled_and_every_result_says_how_old_it_is(run_edgecnn, model_file, camera):
    result = run_edgecnn("run", model_file, "--camera", camera.url, "--frames", "20")
    assert result.returncode == 0, result.stderr
    *lines, last = objects(result.stdout)
    assert len(lines) == 20
    assert all(set(line) == FIXED_KEYS for line in lines)
    assert all(0 < line["age_ms"] < 5000 for line in lines)
    assert {line["camera"] for line in lines} == {camera.url}
    assert last["summary"]["source"] == camera.url


def test_a_camera_that_dies_and_comes_back_is_an_event_each_and_the_run_goes_on(model_file, tmp_path):
    events = tmp_path / "events.jsonl"
    with MjpegServer(pictures(10)) as camera:
        process = start(model_file, "--camera", camera.url, "--sink", f"events:{events}", "--sink", "jsonl:-")
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
    with MjpegServer(pictures(10), port=camera.port):
        wait_until(lambda: "camera_back" in events.read_text())
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr
    assert "summary" in objects(stdout.splitlines()[-1])[0]
    kinds = [event["event"] for event in objects(events.read_text())]
    assert [kind for kind in kinds if kind.startswith("camera")] == ["camera_lost", "camera_back"]
    assert kinds[-1] == "end"
    assert "camera lost: " in stderr
    assert "is back after" in stderr


def test_a_camera_that_stays_lost_ends_the_run_with_exit_code_4_when_asked_to(model_file, tmp_path):
    table = tmp_path / "results.csv"
    with MjpegServer(pictures(10)) as camera:
        process = start(
            model_file, "--camera", camera.url, "--lost-timeout", "1", "--sink", f"csv:{table}", "--sink", "jsonl:-"
        )
        assert process.stdout is not None
        process.stdout.readline()
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 4
    assert stderr.splitlines()[-1].startswith(f"error: {camera.url} stayed lost for 1 s")
    assert "summary" in stdout.splitlines()[-1]
    assert len(table.read_text().splitlines()) > 1


def test_two_cameras_share_a_process_and_tag_their_results(run_edgecnn, model_file, camera):
    with MjpegServer(pictures(10)) as other:
        result = run_edgecnn("run", model_file, "--camera", camera.url, "--camera", other.url, "--frames", "30")
    assert result.returncode == 0, result.stderr
    assert {line["camera"] for line in objects(result.stdout)[:-1]} == {camera.url, other.url}


def test_decisions_are_a_further_key_only_when_asked_for(run_edgecnn, model_file, camera):
    rules = ("--smooth", "ema:0.5", "--confirm", "2", "--hysteresis", "0.1", "--unknown-below", "0.2")
    result = run_edgecnn("run", model_file, "--camera", camera.url, "--frames", "5", *rules)
    lines = objects(result.stdout)[:-1]
    assert all(set(line) == FIXED_KEYS | {"decision"} for line in lines)
    assert lines[0]["decision"] is None
    assert set(lines[-1]["decision"]) == {"index", "label", "score"}


def test_a_clip_can_be_turned_cut_thinned_and_watched_for_motion(run_edgecnn, model_file, tmp_path):
    clip = write_clip(tmp_path / "clip.avi", 20, size_wh=(320, 240))
    options = ("--rotate", "90", "--flip", "h", "--roi", "0.25,0.25,0.5,0.5", "--every", "5", "--motion")
    result = run_edgecnn("run", model_file, "--camera", clip, *options)
    assert result.returncode == 0, result.stderr
    *lines, last = objects(result.stdout)
    assert [line["index"] for line in lines] == [0, 5, 10, 15]
    assert last["summary"]["still"] == 0


def test_several_clips_are_judged_to_their_ends(run_edgecnn, model_file, tmp_path):
    clips = [write_clip(tmp_path / f"{num}.avi", num) for num in (3, 5)]
    result = run_edgecnn("run", model_file, "--camera", clips[0], "--camera", clips[1])
    assert objects(result.stdout)[-1]["summary"]["frames"] == 8


@pytest.mark.parametrize("num_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_stall_ends_the_run_with_complete_files(model_file, camera, tmp_path, num_signal):
    clip, table = tmp_path / "out.avi", tmp_path / "out.csv"
    process = start(
        model_file, "--camera", camera.url, "--sink", f"video:{clip}", "--sink", f"csv:{table}", "--sink", "jsonl:-"
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(40)]
    camera.pause()
    time.sleep(1.0)
    process.send_signal(num_signal)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr
    num_results = len(lines) + len(stdout.splitlines()) - 1
    assert len(table.read_text().splitlines()) == num_results + 1
    capture = cv2.VideoCapture(str(clip))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == num_results
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.avi", "out.csv"]


def test_a_full_disk_costs_a_live_run_one_sink_one_warning_and_its_exit_code(run_edgecnn, model_file, camera, tmp_path):
    good = tmp_path / "good.jsonl"
    sinks = ("--sink", "csv:/dev/full", "--sink", f"jsonl:{good}")
    result = run_edgecnn("run", model_file, "--camera", camera.url, "--frames", "15", *sinks)
    assert result.returncode == 1
    assert result.stderr.count("the run goes on without it") <= 1
    assert "No space left on device" in result.stderr


def test_a_slow_reader_of_standard_output_costs_results_and_not_frames(model_file, tmp_path):
    with MjpegServer(pictures(10), frame_rate=200) as camera:
        process = start(
            model_file,
            "--camera",
            camera.url,
            "--sink",
            "jsonl:-",
            "--sink",
            f"csv:{tmp_path / 'all.csv'}",
            "--duration",
            "4",
        )
        time.sleep(6)
        stdout, stderr = process.communicate(timeout=20)
    summary = objects(stdout)[-1]["summary"]
    assert process.returncode == 0, stderr
    if summary["undelivered"]:
        assert stderr.count("the sink jsonl is too slow") == 1
    assert len((tmp_path / "all.csv").read_text().splitlines()) - 1 <= summary["frames"]
    assert summary["wall_s"] < 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--size", "big"), "size must be WIDTHxHEIGHT"),
        (("--fps", "0"), "fps must be above 0"),
        (("--fourcc", "MJPEG"), "fourcc must have four characters"),
        (("--roi", "0.5,0.5,0.6,0.6"), "leaves the picture"),
        (("--rotate", "45"), "rotate must be one of"),
        (("--flip", "x"), "flip must be"),
        (("--every", "often"), "every must be"),
        (("--max-age", "100"), "are for cameras"),
        (("--lost-timeout", "3"), "are for cameras"),
        (("--smooth", "median:3"), "ema:"),
        (("--confirm", "0"), "confirm must be"),
        (("--hysteresis", "2"), "hysteresis must be"),
        (("--unknown-below", "1.5"), "unknown_below must be"),
        (("--hysteresis", "0.5", "--unknown-below", "0.4"), "hysteresis must be below unknown_below"),
        (("--threads", "0"), "--threads must be 1 to 64, or auto"),
        (("--threads", "many"), "--threads must be 1 to 64, or auto"),
        (("--sink", "csv:-", "--sink", "jsonl:-"), "both write to standard output"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(run_edgecnn, model_file, tmp_path, options, message):
    clip = write_clip(tmp_path / "clip.avi", 2)
    result = run_edgecnn("run", model_file, "--camera", clip, *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_clip_cannot_be_asked_for_a_size(run_edgecnn, model_file, tmp_path):
    result = run_edgecnn("run", model_file, "--camera", write_clip(tmp_path / "clip.avi", 2), "--size", "640x480")
    assert result.returncode == 1
    assert "--size, --fps and --fourcc are for cameras, which video:" in result.stderr


def test_the_same_camera_twice_forty_cameras_and_a_mixture_are_refused(run_edgecnn, model_file, camera, tmp_path):
    clip = write_clip(tmp_path / "clip.avi", 2)
    twice = run_edgecnn("run", model_file, "--camera", clip, "--camera", clip)
    assert (twice.returncode, "is given twice" in twice.stderr) == (2, True)
    addresses = [part for number in range(40) for part in ("--camera", f"camera:{number}")]
    forty = run_edgecnn("run", model_file, *addresses)
    assert forty.returncode == 1
    assert "40 cameras are more than one process takes" in forty.stderr
    mixed = run_edgecnn("run", model_file, "--camera", clip, "--camera", camera.url)
    assert mixed.returncode == 1
    assert "cannot be judged in one run" in mixed.stderr


def test_auto_chooses_the_threads_of_a_live_model_by_measuring(run_edgecnn, model_file, camera):
    result = run_edgecnn("run", model_file, "--camera", camera.url, "--frames", "3", "--threads", "auto")
    assert result.returncode == 0, result.stderr
    assert " thread" in result.stderr.splitlines()[0]


def wait_until(condition, timeout_s=20.0):
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s, "nothing happened"
        time.sleep(0.05)
