"""The files of ImageNet weights that ``keras.applications`` downloads: their names, and where it keeps them."""

from __future__ import annotations

import os
from pathlib import Path

SIZES_PX = (96, 128, 160, 192, 224)  # of the pictures that there are weights for


def nearest_size(size_px: int) -> int:
    """Return the size of the pictures whose weights suit an input of this size best."""
    return min(SIZES_PX, key=lambda size: abs(size - size_px))


def mobilenetv2_file(size_px: int, alpha: float) -> Path:
    """Return where the weights of MobileNetV2 without its top lie once they were downloaded."""
    user = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    home = Path(os.environ.get("KERAS_HOME") or user / ".keras")
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{nearest_size(size_px)}_no_top.h5"
    return home / "models" / name
