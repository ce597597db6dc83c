"""What may be asked of a source that is no V4L2 camera."""

from __future__ import annotations

from edgecnn.errors import SourceError
from edgecnn.runtime.streams import CaptureRequest


def refuse_fourcc(address: str, request: CaptureRequest) -> None:
    """Refuse a V4L2 pixel format where there is no V4L2.

    Raises:
        SourceError: one is asked for.
    """
    if request.fourcc:
        raise SourceError(f"{address} has no choice of pixel formats; leave out --fourcc")
