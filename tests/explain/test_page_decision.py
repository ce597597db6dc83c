from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from page_browser import DESK, PHONE, console, find, make_material, one_screen, open_page, overflow_px, write_screens
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from small_network import SmallNetwork

from edgecnn.data import ImageFolder
from edgecnn.explain import Network, contributions, feature_maps
from edgecnn.explain.page import Explanation, Material, to_json
from edgecnn.imaging import load_input
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.classifier import Classifier

HOSTILE = ("<script>alert(1)</script>", "زهرة عباد الشمس", "a name that does not end " * 12, 'q" onload="x')


def picture(height: int = 8, width: int = 6, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def headed(kind: str, num_classes: int = 4, num_maps: int = 9, labels: tuple[str, ...] = ()) -> Network:
    """A convolution with one of several ends on it."""
    rng = np.random.default_rng(0)
    small = SmallNetwork(8, 6)
    size = num_classes if kind == "direct" else num_maps
    maps = small.conv(
        0, rng.normal(size=(size, 3, 3, 3)) / 256, rng.normal(size=size), stride=(2, 1), activation="relu"
    )
    _, rows, columns, channels = small.shapes[maps]
    bias = rng.normal(size=num_classes)
    if kind == "direct":
        out = small.mean(maps)
    elif kind == "flatten":
        out = small.dense(small.flatten(maps), rng.normal(size=(num_classes, rows * columns * channels)), bias)
    elif kind == "largest":
        pooled = small.flatten(small.pool(maps, (rows, columns)))
        out = small.dense(pooled, rng.normal(size=(num_classes, channels)), bias)
    elif kind == "mixed":
        hidden = small.dense(small.mean(maps), rng.normal(size=(7, channels)), activation="relu")
        out = small.dense(hidden, rng.normal(size=(num_classes, 7)), bias)
    elif kind == "unknown":
        both = small.add(small.mean(maps), small.mean(small.relu(maps)))
        out = small.dense(both, rng.normal(size=(num_classes, channels)), bias)
    else:
        out = small.dense(small.mean(maps), rng.normal(size=(num_classes, channels)), bias)
    out = out if kind == "nothing" else small.relu(out, "LOGISTIC") if kind == "logistic" else small.softmax(out)
    file = small.file(out)
    return Network(replace(file, labels=labels) if labels else file, num_threads=1)


def data_of(material: Material) -> dict[str, Any]:
    screen = one_screen(material, "decision")
    assert screen.missing is None
    return screen.data


def shown(network: Network, **other: Any) -> dict[str, Any]:
    return data_of(make_material(network, picture(), **other))


def real_material(exported: ModelFile, folder: Path, **other: Any) -> Material:
    path = folder / ImageFolder.scan(folder).pictures[0].path
    return make_material(Network(exported), load_input(path, exported.contract), **other)


@pytest.mark.parametrize("kind", ["average", "flatten", "largest", "mixed", "unknown", "logistic", "nothing"])
def test_votes_bias_and_rest_are_the_file_s_logit(kind: str) -> None:
    network = headed(kind)
    logits = contributions(network.look(picture())).logits
    votes = shown(network)["votes"]
    assert len(votes["classes"]) == 4
    for row, one in enumerate(votes["classes"]):
        counted = one["for"]["sum"] + one["against"]["sum"]
        assert counted == pytest.approx(
            float(np.float64(votes["values"]) @ np.float64(votes["weights"][row])), abs=1e-6
        )
        assert counted + one["bias"] + one["rest"] == pytest.approx(float(logits[one["index"]]), abs=1e-6)
        assert one["agrees"]
        assert not one["is_cut"]


def test_an_int8_export_agrees_within_its_step(exported: ModelFile, picture_folder: Path) -> None:
    votes = data_of(real_material(exported, picture_folder))["votes"]
    assert votes["step"] > 0
    for one in votes["classes"]:
        assert one["total"] + one["rest"] == pytest.approx(one["logit"])
        assert one["agrees"]
        assert one["is_cut"] or abs(one["rest"]) <= votes["step"]
        places = one["places"]
        assert places["total"] + places["bias"] + places["rest"] == pytest.approx(one["logit"], abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "way"), [("average", "average"), ("nothing", "average"), ("flatten", "flatten"), ("largest", "largest")]
)
def test_every_feature_that_is_shown_has_the_map_that_it_came_from(kind: str, way: str) -> None:
    network = headed(kind)
    data = shown(network)
    votes, maps = data["votes"], feature_maps(network.look(picture()), 0)
    assert data["way"]["kind"] == way
    pooled = {"average": maps.mean(axis=(0, 1)), "largest": maps.max(axis=(0, 1)), "flatten": maps.reshape(-1)}[way]
    np.testing.assert_allclose(votes["values"], pooled[votes["features"]], rtol=1e-5)
    for row, channel in enumerate(votes["maps"]["channels"]):
        np.testing.assert_array_equal(votes["maps"]["values"][row], maps[:, :, channel])
    for one in contributions(network.look(picture())).order[: votes["num_shown"]].tolist():
        assert one % maps.shape[2] in votes["maps"]["channels"]


