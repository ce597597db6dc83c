"""Sources and sinks by address: ``camera:0``, ``clip.mp4``, ``jsonl:results.jsonl``.

An address is ``scheme:place``. The schemes are entry points of installed distributions, in the
groups ``edgecnn.sources`` and ``edgecnn.sinks``; those that come with edgecnn are declared in
the same way as anybody else's.
"""

from __future__ import annotations

import importlib
import stat
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import edgecnn
from edgecnn.core.contract import InputContract
from edgecnn.errors import EdgecnnError, SinkError, SourceError
from edgecnn.runtime.streams import NOTHING_ASKED, CaptureRequest, Sink, Source, say_nothing, without_password

SOURCE_GROUP = "edgecnn.sources"
SINK_GROUP = "edgecnn.sinks"


class Address(NamedTuple):
    """A scheme and what it is applied to."""

    scheme: str
    place: str


def open_source(
    address: str,
    *,
    contract: InputContract | None = None,
    request: CaptureRequest = NOTHING_ASKED,
    say: Callable[[str], None] = say_nothing,
) -> Source:
    """Build the source that an address names; it is opened by its ``with`` statement.

    Args:
        address: see ``source_address``.
        contract: the model's input, so that pictures are decoded no larger than needed.
        request: what a camera is asked for.
        say: receives one sentence about each thing that is passed over.

    Raises:
        SourceError: there is no such file and no such scheme, or it is nothing that can be asked.
    """
    scheme, place = source_address(address)
    factory = load_plugin(SOURCE_GROUP, scheme)
    if factory is None:
        raise SourceError(
            f"there is no file or folder {without_password(address)!r} and no source {scheme!r}; "
            f"give a file, a folder, the number of a camera, or one of: {plugin_names(SOURCE_GROUP)}"
        )
    source: Source = factory(place)
    source.address = source.address or without_password(f"{scheme}:{place}")
    if request != NOTHING_ASKED and not source.takes_request:
        raise SourceError(f"--size, --fps and --fourcc are for cameras, which {source.address} is not")
    source.contract, source.request, source.say = contract, request, say
    return source


def open_sink(address: str) -> Sink:
    """Build the sink that an address such as ``console`` or ``video:out.avi`` names.

    Raises:
        SinkError: there is no such scheme.
    """
    scheme, _, place = address.partition(":")
    factory = load_plugin(SINK_GROUP, scheme)
    if factory is None:
        raise SinkError(
            f"there is no sink {scheme!r} for {without_password(address)!r}; give one of: {plugin_names(SINK_GROUP)}"
        )
    sink: Sink = factory(place)
    return sink


def source_address(text: str) -> Address:
    """Read the address of a source, in full or as a bare number, file or folder.

    What exists under that very name is taken for that, colon or not; else the part before the
    first colon is the scheme. ``3`` is camera 3, ``auto`` the first one that works, a folder a
    folder of pictures, a file with the suffix of a picture that picture, a device a camera and
    any other file a clip.

    Raises:
        SourceError: nothing of the kind exists, and there is no colon.
    """
    if text.isascii() and text.isdecimal():
        return Address("camera", text)
    try:
        mode = Path(text).stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        if text == "auto":
            return Address("camera", text)
        scheme, colon, place = text.partition(":")
        if not colon:
            raise SourceError(
                f"there is no file or folder {without_password(text)!r}; give one, or the number of a camera, "
                f"or one of: {plugin_names(SOURCE_GROUP)}"
            ) from None
        return Address(scheme, place)
    return Address(_scheme_of_file(Path(text), mode), text)


def _scheme_of_file(path: Path, mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISCHR(mode):
        return "camera"
    from edgecnn.imaging import is_picture_name  # imports OpenCV, which the other addresses need not

    return "image" if is_picture_name(path) else "video"


def load_plugin(group: str, scheme: str) -> Any:
    """Return what the entry point ``scheme`` of a group names, None when nobody declares it."""
    target = _own_entry_points(group).get(scheme)
    if target is not None:
        return _resolve(target)
    found = {(point.value, _owner(point)) for point in _all_entry_points(group) if point.name == scheme}
    if len(found) > 1:
        owners = " and ".join(sorted(owner for _, owner in found))
        raise EdgecnnError(f"{owners} both declare {scheme!r} in {group}; uninstall one of them")
    for target, owner in found:
        try:
            return _resolve(target)
        except (ImportError, AttributeError) as exc:
            raise EdgecnnError(f"{scheme!r} of the plug-in {owner} cannot be loaded: {exc}") from exc
    return None


def _resolve(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return reduce(getattr, attribute.split("."), importlib.import_module(module))


def plugin_names(group: str) -> str:
    """Return the names that a group has, for people."""
    names = set(_own_entry_points(group)) | {point.name for point in _all_entry_points(group)}
    return ", ".join(sorted(names)) or "(none is declared: edgecnn is only copied, not installed; use pip install)"


def _own_entry_points(group: str) -> dict[str, str]:
    """Return the entry points that edgecnn's own metadata declare, name to target.

    ``importlib.metadata`` would find them too, but takes a seventh of the time to the first
    prediction to do so. So the one file with our declarations is read directly, where it
    stands beside the package: the metadata of an installed copy, the project file of a checkout.
    """
    root = Path(edgecnn.__file__).parent.parent
    metadata = root / f"edgecnn-{edgecnn.__version__}.dist-info" / "entry_points.txt"
    for path, header in ((metadata, f"[{group}]"), (root / "pyproject.toml", f'[project.entry-points."{group}"]')):
        try:
            return dict(_section(path.read_text("utf-8"), header))
        except OSError:
            continue
    return {}


def _section(text: str, header: str) -> Iterator[tuple[str, str]]:
    """Give the ``name = value`` lines under a header; both files write them alike but for quotes."""
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == header
        elif inside and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip().strip('"')


def _all_entry_points(group: str) -> Any:
    from importlib.metadata import entry_points  # slow: only for plug-ins of others and for messages

    return entry_points(group=group)


def _owner(point: Any) -> str:
    return str(point.dist.name) if point.dist else "an unnamed distribution"
