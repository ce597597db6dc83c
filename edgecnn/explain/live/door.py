"""Where the live view listens: for this machine, unless the user opens it for others."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading

from edgecnn.errors import EdgecnnError
from edgecnn.explain.live.answering import LiveServer, Shown

_POLL_S = 0.05
_LAST_PORT = 65535


class Door:
    """Listens and lets browsers in.

    Attributes:
        url: where the page is.
    """

    def __init__(self, host: str, port: int, shown: Shown) -> None:
        """Begin to listen; nothing is answered before ``open``.

        Args:
            host: name or number of the address to listen at; ``0.0.0.0`` is all of them.
            port: 0 takes a free one.
            shown: what to answer about.

        Raises:
            EdgecnnError: the address is not one of this machine, or the port is taken.
        """
        self._server = _listen(host, port, shown)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="edgecnn-live-door", daemon=True
        )
        name = _own_address() if is_open_to_others(host) else host
        self.url = f"http://{f'[{name}]' if ':' in name else name}:{self._server.server_address[1]}/"

    def open(self) -> None:
        """Let browsers in."""
        self._thread.start()

    def close(self) -> None:
        """Listen no longer, and end all connections."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()


def is_open_to_others(host: str) -> bool:
    """Whether somebody at another machine can reach what listens there."""
    with contextlib.suppress(ValueError):
        return not ipaddress.ip_address(host).is_loopback
    return host != "localhost"


def _listen(host: str, port: int, shown: Shown) -> LiveServer:
    if not 0 <= port <= _LAST_PORT:
        raise EdgecnnError(f"there is no port {port}; give one from 1024 to {_LAST_PORT} with --port")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return LiveServer(family, address, shown, host)
    except socket.gaierror as exc:
        raise EdgecnnError(
            f"there is no address {host!r} on this machine; leave out --host, or give 0.0.0.0 for all of its addresses"
        ) from exc
    except OSError as exc:
        raise EdgecnnError(
            f"cannot listen at {host} port {port} ({exc.strerror or exc}); give another port with --port, such as "
            f"{port + 1 if port < _LAST_PORT else 8000}"
        ) from exc


def _own_address() -> str:
    """Return the number by which other machines find this one, as far as that can be told."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; an address that nobody has
        return str(probe.getsockname()[0])
    return "127.0.0.1"
