"""MobileNetV2 without its top, with weights learnt from ImageNet that do not come with the package.

They are read from a file, or ``keras.applications`` downloads them and keeps them for the next time.

Reference:
    M. Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381.
"""

from __future__ import annotations

import hashlib
import re
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.errors import RunError
from edgecnn.train.architectures import Architecture, Ingredient, mobilenetv2_name
from edgecnn.train.backend import keras
from edgecnn.train.converter_words import first_line
from edgecnn.train.imagenet_files import mobilenetv2_file, nearest_size
from edgecnn.train.networks import build_on

Weights = list[NDArray[np.float32]]
_SIZE_PX = 224  # layers have as many weights at any other
_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_DOWNLOAD_TIMEOUT_S = 30.0
_NUM_IMAGENET_CLASSES = 1000


def prepare_mobilenetv2(row: Architecture, size_px: int, alpha: float, path: Path | None) -> Architecture:
    """Return the row with its ImageNet weights at hand.

    Args:
        row: of the width ``alpha``.
        size_px: side of the square input.
        alpha: width of all layers but the last one, as a share of the full network's.
        path: a file of the weights; None: ``keras.applications`` has them or downloads them.

    Raises:
        RunError: there are none, or not those of this network.
    """
    weights = load_weights(path, alpha) if path else download_weights(size_px, alpha)
    file = path or mobilenetv2_file(size_px, alpha)
    ingredients = (_describe(file),) if file.is_file() else ()  # Keras alone decides where it keeps them

    def build(contract: InputContract, num_classes: int, *, pooled: bool = True) -> Any:
        backbone = build_mobilenetv2_backbone(contract.width, alpha, weights)
        return build_on(backbone, contract, num_classes, pooled=pooled, name="mobilenetv2")

    return replace(row, build=build, prepare=None, ingredients=ingredients)


def build_mobilenetv2_backbone(size_px: int, alpha: float, weights: Weights) -> Any:
    """Return the network with its weights, from normalized pixels to feature maps.

    Args:
        size_px: side of the square input.
        alpha: width of all layers but the last one, as a share of the full network's.
        weights: as ``load_weights`` and ``download_weights`` give them.

    Returns:
        A ``keras.Model`` from float32 (N, size_px, size_px, 3), RGB, ``(pixel - 127) / 127.5``, to float32
        (N, ceil(size_px / 32), ceil(size_px / 32), 1280), values 0 to 6. All its layers are trainable.
    """
    network = _bare(size_px, alpha)
    network.set_weights(weights)
    return network


def load_weights(path: Path, alpha: float) -> Weights:
    """Read the weights of the network without its top out of a Keras file, which may hold the top as well.

    Args:
        path: ``.weights.h5``, ``.h5`` (as Keras offers them for download) or ``.keras``.
        alpha: as above.

    Raises:
        RunError: the file cannot be read or holds something else.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_HDF5))
    except OSError as exc:
        raise RunError(f"the weights {path} cannot be read: {exc.strerror}; name another file with --weights") from exc
    if not start.startswith((_HDF5, _ZIP)):
        raise RunError(f"{path} is no file of weights that Keras wrote (HDF5 or .keras); name another one")
    found = _fill(_bare(_SIZE_PX, alpha), path) or _fill(_whole(alpha), path)
    if found is None:
        raise RunError(
            f"{path} does not hold all weights of {mobilenetv2_name(alpha)}, the MobileNetV2 of Keras with "
            f"alpha={alpha:g}; name another file, or another width with --arch"
        )
    return found


def download_weights(size_px: int, alpha: float) -> Weights:
    """Return what ``keras.applications`` has learnt from ImageNet at the size that is nearest.

    Raises:
        RunError: they are not on this machine, and it cannot download them.
    """
    nearest = nearest_size(size_px)
    try:
        with _guarded_download():
            network = keras.applications.MobileNetV2(
                (nearest, nearest, 3), alpha=alpha, include_top=False, weights="imagenet"
            )
    except Exception as exc:  # whatever urllib, h5py and Keras raise
        address = re.search(r"https?://[^\s:]+", str(exc))
        reason = re.sub(r"^\[Errno -?\d+\] ", "", first_line(exc).rpartition(" -- ")[2])
        fetch = f"fetch {address[0]} elsewhere" if address else "fetch them elsewhere"
        raise RunError(
            f"the ImageNet weights of {mobilenetv2_name(alpha)} do not come with edgecnn and cannot be downloaded "
            f"({reason}); {fetch} and add --weights FILE, or train lite0, whose weights come along"
        ) from exc
    weights: Weights = network.get_weights()
    return weights


def _describe(file: Path) -> Ingredient:
    return Ingredient(path=str(file.absolute()), sha256=hashlib.sha256(file.read_bytes()).hexdigest())


def _bare(size_px: int, alpha: float) -> Any:
    return keras.applications.MobileNetV2((size_px, size_px, 3), alpha=alpha, include_top=False, weights=None)


def _whole(alpha: float) -> Any:
    return keras.applications.MobileNetV2(
        (_SIZE_PX, _SIZE_PX, 3), alpha=alpha, weights=None, classes=_NUM_IMAGENET_CLASSES
    )


def _fill(network: Any, path: Path) -> Weights | None:
    """Return what a file has for every layer before the top; None where it has none for some."""
    # Keras passes over what it does not find, and leaves random numbers there.
    network.set_weights([np.full(array.shape, np.nan, np.float32) for array in network.get_weights()])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.load_weights(path)
    except Exception:  # Keras raises whatever its zip, HDF5 and JSON readers do
        return None
    top = [weight.path for layer in network.layers if layer.name == "predictions" for weight in layer.weights]
    weights: Weights = network.get_weights()[: len(network.weights) - len(top)]
    return weights if all(np.isfinite(array).all() for array in weights) else None


@contextmanager
def _guarded_download() -> Iterator[None]:
    """Keep Keras's bar off standard output, and do not wait for ever where a network swallows everything."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)