@pytest.mark.parametrize("kind", ["mixed", "unknown"])
def test_where_a_feature_has_no_map_its_votes_are_counted_all_the_same(kind: str) -> None:
    data = shown(headed(kind))
    assert data["way"]["kind"] == kind
    assert data["votes"]["maps"] is None
    assert data["votes"]["classes"][0]["agrees"]


def test_without_a_dense_layer_the_reason_and_the_scores_are_shown() -> None:
    data = shown(headed("direct"))
    assert (data["way"]["kind"], data["votes"]) == ("direct", None)
    assert "not from a dense layer" in data["no_votes"]
    assert sum(one["share"] for one in data["scores"]["classes"]) == pytest.approx(1.0)


def test_the_numbers_of_softmax_add_up_to_the_whole_and_are_the_file_s() -> None:
    material = make_material(headed("average", num_classes=11), picture())
    scores = data_of(material)["scores"]
    rows = [*scores["classes"], scores["others"]]
    assert (len(scores["classes"]), scores["others"]["count"], scores["agrees"]) == (5, 6, True)
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)
    assert sum(row["exponential"] for row in rows) == pytest.approx(scores["sum"])
    for one in scores["classes"]:
        assert one["exponential"] == pytest.approx(np.exp(one["logit"] - scores["shift"]))
        assert one["exponential"] / scores["sum"] == pytest.approx(
            float(material.look().scores[one["index"]]), rel=1e-4
        )


def test_large_logits_are_brought_down_before_they_are_exponents() -> None:
    small = SmallNetwork(4, 4)
    maps = small.conv(0, np.eye(3).reshape(3, 1, 1, 3))
    network = small.network(small.softmax(small.dense(small.mean(maps), 8.0 * np.eye(3))))
    scores = data_of(make_material(network, np.full((4, 4, 3), (250, 249, 248), np.uint8)))["scores"]
    assert scores["shift"] == pytest.approx(2000.0)
    assert [one["exponential"] for one in scores["classes"]] == pytest.approx([1.0, np.exp(-8), np.exp(-16)])


def test_a_logistic_end_gives_each_class_its_own_share() -> None:
    scores = shown(headed("logistic"))["scores"]
    assert (scores["ending"], scores["agrees"]) == ("logistic", True)
    for one in scores["classes"]:
        assert one["share"] == pytest.approx(1 / (1 + np.exp(-one["logit"])))


def test_the_explained_class_comes_first_and_the_others_by_their_score() -> None:
    network = headed("average")
    order = (-network.scores(picture())).argsort().tolist()
    names = [one["index"] for one in shown(network, class_index=order[2])["votes"]["classes"]]
    assert names == [order[2], order[0], order[1], order[3]]


