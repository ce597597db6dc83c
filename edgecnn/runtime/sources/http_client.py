"""One HTTP/1.1 request whose answer may never end, with reads that wait no longer than they are told to.

``http.client`` cannot go on after a read that timed out, which is every second one for a camera that stalls.
"""

from __future__ import annotations

import re
import socket
from urllib.parse import urljoin

from edgecnn.errors import CameraMissingError, SourceError, SourceLostError
from edgecnn.runtime.sources.http_login import authorization
from edgecnn.runtime.sources.message_head import MAX_HEAD_BYTES, Head, read_head, refusal
from edgecnn.runtime.sources.network import NetworkAddress, connect, parse_address

MAX_REDIRECTS = 5
_CHUNK_BYTES = 256 << 10


class Answer:
    """The answer to a request, as far as it has come.

    Attributes:
        address: where it came from in the end.
        head: what it began with.
        ended: whether nothing more will come.
    """

    def __init__(self, address: NetworkAddress, connection: socket.socket, head: Head, rest: bytes) -> None:
        self.address = address
        self.head = head
        self.ended = False
        self._connection = connection
        self._rest = rest
        self._chunks = _Chunks() if "chunked" in head.headers.get("transfer-encoding", "").lower() else None
        self._missing = head.body_bytes if self._chunks is None else None

    def read(self, timeout_s: float) -> bytes:
        """Return what came of the body; nothing when nothing came in that time, or ``ended``.

        Raises:
            SourceLostError: the connection broke.
        """
        data, self._rest = self._rest, b""
        if not data and self._missing != 0:
            self._connection.settimeout(timeout_s)
            try:
                data = self._connection.recv(_CHUNK_BYTES)
            except TimeoutError:
                return b""
            except OSError as exc:
                raise SourceLostError(f"the connection to {self.address.shown} broke: {exc.strerror or exc}") from exc
            self.ended = not data
        if self._chunks is not None:
            data = self._chunks.feed(data)
            self.ended = self.ended or self._chunks.ended
        elif self._missing is not None:
            self._missing -= min(len(data), self._missing)
            self.ended = self.ended or self._missing == 0
        return data

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def fetch(address: NetworkAddress, until_s: float) -> Answer:
    """Ask for what is at an address, and follow its redirections; log in where that is asked for.

    Args:
        address: where to begin.
        until_s: when to give up waiting for the head of the answer, by ``time.monotonic``.

    Raises:
        CameraMissingError: nobody answers, or there is nothing at this path.
        SourceError: the server refuses, or does not speak HTTP.
    """
    current, login = address, ""
    for _ in range(MAX_REDIRECTS + 2):
        answer = _ask(current, login, until_s)
        status, headers = answer.head.status, answer.head.headers
        if status == 200:
            return answer
        answer.close()
        if status in (301, 302, 303, 307, 308) and headers.get("location"):
            current, login = _redirected(current, headers["location"]), ""
        elif status == 401 and current.user is not None and not login:
            challenges = headers.get("www-authenticate", "").split("\n")
            login = authorization(challenges, "GET", current.path, current.user, current.password) or ""
            if not login:
                raise SourceError(
                    f"{address.shown} asks for a kind of login that is not known here; only Basic and Digest are"
                )
        else:
            raise refusal(current, answer.head)
    raise SourceError(f"{address.shown} redirects again and again, to {current.shown} at last; give the final address")


def _ask(address: NetworkAddress, login: str, until_s: float) -> Answer:
    connection = connect(address, until_s)
    try:
        connection.sendall(_request(address, login))
        head, rest = read_head(address, connection, "HTTP", until_s)
    except TimeoutError as exc:
        connection.close()
        raise CameraMissingError(
            f"{address.shown} accepts connections but does not answer; is it the right port, and not too busy?"
        ) from exc
    except OSError as exc:
        connection.close()
        if isinstance(exc, SourceError):
            raise
        raise CameraMissingError(f"{address.shown} broke off while it was asked: {exc.strerror or exc}") from exc
    return Answer(address, connection, head, rest)


def _request(address: NetworkAddress, login: str) -> bytes:
    lines = [f"GET {address.path} HTTP/1.1", f"Host: {address.place}", "User-Agent: edgecnn"]
    lines += ["Accept: multipart/x-mixed-replace, image/jpeg, */*", "Accept-Encoding: identity", "Connection: close"]
    if login:
        lines.append(f"Authorization: {login}")
    return "\r\n".join([*lines, "", ""]).encode()


def _redirected(address: NetworkAddress, location: str) -> NetworkAddress:
    target = parse_address(urljoin(f"{address.scheme}://{address.place}{address.path}", location))
    if target.scheme not in ("http", "https"):
        raise SourceError(f"{address.shown} redirects to {target.shown}; give that address")
    # A password goes to the host it was given for, and never from an encrypted connection to an open one.
    if target.host != address.host or (address.scheme, target.scheme) == ("https", "http"):
        return target._replace(user=None, password="")
    return target._replace(user=address.user, password=address.password)


class _Chunks:
    """Takes a chunked body apart (RFC 9112, section 7.1)."""

    def __init__(self) -> None:
        self.ended = False
        self._buffer = b""
        self._missing = 0

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        taken = []
        while self._buffer and not self.ended:
            if self._missing:
                part, self._buffer = self._buffer[: self._missing], self._buffer[self._missing :]
                self._missing -= len(part)
                taken.append(part)
                continue
            line, newline, rest = self._buffer.lstrip(b"\r\n").partition(b"\n")
            if not newline:
                if len(line) > MAX_HEAD_BYTES:
                    raise SourceLostError("the stream is damaged: a chunk has no length")
                break
            size = line.partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
                raise SourceLostError("the stream is damaged: the length of a chunk is no number")
            self._missing, self._buffer = int(size, 16), rest
            self.ended = self._missing == 0
        return b"".join(taken)
