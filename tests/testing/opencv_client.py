"""OpenCV as a client of the fake cameras."""

import contextlib

import cv2


@contextlib.contextmanager
def watching(url, patience_ms=2000):
    """OpenCV's own client."""
    patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, patience_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, patience_ms]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, patience)
    try:
        yield capture
    finally:
        capture.release()


def gives_up(capture):
    """Tell whether reading fails soon; some pictures may still be on their way."""
    return not all(capture.read()[0] for _ in range(100))
