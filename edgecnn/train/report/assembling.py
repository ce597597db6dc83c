"""From a training's material to everything that its report says."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from edgecnn.data.check import Finding
from edgecnn.errors import MissingExtraError
from edgecnn.train.report.advice import advise_data, advise_judging, advise_network, advise_pictures
from edgecnn.train.report.album import Album, Key
from edgecnn.train.report.answers import MAX_MISTAKES, judge_split, list_mistakes
from edgecnn.train.report.contents import Copies, LabelDoubt, LearningCurve, Report
from edgecnn.train.report.discriminant import Floats, draw_folds, main_directions, scores_out_of_sample
from edgecnn.train.report.features import MAX_PICTURES
from edgecnn.train.report.label_errors import Doubt, find_label_errors
from edgecnn.train.report.material import ReportMaterial
from edgecnn.train.report.outlook import measure_curve
from edgecnn.train.report.verdict import is_fit, put_verdict

MAX_DOUBTS = 60
_MAX_GROUPS = 8
_MAX_IN_GROUP = 6
_NUM_FOLDS = 10


def assemble(material: ReportMaterial) -> tuple[Report, list[str | None]]:
    """Measure what is to be measured and gather the rest.

    Returns:
        The report, and the ``data:`` address of each of its pictures, None where the page has no room for it.
    """
    notes: dict[str, str] = {}
    album = Album(material)
    mistakes = list_mistakes(material.judged)
    worst = tuple(album.add(key) for key in mistakes[:MAX_MISTAKES])
    directions = main_directions(material.known.features) if material.known else None
    doubts = _doubt_labels(material, directions, notes)
    shown_doubts = tuple(_show_doubt(material, doubt, album) for doubt in doubts[:MAX_DOUBTS])
    copies = _find_copies(material, album, notes)
    order = (material.final_split, *(split for split in material.confusion if split != material.final_split))
    figures = tuple(judge_split(material, split, album) for split in order)
    curve = _measure_curve(material, directions, notes)
    num_doubted = len(material.known.rows) if material.known else 0
    report = Report(
        name=material.name,
        architecture=material.config.architecture,
        verdict=put_verdict(figures[0]),
        is_fit=is_fit(figures[0]),
        advice=(
            *advise_data(len(doubts), num_doubted, copies),
            *advise_network(material, directions),
            *(advise_pictures(curve) if curve else ()),
            *advise_judging(figures[0]),
        ),
        figures=figures,
        curve=curve,
        mistakes=worst,
        num_mistakes=len(mistakes),
        doubts=shown_doubts,
        num_doubts=len(doubts),
        num_doubted=num_doubted,
        copies=copies,
        history=material.history,
        kept=_kept(material),
        interrupted=material.config.interrupted,
        skipped=tuple(picture.reason for picture in material.config.skipped),
        notes=notes,
        missing=material.missing,
        pictures=tuple(album.shown),
    )
    return report, album.addresses


def _doubt_labels(material: ReportMaterial, directions: Floats | None, notes: dict[str, str]) -> list[Doubt]:
    known = material.known
    if known is None or directions is None:
        notes["labels"] = "Label errors were not looked for: that needs the training and the validation pictures."
        return []
    if np.bincount(known.label_indices, minlength=len(material.labels)).min() < 2:
        notes["labels"] = "Some classes have a single picture, so that nothing speaks for or against its label."
    folds = draw_folds(
        known.label_indices, min(_NUM_FOLDS, len(directions)), np.random.default_rng(material.config.seed)
    )
    if known.own_features is not None:
        directions = _side_by_side(directions, main_directions(known.own_features))
    scores = scores_out_of_sample(directions, known.label_indices, len(material.labels), folds)
    return find_label_errors(scores, known.label_indices)


def _side_by_side(first: Floats, second: Floats) -> Floats:
    """Return two descriptions (N, D) and (N, E) as one, (N, D + E), in which both have the same weight."""
    return np.concatenate([part / max(1e-9, float(part.std())) for part in (first, second)], axis=1)


def _show_doubt(material: ReportMaterial, doubt: Doubt, album: Album) -> LabelDoubt:
    assert material.known is not None
    return LabelDoubt(
        picture=album.add(material.known.rows[doubt.row]),
        suggested=material.labels[doubt.suggested],
        own_score=doubt.own_score,
        score=doubt.score,
    )


def _measure_curve(material: ReportMaterial, directions: Floats | None, notes: dict[str, str]) -> LearningCurve | None:
    if material.known is None or directions is None:
        notes["curve"] = "No learning curve: that needs the training and the validation pictures."
        return None
    if material.is_from_scratch:
        notes["curve"] = (
            "No learning curve: this network learned from nothing but these pictures, so a curve takes several "
            "trainings of all of it. Train on a half of the pictures and compare to see what the other half brought."
        )
        return None
    if material.known.num_left_out:
        notes["curve"] = f"No learning curve: it is made for up to {MAX_PICTURES:,} pictures."
        return None
    val_error = 1 - material.val_accuracy
    curve = measure_curve(
        material.known, directions, material.labels, val_error, material.config.seed, material.progress
    )
    if curve is None:
        notes["curve"] = "No learning curve: there are too few pictures to learn from shares of them."
    return curve


def _find_copies(material: ReportMaterial, album: Album, notes: dict[str, str]) -> tuple[Copies, ...]:
    from edgecnn.data.check.decoded import find_decoded_copies

    if not material.pictures:
        notes["copies"] = "Copies were not looked for: the pictures are gone."
        return ()
    try:
        findings = find_decoded_copies(material.pictures, material.labels)
    except MissingExtraError as exc:
        notes["copies"] = f"Copies were not looked for: {exc}."
        return ()
    by_text: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if len(finding.files) > 1:
            by_text[finding.text].append(finding)
    return tuple(
        Copies(
            text=text,
            severity=found[0].severity,
            num_groups=len(found),
            num_files=sum(len(finding.files) for finding in found),
            groups=tuple(_show_group(finding, album) for finding in found[:_MAX_GROUPS]),
        )
        for text, found in by_text.items()
    )


def _show_group(finding: Finding, album: Album) -> tuple[int, ...]:
    keys: list[Key] = [key for path in finding.files[:_MAX_IN_GROUP] if (key := album.find(path))]
    return tuple(album.add(key) for key in keys)


def _kept(material: ReportMaterial) -> tuple[str, int]:
    kept = [stage for stage in material.config.stages if stage.kept]
    return (kept[-1].name, kept[-1].best_epoch) if kept else ("", 0)