def test_classes_whose_scores_are_all_zero_stand_by_their_logits() -> None:
    small = SmallNetwork(2, 2, "int8", 1.0, -128)
    maps = small.conv(0, np.eye(3).reshape(3, 1, 1, 3), weight_scales=[0.01] * 3, output=(1.0, -128))
    weights = np.array([[-1.0, 0, 0], [0, 0, 0], [1.0, 0, 0], [-0.5, 0, 0]])
    network = small.network(
        small.softmax(small.dense(small.mean(maps), weights, weight_scales=[0.01] * 4, output=(0.5, 0)))
    )
    data = data_of(make_material(network, np.full((2, 2, 3), 60, np.uint8)))
    assert [one["index"] for one in data["scores"]["classes"]] == [2, 1, 3, 0]
    assert [float(one["score"]) for one in data["scores"]["classes"][1:]] == [0.0] * 3


def test_a_sum_beyond_the_file_s_numbers_is_said_to_be_cut_off() -> None:
    small = SmallNetwork(2, 2, "int8", 1.0, -128)
    maps = small.conv(0, np.eye(3).reshape(3, 1, 1, 3), weight_scales=[0.01] * 3, output=(1.0, -128))
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    network = small.network(
        small.softmax(small.dense(small.mean(maps), weights, weight_scales=[0.01] * 2, output=(0.5, 0)))
    )
    one = data_of(make_material(network, np.full((2, 2, 3), 200, np.uint8)))["votes"]["classes"][0]
    assert one["is_cut"]
    assert (one["total"], one["logit"], one["rest"]) == pytest.approx((200.0, 63.5, -136.5))


def test_saturated_averages_are_counted_and_what_they_lost_is_said() -> None:
    data = data_of(make_material(saturating(), np.full((4, 4, 3), 240, np.uint8)))
    one = data["votes"]["classes"][0]
    assert data["votes"]["saturated"] == 3
    assert one["places"]["lost"] < -10 * one["tolerance"]


def saturating() -> Network:
    """Its averages can be 100 at most, its maps 255."""
    small = SmallNetwork(4, 4, "int8", 1.0, -128)
    maps = small.conv(0, np.eye(3).reshape(3, 1, 1, 3), weight_scales=[0.01] * 3, output=(1.0, -128))
    return small.network(
        small.softmax(
            small.dense(
                small.mean(maps, output=(100 / 255, -128)),
                np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]),
                weight_scales=[0.01] * 2,
                output=(4.0, 0),
            )
        )
    )


def test_of_very_many_features_the_weaker_ones_are_one_sum() -> None:
    rng = np.random.default_rng(0)
    small = SmallNetwork(40, 40)
    maps = small.conv(0, rng.normal(size=(3, 1, 1, 3)) / 256)
    network = small.network(small.softmax(small.dense(small.flatten(maps), rng.normal(size=(2, 4800)))))
    data = data_of(make_material(network, picture(40, 40)))
    votes = data["votes"]
    assert (votes["num_features"], votes["features"].shape) == (4800, (4096,))
    one = votes["classes"][0]
    assert one["for"]["count"] + one["against"]["count"] > 4096
    assert one["for"]["sum"] + one["against"]["sum"] + one["bias"] == pytest.approx(one["total"])
    left_out = contributions(network.look(picture(40, 40))).values
    assert np.abs(np.delete(left_out, votes["features"])).max() <= np.abs(left_out).max() / 4


def test_very_large_maps_are_left_out_of_the_page() -> None:
    small = SmallNetwork(130, 130)
    maps = small.conv(0, np.random.default_rng(0).normal(size=(3, 1, 1, 3)) / 256)
    network = small.network(small.softmax(small.dense(small.mean(maps), np.eye(3))))
    assert data_of(make_material(network, picture(130, 130)))["votes"]["maps"] is None


