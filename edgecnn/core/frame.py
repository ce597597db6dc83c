"""One picture on its way from a source to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.view import WHOLE, View

ColorOrder = Literal["bgr", "rgb"]
Encoding = Literal["jpeg", "yuyv", "uyvy", "nv12", "i420", "gray"]
ENCODINGS: tuple[str, ...] = get_args(Encoding)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shot:
    """Where and when a picture was taken.

    Attributes:
        captured_ns: monotonic clock when the picture was taken (files: when it was read).
        index: number of the frame in its source, from 0.
        camera: address of the source, such as ``camera:0``; empty for a picture given in code.
        name: file name of a picture out of a folder, else empty.
        read_ms: time to get the picture's data, in milliseconds.
        view: which part of it is to be judged, and which way up.
    """

    captured_ns: int = 0
    index: int = 0
    camera: str = ""
    name: str = ""
    read_ms: float = 0.0
    view: View = WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame(_Shot):
    """Pixels with everything that must not be guessed about them.

    Attributes:
        pixels: uint8, shape (H, W, 3), values 0 to 255; nobody writes into it any more.
        color_order: meaning of the last axis; OpenCV delivers ``bgr``.
        decode_ms: time to turn the picture's data into pixels, in milliseconds.
    """

    pixels: NDArray[np.uint8]
    color_order: ColorOrder
    decode_ms: float = 0.0

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            kind = getattr(pixels, "dtype", type(pixels).__name__)
            raise ValueError(f"pixels must be a uint8 array of values 0 to 255, got {kind}")
        if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise ValueError(f"pixels must have shape (height, width, 3), got {pixels.shape}")
        if self.color_order not in ("bgr", "rgb"):
            raise ValueError(f"color_order must be 'bgr' or 'rgb', got {self.color_order!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFrame(_Shot):
    """A picture as the camera delivered it, to be decoded no larger than a model needs.

    Attributes:
        data: the bytes: a JPEG file, or raw samples without padding.
        encoding: ``jpeg``; packed 4:2:2 ``yuyv`` or ``uyvy``; planar 4:2:0 ``nv12`` or ``i420``;
            ``gray``. Luma and chroma are those of BT.601, 16 to 235.
        size_wh: width and height in pixels of raw samples; a JPEG says it itself.
        full_range: whether luma and chroma are 0 to 255, as in a JPEG.
    """

    data: bytes
    encoding: Encoding
    size_wh: tuple[int, int] = (0, 0)
    full_range: bool = False


AnyFrame = Frame | EncodedFrame
