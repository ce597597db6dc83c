"""The ONNX file that ``edgecnn export --onnx`` writes, judged like any other file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.errors import MissingExtraError, ModelFileError
from edgecnn.evaluate.comparison import Candidate

METADATA_KEY = "edgecnn"


def onnx_metadata(labels: tuple[str, ...], contract: InputContract) -> str:
    """Return what an ONNX file says about itself under ``METADATA_KEY``: JSON with labels and input."""
    geometry = {"aspect": contract.aspect, "crop_fraction": contract.crop_fraction}
    return json.dumps({"labels": labels, "width": contract.width, "height": contract.height, **geometry})


def onnx_candidate(path: Path) -> Candidate:
    """Open an ONNX file that edgecnn wrote.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelFileError: the file cannot be read, or was not written by edgecnn.
    """
    session = _open(path)
    labels, contract = _read_metadata(path, session.get_modelmeta().custom_metadata_map)
    name = session.get_inputs()[0].name

    def score_batch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = pixels.astype(np.float32)
        return np.concatenate([session.run(None, {name: picture[np.newaxis]})[0] for picture in batch])

    return Candidate(
        name=str(path),
        labels=labels,
        contract=contract,
        score_batch=score_batch,
        num_bytes=path.stat().st_size,
        is_float=True,
    )


def _open(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise MissingExtraError(f"judging {path} needs onnxruntime; run: pip install 'edgecnn[onnx]'") from exc
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as exc:  # its errors have no class in common
        raise ModelFileError(f"onnxruntime cannot open {path}: {exc}") from exc


def _read_metadata(path: Path, metadata: dict[str, str]) -> tuple[tuple[str, ...], InputContract]:
    try:
        stated = json.loads(metadata[METADATA_KEY])
        labels = tuple(map(str, stated.pop("labels")))
        return labels, InputContract(mean=0.0, std=1.0, **stated)
    except (KeyError, TypeError, ValueError) as exc:
        raise ModelFileError(
            f"{path} does not say what its classes and its input are; write it with: edgecnn export RUN --onnx"
        ) from exc
