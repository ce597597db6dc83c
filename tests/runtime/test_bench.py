import itertools
import json
import math
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.progress import SilentProgress
from edgecnn.errors import CameraMissingError, EdgecnnError, SourceError
from edgecnn.imaging import decode
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.bench import choose_num_threads
from edgecnn.runtime.bench.backends import CPU_BACKENDS
from edgecnn.runtime.bench.benchmark import BenchSettings, measure_parts, measure_whole
from edgecnn.runtime.bench.condition import read_condition
from edgecnn.runtime.bench.endtoend import RunPlan, Sample, measure_end_to_end
from edgecnn.runtime.bench.machine import read_machine
from edgecnn.runtime.bench.memory import give_back_memory, read_memory_mb
from edgecnn.runtime.bench.pictures import camera_frames, jpeg_of, large_picture, take_frames
from edgecnn.runtime.bench.plot import plot_result
from edgecnn.runtime.bench.results import BenchResult
from edgecnn.runtime.bench.soak import memory_slope, summarize_soak
from edgecnn.runtime.bench.stages import choose_best, measure_preprocessing
from edgecnn.runtime.bench.table import format_result
from edgecnn.runtime.bench.threads import smallest_near_fastest, usable_thread_counts
from edgecnn.runtime.bench.timing import interleave
from edgecnn.runtime.sources.pictures import FolderSource
from edgecnn.runtime.streams import Source
from edgecnn.testing import ScriptedSource, write_clip

GREY = np.full((48, 64, 3), 90, np.uint8)


def write_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


