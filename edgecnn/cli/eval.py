"""``edgecnn eval``: how good are these models on these pictures?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from edgecnn.cli.progress import TerminalProgress
from edgecnn.data import SPLIT_NAMES, ImageFolder
from edgecnn.evaluate.comparison import Candidate, Judgement, Pictures, choose_from_splits, choose_pictures, judge
from edgecnn.evaluate.evaluator import scorer
from edgecnn.evaluate.intervals import Interval
from edgecnn.evaluate.rejection import RejectionFigures, judge_unknown
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.engine import own_backend
from edgecnn.runtime.find_model import find_model
from edgecnn.train.run_folder import RunFolder, is_run

_MAX_CONFUSION_COLUMNS = 12
_SIGNIFICANT = 0.05


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="MODEL... [DATA]")
@click.option("--versus", multiple=True, metavar="MODEL", help="A further model to compare with the first.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of pictures; the same as a last argument DATA.")
@click.option("--split", type=click.Choice(SPLIT_NAMES), help="Which split; test if left out, else val, else all.")
@click.option("--labels", type=click.Path(path_type=Path), help="Labels file, for a .tflite that brings none.")
@click.option(
    "--unknown",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Pictures of other things: how well .tflite files tell them from their classes.",
)
@click.option(
    "--robust",
    is_flag=True,
    help="Judge them on shifted, darker, brighter, blurred, noisy and compressed pictures, too; 17 times as long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one object; a list of them for several models.")
def command(
    targets: tuple[str, ...],
    versus: tuple[str, ...],
    data: Path | None,
    split: str | None,
    labels: Path | None,
    unknown: Path | None,
    robust: bool,
    as_json: bool,
) -> None:
    """Measure MODELs on the same pictures: runs, .tflite and .onnx files, published models.

    Several are compared, class by class, with the first one that is not quantized. Without DATA, a
    run is judged on its own test split, and so are the files beside it.
    """
    models, folders = _sort_targets([*targets, *versus], data)
    runs = {name: RunFolder.open(Path(name)) for name in models if is_run(Path(name))}
    if unknown and not any(_tells_unknown(name, runs) for name in models):
        raise click.UsageError("--unknown is for .tflite files, of which none is named")
    pictures = _choose_pictures(folders, list(runs.values()), split)
    candidates = [_candidate(name, runs, labels) for name in models]
    click.echo(f"judging on {len(pictures.pictures)} pictures ({pictures.split}) of {pictures.root}", err=True)
    judgements = judge(candidates, pictures, TerminalProgress(), robust=robust)
    figures = [_judge_unknown(name, runs, labels, pictures, unknown) if unknown else None for name in models]
    for sentence in judgements[0].evaluation.unreadable[:10]:
        click.echo(f"skipped: {sentence}", err=True)
    if as_json:
        objects = [
            judgement.to_json() | ({"unknown": figure.to_json()} if figure else {})
            for judgement, figure in zip(judgements, figures, strict=True)
        ]
        click.echo(json.dumps(objects if len(objects) > 1 else objects[0]))
    else:
        click.echo(_format(judgements))
        for judgement, figure in zip(judgements, figures, strict=True):
            if figure:
                click.echo(f"\n{judgement.name}, {figure.describe()}")


def _sort_targets(targets: Sequence[str], data: Path | None) -> tuple[list[str], list[Path]]:
    """Tell models from folders of pictures."""
    folders = [] if data is None else [data]
    models = []
    for target in targets:
        path = Path(target)
        if path.is_dir() and not is_run(path):
            folders.append(path)
        else:
            models.append(target)
    if len(folders) > 1:
        raise click.UsageError(f"one folder of pictures at a time, got {', '.join(map(str, folders))}")
    if not models:
        raise click.UsageError(f"{folders[0]} is a folder of pictures, not a run; name a run or a .tflite file, too")
    return models, folders


def _choose_pictures(folders: Sequence[Path], runs: Sequence[RunFolder], split: str | None) -> Pictures:
    run = runs[0] if runs else None
    if not folders:
        if run is None:
            raise click.UsageError("say on which pictures: a last argument DATA, or a run whose test split is taken")
        return choose_from_splits(run.data_root, run.labels, run.splits, split)
    folder = ImageFolder.scan(folders[0])
    # The run's own folder without given splits: judge on the split that training did not see.
    if run and not folder.has_splits and folders[0].resolve() == run.data_root.resolve():
        return choose_from_splits(folders[0], run.labels, run.splits, split)
    return choose_pictures(folder, split)


def _tells_unknown(name: str, runs: Mapping[str, RunFolder]) -> bool:
    return name not in runs and Path(name).suffix != ".onnx"


def _judge_unknown(
    name: str, runs: Mapping[str, RunFolder], labels: Path | None, pictures: Pictures, unknown: Path
) -> RejectionFigures | None:
    """Return how a .tflite file takes pictures of other things; None for what is no such file."""
    if not _tells_unknown(name, runs):
        return None
    classifier = Classifier.load(find_model(name), labels_path=labels)
    return judge_unknown(classifier, (pictures.root, pictures.pictures), unknown, progress=TerminalProgress())


def _candidate(name: str, runs: Mapping[str, RunFolder], labels: Path | None) -> Candidate:
    if name in runs:
        return _run_candidate(runs[name])
    if Path(name).suffix == ".onnx":
        from edgecnn.evaluate.onnx_model import onnx_candidate

        return onnx_candidate(Path(name))
    return _file_candidate(name, labels)


def _run_candidate(run: RunFolder) -> Candidate:
    from edgecnn.train.keras_model import load_keras_scorer

    return Candidate(
        name=str(run.path),
        labels=run.labels,
        contract=run.contract,
        score_batch=load_keras_scorer(run).scores,
        num_bytes=run.model_path.stat().st_size,
        is_float=True,
    )


def _file_candidate(name: str, labels: Path | None) -> Candidate:
    path = find_model(name)
    file = ModelFile.open(path, labels_path=labels)
    classifier = Classifier(file, backend=own_backend(file))
    return Candidate(
        name=str(path),
        labels=classifier.labels,
        contract=classifier.contract,
        score_batch=scorer(classifier),
        num_bytes=file.num_bytes,
        is_float=file.manifest is not None and file.manifest.recipe.kind == "float32",
    )


def _format(judgements: Sequence[Judgement]) -> str:
    lines = _overview(judgements)
    if len(judgements) > 1:
        lines += ["", *_drop_table(judgements)]
    for judgement in judgements:
        lines += ["", f"{judgement.name}, by class:", *_class_table(judgement), *_scores_line(judgement)]
    for judgement in judgements:
        if judgement.robustness is not None:
            lines += ["", f"{judgement.name}, top 1 of spoiled pictures:", *_robustness_table(judgement)]
    return "\n".join(lines)


def _overview(judgements: Sequence[Judgement]) -> list[str]:
    width = max(len("model"), *(len(judgement.name) for judgement in judgements))
    reference = next((judgement.reference for judgement in judgements if judgement.reference), None)
    agrees = f"  agreement with {reference}" if reference else ""
    lines = [
        f"{'model':<{width}}  {'top 1':>7}  {'(95% interval)':>16}  {'top 3':>7}  {'macro F1':>8}  {'pictures':>8}  "
        f"{'MB':>6}  {'ms here':>7}{agrees}"
    ]
    for judgement in judgements:
        metrics = judgement.evaluation.metrics
        size = "" if judgement.num_bytes is None else f"{judgement.num_bytes / 1e6:.2f}"
        share = "" if judgement.agreement is None else f"  {judgement.agreement:.1%}"
        lines.append(
            f"{judgement.name:<{width}}  {metrics.top1:>7.1%}  {_range(judgement.certainty.top1):>16}  "
            f"{metrics.top3:>7.1%}  {metrics.macro_f1:>8.3f}  {metrics.num:>8}  {size:>6}  "
            f"{judgement.ms_per_picture or 0.0:>7.2f}{share}"
        )
    return [*lines, *(line for judgement in judgements for line in _compare_lines(judgement))]


def _range(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {interval.high:.1%}"


def _compare_lines(judgement: Judgement) -> list[str]:
    """Return a sentence on whether a model is better than the one that it is held against; none if there is none."""
    test = judgement.mcnemar
    if test is None:
        return []
    verdict = "more than chance" if test.p_value < _SIGNIFICANT else "no more than chance would bring"
    return [
        f"{judgement.name} won {test.won} and lost {test.lost} pictures against {judgement.reference}: "
        f"{verdict} (McNemar's exact test, p = {test.p_value:.2g})"
    ]


def _scores_line(judgement: Judgement) -> list[str]:
    ece = judgement.certainty.ece
    return [] if ece is None else [f"scores are off by {ece:.1%} on average (expected calibration error)"]


def _robustness_table(judgement: Judgement) -> list[str]:
    lines = []
    for one in judgement.robustness or ():
        figures = "  ".join(f"{amount:g}: {top1.value:.1%}" for amount, top1 in zip(one.amounts, one.top1, strict=True))
        lines.append(f"{one.change:<10}  {figures}  ({one.unit})")
    return lines


def _drop_table(judgements: Sequence[Judgement]) -> list[str]:
    """Return a table of the points of recall that each class lost; nothing where nothing can be compared."""
    compared = [judgement for judgement in judgements if judgement.drop_points is not None]
    if not compared:
        return ["no two of them have the same labels, so there is nothing to compare class by class"]
    labels = list(compared[0].drop_points or ())
    width = max(len(label) for label in labels)
    lines = [f"points of recall lost against {compared[0].reference}:"]
    lines += [f"{'':<{width}}  " + "  ".join(f"{number:>6}" for number in range(1, len(compared) + 1))]
    for label in labels:
        drops = [(judgement.drop_points or {}).get(label, 0.0) for judgement in compared]
        lines.append(f"{label:<{width}}  " + "  ".join(f"{drop:>6.1f}" for drop in drops))
    return [*lines, *(f"{number}: {judgement.name}" for number, judgement in enumerate(compared, start=1))]


def _class_table(judgement: Judgement) -> list[str]:
    metrics = judgement.evaluation.metrics
    rows = [(label, figures) for label, figures in metrics.per_class.items() if figures.num]
    width = max(len(label) for label, _ in rows)
    with_confusion = len(metrics.per_class) <= _MAX_CONFUSION_COLUMNS
    columns = "  taken for: " + " ".join(metrics.per_class) if with_confusion else ""
    lines = [f"{'':<{width}}  pictures  recall  precision{columns}"]
    for index, (label, figures) in enumerate(metrics.per_class.items()):
        if not figures.num:
            continue
        line = f"{label:<{width}}  {figures.num:>8}  {figures.recall:>6.1%}  {figures.precision:>9.1%}"
        if with_confusion:
            cells = zip(metrics.per_class, metrics.confusion[index], strict=True)
            line += " " * 13 + " ".join(f"{count:>{len(name)}}" for name, count in cells)
        lines.append(line)
    return lines
