"""The page, out of its parts: one document that needs nothing else, and the policy that it runs under."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from edgecnn.explain.decision import has_class_activation_map
from edgecnn.explain.live.wants import MAX_MAPS, layers_with_maps
from edgecnn.explain.network import Network
from edgecnn.pages import house_style, source_of

_HERE = Path(__file__).parent / "templates"
# The colours and tools of the page that explains one picture.
_SHARED = Path(__file__).parent.parent / "page" / "templates"


class LivePage(NamedTuple):
    """The page.

    Attributes:
        html: UTF-8.
        policy: value of the header Content-Security-Policy.
    """

    html: bytes
    policy: str


@cache
def live_page() -> LivePage:
    """Return the page; nothing in it depends on the network, which it asks for."""
    style = house_style() + (_SHARED / "page.css").read_text("utf-8") + (_HERE / "live.css").read_text("utf-8")
    script = (_SHARED / "page.js").read_text("utf-8") + (_HERE / "live.js").read_text("utf-8")
    document = (_HERE / "live.html").read_text("utf-8")
    html = document.replace("/* style */", style).replace("/* script */", script)
    policy = (
        f"default-src 'none'; script-src {source_of(script)}; style-src {source_of(style)}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return LivePage(html.encode(), policy)


def describe(network: Network, address: str, session: str) -> dict[str, Any]:
    """Return what the page has to know before its first picture, as plain values."""
    file = network.file
    return {
        "session": session,
        "file": _text(file.path.name),
        "model": _text(file.manifest.name if file.manifest else file.path.stem),
        "camera": _text(address),
        "labels": [_text(label) for label in network.labels],
        "max_maps": MAX_MAPS,
        "has_activation_map": has_class_activation_map(network),
        "layers": [
            {
                "index": layer.index,
                "name": _text(layer.name),
                "kind": layer.kind,
                "activation": layer.activation,
                "shape": layer.output_shape,
            }
            for layer in layers_with_maps(network)
        ],
    }


def _text(text: str) -> str:
    """Return text that can be written down, whatever a file's name is made of."""
    return text.encode("utf-8", "replace").decode()
