"""What an answer begins with, in HTTP and in RTSP, and what it means when it is no yes."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

from edgecnn.errors import CameraMissingError, SourceError
from edgecnn.runtime.sources.network import NetworkAddress, time_left_s

MAX_HEAD_BYTES = 64 << 10
_STATUS_LINE = re.compile(r"[A-Z]+/1\.[01] ([0-9]{3})(?: (.*))?")


class Head(NamedTuple):
    """What an answer begins with.

    Attributes:
        status: such as 200.
        reason: the words that go with it.
        headers: by their names in small letters; several of one name are joined by line breaks.
    """

    status: int
    reason: str
    headers: Mapping[str, str]

    @property
    def body_bytes(self) -> int | None:
        """How many bytes follow, None where that is not said."""
        length = self.headers.get("content-length", "")
        return int(length) if re.fullmatch("[0-9]{1,18}", length) else None


def read_head(
    address: NetworkAddress, connection: socket.socket, protocol: Literal["HTTP", "RTSP"], until_s: float
) -> tuple[Head, bytes]:
    """Read the head of an answer.

    Args:
        address: who answers.
        connection: to read from.
        protocol: in which the answer must be.
        until_s: when to give up, by ``time.monotonic``.

    Returns:
        The head, and what has already come of the body.

    Raises:
        SourceError: it is no such answer.
        TimeoutError: it did not come in time.
    """
    data, start = b"", protocol.encode() + b"/1."
    while (end := re.search(rb"\r?\n\r?\n", data)) is None:
        if time.monotonic() > until_s:
            raise TimeoutError
        connection.settimeout(time_left_s(until_s))
        more = connection.recv(MAX_HEAD_BYTES)
        data += more
        if not more or len(data) > MAX_HEAD_BYTES or not data.startswith(start[: len(data)]):
            raise SourceError(f"{address.shown} does not answer in {protocol}; is it the right port?")
    lines = data[: end.start()].decode("latin-1").splitlines()
    status = _STATUS_LINE.match(lines[0])
    if status is None:
        raise SourceError(f"{address.shown} does not answer in {protocol} as it is known here: {lines[0][:80]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}\n{value}" if name in headers else value
    return Head(int(status[1]), (status[2] or "").strip(), headers), data[end.end() :]


def refusal(address: NetworkAddress, head: Head) -> SourceError:
    """Return the error for an answer that is no yes."""
    if head.status == 401:
        if address.user is None:
            scheme, _, rest = address.shown.partition("://")
            return SourceError(f"{address.shown} wants a user and a password; give {scheme}://USER:PASSWORD@{rest}")
        return SourceError(
            f"{address.shown} does not accept this user and password; write special characters in them as %40 for @"
        )
    if head.status in (404, 410):
        return CameraMissingError(
            f"{address.shown} is not there: the host answers but has nothing at this path; look it up in the camera's "
            "manual, or in its page"
        )
    what = f"{head.status} {head.reason}".strip()
    later = "; it may be busy: try again later" if head.status >= 500 else ""
    return SourceError(f"{address.shown} refuses with {what}{later}")