def test_the_temperature_is_taken_out_again_to_show_what_it_did(careful_file: Path, picture_folder: Path) -> None:
    file = ModelFile.open(careful_file)
    assert file.manifest is not None
    assert file.manifest.confidence is not None
    warm = structs.replace(file.manifest, confidence=structs.replace(file.manifest.confidence, temperature=0.5))
    material = real_material(replace(file, manifest=warm), picture_folder)
    found = data_of(material)["scores"]["temperature"]
    powers = np.exp(0.5 * contributions(material.look()).logits.astype(np.float64))
    assert found["temperature"] == 0.5
    assert found["share_without"] == pytest.approx(powers.max() / powers.sum())
    assert found["share"] > found["share_without"]


def test_unknown_is_told_as_the_runtime_tells_it(careful_file: Path, picture_folder: Path) -> None:
    material = real_material(ModelFile.open(careful_file), picture_folder)
    for pixels in (material.pixels, np.zeros_like(material.pixels)):
        told = Classifier.load(careful_file).classify(pixels, color_order="rgb")
        found = data_of(replace(material, pixels=pixels))["familiarity"]
        assert found["value"] == pytest.approx(told.familiarity, abs=1e-6)
        assert found["is_unknown"] == (told.rejected_at is not None)


def test_a_file_without_a_threshold_says_nothing_about_unknown() -> None:
    assert shown(headed("average"))["familiarity"] is None


def test_the_same_numbers_stand_in_the_json(exported: ModelFile, picture_folder: Path) -> None:
    material = real_material(exported, picture_folder)
    screen = one_screen(material, "decision")
    written = to_json(Explanation(head={}, screens=(screen,)))["screens"]["decision"]
    votes = contributions(material.look())
    assert written["votes"]["classes"][0]["logit"] == pytest.approx(votes.logit)
    assert len(written["votes"]["values"]) == len(votes.features)
    assert written["scores"]["classes"][0]["score"] == pytest.approx(float(votes.scores[votes.class_index]))


# ---- in the browser ----------------------------------------------------------------------------------------------


def open_screen(browser: webdriver.Chrome, page: Path, width: int = DESK, *, dark: bool = False) -> None:
    open_page(browser, page, width, dark=dark)
    WebDriverWait(browser, 10).until(lambda _: rows(browser, "votes"))


def rows(browser: webdriver.Chrome, part: str) -> list[str]:
    return [row.text for row in browser.find_elements(By.CSS_SELECTOR, f"#decision [data-part={part}] > li")]


def text(browser: webdriver.Chrome, part: str) -> str:
    return find(browser, f"#decision [data-part={part}]").text


def choose(browser: webdriver.Chrome, part: str, index: int) -> None:
    Select(find(browser, f"#decision [data-part={part}]")).select_by_index(index)


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    material = make_material(headed("average", labels=HOSTILE), picture())
    return write_screens(tmp_path_factory.mktemp("hostile") / "page.html", material, "decision")


def test_the_bars_end_at_the_logit_and_another_class_has_other_bars(
    chromium: webdriver.Chrome, hostile_page: Path
) -> None:
    network = headed("average")
    order = (-network.scores(picture())).argsort().tolist()
    open_screen(chromium, hostile_page)
    for row, index in enumerate(order):
        choose(chromium, "class", row)
        votes = contributions(network.look(picture()), index)
        last = rows(chromium, "votes")[-1]
        assert float(last.split()[1].replace("\u2212", "-")) == pytest.approx(votes.logit, rel=1e-3)
        assert "equal" in text(chromium, "sum")
        ends = chromium.execute_script(
            "return [...document.querySelectorAll('#decision [data-part=votes] .track i')].map(bar =>"
            "[parseFloat(bar.style.left), parseFloat(bar.style.left) + parseFloat(bar.style.width)])"
        )
        for before, after in pairwise(ends):
            assert min(abs(one - other) for one in before for other in after) < 0.01
    assert console(chromium) == []


