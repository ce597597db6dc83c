"""Where calibration pictures come from, and the look at them before they set any range."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress
from edgecnn.data import PixelSet
from edgecnn.evaluate.sightings import Watcher
from edgecnn.export.calibration import choose_calibration, choose_calibration_folder
from edgecnn.export.calibration_lint import (
    lint_calibration,
    read_calibration_set,
    read_known_pictures,
    read_reference,
)
from edgecnn.export.calibration_source import CalibrationSource
from edgecnn.export.config import MAX_CALIBRATION, ExportConfig
from edgecnn.modelfile import ModelFile
from edgecnn.train.run_folder import RunFolder


def open_calibration(
    run: RunFolder, data_root: Path, float_network: Callable[[], ModelFile], config: ExportConfig, progress: Progress
) -> CalibrationSource:
    """Return the run's training split, or the folder that the user gave, as calibration pictures.

    Args:
        run: whose pictures the model was trained on.
        data_root: where they are.
        float_network: gives the network before any quantization, as a file in memory; asked for at the first look.
        config: which pictures, and the seed of their draw.
        progress: told what is remarked about them.

    Raises:
        CalibrationError: the folder's classes are none of the model's.
        DatasetError: there is no such folder.
    """
    folder = config.calibration_folder
    if folder is None:
        root, labelled = data_root, True
        pictures = choose_calibration(run.splits.train, MAX_CALIBRATION, config.seed)
    else:
        choice = choose_calibration_folder(folder, run.labels, MAX_CALIBRATION, config.seed)
        root, pictures, labelled = folder, choice.pictures, choice.labelled
        for warning in choice.warnings:
            progress.say(f"calibration pictures: {warning}")

    def look(read: PixelSet) -> tuple[str, ...]:
        warnings = lint_calibration(
            read_calibration_set(root, read),
            read_reference(data_root, run.splits.train, run.splits.val, run.contract, config.seed),
            labels=run.labels,
            known=read_known_pictures(
                data_root,
                (*run.splits.val, *run.splits.test),
                run.contract,
                sizes={(root / picture.path).stat().st_size for picture in read.pictures},
                seed=config.seed,
            ),
            # The network need not be asked about pictures that it was trained on.
            embed=None if folder is None else _Embedding(float_network()),
            own=folder is None,
            seed=config.seed,
        )
        for warning in warnings:
            progress.say(f"calibration pictures: {warning}")
        return warnings

    return CalibrationSource(
        root,
        pictures,
        labels=run.labels if labelled else (),
        contract=run.contract,
        split="train" if folder is None else "folder",
        seed=config.seed,
        look=look,
    )


class _Embedding:
    """Features and scores of pictures, as the float network has them."""

    def __init__(self, file: ModelFile) -> None:
        self._watcher = Watcher(file, backend="cpu")

    def __call__(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self._watcher(pixels)
        seen = self._watcher.seen()
        # Without a dense layer at the end there are no features to see; the scores say something, too.
        return (np.log(seen.scores + 1e-6) if seen.features is None else seen.features), seen.scores
