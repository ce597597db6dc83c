import json
import os
import signal
import subprocess
import sys
import time

import pytest

from edgecnn.runtime.sources.video import VideoSource
from edgecnn.testing import write_clip

NUM_FRAMES = 30


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.avi", NUM_FRAMES)


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "long.avi", 2000)


def start(*arguments):
    command = [sys.executable, "-m", "edgecnn", "run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def num_frames_in(path):
    with VideoSource(str(path)) as source:
        return sum(1 for _ in source)


def test_a_clip_gives_a_line_per_frame_and_a_summary_and_nothing_else(run_edgecnn, model_file, clip):
    result = run_edgecnn("run", model_file, "--camera", clip, "--json")
    assert result.returncode == 0
    *lines, last = objects(result.stdout)
    assert [line["index"] for line in lines] == list(range(NUM_FRAMES))
    assert lines[0]["camera"] == f"video:{clip}"
    assert {category["label"] for category in lines[0]["categories"]} <= {"Kreis ○", "square", "star", "triangle"}
    assert last["summary"]["frames"] == NUM_FRAMES
    assert last["summary"]["model"] == str(model_file)


def test_json_is_the_default_off_a_terminal_and_the_same_as_its_sink(run_edgecnn, model_file, clip):
    for extra in ([], ["--json"], ["--sink", "jsonl:-"], ["--json", "--sink", "jsonl:-"]):
        result = run_edgecnn("run", model_file, "--camera", clip, "--frames", "2", *extra)
        assert [next(iter(line)) for line in objects(result.stdout)] == ["index", "index", "summary"]


def test_people_read_first_what_runs_and_last_what_it_did(run_edgecnn, model_file, clip):
    result = run_edgecnn("run", model_file, "--camera", clip)
    first, second, *table = result.stderr.splitlines()
    assert str(model_file) in first
    assert "4 classes" in first
    assert "LiteRT" in first or "tflite" in first
    assert first.endswith(f"source video:{clip}")
    assert second.startswith(f"{NUM_FRAMES} frames in ")
    assert [row.split()[0] for row in table] == ["p50", "read", "decode", "resize", "invoke", "age"]


def test_a_folder_is_read_in_order_and_names_its_pictures(run_edgecnn, model_file, picture_folder):
    result = run_edgecnn("run", model_file, "--camera", picture_folder)
    *lines, last = objects(result.stdout)
    names = [line["name"] for line in lines]
    assert len(names) == 48
    assert names == sorted(names)
    right = sum(line["categories"][0]["label"] == line["name"].split("/")[0] for line in lines)
    assert right > 24, "twice the chance of guessing"
    assert last["summary"]["unreadable"] == 0


def test_a_broken_picture_is_one_line_on_stderr_and_one_in_the_count(run_edgecnn, model_file, picture_folder, tmp_path):
    good = next(picture_folder.rglob("*.png"))
    (tmp_path / "a.png").write_bytes(good.read_bytes())
    (tmp_path / "b\x1b[2J.png").write_bytes(b"broken")
    result = run_edgecnn("run", model_file, "--source", f"folder:{tmp_path}")
    line, last = objects(result.stdout)
    assert line["name"] == "a.png"
    assert last["summary"]["unreadable"] == 1
    assert sum("passed over" in text for text in result.stderr.splitlines()) == 1
    assert "\x1b" not in result.stderr


def test_one_picture_gives_one_result(run_edgecnn, model_file, picture_folder):
    picture = next(picture_folder.rglob("*.png"))
    line, last = objects(run_edgecnn("run", model_file, "--camera", picture, "--max-results", "2").stdout)
    assert line["name"] == picture.name
    assert len(line["categories"]) == 2
    assert last["summary"]["frames"] == 1


def test_a_threshold_empties_the_results_below_it(run_edgecnn, model_file, clip):
    result = run_edgecnn("run", model_file, "--camera", clip, "--score-threshold", "1", "--frames", "3")
    assert all(category["score"] == 1 for line in objects(result.stdout)[:3] for category in line["categories"])


def test_several_sinks_get_the_same_frames(run_edgecnn, model_file, clip, tmp_path):
    lines, video = tmp_path / "out.jsonl", tmp_path / "out.mp4"
    sinks = ("--sink", "console", "--sink", f"jsonl:{lines}", "--sink", f"video:{video}")
    result = run_edgecnn("run", model_file, "--camera", clip, *sinks)
    assert result.returncode == 0
    assert "fps" in result.stdout
    assert objects(lines.read_text("utf-8"))[-1]["summary"]["frames"] == NUM_FRAMES
    assert num_frames_in(video) == NUM_FRAMES


def test_frames_and_duration_end_a_run(run_edgecnn, model_file, long_clip):
    result = run_edgecnn("run", model_file, "--camera", long_clip, "--frames", "5")
    assert objects(result.stdout)[-1]["summary"]["frames"] == 5
    result = run_edgecnn("run", model_file, "--camera", long_clip, "--duration", "0.05")
    assert 0 < objects(result.stdout)[-1]["summary"]["frames"] < 2000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_complete_files_and_exit_code_0(model_file, long_clip, tmp_path, number):
    video = tmp_path / "out.avi"
    # Nobody reads the pipe for a while, so the run is stopped in the middle for certain.
    with start(model_file, "--camera", long_clip, "--json", "--sink", f"video:{video}") as process:
        first = process.stdout.readline()
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    *lines, last = objects(first + rest)
    assert 0 < len(lines) < 2000
    assert last["summary"]["frames"] == len(lines)
    assert num_frames_in(video) == len(lines)
    assert f"{len(lines)} frames in " in errors
    assert [path.name for path in tmp_path.iterdir()] == ["out.avi"]


@pytest.mark.parametrize("sink", ["jsonl:-", "console"])
def test_a_reader_that_goes_away_ends_the_run_quietly(model_file, long_clip, sink):
    with start(model_file, "--camera", long_clip, "--sink", sink) as process:
        assert process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(30) == 0
    assert "Traceback" not in errors
    assert "error" not in errors


def test_a_missing_camera_is_exit_code_4_within_three_seconds(run_edgecnn, model_file):
    began = time.monotonic()
    result = run_edgecnn("run", model_file, "--camera", "97")
    assert time.monotonic() - began < 3
    assert result.returncode == 4
    assert result.stdout == ""
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: there is no camera /dev/video97; ")
    assert sentence.endswith("there is no camera on this machine") or "this machine has /dev/video" in sentence


@pytest.mark.parametrize(
    "address", ["missing.avi", "video:missing.avi", "no-such-scheme:x", "folder:missing", "image:x"]
)
def test_a_source_that_is_not_there_is_one_sentence_and_exit_code_1(run_edgecnn, model_file, tmp_path, address):
    result = run_edgecnn("run", model_file, "--camera", address, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ")


def test_a_file_that_is_no_clip_is_one_sentence_and_exit_code_1(run_edgecnn, model_file, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + os.urandom(4000))
    result = run_edgecnn("run", model_file, "--camera", tmp_path / "clip.mp4")
    assert (result.returncode, result.stdout) == (1, "")
    (sentence,) = result.stderr.splitlines()
    assert "is not a video that OpenCV can read" in sentence


def test_a_clip_with_a_colon_in_its_name_is_found(run_edgecnn, model_file, clip, tmp_path):
    (tmp_path / "12:30 C:.avi").write_bytes(clip.read_bytes())
    result = run_edgecnn("run", model_file, "--camera", "12:30 C:.avi", "--frames", "1", cwd=tmp_path)
    assert objects(result.stdout)[0]["camera"] == "video:12:30 C:.avi"


def test_a_sink_that_cannot_be_written_is_told_before_the_first_frame(run_edgecnn, model_file, clip, tmp_path):
    sinks = ("--json", "--sink", f"video:{tmp_path}/no/such/out.avi")
    result = run_edgecnn("run", model_file, "--camera", clip, *sinks)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [f"error: cannot write {tmp_path}/no/such/out.avi: No such file or directory"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--frames", "0"),
        ("--frames", "many"),
        ("--duration", "-1"),
        ("--duration", "nan"),
        ("--score-threshold", "1.5"),
        ("--max-results", "0"),
        ("--threads", "0"),
    ],
)
def test_a_number_that_makes_no_sense_is_a_usage_error(run_edgecnn, model_file, clip, option, value):
    result = run_edgecnn("run", model_file, "--camera", clip, option, value)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage: edgecnn run" in result.stderr


def test_two_sinks_on_standard_output_are_a_usage_error(run_edgecnn, model_file, clip):
    result = run_edgecnn("run", model_file, "--camera", clip, "--json", "--sink", "console")
    assert result.returncode == 2
    assert "both write to standard output" in result.stderr


def test_the_same_sink_twice_is_a_usage_error(run_edgecnn, model_file, clip):
    result = run_edgecnn("run", model_file, "--camera", clip, "--sink", "jsonl:a", "--sink", "jsonl:a")
    assert result.returncode == 2
    assert "given twice" in result.stderr


def test_the_threads_that_were_asked_for_are_named(run_edgecnn, model_file, clip):
    result = run_edgecnn("run", model_file, "--camera", clip, "--frames", "1", "--threads", "1")
    assert "1 thread;" in result.stderr.splitlines()[0]
