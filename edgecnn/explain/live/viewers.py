"""The browsers that watch, by the names that they have made up for themselves."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.explain.live.shots import Shot

MAX_VIEWERS = 8
# A browser that asked for nothing in that time may have gone; one that is paused keeps its place while there is room.
AWAY_AFTER_S = 15.0


class TooManyViewersError(Exception):
    """As many browsers as there may be are watching already."""


@dataclass(slots=True)
class _Viewer:
    seen_s: float
    shot: Shot | None = None


class Viewers:
    """Who watches, and the picture that each was given last, which it may pause at.

    Attributes:
        most: how many watched at a time, at most.
    """

    def __init__(self) -> None:
        self.most = 0
        self._viewers: dict[str, _Viewer] = {}

    def admit(self, name: str, now_s: float) -> None:
        """Note that a browser asks.

        Raises:
            TooManyViewersError: it is new, and no place is free.
        """
        if name not in self._viewers and len(self._viewers) >= MAX_VIEWERS:
            longest_away = min(self._viewers, key=lambda other: self._viewers[other].seen_s)
            if now_s - self._viewers[longest_away].seen_s <= AWAY_AFTER_S:
                raise TooManyViewersError
            del self._viewers[longest_away]
        self._viewers.setdefault(name, _Viewer(now_s)).seen_s = now_s
        present = sum(now_s - viewer.seen_s <= AWAY_AFTER_S for viewer in self._viewers.values())
        self.most = max(self.most, present)

    def keep(self, name: str, shot: Shot) -> None:
        """Remember what a browser was given."""
        if name in self._viewers:
            self._viewers[name].shot = shot

    def kept(self, name: str) -> Shot | None:
        """Return what a browser was given last."""
        viewer = self._viewers.get(name)
        return viewer.shot if viewer else None
