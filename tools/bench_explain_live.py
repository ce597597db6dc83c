"""How many pictures per second a browser really draws of the live view, and how old they are.

    python tools/bench_explain_live.py MODEL… [--source synthetic:] [--seconds 15] [--layers 3] [--width 1280]

For each model file the live view runs in a process of its own and headless Chromium watches it, one layer
after the other: the first one with the largest maps, the one with the most maps, and the last one. A picture
counts when the frame that has it was handed to the screen, and its age is from its capture until then, both on
this machine's clock. CPU seconds per second are of the live view with its camera, and of all of Chromium.
Both run on the same cores here; a browser elsewhere leaves them to the live view.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from edgecnn.explain import Layer, Network

_SETTLE_S = 3.0
_HEADER = ("layer", "fps", "age p50", "age p95", "network", "cost", "maps", "CPU", "browser's")
_WIDTHS = (-44, 6, 9, 9, 9, 6, 12, 7, 11)


def main() -> None:
    """Measure every file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--source", default="synthetic:640x480@30")
    parser.add_argument("--seconds", type=float, default=15.0, help="measured on each layer")
    parser.add_argument("--layers", type=int, default=3, choices=[1, 2, 3])
    parser.add_argument("--width", type=int, default=1280, help="of the browser's window")
    given = parser.parse_args()
    print(
        f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; source {given.source}; ages and costs in ms"
    )
    for model in given.models:
        measure(model, given)


def measure(model: Path, given: argparse.Namespace) -> None:
    """Run the live view of a file and watch it."""
    command = [sys.executable, "-m", "edgecnn", "explain", str(model), "--serve", "--port", "0"]
    view = subprocess.Popen([*command, "--camera", given.source], stderr=subprocess.PIPE, text=True)
    assert view.stderr is not None
    try:
        said = view.stderr.readline()
        found = re.match(r"(http://\S+) shows", said)
        if found is None:
            raise SystemExit(said + view.stderr.read())
        browser = open_browser(given.width)
        try:
            browser.get(found[1])
            print(f"{model.name}\n{as_row(_HEADER)}")
            for layer in choose_layers(Network.open(model))[: given.layers]:
                print(watch(browser, layer, given.seconds, view.pid), flush=True)
        finally:
            browser.quit()
    finally:
        view.terminate()
        print(view.communicate()[1])


def choose_layers(network: Network) -> list[Layer]:
    """Return layers that cost something each in its own way."""
    convolutions = network.convolutions
    largest = max(convolutions, key=lambda layer: layer.output_shape[0] * layer.output_shape[1])
    most = max(convolutions, key=lambda layer: int(np.prod(layer.output_shape)))
    return list({layer.index: layer for layer in (largest, most, convolutions[-1])}.values())


def open_browser(width: int) -> webdriver.Chrome:
    """Return headless Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    return browser


def watch(browser: webdriver.Chrome, layer: Layer, seconds: float, view_pid: int) -> str:
    """Return what came of watching one layer, as a row."""
    place = "chooseLayer(network.layers.findIndex((layer) => layer.index === arguments[0]))"
    deadline = time.monotonic() + 10
    while not browser.execute_script("return network !== null") and time.monotonic() < deadline:
        time.sleep(0.1)
    browser.execute_script(place, layer.index)
    time.sleep(_SETTLE_S)
    browser.execute_script("meter.drawnAt.length = meter.capturedNs.length = 0")
    browser_pid = browser.service.process.pid
    before = cpu_seconds(view_pid), cpu_seconds(browser_pid), time.monotonic()
    time.sleep(seconds)
    after = cpu_seconds(view_pid), cpu_seconds(browser_pid), time.monotonic()
    drawn: dict[str, Any] = browser.execute_script("return {...meter, look: shown.look_ms, all: layer.shape[2]}")
    ages = np.array(drawn["drawnAt"]) - np.array(drawn["capturedNs"]) / 1e6 + clock_offset_ms(browser)
    spent = [(after[index] - before[index]) / (after[2] - before[2]) for index in (0, 1)]
    shape = " x ".join(map(str, layer.output_shape))
    row: list[Any] = [f"{layer.name} ({shape})", f"{len(ages) / (after[2] - before[2]):.1f}"]
    row += [f"{value:.0f}" for value in np.percentile(ages, (50, 95))]
    row += [f"{drawn['look']:.1f}", f"{drawn['costMs']:.0f}", f"{drawn['numMaps']} of {drawn['all']}"]
    return as_row([*row, *(f"{share:.2f}" for share in spent)])


def as_row(cells: Sequence[str]) -> str:
    """Return cells in columns."""
    return "".join(
        cell.ljust(-width) if width < 0 else cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True)
    )


def clock_offset_ms(browser: webdriver.Chrome) -> float:
    """Return what the monotonic clock here is ahead of the page's, by the quickest of some questions."""
    best = (float("inf"), 0.0)
    for _ in range(30):
        asked = time.monotonic()
        there = float(browser.execute_script("return performance.now()"))
        answered = time.monotonic()
        best = min(best, (answered - asked, 500 * (asked + answered) - there))
    return best[1]


def cpu_seconds(pid: int) -> float:
    """Return what a process and all below it have used so far, those that have ended included."""
    ticks = 0
    for each in [pid, *descendants(pid)]:
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


if __name__ == "__main__":
    main()
