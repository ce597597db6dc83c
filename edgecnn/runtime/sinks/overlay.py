"""Text on pictures, in any script that the installed OpenCV can draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.frame import AnyFrame, Frame
from edgecnn.imaging import decode, region_px, to_input, upright
from edgecnn.imaging.opencv import cv2

_WHITE = (255, 255, 255)
_SHADE = 0.4
_TEXT_PER_HEIGHT = 1 / 18
_SMALLEST_TEXT_PX = 10
_HERSHEY_PX = 31.0  # height of a line at scale 1


def fit_canvas(frame: AnyFrame, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return a frame as a fresh picture to draw on, with the part outlined that its view judges.

    Args:
        frame: of any kind; it is decoded in full.
        size_wh: width and height of the result, None for the frame's own; what does not fill
            them gets grey bars.

    Returns:
        BGR, uint8, shape (height, width, 3), upright.

    Raises:
        DatasetError: the frame is no whole picture.
    """
    canvas = np.array(upright(decode(frame)), order="C")
    rows, columns = canvas.shape[:2]
    if frame.view.region is not None:
        left, top, right, bottom = region_px(frame.view.region, (columns, rows))
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), _WHITE, max(1, rows // 240))
    if size_wh in (None, (columns, rows)):
        return canvas
    whole = Frame(pixels=canvas, color_order="bgr")
    rgb = to_input(whole, InputContract(width=size_wh[0], height=size_wh[1], aspect="fit"))
    return np.ascontiguousarray(rgb[..., ::-1])


def draw_label(canvas: NDArray[np.uint8], headline: tuple[str, float] | None) -> None:
    """Write a label and its score into the top left corner of a BGR picture, on a darkened strip."""
    if headline is not None:
        draw_line(canvas, f"{headline[0]}  {headline[1]:.0%}")


def draw_line(canvas: NDArray[np.uint8], text: str) -> None:
    """Write a line of text there, in letters small enough for it."""
    rows, columns = canvas.shape[:2]
    text_px = max(_SMALLEST_TEXT_PX, round(rows * _TEXT_PER_HEIGHT))
    width = _text_width(text, text_px)
    if width > columns - text_px:  # a long name in a small picture
        text_px = max(_SMALLEST_TEXT_PX, int(text_px * (columns - text_px) / width))
        width = _text_width(text, text_px)
    strip = canvas[: 2 * text_px, : width + text_px]
    strip[:] = (strip * _SHADE).astype(np.uint8)
    _draw_text(canvas, text, (text_px // 2, round(1.4 * text_px)), text_px)


# OpenCV 5 draws UTF-8 with a font it carries along; OpenCV 4 knows ASCII strokes only.
if hasattr(cv2, "FontFace"):
    _SANS: Any = cv2.FontFace("sans")

    def _text_width(text: str, text_px: int) -> int:
        _, _, width, _ = cv2.getTextSize((0, 0), text, (0, text_px), _SANS, text_px)
        return int(width)

    def _draw_text(canvas: NDArray[np.uint8], text: str, origin: tuple[int, int], text_px: int) -> None:
        cv2.putText(canvas, text, origin, _WHITE, _SANS, text_px)

else:

    def _text_width(text: str, text_px: int) -> int:
        scale, thickness = text_px / _HERSHEY_PX, _thickness(text_px)
        (width, _), _ = cv2.getTextSize(_to_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        return int(width)

    def _draw_text(canvas: NDArray[np.uint8], text: str, origin: tuple[int, int], text_px: int) -> None:
        font, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, text_px / _HERSHEY_PX, _thickness(text_px)
        cv2.putText(canvas, _to_ascii(text), origin, font, scale, _WHITE, thickness, cv2.LINE_AA)

    def _thickness(text_px: int) -> int:
        return max(1, text_px // 16)


def _to_ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")
