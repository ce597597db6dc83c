"""Options that several verbs have: what a camera is asked for, and what runs the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgecnn.runtime.streams import CaptureRequest


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator that adds several options, in their order."""

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


request_options = together(
    click.option("--size", metavar="WxH", help="Ask the camera for pictures of that size, as in 1280x720."),
    click.option("--fps", "frame_rate", type=float, help="Ask the camera for so many pictures per second."),
    click.option("--fourcc", help="Ask a V4L2 camera for a pixel format: MJPG (the default), YUYV, NV12, …"),
)


backend_option = click.option(
    "--backend",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="What runs the model: cpu, gpu or edgetpu, with edgetpu:usb:1 for one of several devices; a named one is "
    "taken or is an error. auto: what FILE was made for, else the CPU, saying why.",
)


def read_request(*, size: str | None, frame_rate: float | None, fourcc: str | None) -> CaptureRequest:
    """Return what the options ask for.

    Raises:
        click.UsageError: one of them makes no sense.
    """
    from edgecnn.runtime.streams import make_request

    try:
        return make_request(size=size, frame_rate=frame_rate, fourcc=fourcc)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
