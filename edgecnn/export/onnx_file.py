"""The ONNX file beside the others: for TensorRT and ONNX Runtime on boards with an NVIDIA GPU."""

from __future__ import annotations

from pathlib import Path

from edgecnn.core.contract import InputContract
from edgecnn.errors import ExportError, MissingExtraError
from edgecnn.evaluate.onnx_model import METADATA_KEY, onnx_metadata


def finish_onnx(path: Path, labels: tuple[str, ...], contract: InputContract, description: str) -> bytes:
    """Check an ONNX file with ONNX's own checker and write labels and input into its metadata.

    Args:
        path: the file as Keras wrote it.
        labels: class names in output order.
        contract: what its input wants to see.
        description: one sentence for the file.

    Returns:
        The content of the complete file.

    Raises:
        MissingExtraError: the onnx package is not installed.
        ExportError: the file breaks a rule of the format.
    """
    try:
        import onnx
    except ImportError as exc:
        raise missing_onnx() from exc
    try:
        model = onnx.load(str(path))
        model.doc_string = description
        onnx.helper.set_model_props(model, {METADATA_KEY: onnx_metadata(labels, contract)})
        onnx.checker.check_model(model, full_check=True)
    except Exception as exc:  # protobuf, onnx and its checker raise what they like
        raise ExportError(f"ONNX's checker refuses the file that Keras wrote: {exc}") from exc
    content: bytes = model.SerializeToString()
    return content


def missing_onnx() -> MissingExtraError:
    """Return the error for a machine without the packages that write ONNX."""
    return MissingExtraError("writing ONNX needs onnx and tf2onnx; run: pip install 'edgecnn[onnx]'")
