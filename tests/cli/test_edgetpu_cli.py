import json

import pytest

from edgecnn.testing import write_clip

NUM_FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.avi", NUM_FRAMES)


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def categories(done):
    return [line["categories"] for line in objects(done.stdout)[:-1]]


def test_a_run_on_the_device_gives_what_the_cpu_gives_and_says_what_it_runs_on(
    run_edgecnn, edgetpu_library, compiled_file, clip
):
    device = run_edgecnn("run", compiled_file, "--camera", clip, "--backend", "edgetpu")
    plain = run_edgecnn("run", compiled_file.with_name("shapes.tflite"), "--camera", clip)
    assert device.returncode == plain.returncode == 0, device.stderr
    assert categories(device) == categories(plain)
    assert len(categories(device)) == NUM_FRAMES
    first, *_ = device.stderr.splitlines()
    assert "FAKE libedgetpu for tests, RuntimeVersion(14) on usb FAKE/usb/1-1, Edge TPU kernels" in first
    assert "pictures at a time" not in first, "there is one device"
    assert "FAKE" in objects(device.stdout)[-1]["summary"]["backend"]


def test_auto_runs_the_plain_file_where_there_is_no_device_with_one_sentence(
    run_edgecnn, edgetpu_library, compiled_file, clip
):
    done = run_edgecnn("run", compiled_file, "--camera", clip, env={"FAKE_EDGETPU_DEVICES": "none"})
    assert done.returncode == 0
    sentence, setup, *_ = done.stderr.splitlines()
    assert "shapes.tflite runs on the CPU instead of shapes_edgetpu.tflite on an Edge TPU: " in sentence
    assert "XNNPACK" in setup
    *lines, last = objects(done.stdout)
    assert len(lines) == NUM_FRAMES
    assert last["summary"]["model"] == str(compiled_file.with_name("shapes.tflite"))


@pytest.mark.parametrize("verb", ["run", "verify", "bench"])
def test_a_device_that_is_named_and_not_there_is_exit_code_4_and_one_sentence(
    run_edgecnn, edgetpu_library, compiled_file, verb
):
    done = run_edgecnn(verb, compiled_file, "--backend", "edgetpu:usb:1")
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr == "error: there is no Edge TPU usb:1; connected: usb:0 (FAKE/usb/1-1)\n"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"EDGECNN_EDGETPU_LIB": "/nowhere/libedgetpu.so.1"}, "names /nowhere/libedgetpu.so.1, which cannot be loaded"),
        ({"FAKE_EDGETPU_CRASH": "segfault"}, "it is too old for it"),
    ],
)
def test_a_library_that_cannot_be_used_is_exit_code_5_and_one_sentence(
    run_edgecnn, edgetpu_library, compiled_file, clip, environment, sentence
):
    done = run_edgecnn("run", compiled_file, "--camera", clip, "--backend", "edgetpu", env=environment)
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert sentence in line


def test_a_device_that_refuses_leaves_no_noise_of_pythons_on_the_screen(
    run_edgecnn, edgetpu_library, compiled_file, clip
):
    done = run_edgecnn("run", compiled_file, "--camera", clip, "--backend", "edgetpu", env={"FAKE_EDGETPU_REFUSE": "1"})
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert "cannot be opened" in line


def test_a_plain_file_is_refused_with_the_command_that_compiles(run_edgecnn, edgetpu_library, model_file, clip):
    done = run_edgecnn("run", model_file, "--camera", clip, "--backend", "edgetpu")
    assert done.returncode == 5
    assert "edgecnn export RUN --edgetpu" in done.stderr


@pytest.mark.parametrize(("backend", "sentence"), [("tpu", "edgetpu"), ("cpu:1", "there is one CPU")])
def test_a_backend_that_nobody_knows_is_exit_code_5(run_edgecnn, model_file, clip, backend, sentence):
    done = run_edgecnn("run", model_file, "--camera", clip, "--backend", backend)
    assert done.returncode == 5
    assert sentence in done.stderr


def test_unplugging_ends_a_run_with_its_statistics_and_exit_code_4(run_edgecnn, edgetpu_library, compiled_file, clip):
    done = run_edgecnn(
        "run", compiled_file, "--camera", clip, "--backend", "edgetpu", env={"FAKE_EDGETPU_UNPLUG_AFTER": "6"}
    )
    assert done.returncode == 4
    *lines, last = objects(done.stdout)
    assert len(lines) == last["summary"]["frames"] == 5, "one of the six was to upload the parameters"
    _, statistics, *_, error = done.stderr.splitlines()
    assert statistics.startswith("5 frames in ")
    assert error.startswith("error: the Edge TPU (usb FAKE/usb/1-1) is gone: was it unplugged? (")


def test_unplugging_ends_a_live_run_with_its_statistics_too(run_edgecnn, edgetpu_library, compiled_file):
    done = run_edgecnn(
        *("run", compiled_file, "--camera", "synthetic:", "--backend", "edgetpu"),
        env={"FAKE_EDGETPU_UNPLUG_AFTER": "4"},
    )
    assert done.returncode == 4
    assert objects(done.stdout)[-1]["summary"]["frames"] == 3
    assert "is gone" in done.stderr


def test_golden_vectors_are_replayed_on_the_device(run_edgecnn, edgetpu_library, compiled_file):
    done = run_edgecnn("verify", compiled_file, "--backend", "edgetpu", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["passed"]
    assert "FAKE" in outcome["backend"]
    assert "Edge TPU" in outcome["backend"]


def test_verify_takes_no_other_file_and_no_other_kernels(run_edgecnn, edgetpu_library, compiled_file):
    done = run_edgecnn("verify", compiled_file, env={"FAKE_EDGETPU_DEVICES": "none"})
    assert done.returncode == 4
    assert done.stdout == ""
    both = run_edgecnn("verify", compiled_file, "--backend", "edgetpu", "--builtin-kernels")
    assert both.returncode == 2


def test_eval_judges_the_file_on_the_device_and_takes_no_other(
    run_edgecnn, edgetpu_library, compiled_file, picture_folder
):
    plain = compiled_file.with_name("shapes.tflite")
    done = run_edgecnn("eval", compiled_file, plain, picture_folder, "--json")
    assert done.returncode == 0, done.stderr
    device, cpu = json.loads(done.stdout)
    assert device["top1"] == cpu["top1"]
    missing = run_edgecnn("eval", compiled_file, picture_folder, env={"FAKE_EDGETPU_DEVICES": "none"})
    assert missing.returncode == 4
    assert missing.stdout == ""


def test_bench_measures_the_device_alone(run_edgecnn, edgetpu_library, compiled_file):
    done = run_edgecnn("bench", compiled_file, "--seconds", "0.05", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {row["backend"] for row in result["inference"]} == {result["end_to_end"]["backend"]} == {"edgetpu"}
    assert result["end_to_end"]["num_lanes"] == 1
    assert "FAKE" in result["machine"]["runtime"]
    assert result["model"]["path"] == str(compiled_file)


def test_bench_with_a_named_cpu_measures_its_kernels(run_edgecnn, model_file):
    done = run_edgecnn("bench", model_file, "--seconds", "0.05", "--backend", "cpu", "--threads", "1", "--json")
    assert {row["backend"] for row in json.loads(done.stdout)["inference"]} == {"xnnpack", "builtin"}
