"""Addresses of cameras in a network: what may be shown of them, and why one cannot be reached."""

from __future__ import annotations

import socket
import time
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from edgecnn.errors import CameraMissingError, SourceError
from edgecnn.runtime.streams import CaptureRequest

_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
# Of what stands behind "?" only these are shown: cheap cameras take their password there.
_SHOWN_PARAMETERS = frozenset({"action", "camera", "channel", "resolution", "stream", "subtype"})


class NetworkAddress(NamedTuple):
    """A URL in its parts.

    Attributes:
        scheme: in small letters.
        host: name or number, without brackets.
        port: given or usual.
        path: with what stands behind ``?``, as it is asked for; it may hold a secret.
        user: name to log in with, None without one.
        password: that goes with it.
        shown: the URL as people may see it: without user, password and other secrets.
    """

    scheme: str
    host: str
    port: int
    path: str
    user: str | None
    password: str
    shown: str

    @property
    def place(self) -> str:
        """Host and port as a URL has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"NetworkAddress({self.shown})"


def parse_address(url: str) -> NetworkAddress:
    """Read a URL such as ``http://user:password@host:8080/path``.

    Raises:
        SourceError: it is none.
    """
    scheme = url.partition(":")[0].lower()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    # With "/", "?" or "#" in a password the host seems to end there, and the rest would be shown.
    if (
        not host
        or ("@" in url and "@" not in parts.netloc)
        or scheme not in _PORTS
        or any(ord(character) <= 32 for character in url)
    ):
        raise SourceError(
            f"this is no address of a camera in a network, which is {scheme}://[USER:PASSWORD@]HOST[:PORT]/PATH; write "
            "special characters in a password as in %40 for @, %2F for /"
        )
    return NetworkAddress(
        scheme=scheme,
        host=host,
        port=port or _PORTS[scheme],
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        user=None if parts.username is None else unquote(parts.username),
        password=unquote(parts.password or ""),
        shown=_without_secrets(parts),
    )


def refuse_format(shown: str, request: CaptureRequest) -> None:
    """Refuse wishes that cannot be passed on: a camera in a network is set up in its own page.

    Args:
        shown: the camera's address.
        request: what is asked for; a frame rate tells at least how patient to be.

    Raises:
        SourceError: a size or a pixel format is asked for.
    """
    if request.size_wh is not None or request.fourcc:
        raise SourceError(
            f"{shown} itself decides on the size and format of its pictures; set them in the camera's page, and leave "
            "out --size and --fourcc"
        )


def connect(address: NetworkAddress, until_s: float) -> socket.socket:
    """Return a connection to the host, encrypted if the scheme says so.

    Args:
        address: where to.
        until_s: when to give up, by ``time.monotonic``.

    Raises:
        CameraMissingError: nobody answers there.
        SourceError: the host cannot prove who it is.
    """
    try:
        connection = socket.create_connection((address.host, address.port), time_left_s(until_s))
    except socket.gaierror as exc:
        raise CameraMissingError(
            f"{address.shown} cannot be opened: there is no host {address.host!r} in this network; check the name, or "
            "give its number"
        ) from exc
    except ConnectionRefusedError as exc:
        raise CameraMissingError(
            f"{address.shown} cannot be opened: {address.host} is there, but nothing listens at port {address.port}; "
            "is the camera's stream switched on, and the port right?"
        ) from exc
    except TimeoutError as exc:
        raise CameraMissingError(
            f"{address.shown} cannot be opened: {address.place} does not answer; is the camera on, and in this network?"
        ) from exc
    except (OSError, UnicodeError) as exc:
        raise CameraMissingError(f"{address.shown} cannot be opened: {_reason_of(exc)}") from exc
    return _encrypted(connection, address) if address.scheme == "https" else connection


def time_left_s(until_s: float) -> float:
    """Return the seconds until then, but at least a few milliseconds: zero would mean not to wait at all."""
    return max(0.01, until_s - time.monotonic())


def _encrypted(connection: socket.socket, address: NetworkAddress) -> socket.socket:
    import ssl

    try:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=address.host)
    except ssl.SSLCertVerificationError as exc:
        connection.close()
        raise SourceError(
            f"{address.shown} shows a certificate that cannot be trusted ({exc.verify_message}); set SSL_CERT_FILE to "
            "a file with the camera's certificate, or use http:// in a network that you trust"
        ) from exc
    except OSError as exc:
        connection.close()
        raise SourceError(f"{address.shown} does not speak TLS ({_reason_of(exc)}); try http://") from exc


def _reason_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _without_secrets(parts: SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2]
    shown = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0].lower() in _SHOWN_PARAMETERS]
    return f"{parts.scheme}://{place}{parts.path}" + (f"?{urlencode(shown)}" if shown else "")
