"""Heat maps by occlusion beside the live view: they take too many runs of the network for every picture."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.heat import occlusion_map
from edgecnn.explain.live.shots import Shot
from edgecnn.explain.network import Network
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.handover import STOP_TIMEOUT_S


class SlowMap(NamedTuple):
    """A heat map of a picture that was shown a while ago.

    Attributes:
        heat: float32, shape (rows, columns).
        class_index: for which class.
        captured_ns: when that picture was taken, on the monotonic clock.
    """

    heat: NDArray[np.float32]
    class_index: int
    captured_ns: int


class SlowHeat:
    """Makes occlusion maps of the newest picture it is offered, in a thread of its own, half of the time.

    Attributes:
        newest: the last one; None before there is one.
        error: what it failed with.
    """

    def __init__(self, file: ModelFile) -> None:
        """Start the thread."""
        self.newest: SlowMap | None = None
        self.error: Exception | None = None
        self._network = Network(file, num_threads=1)
        self._changed = threading.Condition()
        self._offer: tuple[Shot, int] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="edgecnn-occlusion", daemon=True)
        self._thread.start()

    def offer(self, shot: Shot, class_index: int) -> None:
        """Say what is shown now, and for which class a heat map is wanted."""
        with self._changed:
            self._offer = shot, class_index
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread; one that is in the middle of a long map is left behind."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            while offer := self._take():
                shot, class_index = offer
                start_s = time.monotonic()
                heat = occlusion_map(self._network, shot.pixels, class_index)
                self.newest = SlowMap(heat, class_index, shot.captured_ns)
                with self._changed:  # as long again for the others
                    self._changed.wait_for(lambda: self._closed, time.monotonic() - start_s)
        except Exception as exc:  # whatever it is, the live view shows it and goes on
            self.error = exc

    def _take(self) -> tuple[Shot, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._offer is not None)
            offer, self._offer = self._offer, None
            return None if self._closed else offer
