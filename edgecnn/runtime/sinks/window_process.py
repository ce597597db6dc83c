"""What runs in the process that shows windows: pictures come in on standard input.

Each is a head of three numbers (bytes of the title, rows, columns), the title in UTF-8 and the
pixels, BGR. The process ends well, with exit code 0, when a person closes a window or presses q
or Esc, and when its input ends.
"""

from __future__ import annotations

import os
import select
import struct
import sys

# Not by way of edgecnn.imaging: this process needs nothing else of it, and starts sooner so.
import cv2
import numpy as np

HEAD = struct.Struct("!III")
READY = b"ready\n"
_POLL_S = 0.02
_LEAVING_KEYS = frozenset({27, ord("q"), ord("Q")})


def serve() -> None:
    """Show what comes in on standard input."""
    # The first window is where Qt and GTK connect to the display, or end the process.
    cv2.namedWindow("edgecnn")
    cv2.destroyAllWindows()
    os.write(sys.stdout.fileno(), READY)
    entrance = sys.stdin.fileno()
    titles: list[str] = []
    while True:
        if select.select([entrance], [], [], _POLL_S)[0] and not _show_next(entrance, titles):
            return
        if titles and (cv2.waitKey(1) & 0xFF in _LEAVING_KEYS or not all(map(_is_visible, titles))):
            return


def _show_next(entrance: int, titles: list[str]) -> bool:
    """Read a picture and show it in the window of its title; False when there is none any more."""
    head = _read(entrance, HEAD.size)
    if not head:
        return False
    num_title_bytes, rows, columns = HEAD.unpack(head)
    title = _read(entrance, num_title_bytes).decode("utf-8")
    pixels = np.frombuffer(_read(entrance, rows * columns * 3), np.uint8).reshape(rows, columns, 3)
    if title not in titles:
        cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        titles.append(title)
    cv2.imshow(title, pixels)
    return True


def _read(entrance: int, num_bytes: int) -> bytes:
    """Return so many bytes, or none at the end of the input."""
    data = bytearray()
    while len(data) < num_bytes:
        part = os.read(entrance, num_bytes - len(data))
        if not part:
            return b""
        data += part
    return bytes(data)


def _is_visible(title: str) -> bool:
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:
        return False  # the window is no more
