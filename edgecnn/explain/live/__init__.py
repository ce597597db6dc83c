"""The live view: what a network makes of a camera's pictures, in browsers, while it happens."""

from edgecnn.explain.live.serving import DEFAULT_HOST, DEFAULT_PORT, serve
from edgecnn.explain.live.stats import LiveStats

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "LiveStats", "serve"]