@pytest.fixture(scope="module")
def result(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchResult:
    """A whole bench with a soak of three seconds on a clip of five frames."""
    clip = write_clip(tmp_path_factory.mktemp("bench") / "clip.avi", 5)
    settings = BenchSettings(model_path=model_file, source=str(clip), thread_counts=(1, 2), seconds=0.05, soak_s=3.0)
    parts = measure_parts(settings, SilentProgress())
    return measure_whole(settings, parts, SilentProgress(), threading.Event())


# The choice of threads


@pytest.mark.parametrize(
    ("medians", "chosen"),
    [
        ({1: 10.0}, 1),
        ({1: 10.0, 2: 6.0, 4: 4.0}, 4),
        ({1: 10.0, 2: 4.1, 4: 4.0}, 2),
        ({1: 10.0, 2: 10.0, 4: 30.0}, 1),
        ({4: 4.0, 1: 4.1}, 1),
    ],
)
def test_the_smallest_number_of_threads_that_is_about_as_fast_is_chosen(medians: dict[int, float], chosen: int) -> None:
    assert smallest_near_fastest(medians.items()) == chosen


@given(st.dictionaries(st.integers(1, 64), st.floats(0.001, 1e6), min_size=1))
def test_no_smaller_number_than_the_chosen_one_is_within_five_percent_of_the_fastest(medians: dict[int, float]) -> None:
    chosen, fastest = smallest_near_fastest(medians.items()), min(medians.values())
    assert medians[chosen] <= 1.05 * fastest
    assert all(median > 1.05 * fastest for count, median in medians.items() if count < chosen)


def test_threads_are_chosen_among_those_that_were_measured(exported: ModelFile) -> None:
    num_threads, medians = choose_num_threads(exported, thread_counts=(1, 2, 3), seconds=0.05)
    assert list(medians) == [1, 2, 3]
    assert num_threads == smallest_near_fastest(medians.items())


def test_where_there_is_no_choice_nothing_is_measured(exported: ModelFile) -> None:
    assert choose_num_threads(exported, thread_counts=(3,)) == (3, {})


def test_by_default_the_threads_are_those_of_the_usable_cores() -> None:
    counts = usable_thread_counts()
    assert counts == tuple(range(1, len(counts) + 1))
    assert 1 <= len(counts) <= 8


# Timing in turns


def test_every_piece_of_work_has_its_turn_in_every_round() -> None:
    calls: list[str] = []
    works = [lambda: calls.append("a"), lambda: calls.append("b")]
    a, b = interleave(works, 0.01, SilentProgress(), "two")
    changes = sum(before != after for before, after in itertools.pairwise(calls))
    assert changes > 8, "they were done by turns, not one after the other"
    for timing in (a, b):
        times = timing.percentiles()
        assert timing.num >= 10
        assert timing.total_ms >= 10.0
        assert timing.min_ms <= times.p50 <= times.p95 <= times.p99


def test_slow_work_is_done_as_often_as_was_asked_for_at_least_and_no_more() -> None:
    pause = threading.Event()
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        pause.wait(0.03)

    (timing,) = interleave([work], 0.001, SilentProgress(), "slow", min_rounds=3)
    assert timing.num == 3
    assert len(calls) == 4, "once before, uncounted"


# Pictures


@pytest.mark.parametrize("encoding", ["yuyv", "nv12", "jpeg"])
def test_the_pictures_to_measure_with_are_the_same_in_every_encoding(encoding: str) -> None:
    frames = camera_frames(0)
    plain, coded = (decode(frames[name]).pixels.astype(int) for name in ("bgr", encoding))
    assert plain.shape == coded.shape == (1080, 1920, 3)
    assert np.abs(plain - coded).mean() < 6


def test_the_jpegs_to_measure_with_are_as_long_as_those_of_photographs() -> None:
    for seed in range(8):
        assert 150_000 < len(jpeg_of(large_picture(seed))) < 500_000


def test_frames_that_cannot_be_decoded_are_not_taken(picture_folder: Path, tmp_path: Path) -> None:
    good = next(picture_folder.rglob("*.png")).read_bytes()
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(good if name == "b" else b"broken")
    assert len(take_frames(FolderSource(str(tmp_path)))) == 1


def test_a_source_without_a_frame_is_an_error() -> None:
    source = ScriptedSource([])
    source.address = "here"
    with pytest.raises(SourceError, match="here gives no picture"):
        take_frames(source)


def test_preparing_is_measured_for_every_encoding_and_for_the_source(exported: ModelFile) -> None:
    taken = take_frames(ScriptedSource([GREY] * 9))
    rows = {row.picture: row for row in measure_preprocessing(exported.contract, taken, 0.02, SilentProgress())}
    assert list(rows) == ["jpeg", "bgr", "yuyv", "nv12", "scripted"]
    assert rows["scripted"].size_wh == (64, 48)
    assert rows["bgr"].decode_ms is None
    for name in ("jpeg", "yuyv", "nv12"):
        times = rows[name].decode_ms
        assert times is not None
        assert 0 < times.p50 <= times.p95 <= times.p99
        assert rows[name].size_wh == (1920, 1080)


# End to end


def plan_for(make_source: Callable[[], Source], seconds: float = 0.4) -> RunPlan:
    return RunPlan(
        make_source=make_source,
        backend=CPU_BACKENDS[0],
        num_threads=2,
        num_lanes=3,
        seconds=seconds,
        title="run",
    )


def test_a_live_source_has_all_threads_in_one_lane(exported: ModelFile) -> None:
    plan = plan_for(lambda: ScriptedSource([GREY] * 400, live=True, interval_ms=5))
    outcome, samples = measure_end_to_end(exported, plan, SilentProgress(), threading.Event())
    assert (outcome.live, outcome.num_threads, outcome.num_lanes) == (True, 2, 1)
    assert 0 < outcome.frames <= 400
    assert outcome.num_repeats == 0
    assert samples[-1].frames == outcome.frames


def test_a_file_is_begun_again_until_the_time_is_over(exported: ModelFile, tmp_path: Path) -> None:
    from edgecnn.runtime.sources.video import VideoSource

    clip = write_clip(tmp_path / "clip.avi", 3)
    outcome, _ = measure_end_to_end(
        exported, plan_for(lambda: VideoSource(str(clip))), SilentProgress(), threading.Event()
    )
    assert (outcome.live, outcome.num_threads, outcome.num_lanes) == (False, 1, 3)
    assert outcome.num_repeats > 0
    assert outcome.frames > 3
    assert outcome.cpu_s_per_frame is not None
    assert outcome.cpu_s_per_frame > 0


def test_pictures_that_cannot_be_read_are_counted_each_time_and_told_once(
    exported: ModelFile, picture_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(next(picture_folder.rglob("*.png")).read_bytes())
    (tmp_path / "b.png").write_bytes(b"broken")
    told: list[str] = []

    def make_source() -> Source:
        source = FolderSource(str(tmp_path))
        source.say = told.append
        return source

    outcome, _ = measure_end_to_end(exported, plan_for(make_source), SilentProgress(), threading.Event())
    assert outcome.num_repeats > 1
    assert outcome.unreadable >= outcome.num_repeats - 1
    assert sum("b.png" in sentence for sentence in told) == 1


def test_a_file_that_gives_nothing_ends_at_once(exported: ModelFile) -> None:
    plan = plan_for(lambda: ScriptedSource([]), seconds=60)
    outcome, _ = measure_end_to_end(exported, plan, SilentProgress(), threading.Event())
    assert (outcome.frames, outcome.fps, outcome.cpu_s_per_frame) == (0, 0.0, None)


def test_a_run_that_is_stopped_before_its_first_frame_still_has_a_summary(exported: ModelFile) -> None:
    stop = threading.Event()
    stop.set()
    outcome, samples = measure_end_to_end(exported, plan_for(lambda: ScriptedSource([GREY])), SilentProgress(), stop)
    assert outcome.frames == 0
    soak = summarize_soak(samples, 60.0)
    assert (soak.fps_first, soak.fps_last) == (0.0, 0.0)


# Soak


def samples_of(
    rss_mb: Callable[[float], float], frames: Callable[[float], int] = lambda s: int(s * 30)
) -> list[Sample]:
    return [Sample(float(second), frames(second), rss_mb(second), 50.0, None) for second in range(601)]


def test_the_slope_of_memory_is_that_of_a_line_through_it() -> None:
    slope = memory_slope(samples_of(lambda second: 100.0 + second / 3600 * 7.5))
    assert slope == pytest.approx((7.5, 0.0), abs=1e-6)


def test_what_the_first_fifth_needs_does_not_count_as_growth() -> None:
    slope = memory_slope(samples_of(lambda second: 100.0 if second >= 110 else second / 2))
    assert slope == pytest.approx((0.0, 0.0), abs=1e-6)


def test_the_slope_of_a_memory_that_goes_up_and_down_has_an_error_larger_than_itself() -> None:
    slope = memory_slope(samples_of(lambda second: 100.0 + (second * 7919 % 13)))
    assert slope is not None
    assert abs(slope[0]) < 3 * slope[1]


def test_two_looks_make_no_slope() -> None:
    assert memory_slope(samples_of(lambda _: 1.0)[:2]) is None


def test_the_first_and_the_last_minute_are_compared() -> None:
    soak = summarize_soak(samples_of(lambda _: 1.0, lambda s: int(min(s, 300) * 30 + max(s - 300, 0) * 10)), 600.0)
    assert (soak.window_s, soak.fps_first, soak.fps_last) == (60.0, 30.0, 10.0)


# The machine, as its files tell

PI = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nprocessor\t: 1\nCPU part\t: 0xd08\n",
    "proc/meminfo": "MemTotal:        3884316 kB\nMemFree: 1 kB\n",
    "proc/loadavg": "0.52 0.58 0.59 1/389 12345\n",
    "proc/self/status": "Name:\tpython\nVmHWM:\t  200000 kB\nVmRSS:\t  100000 kB\n",
    "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "61342\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1500000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
}


def test_a_raspberry_pi_tells_what_it_is(tmp_path: Path) -> None:
    machine = read_machine(runtime="LiteRT 2.3.0", root=write_tree(tmp_path, PI))
    assert machine.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert machine.cpu == "Cortex-A72"
    assert machine.memory_mb == pytest.approx(3977.5, abs=0.1)
    assert machine.max_mhz == 1800
    assert machine.os == "Debian GNU/Linux 12 (bookworm)"
    assert machine.runtime == "LiteRT 2.3.0"
    assert re.match(r"\d+\.\d+", machine.opencv)


def test_a_raspberry_pi_tells_how_it_is(tmp_path: Path) -> None:
    firmware = {"sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n"}
    condition = read_condition(root=write_tree(tmp_path, PI | firmware))
    assert condition.load_average == 0.52
    assert condition.cpu_temperature_c == pytest.approx(61.342)
    assert (condition.cpu_mhz, condition.governor) == (1500, "ondemand")
    assert condition.throttling is not None
    assert condition.throttling.now == ("under-voltage", "throttled")
    assert condition.throttling.since_boot == ("under-voltage", "throttled")


def vcgencmd(folder: Path, output: str) -> str:
    program = folder / "vcgencmd"
    program.write_text(f"#!/bin/sh\n[ $1 = get_throttled ] && echo '{output}'\n", "utf-8")
    program.chmod(0o755)
    return str(folder)


def test_an_older_raspberry_pi_is_asked_through_vcgencmd(tmp_path: Path) -> None:
    condition = read_condition(root=write_tree(tmp_path, PI), search_path=vcgencmd(tmp_path, "throttled=0xe0008"))
    assert condition.throttling is not None
    assert condition.throttling.now == ("soft temperature limit",)
    assert condition.throttling.since_boot == ("clock capped", "throttled", "soft temperature limit")


@pytest.mark.parametrize("output", ["", "VCHI initialization failed", "throttled=many"])
def test_a_vcgencmd_that_tells_nothing_is_no_throttling_known(tmp_path: Path, output: str) -> None:
    assert read_condition(root=write_tree(tmp_path, PI), search_path=vcgencmd(tmp_path, output)).throttling is None


def test_a_jetson_tells_of_heat_and_of_too_much_current(tmp_path: Path) -> None:
    tree = {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
        "sys/class/thermal/thermal_zone0/temp": "52500",
        "sys/class/thermal/thermal_zone1/type": "PMIC-Die",
        "sys/class/thermal/thermal_zone1/temp": "100000",
        "sys/class/thermal/thermal_zone2/type": "cv0-thermal",
        "sys/class/thermal/thermal_zone2/temp": "-256000",
        "sys/class/thermal/thermal_zone3/type": "gpu-thermal",
        "sys/class/thermal/thermal_zone3/temp": "",
        "sys/class/thermal/cooling_device0/type": "cpufreq-cpu0",
        "sys/class/thermal/cooling_device0/cur_state": "3",
        "sys/class/thermal/cooling_device1/type": "pwm-fan",
        "sys/class/thermal/cooling_device1/cur_state": "2",
        "sys/class/hwmon/hwmon3/oc1_event_cnt": "0",
        "sys/class/hwmon/hwmon3/oc3_event_cnt": "17",
    }
    condition = read_condition(root=write_tree(tmp_path, tree), search_path="")
    assert condition.cpu_temperature_c == 52.5
    assert condition.temperatures_c == {"cpu-thermal": 52.5, "PMIC-Die": 100.0}
    assert condition.throttling is not None
    assert condition.throttling.now == ("cpufreq-cpu0",)
    assert condition.throttling.since_boot == ("over-current (oc3)",)


def test_a_machine_that_tells_nothing_is_described_by_nothing(tmp_path: Path) -> None:
    condition, machine = read_condition(root=tmp_path, search_path=""), read_machine(root=tmp_path)
    assert (condition.load_average, condition.cpu_temperature_c, condition.cpu_mhz) == (None, None, None)
    assert (condition.throttling, condition.temperatures_c) == (None, {})
    assert (machine.board, machine.cpu, machine.memory_mb, machine.max_mhz) == ("", "", None, None)
    assert read_memory_mb(tmp_path) == (0.0, 0.0)
    give_back_memory(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_sensors_of_one_name_are_two_temperatures(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone{}/{}"
    tree = {zone.format(n, "type"): "soc" for n in (0, 1)} | {zone.format(n, "temp"): f"{n + 4}0000" for n in (0, 1)}
    assert read_condition(root=write_tree(tmp_path, tree), search_path="").temperatures_c == {
        "soc": 40.0,
        "soc (thermal_zone1)": 50.0,
    }


# The whole


def test_a_bench_holds_what_belongs_together(result: BenchResult) -> None:
    assert {(row.backend, row.num_threads) for row in result.inference} == {
        (backend.name, count) for backend in CPU_BACKENDS for count in (1, 2)
    }
    for row in result.inference:
        assert 0 < row.min_ms <= row.p50_ms <= row.p95_ms <= row.p99_ms
        assert row.num >= 5
        assert row.per_second > 0
    best = (result.best.backend, result.best.num_threads, result.best.p50_ms)
    assert best in {(row.backend, row.num_threads, row.p50_ms) for row in result.inference}
    assert min(result.load.open_ms, result.load.interpreter_ms, result.load.first_ms) > 0
    assert result.end_to_end.source.startswith("video:")
    assert result.preprocessing[-1].picture == result.end_to_end.source
    assert result.skipped == []


def test_a_soak_on_a_short_clip_begins_it_again_and_is_looked_at_all_the_time(result: BenchResult) -> None:
    run, soak, memory = result.end_to_end, result.soak, result.memory
    assert run.num_repeats > 0
    assert soak is not None
    assert soak.samples.frames[-1] == run.frames
    assert len(soak.samples.seconds) >= 10
    assert list(soak.samples.seconds) == sorted(soak.samples.seconds)
    assert memory.slope_mb_per_hour is not None
    assert math.isfinite(memory.slope_mb_per_hour)
    assert 0 < memory.before_load_mb <= memory.loaded_mb
    assert 0 < memory.rss_mb <= memory.peak_mb + 1


def test_the_json_is_what_its_documentation_says(result: BenchResult, repository: Path) -> None:
    value = json.loads(json.dumps(result.to_json(), allow_nan=False))
    page = (repository / "docs" / "bench.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(value)
    documented = set(re.findall(r"`(\w+)`", page))
    keys = {key for group in value.values() if isinstance(group, dict) for key in group}
    keys |= set(value["inference"][0]) | set(value["preprocessing"][0]) | set(value["soak"]["samples"])
    keys |= (
        set(value["conditions"]["before"]) | set(value["end_to_end"]["stages_ms"]) | set(value["end_to_end"]["age_ms"])
    )
    assert keys <= documented
    assert value["best"]["num_threads"] in (1, 2)
    assert value["end_to_end"]["stages_ms"]["invoke"]["p50"] > 0


def test_the_page_for_people_fits_in_80_columns_whatever_the_names(result: BenchResult) -> None:
    long = "x" * 200
    odd = replace(
        result,
        model=replace(result.model, name=f"{long} network"),
        machine=replace(result.machine, board=f"Board {long}", cpu=""),
        end_to_end=replace(
            result.end_to_end, source=f"rtsp://{long}\x1b[2J", live=True, dropped=10**9, unreadable=10**9
        ),
        preprocessing=[replace(row, picture=f"{row.picture}{long}") for row in result.preprocessing],
        memory=replace(result.memory, before_load_mb=1e4, loaded_mb=1e4, rss_mb=1e5, peak_mb=1e5),
    )
    for page in (format_result(result), format_result(odd)):
        assert max(map(len, page.splitlines())) <= 80
        assert "\x1b" not in page
    assert "* best: " in format_result(result)


def test_the_best_of_two_backends_is_the_faster_one_with_that_number_of_threads(result: BenchResult) -> None:
    template = result.inference[0]
    rows = [
        replace(template, backend=backend, num_threads=count, p50_ms=p50_ms)
        for backend, count, p50_ms in [("a", 1, 9.0), ("a", 2, 4.1), ("b", 1, 9.0), ("b", 2, 4.0), ("b", 4, 3.95)]
    ]
    best = choose_best(rows)
    assert (best.backend, best.num_threads, best.p50_ms) == ("b", 2, 4.0)


def test_a_plot_is_a_picture(result: BenchResult, tmp_path: Path) -> None:
    plot_result(result, tmp_path / "soak.png")
    plot_result(replace(result, soak=None), tmp_path / "short.png")
    tall, low = (cv2.imread(str(tmp_path / name)) for name in ("soak.png", "short.png"))
    assert tall.std() > 0
    assert tall.shape[0] > low.shape[0]


def test_a_plot_that_cannot_be_written_is_told(result: BenchResult, tmp_path: Path) -> None:
    with pytest.raises(EdgecnnError, match="there is no folder"):
        plot_result(result, tmp_path / "no" / "plot.png")
    with pytest.raises(EdgecnnError, match=r"does not end in \.png"):
        plot_result(result, tmp_path / "plot.jpg")


def test_a_missing_camera_is_noticed_before_anything_is_measured(model_file: Path) -> None:
    with pytest.raises(CameraMissingError):
        measure_parts(BenchSettings(model_path=model_file, source="97", seconds=3600), SilentProgress())


@pytest.mark.parametrize(
    "wrong",
    [{"thread_counts": (0,)}, {"thread_counts": (65,)}, {"seconds": 0.0}, {"seconds": math.nan}, {"soak_s": 0.0}],
)
def test_settings_that_make_no_sense_are_refused(model_file: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|and at most"):
        BenchSettings(model_path=model_file, **wrong)  # type: ignore[arg-type]
