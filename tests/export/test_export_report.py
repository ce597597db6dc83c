"""The report of an export, as data and as a page in a real browser."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from dequantized import dequantize, drop_filters, narrow_range, take_raw_pixels
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import binomtest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from edgecnn.data import ImageFolder, Picture, load_pixels
from edgecnn.errors import EdgecnnError, ExportError
from edgecnn.evaluate.calibration_error import expected_calibration_error
from edgecnn.evaluate.intervals import drop_interval, share_interval
from edgecnn.export.report import ReportMaterial, check_report_path, report_to_json, write_report
from edgecnn.export.report.reliability import reliability
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.manifest import ConfidencePart, RecipePart, TriedPart
from edgecnn.runtime.interpreter import InnerTensors

LAYERS = (*(f"conv{index}{end}" for index in (1, 2, 3, 4) for end in ("", "_bn", "_pool")), "avg_pool", "logits")
HOSTILE = (
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=hacked=1>',
    "</title></script>{{7*7}}",
    "\u202etriangle",
)
PHONE, DESK = 390, 1280


@pytest.fixture(scope="module")
def float_model(exported: ModelFile) -> bytes:
    return dequantize(exported.model)


@pytest.fixture(scope="module")
def material(exported: ModelFile, float_model: bytes, picture_folder: Path) -> ReportMaterial:
    """An export that went wrong in the middle of the network, judged on 48 pictures."""
    folder = ImageFolder.scan(picture_folder)
    broken = drop_filters(exported.model, "/conv3_1/convolution")
    pixels = load_pixels(folder.root, folder.pictures, exported.contract).pixels
    return ReportMaterial(
        file=replace(exported, model=broken, graph=Graph.parse(broken)),
        float_model=float_model,
        float_contract=exported.contract,
        root=folder.root,
        pictures=folder.pictures,
        float_scores=run_network(float_model, (pixels.astype(np.float32) - 128) / 128),
        scores=run_network(broken, pixels) / np.float32(256),
        layers=LAYERS,
    )


@pytest.fixture(scope="module")
def good(material: ReportMaterial, exported: ModelFile) -> ReportMaterial:
    """The export as it should be."""
    return replace(material, file=exported, scores=material.float_scores)


@pytest.fixture(scope="module")
def browser(start_chromium: Callable[..., webdriver.Chrome]) -> webdriver.Chrome:
    return start_chromium("browser", "performance")


def run_network(model: bytes, inputs: NDArray[Any]) -> NDArray[np.float32]:
    network, output = InnerTensors(model), Graph.parse(model).outputs[0]
    scores = []
    for values in inputs:
        network.run(values)
        scores.append(network.read(output)[0])
    return np.array(scores, np.float32)


def open_page(browser: webdriver.Chrome, page: Path, width: int = DESK, *, dark: bool = False) -> None:
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def with_labels(material: ReportMaterial, labels: tuple[str, ...], paths: tuple[str, ...]) -> ReportMaterial:
    """The same export, but its classes and pictures are called otherwise."""
    pictures = tuple(Picture(paths[index % len(paths)], one.label_index) for index, one in enumerate(material.pictures))
    return replace(material, file=replace(material.file, labels=labels), pictures=pictures, layers=HOSTILE)


def with_schema_3(material: ReportMaterial) -> ReportMaterial:
    """The same export, as a ladder and a temperature left it."""
    manifest = msgspec.structs.replace(
        material.manifest,
        schema=3,
        recipe=RecipePart(
            kind="int8",
            quantizer="edgecnn",
            rung="mse",
            settings={"num": 500},
            tried=(
                TriedPart(rung="minmax", top1=0.75, agreement=0.8, drop_points=25.0),
                TriedPart(rung="mse", top1=1.0, agreement=1.0, drop_points=0.0),
            ),
        ),
        confidence=ConfidencePart(
            method="max_score", unknown_below=0.4, kept=0.95, split="val", num=48, temperature=2.0, ece_before=0.1
        ),
    )
    return replace(material, file=replace(material.file, manifest=manifest))


def test_the_layer_that_was_broken_is_the_worst_and_has_its_name(material: ReportMaterial, tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.html", material)
    worst = next(row for row in report.rows if row.rank == 1)
    assert (worst.layer, worst.kind) == ("conv3", "CONV_2D")
    steps = {row.operator: row.step_db for row in report.rows if row.step_db is not None}
    assert min(steps, key=lambda operator: steps[operator]) == worst.operator
    assert [row.layer for row in report.rows[:3]] == ["conv1", "conv1_pool", "conv2"]
    assert all(row.sqnr_db > 30 for row in report.rows[:4])
    weights_db = {values.row.layer: values.weights_sqnr_db for values in report.worst}
    assert weights_db["conv3"] == pytest.approx(3, abs=1)  # half of its filters are gone
    assert weights_db["conv2"] == 120  # the float network was made of the file's own codes
    assert "weights themselves are coarse" in (tmp_path / "report.html").read_text("utf-8")


def test_the_noise_of_a_layer_is_what_its_own_tensors_say(good: ReportMaterial, tmp_path: Path) -> None:
    pictures = good.pictures[:1]
    one = replace(good, pictures=pictures, float_scores=good.float_scores[:1], scores=good.scores[:1])
    pixels = load_pixels(one.root, pictures, one.float_contract).pixels[0]
    float_network, network = InnerTensors(one.float_model), InnerTensors(one.file.model)
    float_network.run((pixels.astype(np.float32) - 128) / 128)
    network.run(pixels)
    for row in write_report(tmp_path / "report.html", one).rows:
        output = one.file.graph.operators[row.operator].outputs[0]
        tensor = one.file.graph.tensors[output]
        real = tensor.scales[0] * (network.read(output).astype(np.float64) - tensor.zero_points[0])
        exact = float_network.read(output).astype(np.float64)  # both networks number their tensors alike
        assert row.sqnr_db == pytest.approx(10 * np.log10((exact**2).sum() / ((exact - real) ** 2).sum()), abs=0.05)


def test_figures_are_those_of_the_scores(material: ReportMaterial, tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.html", material)
    before, after = material.float_scores.argmax(axis=1), material.scores.argmax(axis=1)
    verdict, truths = report.verdict, material.truths
    assert verdict.float_top1.value == pytest.approx(np.mean(before == truths))
    assert verdict.top1.value == pytest.approx(np.mean(after == truths))
    assert verdict.drop_points.value == pytest.approx(100 * (np.mean(before == truths) - np.mean(after == truths)))
    assert verdict.agreement.value == pytest.approx(np.mean(before == after))
    assert report.num_changed == len(report.changed) == np.count_nonzero(before != after) > 0
    certainties = [picture.float_score for picture in report.changed]
    assert certainties == sorted(certainties, reverse=True)
    drops = [change.drop_points for change in report.classes]
    assert drops == sorted(drops, reverse=True)
    assert sum(change.num for change in report.classes) == verdict.num == 48


def test_a_range_tells_what_is_clipped_and_what_is_unused(good: ReportMaterial, tmp_path: Path) -> None:
    worst = write_report(tmp_path / "report.html", good).worst
    assert {values.row.kind: values.unused is None for values in worst} == {"CONV_2D": False, "FULLY_CONNECTED": True}
    for values in worst:
        assert sum(values.shares) == pytest.approx(1)
        assert 0 <= values.clipped < 0.05
        assert values.unused is None or 0 <= values.unused < 1
        assert list(values.edges) == sorted(values.edges)
        assert values.edges[0] <= values.low < values.high <= values.edges[-1]


def test_a_range_that_is_too_narrow_is_named(good: ReportMaterial, tmp_path: Path) -> None:
    narrow = narrow_range(good.file.model, "/logits_1/BiasAdd", 0.25)
    file = replace(good.file, model=narrow, graph=Graph.parse(narrow))
    logits = write_report(tmp_path / "report.html", replace(good, file=file)).worst[0]
    assert (logits.row.layer, logits.row.rank) == ("logits", 1)
    assert logits.clipped > 0.1
    assert "too narrow" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize("kind", ["fp16", "int16x8", "float32"])
def test_a_file_that_takes_raw_float_pixels_is_compared_too(kind: Any, good: ReportMaterial, tmp_path: Path) -> None:
    raw = take_raw_pixels(good.float_model, 128, 128)
    recipe = RecipePart(kind=kind, quantizer="TFLiteConverter")
    calibration = good.manifest.calibration if kind == "int16x8" else None
    manifest = msgspec.structs.replace(good.manifest, schema=3, recipe=recipe, calibration=calibration)
    file = replace(good.file, model=raw, graph=Graph.parse(raw), manifest=manifest)
    report = write_report(tmp_path / "report.html", replace(good, file=file))
    assert [row.layer for row in report.rows[:2]] == ["conv1", "conv1_pool"]
    assert all(row.sqnr_db > 100 for row in report.rows)
    assert "compute in floats" in report.notes["ranges"]


def test_another_network_is_no_reason_to_have_no_report(good: ReportMaterial, tmp_path: Path) -> None:
    other = take_raw_pixels(take_raw_pixels(good.float_model, 0, 1), 0, 1)
    report = write_report(tmp_path / "report.html", replace(good, float_model=other))
    assert not report.rows
    assert report.notes["layers"] in (tmp_path / "report.html").read_text("utf-8").replace("&#39;", "'")


def test_pictures_that_are_gone_are_no_reason_to_have_no_report(material: ReportMaterial, tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.html", replace(material, root=tmp_path))
    assert report.num_changed
    assert not report.rows
    assert "cannot be read any more" in (tmp_path / "report.html").read_text("utf-8")


def test_a_page_that_cannot_be_written_is_refused_before_the_work(material: ReportMaterial, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no folder"):
        write_report(tmp_path / "nowhere" / "report.html", material)
    with pytest.raises(ExportError, match=r"is a folder.*--report"):
        check_report_path(tmp_path)


def test_an_old_page_stays_until_the_new_one_is_whole(good: ReportMaterial, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("old")
    with pytest.raises(EdgecnnError):
        write_report(page, replace(good, float_model=b"no network at all"))
    assert page.read_text() == "old"
    write_report(page, good)
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [page]


def test_the_page_shows_every_figure_without_asking_for_anything(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    report = write_report(page, with_schema_3(material))
    browser.get_log("performance")
    open_page(browser, page)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    assert browser.get_log("browser") == []
    text = browser.find_element("tag name", "main").text
    for words in ("75.0%", "rung mse", "conv3", "Kreis ○", "taken", "temperature", "calibration error"):
        assert words in text
    dots = browser.find_elements("css selector", "svg.wide circle")
    assert len(dots) == len(report.rows)
    heights = [float(dot.get_attribute("cy") or 0) for dot in dots]
    assert np.argmax(heights) == np.argmin([row.sqnr_db for row in report.rows])
    sizes = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert sizes == [96] * len(report.changed)
    assert page.stat().st_size < 1_000_000


def test_the_page_holds_itself_as_data(browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path) -> None:
    report = write_report(tmp_path / "report.html", material)
    open_page(browser, tmp_path / "report.html")
    data = browser.execute_script("return JSON.parse(document.getElementById('data').textContent)")
    assert data == json.loads(json.dumps(report_to_json(report), allow_nan=False))
    assert data["manifest"]["name"] == material.manifest.name


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone_and_a_desk(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path, dark: bool
) -> None:
    long_names = tuple(f"{index}{'W' * 200}" for index in range(4))
    write_report(tmp_path / "report.html", with_labels(material, long_names, tuple(p.path for p in material.pictures)))
    for width in (PHONE, DESK):
        open_page(browser, tmp_path / "report.html", width, dark=dark)
        browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert browser.execute_script("const e = document.documentElement; return e.scrollWidth - e.clientWidth") == 0
        shown = [one for one in browser.find_elements("css selector", "#layers svg") if one.is_displayed()]
        assert len(shown) == 1
    lightness = browser.execute_script("return getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(lightness) < 128) == dark


def test_names_of_classes_and_files_are_shown_and_never_obeyed(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path
) -> None:
    paths = (*HOSTILE, "caf\udce9.png", "javascript:alert(1)", "new\nline.png")
    page = tmp_path / "report.html"
    report = write_report(page, replace(with_labels(material, HOSTILE, paths), warnings=HOSTILE))
    open_page(browser, page)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return window.hacked") is None
    assert browser.title == f"{material.manifest.name}: what int8 cost"
    assert len(browser.find_elements("css selector", "script, iframe, object, embed, form")) == 1
    assert browser.find_elements("css selector", "[onerror], [onload], [onclick]") == []
    names = [one.text for one in browser.find_elements("css selector", "#classes tbody th")]
    assert sorted(names) == sorted(HOSTILE)
    assert browser.execute_script("return JSON.parse(document.getElementById('data').textContent)")["warnings"] == list(
        HOSTILE
    )
    assert {change.label for change in report.classes} == set(HOSTILE)


def test_the_page_can_be_walked_with_the_keyboard(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path
) -> None:
    write_report(tmp_path / "report.html", material)
    open_page(browser, tmp_path / "report.html", PHONE)
    seen = []
    for _ in range(30):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        seen.append(
            browser.execute_script("const e = document.activeElement; return e.getAttribute('href') || e.tagName")
        )
    assert {"#verdict", "#layers", "#pictures", "#file", "SUMMARY"} <= set(seen)
    browser.find_element("tag name", "summary").send_keys(Keys.ENTER)
    assert browser.find_element("css selector", "#layers tbody tr").is_displayed()


def test_every_link_of_the_page_leads_somewhere(
    browser: webdriver.Chrome, material: ReportMaterial, tmp_path: Path
) -> None:
    write_report(tmp_path / "report.html", material)
    open_page(browser, tmp_path / "report.html")
    loose = "return [...document.links].map(a => a.getAttribute('href')).filter(h => !document.querySelector(h))"
    assert browser.execute_script(loose) == []


@pytest.mark.parametrize(("hits", "num"), [(0, 10), (10, 10), (9, 10), (229, 254), (1, 1)])
def test_the_interval_of_a_share_is_wilsons(hits: int, num: int) -> None:
    interval, peer = share_interval(hits, num), binomtest(hits, num).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx((peer.low, peer.high), abs=1e-9)


def test_the_interval_of_a_drop_is_about_the_pictures_that_only_one_of_them_knew() -> None:
    few, many, back = drop_interval(2, 0, 254), drop_interval(22, 20, 254), drop_interval(0, 2, 254)
    assert few.value == many.value == pytest.approx(200 / 254)
    assert few.high - few.low < many.high - many.low
    assert (back.low, back.high) == pytest.approx((-few.high, -few.low))
    assert drop_interval(0, 0, 20).low < 0 < drop_interval(0, 0, 20).high
    # Agresti and Min's own example: 9 against 16 of 122 changed sides.
    published = drop_interval(16, 9, 122)
    center, margin = 7 / 124, 1.959964 * np.sqrt(26 - 49 / 124) / 124
    assert (published.low, published.high) == pytest.approx(
        (100 * (center - margin), 100 * (center + margin)), abs=1e-4
    )


def test_calibration_error_is_the_distance_of_scores_from_the_truth() -> None:
    scores = np.array([[0.95, 0.05]] * 10 + [[0.3, 0.7]] * 10, np.float32)
    truths = np.array([0] * 9 + [1] + [1] * 5 + [0] * 5)
    measured = reliability("the file", scores, truths)
    assert [(one.num, one.right) for one in measured.bins] == [(10, 0.5), (10, 0.9)]
    assert measured.ece == pytest.approx(0.5 * 0.2 + 0.5 * 0.05, abs=1e-6)


def test_the_temperature_is_taken_out_of_the_float_scores(material: ReportMaterial, tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(scale=4, size=material.scores.shape)
    cooled = replace(with_schema_3(material), float_scores=softmax(logits / 2, axis=1).astype(np.float32))
    before, after = write_report(tmp_path / "report.html", cooled).reliability
    assert before.ece == pytest.approx(expected_calibration_error(softmax(logits, axis=1), material.truths), abs=1e-4)
    assert after.ece == pytest.approx(expected_calibration_error(material.scores, material.truths))
