"""The repair ladder: what it tries, where it stops, and what a recipe fixes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from dequantized import take_raw_pixels
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import SilentProgress
from edgecnn.errors import ExportError
from edgecnn.export.quantize.activations import Inner
from edgecnn.export.quantize.ladder import Climbed, Judged, climb, run_rung
from edgecnn.export.quantize.layer_errors import layer_errors
from edgecnn.export.quantize.material import Material, Settings, Tuned, Workbench
from edgecnn.export.quantize.recipe import read_recipe
from edgecnn.export.quantize.requantize import requantize
from edgecnn.export.quantize.rungs import RUNGS, Built, Rung
from edgecnn.export.quantize.wide_layers import noise_added, operators_of
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.manifest import RecipePart, TriedPart

CONTRACT = InputContract(width=48, height=48)
LAYERS = tuple(f"{layer}{end}" for layer in ("stem", "project1", "project2", "project3", "head") for end in ("", "_bn"))
QUICK = [rung for rung in RUNGS if rung.name not in ("mixed", "qat")]
Pictures = tuple[NDArray[np.uint8], NDArray[np.int64]]


def made_by(*arguments: Any, **more: Any) -> tuple[bytes, Settings]:
    built = run_rung(*arguments, **more)
    return built.model, built.settings


class Listener(SilentProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def read_material(folder: Path, name: str, pixels: NDArray[np.uint8], **changes: object) -> Material:
    values: dict[str, object] = {
        "float_model": (folder / f"{name}-float.tflite").read_bytes(),
        "template": (folder / f"{name}-int8.tflite").read_bytes(),
        "contract": CONTRACT,
        "load_pixels": lambda num: pixels[:num],
        "tune": None,
        "layers": LAYERS,
        "edgetpu": False,
    }
    return Material(**{**values, **changes})  # type: ignore[arg-type]  # one of each kind, as above


def score(model: bytes, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    inner = Inner(model, CONTRACT)
    scores = []
    for picture in pixels:
        inner.run(picture)
        scores.append(inner.read(inner.graph.outputs[0])[0])
    return np.stack(scores)


def judge_with(float_model: bytes, pictures: Pictures) -> Callable[[bytes], Judged]:
    pixels, truths = pictures
    answers = score(float_model, pixels).argmax(axis=1)

    def judge(model: bytes) -> Judged:
        given = score(model, pixels).argmax(axis=1)
        top1, float_top1 = float(np.mean(given == truths)), float(np.mean(answers == truths))
        return Judged(top1=top1, agreement=float(np.mean(given == answers)), drop_points=100 * (float_top1 - top1))

    return judge


@pytest.fixture(scope="module")
def calibration(grey_shapes: Pictures) -> NDArray[np.uint8]:
    return grey_shapes[0][:60]


@pytest.fixture(scope="module")
def unseen(grey_shapes: Pictures) -> Pictures:
    return grey_shapes[0][60:], grey_shapes[1][60:]


@pytest.fixture(scope="module")
def hostile(ladder_folder: Path, calibration: NDArray[np.uint8]) -> Material:
    return read_material(ladder_folder, "hostile", calibration)


@pytest.fixture(scope="module")
def repaired(hostile: Material, unseen: Pictures) -> Climbed:
    return climb(hostile, judge_with(hostile.float_model, unseen), max_drop_points=1.0, rungs=QUICK)


def test_a_network_that_plain_quantization_breaks_is_repaired(repaired: Climbed) -> None:
    assert repaired.tried[0].rung == "minmax"
    assert repaired.tried[0].drop_points > 5.0
    assert repaired.judged.drop_points <= 1.0
    assert repaired.judged.agreement >= 0.98
    assert repaired.rung == repaired.tried[-1].rung == "equalize"


def test_what_comes_out_is_built_like_the_template(repaired: Climbed, hostile: Material) -> None:
    before, after = Graph.parse(hostile.template), Graph.parse(repaired.model)
    assert len(repaired.model) == len(hostile.template)
    assert [op[:4] for op in after.operators] == [op[:4] for op in before.operators]
    assert [t[:4] for t in after.tensors] == [t[:4] for t in before.tensors]


def test_the_recipe_of_a_repaired_file_gives_its_bytes_again(repaired: Climbed, hostile: Material) -> None:
    model, settings = made_by(hostile, repaired.rung, repaired.settings)
    assert model == repaired.model
    assert settings == repaired.settings


def test_a_file_that_is_good_at_once_stays_as_it_was_converted(
    ladder_folder: Path, calibration: NDArray[np.uint8], unseen: Pictures
) -> None:
    plain = read_material(ladder_folder, "plain", calibration)
    found = climb(plain, judge_with(plain.float_model, unseen), max_drop_points=2.0, min_agreement=0.9)
    assert (found.rung, found.settings) == ("minmax", {"pictures": 100, "ranges": "minmax"})
    assert [tried.rung for tried in found.tried] == ["minmax"]


def rung(
    name: str, *, for_agreement: bool = True, is_8_bit: bool = True, attempts: tuple[Settings, ...] = ({},)
) -> Rung:
    def build(bench: Workbench, settings: Settings) -> Built:
        return Built(model=f"{name} {sorted(settings.items())}".encode(), settings=settings)

    return Rung(name=name, title=name, attempts=attempts, build=build, for_agreement=for_agreement, is_8_bit=is_8_bit)


def broken_rung(bench: Workbench, settings: Settings) -> Built:
    raise ExportError("two layers share their weights")


STEPS = (
    rung("first"),
    rung("second"),
    rung("wide", for_agreement=False, is_8_bit=False),
    rung("slow", for_agreement=False),
)


def scripted(**figures: tuple[float, float]) -> Callable[[bytes], Judged]:
    """A judge who gives each rung these drop points and this agreement."""

    def judge(model: bytes) -> Judged:
        drop, agreement = figures[model.decode().split()[0]]
        return Judged(top1=0.9 - drop / 100, agreement=agreement, drop_points=drop)

    return judge


def test_rungs_that_take_minutes_are_not_climbed_for_agreement_alone(hostile: Material) -> None:
    judge = scripted(first=(0.5, 0.98), second=(0.2, 0.99))
    found = climb(hostile, judge, max_drop_points=1.0, rungs=STEPS)
    assert found.rung == "second"
    assert [tried.rung for tried in found.tried] == ["first", "second"]


def test_rungs_that_take_minutes_are_climbed_while_too_much_is_lost(hostile: Material) -> None:
    judge = scripted(first=(9.0, 0.8), second=(5.0, 0.85), wide=(0.9, 0.9), slow=(0.0, 1.0))
    found = climb(hostile, judge, max_drop_points=1.0, rungs=STEPS)
    assert found.rung == "wide"
    assert [tried.drop_points for tried in found.tried] == [9.0, 5.0, 0.9]


def test_an_edge_tpu_gets_no_rung_that_leaves_8_bits(hostile: Material, ladder_folder: Path) -> None:
    material = read_material(ladder_folder, "hostile", np.zeros((1, 48, 48, 3), np.uint8), edgetpu=True)
    judge = scripted(first=(9.0, 0.8), second=(5.0, 0.85), slow=(0.0, 1.0))
    assert [tried.rung for tried in climb(material, judge, max_drop_points=1.0, rungs=STEPS).tried] == [
        "first",
        "second",
        "slow",
    ]
    with pytest.raises(ExportError, match="'wide' leaves 8 bits, which no Edge TPU takes"):
        made_by(material, "wide", {}, rungs=STEPS)


def test_where_nothing_is_good_enough_the_smallest_loss_comes_out(hostile: Material) -> None:
    judge = scripted(first=(9.0, 0.8), second=(5.0, 0.85), wide=(6.0, 0.9), slow=(7.0, 0.99))
    found = climb(hostile, judge, max_drop_points=1.0, rungs=STEPS)
    assert (found.rung, found.judged.drop_points) == ("second", 5.0)
    assert len(found.tried) == 4


@pytest.mark.parametrize(
    ("second", "drop", "winner"),
    [(0.009, 0.3, "first"), (0.0037, 0.3, "first"), (0.003, 0.3, "second"), (0.001, 0.4, "first")],
)
def test_between_files_that_lose_little_the_clearly_closer_one_comes_out_if_it_loses_no_more(
    hostile: Material, second: float, drop: float, winner: str
) -> None:
    figures = {"first": (0.004, 0.3), "second": (second, drop)}

    def judge(model: bytes) -> Judged:
        distance, lost = figures[model.decode().split()[0]]
        return Judged(top1=0.9, agreement=0.99, drop_points=lost, distance=distance)

    assert climb(hostile, judge, max_drop_points=1.0, rungs=STEPS).rung == winner


def test_a_rung_may_have_several_attempts(hostile: Material) -> None:
    steps = (rung("first", attempts=({"num": 1}, {"num": 2})),)
    found = climb(hostile, scripted(first=(3.0, 0.9)), max_drop_points=1.0, rungs=steps)
    assert [tried.rung for tried in found.tried] == ["first", "first"]


def test_a_rung_that_a_network_does_not_allow_is_passed_over_with_the_reason(hostile: Material) -> None:
    broken = Rung(name="broken", title="", attempts=({},), build=broken_rung)
    listener = Listener()
    judge = scripted(first=(9.0, 0.8), second=(0.0, 1.0))
    found = climb(hostile, judge, max_drop_points=1.0, rungs=(STEPS[0], broken, STEPS[1]), progress=listener)
    assert found.rung == "second"
    assert "broken: not possible here: two layers share their weights" in listener.said
    assert any("9.00 points lost, 80.0% as the float network" in said for said in listener.said)


def test_a_first_rung_that_cannot_be_built_is_an_error(hostile: Material) -> None:
    broken = Rung(name="broken", title="", attempts=({},), build=broken_rung)
    with pytest.raises(ExportError, match="share their weights"):
        climb(hostile, scripted(), max_drop_points=1.0, rungs=(broken,))


def test_fine_tuned_weights_go_into_the_template(hostile: Material, ladder_folder: Path) -> None:
    asked: list[Settings] = []
    tuned: list[bytes] = []

    def tune(settings: Settings, float_model: bytes) -> Tuned:
        asked.append(settings)
        tuned.append(float_model)
        return Tuned(float_model=float_model, ranges=None)

    material = read_material(ladder_folder, "hostile", hostile.load_pixels(20), tune=tune)
    model, settings = made_by(material, "qat", {"epochs": 2})
    assert asked == [settings]
    assert settings["epochs"] == 2
    # It starts from the equalized network.
    assert tuned[0] == RUNGS[4].build(Workbench(material), dict(RUNGS[4].attempts[0])).float_model
    assert model == requantize(material.template, tuned[0], Workbench(material).statistics(tuned[0], 100).mse())


def test_fine_tuning_without_training_pictures_is_refused(hostile: Material) -> None:
    with pytest.raises(ExportError, match="needs the run's training pictures"):
        made_by(hostile, "qat", {})


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ('{"rung": "magic"}', "there is no rung 'magic'; give one of: minmax, more-pictures, mse, bias, equalize"),
        ('{"rung": "mse", "settings": {"strength": 0.5}}', "'mse' has no setting 'strength'; it has: pictures, ranges"),
        (
            '{"rung": "minmax", "settings": {"strength": 5}}',
            "'minmax' has no setting 'strength'; it has: pictures, ranges",
        ),
        ('{"rung": "mse", "settings": {"pictures": "all"}}', "'pictures' of the rung 'mse' must be a whole number"),
        ('{"rung": "mse", "settings": {"pictures": true}}', "is not one"),
        ('{"rung": "mse", "settings": {"pictures": 0}}', "recipe's pictures must be 1 or more, got 0"),
        ('{"rung": "equalize", "settings": {"strength": 2}}', "recipe's strength must be 0 to 1, got 2"),
        ('{"rung": "mixed", "settings": {"num_layers": -1}}', "recipe's num_layers must be 1 or more, got -1"),
        ('{"rung": "mixed", "settings": {"width": "int4"}}', "recipe's width must be one of int16, float, got 'int4'"),
        ('{"rung": "qat", "settings": {"epochs": 0}}', "recipe's epochs must be 1 to 1000, got 0"),
        ('{"settings": {}}', "missing required field `rung`"),
        ('{"rung": "mse", "colour": 1}', "unknown field `colour`"),
        ("rung: mse", "is not one"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused_in_one_sentence(recipe: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(recipe)
    with pytest.raises(ExportError) as caught:
        read_recipe(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_recipe_of_a_manifest_can_be_given_as_it_is(tmp_path: Path) -> None:
    tried = (TriedPart(rung="minmax", top1=0.5, agreement=0.5, drop_points=40.0),)
    part = RecipePart(kind="int8", quantizer="a converter", rung="mse", settings={"pictures": 40}, tried=tried)
    path = tmp_path / "recipe.json"
    path.write_bytes(msgspec.json.encode(part))
    assert read_recipe(path).settings == {"pictures": 40, "ranges": "mse"}
    path.write_bytes(msgspec.json.encode(RecipePart(kind="fp16", quantizer="a converter")))
    with pytest.raises(ExportError, match="is not one"):
        read_recipe(path)


def test_a_recipe_takes_the_rungs_own_settings_where_it_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text('{"rung": "equalize", "settings": {"pictures": 40, "strength": 1}}')
    recipe = read_recipe(path)
    assert recipe.rung == "equalize"
    assert recipe.settings == {"pictures": 40, "ranges": "mse", "strength": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strength": 1.5}, "strength must be 0 to 1"),
        ({"ranges": "widest"}, "ranges must be one of minmax, mse, percentile-99.9"),
        ({"pictures": 0}, "pictures must be 1 or more"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(hostile: Material, settings: Settings, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        made_by(hostile, "equalize", settings)


def test_layers_are_kept_in_16_bits_or_in_floats_and_in_nothing_else(hostile: Material) -> None:
    with pytest.raises(ExportError, match="width must be one of int16, float, got 'int4'"):
        run_rung(hostile, "mixed", {"width": "int4", "layers": ("head",), "pictures": 4})


def test_a_layers_error_is_the_ratio_of_its_signal_to_its_noise(hostile: Material) -> None:
    pixels = hostile.load_pixels(6)
    errors = layer_errors(hostile.float_model, hostile.template, CONTRACT, pixels)
    exact, coarse = Inner(hostile.float_model, CONTRACT), Inner(hostile.template, CONTRACT)
    third = errors[3]
    assert (third.kind, third.operator, third.float_operator) == ("CONV_2D", 4, 3)
    signal = noise = 0.0
    for picture in pixels:
        exact.run(picture)
        coarse.run(picture)
        value, other = (one.read(index) for one, index in ((exact, third.float_tensor), (coarse, third.tensor)))
        signal += float(np.mean(value.astype(np.float64) ** 2)) / len(pixels)
        noise += float(np.mean((value - other).astype(np.float64) ** 2)) / len(pixels)
    assert (third.signal, third.noise) == pytest.approx((signal, noise), rel=1e-3)
    assert third.sqnr_db == pytest.approx(10 * np.log10(signal / noise), abs=0.01)


def test_every_operator_has_an_error_and_repair_makes_the_answers_closer(hostile: Material, repaired: Climbed) -> None:
    pixels = hostile.load_pixels(20)
    before, after = (
        layer_errors(hostile.float_model, model, CONTRACT, pixels)[-2] for model in (hostile.template, repaired.model)
    )
    assert len(layer_errors(hostile.float_model, hostile.template, CONTRACT, pixels[:1])) == 15
    assert after.kind == "FULLY_CONNECTED"
    assert after.sqnr_db > before.sqnr_db + 6


def test_the_same_floats_behind_a_normalization_have_next_to_no_error(hostile: Material) -> None:
    raw = take_raw_pixels(hostile.float_model, CONTRACT.mean, CONTRACT.std)
    errors = layer_errors(hostile.float_model, raw, CONTRACT, hostile.load_pixels(2))
    assert len(errors) == 15
    assert min(error.sqnr_db for error in errors) > 90


def test_the_stretched_bottlenecks_are_where_noise_comes_in(hostile: Material) -> None:
    graph = Graph.parse(hostile.float_model)
    errors = layer_errors(hostile.float_model, hostile.template, CONTRACT, hostile.load_pixels(20))
    added = noise_added(graph, errors)
    assert set(added) == set(range(15))
    noisy = sorted(added, key=lambda operator: -added[operator])[:6]
    assert {graph.operators[operator].name for operator in noisy} & {"CONV_2D", "DEPTHWISE_CONV_2D"}


def test_keras_layers_are_found_among_the_operators(hostile: Material) -> None:
    graph = Graph.parse(hostile.float_model)
    assert operators_of(graph, ("project1", "head_bn")) == (3, 11)
    with pytest.raises(ExportError, match="no layer 'attic' that could be kept wide"):
        operators_of(graph, ("project1", "attic"))


@pytest.mark.slow
def test_wide_layers_are_chosen_by_measurement_and_come_closer_to_the_floats(
    hostile: Material, unseen: Pictures
) -> None:
    judge = judge_with(hostile.float_model, unseen)
    model, settings = made_by(hostile, "mixed", {"strength": 0.0, "num_layers": 3, "pictures": 40})
    layers = settings["layers"]
    assert isinstance(layers, tuple)
    assert len(layers) == 3
    assert set(layers) <= set(LAYERS)
    narrow, _ = made_by(hostile, "equalize", {"strength": 0.0, "pictures": 40})
    assert judge(model).agreement > judge(narrow).agreement
    again, same = made_by(hostile, "mixed", {**settings, "layers": layers})
    assert (again, same) == (model, settings)
