"""What one browser is told about one picture, as one message.

A message is four bytes with the length of a JSON object (little endian), the object, and behind it the
bytes of the JPEG, the maps (uint8) and the heat map (float32), whose lengths are in the object's ``blobs``.
The maps travel as they are: next to JPEG or PNG sheets this costs neither side more time, changes no value,
and lets the browser choose the colours.
"""

from __future__ import annotations

import struct
import time
from typing import Any, NamedTuple

import msgspec
import numpy as np

from edgecnn.errors import ModelFileError
from edgecnn.explain.decision import (
    Contributions,
    class_activation_map,
    contributions,
    has_class_activation_map,
)
from edgecnn.explain.live.sheets import MapSheet, MapWatch
from edgecnn.explain.live.shots import Shot
from edgecnn.explain.live.slow_heat import SlowHeat
from edgecnn.explain.live.votes import Recent, VoteWatch
from edgecnn.explain.live.wants import Want
from edgecnn.explain.maps import feature_maps
from edgecnn.explain.network import Look, Network
from edgecnn.explain.rejection import Rejection

# So many classes are always shown, each at its place; of more the best few.
MAX_ALL_CLASSES = 10
_BEST_CLASSES = 6


class Composer:
    """What looks at pictures, and what is remembered from one to the next; for one thread.

    Attributes:
        network: what looks.
        rejection: tells what is unknown.
        votes: follows the votes.
        maps: follows each layer that was asked for lately, by its index.
        slow_heat: makes heat maps beside; None where the network's end allows one for every picture.
    """

    def __init__(self, network: Network) -> None:
        """Find out what can be shown of the network."""
        self.network = network
        self.rejection = Rejection(network)
        self.votes = VoteWatch()
        self.maps: Recent[MapWatch] = Recent()
        self.slow_heat = None if has_class_activation_map(network) else SlowHeat(network.file)

    def close(self) -> None:
        """End what goes on beside."""
        if self.slow_heat:
            self.slow_heat.close()


class View:
    """One picture in the network, and all that was asked about it so far: browsers that ask the same share it.

    Attributes:
        look_ms: how long the network took.
    """

    def __init__(self, composer: Composer, shot: Shot, start_s: float) -> None:
        """Run the network.

        Args:
            composer: what to look with.
            shot: the picture.
            start_s: when the work on it began, by ``time.perf_counter``.
        """
        self._composer, self._shot, self._start_s = composer, shot, start_s
        looking_s = time.perf_counter()
        self._look: Look = composer.network.look(shot.pixels)
        self.look_ms = 1e3 * (time.perf_counter() - looking_s)
        self._familiar = composer.rejection.judge(self._look)
        self._decisions: dict[int, _Decision] = {}
        self._sheets: dict[tuple[int, int], MapSheet] = {}

    def message(self, want: Want, about: dict[str, Any]) -> bytes:
        """Return what a browser gets.

        Args:
            want: what it wants.
            about: goes into the object as it is.
        """
        shot = self._shot
        explained = self._look.class_or_best(want.class_index)
        decision = self._decision(explained)
        start_s = time.perf_counter()
        sheet = self._sheet(want.layer, want.num_maps)
        now_s = time.perf_counter()
        return pack_message(
            {
                "kind": "picture",
                "number": shot.number,
                "name": shot.name.encode("utf-8", "replace").decode(),
                "captured_ns": shot.captured_ns,
                "size": shot.size_wh,
                "region": shot.region,
                "best": self._look.best,
                "classes": self._classes(explained),
                "familiar": self._familiar._asdict() if self._familiar else None,
                "explained": explained,
                "votes": decision.votes,
                "heat": decision.heat,
                "maps": {
                    "layer": want.layer,
                    "channels": sheet.channels,
                    "shape": sheet.codes.shape,
                    "largest": sheet.largest,
                    "is_signed": sheet.is_signed,
                },
                "age_ms": (time.monotonic_ns() - shot.captured_ns) / 1e6,
                "look_ms": self.look_ms,
                "maps_ms": 1e3 * (now_s - start_s),
                "busy_ms": 1e3 * (now_s - self._start_s),
                **about,
            },
            (shot.jpeg, sheet.codes.tobytes(), decision.heat_values),
        )

    def _classes(self, explained: int) -> list[tuple[int, float]]:
        """Return indices and scores: in the order of the file where all are shown, else the best and the explained."""
        scores = self._look.scores
        if len(scores) <= MAX_ALL_CLASSES:
            return list(enumerate(scores.tolist()))
        best = np.argsort(-scores, kind="stable")[:_BEST_CLASSES].tolist()
        shown = best if explained in best else [*best[:-1], explained]
        return [(index, float(scores[index])) for index in shown]

    def _sheet(self, layer: int, num_maps: int) -> MapSheet:
        key = layer, num_maps
        if key not in self._sheets:
            watch = self._composer.maps.follow(layer, MapWatch)
            self._sheets[key] = watch.sheet(feature_maps(self._look, layer), num_maps, self._shot.captured_ns / 1e9)
        return self._sheets[key]

    def _decision(self, class_index: int) -> _Decision:
        if class_index not in self._decisions:
            sums: Contributions | None = None
            try:
                sums = contributions(self._look, class_index)
                votes = self._composer.votes.votes(sums, self._shot.captured_ns / 1e9)
            except ModelFileError as exc:
                votes = {"missing": str(exc)}
            self._decisions[class_index] = _Decision(votes, *self._make_heat(class_index, sums))
        return self._decisions[class_index]

    def _make_heat(self, class_index: int, sums: Contributions | None) -> tuple[dict[str, Any], bytes]:
        slow = self._composer.slow_heat
        if slow is None:
            positions = sums.positions if sums else None
            heat = class_activation_map(self._look, class_index) if positions is None else positions
            about: dict[str, Any] = {"method": "class activation", "class": class_index, "age_ms": 0.0}
        else:
            slow.offer(self._shot, class_index)
            if slow.error is not None:
                return {"missing": str(slow.error) or type(slow.error).__name__}, b""
            if slow.newest is None:
                return {"missing": "the first heat map is being made"}, b""
            heat = slow.newest.heat
            age_ms = (time.monotonic_ns() - slow.newest.captured_ns) / 1e6
            about = {"method": "occlusion", "class": slow.newest.class_index, "age_ms": age_ms}
        return {**about, "shape": heat.shape}, np.nan_to_num(heat).astype("<f4").tobytes()


class _Decision(NamedTuple):
    """What speaks for a class: its votes and its heat map, with the values of that."""

    votes: dict[str, Any]
    heat: dict[str, Any]
    heat_values: bytes


def pack_message(about: dict[str, Any], blobs: tuple[bytes, ...] = ()) -> bytes:
    """Return a message.

    Args:
        about: plain values; numbers that are none become null.
        blobs: what comes behind.
    """
    head = msgspec.json.encode({**about, "blobs": [len(blob) for blob in blobs]})
    return b"".join((struct.pack("<I", len(head)), head, *blobs))
