"""Raw samples of cameras: luma and chroma are made smaller before they become colours.

Every raw encoding is brought to NV12, a plane of luma and a plane with half the columns and
rows of interleaved chroma. Both planes can be halved alike as often as the model's input
allows; what is left to convert is then a sixteenth of a 1080p picture.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import EncodedFrame
from edgecnn.errors import DatasetError
from edgecnn.imaging.geometry import as_uint8, resize
from edgecnn.imaging.opencv import cv2

_BYTES_PER_PIXEL = {"yuyv": 2.0, "uyvy": 2.0, "nv12": 1.5, "i420": 1.5, "gray": 1.0}

# From 0..255 to the ranges of video, which OpenCV's conversion expects.
_LEVELS = np.arange(256)
_VIDEO_LUMA = np.rint(16 + _LEVELS * (219 / 255)).astype(np.uint8)
_VIDEO_CHROMA = np.rint(128 + (_LEVELS - 128) * (224 / 255)).astype(np.uint8)


def num_raw_bytes(encoding: str, size_wh: tuple[int, int]) -> int:
    """Return the number of bytes of one raw frame."""
    return int(size_wh[0] * size_wh[1] * _BYTES_PER_PIXEL[encoding])


def decode_raw(frame: EncodedFrame, name: str, contract: InputContract | None) -> NDArray[np.uint8]:
    """Turn raw samples into BGR pixels: uint8, shape (H, W, 3), reduced to what the contract needs.

    Raises:
        DatasetError: there are more or fewer bytes than the size needs, or 4:2:0 has an odd side.
    """
    columns, rows = frame.size_wh
    expected = num_raw_bytes(frame.encoding, frame.size_wh)
    if len(frame.data) != expected or expected == 0:
        raise DatasetError(
            f"{name} has {len(frame.data)} bytes; {columns} x {rows} pixels of {frame.encoding} have {expected}"
        )
    if frame.encoding != "gray" and (columns % 2 or rows % 2):
        raise DatasetError(f"{name} is {columns} x {rows}; {frame.encoding} needs an even width and height")
    samples = np.frombuffer(frame.data, np.uint8)
    halvings = _num_halvings(frame, contract)
    if frame.encoding == "gray":
        small = resize(samples.reshape(rows, columns, 1), (columns >> halvings, rows >> halvings))
        return as_uint8(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))
    luma, chroma = _planes(samples, frame)
    if halvings or chroma.shape[0] == rows:
        size_wh = columns >> halvings, rows >> halvings
        luma = as_uint8(resize(luma, size_wh))
        chroma = as_uint8(resize(chroma, (size_wh[0] // 2, size_wh[1] // 2)))
    if frame.full_range:
        luma, chroma = as_uint8(cv2.LUT(luma, _VIDEO_LUMA)), as_uint8(cv2.LUT(chroma, _VIDEO_CHROMA))
    return as_uint8(cv2.cvtColorTwoPlane(luma, chroma, cv2.COLOR_YUV2BGR_NV12))


def _planes(samples: NDArray[np.uint8], frame: EncodedFrame) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return luma (H, W) and chroma (H or H / 2, W / 2, 2) with blue before red."""
    columns, rows = frame.size_wh
    if frame.encoding in ("yuyv", "uyvy"):
        packed = samples.reshape(rows, columns, 2)
        luma_at = 0 if frame.encoding == "yuyv" else 1
        chroma = as_uint8(cv2.extractChannel(packed, 1 - luma_at))
        return as_uint8(cv2.extractChannel(packed, luma_at)), chroma.reshape(rows, columns // 2, 2)
    luma, rest = samples[: rows * columns].reshape(rows, columns), samples[rows * columns :]
    if frame.encoding == "nv12":
        return luma, rest.reshape(rows // 2, columns // 2, 2)
    blue, red = rest.reshape(2, rows // 2, columns // 2)
    return luma, as_uint8(cv2.merge((blue, red)))


def _num_halvings(frame: EncodedFrame, contract: InputContract | None) -> int:
    """Return how often both sides can be halved: the view stays as large as the input, the sides even."""
    if contract is None:
        return 0
    columns, rows = frame.size_wh
    wanted = math.ceil(max(contract.size_wh) / contract.crop_fraction)
    column_share, row_share = frame.view.shares
    halvings = 0
    while columns % 4 == 0 and rows % 4 == 0 and min(columns * column_share, rows * row_share) >= 2 * wanted:
        columns, rows, halvings = columns // 2, rows // 2, halvings + 1
    return halvings
