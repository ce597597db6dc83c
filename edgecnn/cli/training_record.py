"""The training that a model file came from: finds its run, and reads what a page shows of it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import DatasetError, RunError
from edgecnn.explain import Network
from edgecnn.explain.page.training import Epoch, Trained, TrainingRecord
from edgecnn.imaging import read_bytes
from edgecnn.imaging.decoding import decode_picture
from edgecnn.modelfile.manifest import AccuracyPart
from edgecnn.train.run_folder import METRICS_FILE, SHEET_FILE, HistoryRow, RunFolder, is_run


def find_run(network: Network, given: Path | None) -> tuple[RunFolder | None, str]:
    """Find the run that a file was exported from, by the name of its folder.

    Args:
        network: the file.
        given: where the user says that it is; else it is looked for beside the file, in the current folder, and
            in ``runs/`` of both.

    Returns:
        The run and no text, or None and one sentence on why there is none.

    Raises:
        RunError: the given folder is not a run, is damaged, or is not the file's.
    """
    if given is not None:
        run = RunFolder.open(given)
        _check_record(run)
        if difference := _difference(network, run):
            raise RunError(f"{given} is not what {network.file.path.name} was trained in: {difference}")
        return run, ""
    if network.file.manifest is None:
        return None, "This file was not made by edgecnn export, so it does not say what it was trained in."
    name = network.file.manifest.model.run
    reason = f"The file was trained in the run {name!r}, which does not lie beside it."
    for path in _places(network.file.path.parent, name):
        try:
            run = RunFolder.open(path)
            _check_record(run)
            difference = _difference(network, run)
        except RunError as exc:
            reason = f"The run that the file names cannot be read: {exc}."
            continue
        if not difference:
            return run, ""
        reason = f"{path} has the name of the file's run and is another one: {difference}."
    return None, reason


def read_training(run: RunFolder) -> TrainingRecord:
    """Read what a run recorded of its training, without TensorFlow.

    Raises:
        RunError: a record of it is damaged.
    """
    from edgecnn.train.ablation_record import read_ablation
    from edgecnn.train.augment import describe_changes
    from edgecnn.train.contact_sheet import MAX_ROWS

    config, ablation = run.config, read_ablation(run)
    sheet, no_sheet = _read_sheet(run)
    return TrainingRecord(
        run=run.path.resolve().name,
        num_train=len(run.splits.train),
        num_val=len(run.splits.val),
        seed=config.seed,
        changes=describe_changes(config.options.augment) if config.options.augments else (),
        from_scratch=config.options.row.method == "scratch",
        max_epochs=config.schedule.epochs,
        interrupted=config.interrupted,
        epochs=_epochs(run.read_history()),
        kept=_kept(run),
        sheet=sheet,
        sheet_labels=run.labels[:MAX_ROWS],
        no_sheet=no_sheet,
        trained=tuple(
            Trained(
                name=one.name,
                change=one.change,
                num_weights=one.num_weights,
                num_multiplications=one.num_multiplications,
                epochs=_epochs(one.rows),
                train_accuracy=one.train.accuracy,
                train_loss=one.train.loss,
                val_accuracy=one.val.accuracy,
                val_loss=one.val.loss,
                only_model=one.only_model,
                only_this=one.only_variant,
                seconds=one.seconds,
            )
            for one in (ablation.variants if ablation else ())
        ),
        failed=tuple((one.name, one.reason) for one in (ablation.failed if ablation else ())),
    )


def _places(beside: Path, name: str) -> Iterable[Path]:
    """Return the folders of that name near a file; a name is one folder, never a way to somewhere else."""
    if not name or Path(name).name != name:
        return
    seen = set()
    for folder in (beside, Path.cwd()):
        for path in (folder / name, folder / "runs" / name):
            if path.resolve() not in seen and is_run(path):
                seen.add(path.resolve())
                yield path


def _difference(network: Network, run: RunFolder) -> str:
    """Return in what a run differs from a file; empty where it may be the file's."""
    file = network.file
    if run.labels != network.labels:
        return "its classes are others"
    if run.contract.size_wh != file.contract.size_wh:
        (width, height), (own_width, own_height) = run.contract.size_wh, file.contract.size_wh
        return f"it takes {width} by {height} pixels, the file {own_width} by {own_height}"
    if file.manifest is None:
        return ""
    if run.contract != file.contract:
        return "it prepares its pictures otherwise"
    if run.architecture != file.manifest.model.architecture:
        return f"its network is {run.architecture}, the file's {file.manifest.model.architecture}"
    return "" if _scores_as(file.manifest.accuracy, run) else "it was trained again after the file was exported"


def _scores_as(accuracy: AccuracyPart, run: RunFolder) -> bool:
    """Tell whether a run's model may be the one that a file was held against; arithmetic may turn one picture."""
    figures = run.read_record(METRICS_FILE, dict[str, dict[str, Any] | None]).get(accuracy.split)
    if not figures or figures.get("num") != accuracy.num:
        return True  # judged by other pictures, which tells nothing
    return bool(abs(figures["top1"] - accuracy.float_top1) * accuracy.num < 1.5)


def _check_record(run: RunFolder) -> None:
    """Raise RunError unless ``read_training`` can read the run."""
    from edgecnn.train.ablation_record import read_ablation

    read_ablation(run)
    if _kept(run) not in [(row.stage, row.epoch) for row in run.read_history()] or not run.splits.val:
        raise RunError(f"{run.path} holds no record of how its model was trained")


def _kept(run: RunFolder) -> tuple[str, int]:
    """Return the stage, and the epoch in it, that gave the weights; nothing that any history has if there is none."""
    return next(((stage.name, stage.best_epoch) for stage in reversed(run.config.stages) if stage.kept), ("", 0))


def _epochs(rows: Iterable[HistoryRow]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            stage=row.stage,
            accuracy=row.accuracy,
            loss=row.loss,
            val_accuracy=row.val_accuracy,
            val_loss=row.val_loss,
        )
        for row in rows
    )


def _read_sheet(run: RunFolder) -> tuple[NDArray[np.uint8] | None, str]:
    """Return what augmentation made of a few pictures, drawn anew where an older run has no sheet of it."""
    from edgecnn.train.contact_sheet import draw_sheet_of

    options, path = run.config.options, run.path / SHEET_FILE
    if not options.augments:
        return None, "This training changed no picture: its network saw every one as it is."
    with suppress(DatasetError):
        if path.is_file():
            return np.ascontiguousarray(decode_picture(read_bytes(path), str(path)).pixels[..., ::-1]), ""
    try:
        return draw_sheet_of(run.data_root, run.splits.train, run.contract, options), ""
    except DatasetError:
        command = f"edgecnn train PICTURES --arch {run.architecture} --preview sheet.png"
        return None, (
            f"What it made of your pictures is not on record, and they are no longer in {run.data_root}; "
            f"{command} draws it from another copy of them."
        )
