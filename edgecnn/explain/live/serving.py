"""The live view, from its opening to its end."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack

from edgecnn.explain.live.answering import Shown
from edgecnn.explain.live.door import Door, is_open_to_others
from edgecnn.explain.live.exchange import Exchange
from edgecnn.explain.live.looking import LookingThread
from edgecnn.explain.live.page import describe
from edgecnn.explain.live.playing import play
from edgecnn.explain.live.stats import LiveMeter, LiveStats
from edgecnn.explain.network import Network
from edgecnn.runtime.streams import CameraEvent, Source, say_nothing

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000


def serve(
    network: Network,
    source: Source,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    stop: threading.Event | None = None,
    say: Callable[[str], None] = say_nothing,
) -> LiveStats:
    """Show in browsers how a network looks at what a camera sees, until it is told to stop.

    One thread looks at the newest frame while somebody watches, for all browsers; a browser that is slow
    gets fewer pictures and holds up nobody. Clips and folders play over and over while they are watched.

    Args:
        network: used here alone until this returns.
        source: opened and closed here.
        host: address to listen at; ``0.0.0.0`` lets everybody in the network watch.
        port: 0 takes a free one.
        stop: set it, from a signal handler for instance, to end; None ends with the source.
        say: receives the page's address first, and then what people should know.

    Returns:
        The statistics.

    Raises:
        EdgecnnError: nothing can listen there.
        CameraMissingError: there is no such camera.
        SourceError: the source cannot be read. ``SourceLostError``: it stayed lost for ``lost_timeout_s``.
        BackendUnavailableError: the network cannot be run.
    """
    exchange, meter, session = Exchange(), LiveMeter(), secrets.token_hex(4)
    stop = stop or threading.Event()
    source.contract, source.on_event = network.file.contract, _telling(exchange, say)

    def is_over() -> bool:
        return stop.is_set() or exchange.error is not None

    source.is_over = is_over
    with ExitStack() as stack:
        door = Door(host, port, Shown(network, exchange, describe(network, source.address, session)))
        stack.callback(door.close)
        stack.enter_context(source)
        looking = LookingThread(network, exchange, meter, session, say)
        stack.callback(looking.close)
        stack.callback(exchange.close)
        door.open()
        say(f"{door.url} shows {source.address}; Ctrl-C ends")
        if is_open_to_others(host):
            say("everybody in this network can see the camera there; leave out --host to keep it to this machine")
        for frame in play(source, is_over, exchange.is_watched):
            exchange.put(frame)
    if exchange.error is not None:
        raise exchange.error
    return meter.stats(answers=exchange.num_answers, most_viewers=exchange.most_viewers)


def _telling(exchange: Exchange, say: Callable[[str], None]) -> Callable[[CameraEvent], None]:
    def tell(event: CameraEvent) -> None:
        exchange.tell(event)
        is_lost = event.kind == "camera_lost"
        say(f"camera lost: {event.reason}; trying to open it again" if is_lost else event.reason)

    return tell
