"""What a training report measures and says, without a browser."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_material import answers, clusters, count, describe_run, draw_set, make_material

from edgecnn.errors import RunError
from edgecnn.evaluate.intervals import Interval
from edgecnn.train.report import REPORT_JSON, REPORT_PAGE, Judged, report_to_json, write_report
from edgecnn.train.report.assembling import assemble
from edgecnn.train.report.discriminant import Head, Sums, draw_folds, scores_out_of_sample
from edgecnn.train.report.label_errors import find_label_errors
from edgecnn.train.report.learning_curve import SHARES, extrapolate, fit_power_law
from edgecnn.train.report.wording import once_in, points_range


def test_a_head_recognizes_what_lies_apart_and_never_names_a_class_that_it_has_not_seen() -> None:
    truths = np.repeat([0, 2], 30)
    head = Head.fit(Sums.of(clusters(truths, 0.3).astype(float), truths, 3))
    answers_ = head.scores(clusters(truths, 0.3, seed=1).astype(float)).argmax(axis=1)
    assert (answers_ == truths).all()


def test_sums_without_some_pictures_are_the_sums_of_the_others() -> None:
    truths, features = np.repeat([0, 1], 10), np.random.default_rng(0).normal(size=(20, 4))
    chosen = np.arange(20) % 3 == 0
    rest = Sums.of(features, truths, 2) - Sums.of(features[chosen], truths[chosen], 2)
    wanted = Sums.of(features[~chosen], truths[~chosen], 2)
    np.testing.assert_allclose(rest.second, wanted.second)
    np.testing.assert_array_equal(rest.num, wanted.num)


def test_folds_share_every_class_evenly() -> None:
    truths = np.repeat([0, 1, 2], [50, 10, 3])
    folds = draw_folds(truths, 5, np.random.default_rng(0))
    assert [int((folds[truths == 0] == fold).sum()) for fold in range(5)] == [10] * 5
    assert [int((folds[truths == 1] == fold).sum()) for fold in range(5)] == [2] * 5


def test_swapped_labels_are_found_and_their_true_classes_named() -> None:
    truths = np.repeat(np.arange(4), 50)
    features = clusters(truths, 0.5).astype(float)
    swapped = np.random.default_rng(1).choice(len(truths), 6, replace=False)
    given = truths.copy()
    given[swapped] = (truths[swapped] + 1) % 4
    scores = scores_out_of_sample(features, given, 4, draw_folds(given, 10, np.random.default_rng(0)))
    doubts = find_label_errors(scores, given)
    found = {doubt.row for doubt in doubts}
    assert found <= set(swapped.tolist())
    assert len(found) >= 5
    assert all(doubt.suggested == truths[doubt.row] for doubt in doubts)


def test_right_labels_of_classes_that_lie_apart_are_not_doubted() -> None:
    truths = np.repeat(np.arange(4), 50)
    scores = scores_out_of_sample(
        clusters(truths, 0.5).astype(float), truths, 4, draw_folds(truths, 10, np.random.default_rng(0))
    )
    assert find_label_errors(scores, truths) == []


def test_a_power_law_is_found_again() -> None:
    errors = 0.05 + 0.1 * np.array(SHARES) ** -0.5
    assert fit_power_law(errors, 0.5) == pytest.approx((0.05, 0.1))


def test_errors_that_rise_with_more_pictures_promise_nothing() -> None:
    right = np.array([[0.9], [0.85], [0.8], [0.75]]) * np.ones((1, 100))
    gain = extrapolate(right, np.arange(100), 1.5)
    assert gain.low == 0
    assert gain.value < 0.5


def test_the_interval_of_a_gain_holds_what_a_known_law_gives_and_gets_narrower_with_pictures() -> None:
    widths = []
    for num in (60, 6000):
        draw = np.random.default_rng(0).random(num)
        right = np.stack([draw >= 0.04 + 0.16 * share**-0.75 for share in SHARES]).astype(float)
        gain = extrapolate(right, np.arange(num), 1.5)
        widths.append(gain.high - gain.low)
        assert gain.low <= 100 * 0.16 * (1 - 1.5**-0.75) <= gain.high
    assert widths[1] < widths[0]


def test_a_curve_is_not_stretched_beyond_twice_the_pictures() -> None:
    with pytest.raises(ValueError, match="at most 2"):
        extrapolate(np.ones((4, 10)), np.arange(10), 2.5)


def test_more_pictures_bring_nothing_where_everything_is_recognized() -> None:
    report, _ = assemble(make_material(spread=0.2))
    assert report.curve is not None
    assert {one.outlook for one in report.curve.classes} == {"nothing"}
    assert report.curve.gain.high < 0.1
    assert any("next to nothing" in line for line in report.advice)


def test_more_pictures_help_where_heads_get_better_with_every_share() -> None:
    material = make_material(("a", "b", "c", "d"), spread=1.5, sizes={"train": 30, "val": 12, "test": 12})
    assert material.known is not None
    truths = material.known.label_indices
    # 60 directions and few pictures: a head that still has much to learn.
    noise = np.random.default_rng(3).normal(0, 1.5, (len(truths), 60)).astype(np.float32)
    features = np.concatenate([material.known.features, noise], axis=1)
    bad = np.full((4, 4), 3, np.int64)
    material = replace(material, known=replace(material.known, features=features), confusion={"val": bad, "test": bad})
    report, _ = assemble(material)
    assert report.curve is not None
    assert report.curve.errors[0] > report.curve.errors[-1]
    assert report.curve.gain.value > 1
    assert any("should bring about" in line for line in report.advice)


def test_the_verdict_is_two_sentences_with_interval_and_worst_confusion() -> None:
    material = make_material(wrong={0: 1, 1: 1, 13: 2})
    (first, second), figures = assemble(material)[0].verdict, assemble(material)[0].figures[0]
    assert (figures.split, figures.num) == ("test", 36)
    assert "36 test pictures" in first
    assert "91.7%" in first
    assert "glass" in first
    assert "2 of 12" in first
    assert first.count(". ") == 0
    assert second.startswith("It may be good enough")


@pytest.mark.parametrize(
    ("right", "beginning"),
    [(200, "That is good enough"), (185, "It may be"), (160, "That is enough where"), (130, "That is not"),
     (104, "Do not deploy")],
)  # fmt: skip
def test_the_second_sentence_follows_the_interval(right: int, beginning: str) -> None:
    counts = np.diag([right // 2, right - right // 2])
    counts[0, 1], counts[1, 0] = 100 - counts[0, 0], 100 - counts[1, 1]
    material = replace(make_material(("a", "b")), confusion={"val": counts, "test": counts})
    assert assemble(material)[0].verdict[1].startswith(beginning)


def test_without_test_pictures_validation_speaks_and_the_page_says_that_it_flatters() -> None:
    report, _ = assemble(make_material(sizes={"train": 40, "val": 12}))
    assert "validation pictures" in report.verdict[0]
    assert "chose among its epochs" in report.verdict[0]
    assert any("Set test pictures aside" in line for line in report.advice)


def test_the_worst_mistakes_come_first_and_cells_hold_their_pictures() -> None:
    material = make_material(wrong={0: 1, 13: 2})
    material.judged["test"].scores[13] = (0.01, 0.01, 0.98)
    report, _ = assemble(material)
    assert [report.pictures[place].path for place in report.mistakes] == ["test/1/13.png", "test/0/0.png"]
    cell = next(one for one in report.figures[0].confusions if (one.truth, one.answer) == (0, 1))
    assert [report.pictures[place].path for place in cell.pictures] == ["test/0/0.png"]


def test_label_errors_and_learning_curves_never_see_a_test_picture() -> None:
    material = make_material(wrong={0: 1})
    without = replace(
        material,
        pictures={split: material.pictures[split] for split in ("train", "val")},
        judged={"val": material.judged["val"]},
        confusion={"val": material.confusion["val"]},
    )
    report, other = assemble(material)[0], assemble(without)[0]
    assert report.curve == other.curve
    assert report.num_doubts == other.num_doubts
    assert all(report.pictures[doubt.picture].split != "test" for doubt in report.doubts)


def test_a_network_from_scratch_gets_no_curve_but_is_held_against_imagenet_features() -> None:
    material = make_material(spread=0.3, config=describe_run("tiny"), train_accuracy=0.99, wrong={0: 1})
    val = material.pictures["val"]
    wrong = {row: (int(val.label_indices[row]) + 1) % 3 for row in range(0, 36, 3)}
    scores = answers(val.label_indices, 3, wrong)
    material = replace(
        material,
        judged={**material.judged, "val": Judged(pictures=val, scores=scores)},
        confusion={**material.confusion, "val": count(val, scores)},
    )
    report, _ = assemble(material)
    assert report.curve is None
    assert "several trainings" in report.notes["curve"]
    assert any(line.startswith("Train with --arch lite0") for line in report.advice)
    assert any("by heart" in line for line in report.advice)


def test_a_network_from_scratch_that_beats_imagenet_features_is_not_told_to_use_them() -> None:
    report, _ = assemble(make_material(spread=6.0, config=describe_run("tiny")))
    assert not any("lite0" in line for line in report.advice)


def test_copies_in_training_and_test_are_advice_and_shown_side_by_side() -> None:
    material = make_material()
    material.pictures["test"].pixels[0] = material.pictures["train"].pixels[0]
    report, _ = assemble(material)
    found = next(one for one in report.copies if one.severity != "note")
    assert {report.pictures[place].path for place in found.groups[0]} == {"train/0/0.png", "test/0/0.png"}
    assert any("Remove copies" in line for line in report.advice)


def test_pictures_that_are_gone_leave_the_recorded_figures_and_say_what_is_missing(tmp_path: Path) -> None:
    whole = make_material(wrong={0: 1})
    material = replace(whole, pictures={}, judged={}, known=None, missing=("36 of 36 test pictures cannot be read",))
    report = write_report(tmp_path, material)
    assert report.figures[0].top1 == assemble(whole)[0].figures[0].top1
    assert report.curve is None
    assert set(report.notes) == {"labels", "curve", "copies"}
    assert "36 of 36 test pictures cannot be read" in (tmp_path / REPORT_PAGE).read_text("utf-8")


def test_one_validation_picture_a_class_is_enough_for_a_page(tmp_path: Path) -> None:
    report = write_report(tmp_path, make_material(sizes={"train": 1, "val": 1, "test": 1}))
    assert report.curve is None
    assert "too few" in report.notes["curve"]


def test_the_json_says_what_the_page_says_and_keeps_small(tmp_path: Path) -> None:
    report = write_report(tmp_path, make_material(wrong={0: 1}))
    read = json.loads((tmp_path / REPORT_JSON).read_text("utf-8"))
    assert read == json.loads(json.dumps(report_to_json(report)))
    assert read["verdict"][0] in (tmp_path / REPORT_PAGE).read_text("utf-8").replace("&#39;", "'")


def test_a_page_of_2500_pictures_stays_under_three_megabytes(tmp_path: Path) -> None:
    labels = tuple(f"class {number}" for number in range(25))
    rng = np.random.default_rng(0)
    wrong = {row: int(answer) for row, answer in enumerate(rng.integers(0, 25, 1250))}
    material = make_material(labels, known=None, sizes={"train": 40, "val": 10, "test": 50}, wrong=wrong)
    # Noise compresses worse than any photograph.
    for part in material.pictures.values():
        object.__setattr__(part, "pixels", rng.integers(0, 256, (len(part), 96, 96, 3)).astype(np.uint8))
    report = write_report(tmp_path, material)
    assert report.num_mistakes > 1000
    assert (tmp_path / REPORT_PAGE).stat().st_size < 3_000_000


def test_a_thousand_classes_make_a_list_of_pairs_instead_of_a_table(tmp_path: Path) -> None:
    labels = tuple(f"class {number}" for number in range(1000))
    material = make_material(labels, sizes={"train": 2, "val": 1, "test": 1}, wrong={5: 7}, known=None)
    report = write_report(tmp_path, material)
    page = (tmp_path / REPORT_PAGE).read_text("utf-8")
    assert len(report.figures[0].classes) == 1000
    assert "too many for a table" in page
    assert '<table class="matrix"' not in page
    assert (tmp_path / REPORT_PAGE).stat().st_size < 3_000_000


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / REPORT_JSON).mkdir()
    with pytest.raises(RunError, match="cannot write the report"):
        write_report(tmp_path, make_material())


def test_figures_are_worded_as_people_say_them() -> None:
    assert points_range(Interval(value=1, low=0.42, high=2.1)) == "0.4 to 2.1 points"
    assert points_range(Interval(value=0, low=0, high=0.01)) == "under 0.1 points"
    assert [once_in(share) for share in (0, 0.05, 0.5, 0.9)] == [
        "never", "about once in 20 pictures", "about every other time", "nearly always",
    ]  # fmt: skip


def test_a_drawn_set_has_no_copies_of_its_own() -> None:
    pixels = draw_set("train", 40, 3).pixels
    assert len(np.unique(pixels.reshape(len(pixels), -1), axis=0)) == len(pixels)