def test_the_strongest_vote_stands_first_with_its_product(chromium: webdriver.Chrome, hostile_page: Path) -> None:
    open_screen(chromium, hostile_page)
    votes = contributions(headed("average").look(picture()))
    best = int(votes.values.argmax())
    first = rows(chromium, "votes")[0]
    assert f"feature {best}" in first
    assert float(first.split()[0]) == pytest.approx(votes.values[best], rel=1e-2)


def test_two_classes_are_compared_feature_by_feature(chromium: webdriver.Chrome, hostile_page: Path) -> None:
    open_screen(chromium, hostile_page)
    look = headed("average").look(picture())
    order = (-look.scores).argsort().tolist()
    first = contributions(look, order[0])
    for rival in (1, 3):
        choose(chromium, "rival", rival)
        other = contributions(look, order[rival])
        best = int((first.values - other.values).argmax())
        assert f"feature {best}" in rows(chromium, "difference")[0]
        assert HOSTILE[order[rival]].strip() in text(chromium, "apart")


def test_names_of_classes_are_text_and_fit_a_phone(chromium: webdriver.Chrome, hostile_page: Path) -> None:
    for width in (PHONE, DESK):
        open_screen(chromium, hostile_page, width)
        assert overflow_px(chromium) <= 0
        body = find(chromium, "#decision [data-part=scores]").text
        assert all(label.strip() in body for label in HOSTILE)
        assert chromium.find_elements(By.CSS_SELECTOR, "#decision script, #decision [onload]") == []
    assert console(chromium) == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_feature_is_shown_by_keyboard_with_its_map(
    chromium: webdriver.Chrome, hostile_page: Path, width: int
) -> None:
    open_screen(chromium, hostile_page, width, dark=width == DESK)
    button = chromium.find_elements(By.CSS_SELECTOR, "#decision [data-part=votes] button")[1]
    button.send_keys(Keys.ENTER)
    feature = int(button.get_attribute("data-feature") or "")
    assert f"Feature {feature}:" in text(chromium, "arithmetic")
    assert button.get_attribute("aria-pressed") == "true"
    canvas = find(chromium, "#decision canvas[data-part=map]")
    before = text(chromium, "cell")
    canvas.send_keys(Keys.ARROW_LEFT)
    maps = feature_maps(headed("average").look(picture()), 0)
    value = float(text(chromium, "cell").split(": ")[1].rstrip(".").replace("\u2212", "-"))
    place = maps.shape[0] // 2, maps.shape[1] // 2 - 1
    assert text(chromium, "cell") != before
    assert value == pytest.approx(float(maps[(*place, feature)]), rel=1e-2)


def test_a_network_with_one_class_has_no_other_to_compare_with(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    material = make_material(headed("logistic", num_classes=1), picture())
    open_screen(chromium, write_screens(tmp_path / "page.html", material, "decision"))
    assert chromium.find_elements(By.CSS_SELECTOR, "#decision [data-part=rival]") == []
    assert console(chromium) == []


@pytest.mark.parametrize("kind", ["flatten", "largest", "mixed", "unknown", "direct", "logistic", "nothing"])
def test_every_kind_of_end_is_drawn(chromium: webdriver.Chrome, tmp_path: Path, kind: str) -> None:
    page = write_screens(tmp_path / "page.html", make_material(headed(kind), picture()), "decision")
    open_page(chromium, page, PHONE)
    if kind == "direct":
        assert "not from a dense layer" in find(chromium, "#decision .note").text
    else:
        WebDriverWait(chromium, 10).until(lambda _: rows(chromium, "votes"))
        assert ("no map of its own" in find(chromium, "#decision").text) == (kind in ("mixed", "unknown"))
    assert overflow_px(chromium) <= 0
    assert console(chromium) == []


def test_the_page_says_when_a_picture_saturates_the_averages(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    material = make_material(saturating(), np.full((4, 4, 3), 240, np.uint8))
    open_screen(chromium, write_screens(tmp_path / "page.html", material, "decision"))
    assert "3 of the features are the largest number that this file can write down" in text(chromium, "places")
