"""A clock that a test moves by hand."""

from __future__ import annotations


class ManualClock:
    """Call it for the time in ns, as ``time.monotonic_ns``; it stands still until it is advanced."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        """Return the time in ns."""
        return self.now_ns

    def advance(self, time_ms: float) -> None:
        """Let so many milliseconds pass, 0 or more."""
        if time_ms < 0:
            raise ValueError(f"a monotonic clock does not run backwards, got {time_ms} ms")
        self.now_ns += round(time_ms * 1e6)
