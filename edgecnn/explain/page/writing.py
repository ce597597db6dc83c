"""An explanation as a page that needs nothing else, as JSON, and as a folder of pictures."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from numpy.typing import NDArray

from edgecnn.errors import SinkError
from edgecnn.explain.page.contents import Image, Screen, walk
from edgecnn.explain.page.explanation import Explanation
from edgecnn.imaging import encode_jpeg, encode_png
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.pages import house_style, make_environment, source_of

_DIGITS = 6
# A table that a byte can point into; more different numbers than that among the first ones tell that there is none.
_MOST_IN_TABLE, _SAMPLE = 256, 4096


def write_page(path: Path, explanation: Explanation) -> int:
    """Write the page; whatever stood there stays until the new one is whole.

    Returns:
        Its size in bytes.

    Raises:
        SinkError: it cannot be written there.
    """
    return _write(path, render(explanation).encode("utf-8", "backslashreplace"))


def write_pictures(folder: Path, explanation: Explanation) -> list[Path]:
    """Write every picture of the page as a PNG of its own; ``to_json`` names them.

    Raises:
        SinkError: they cannot be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SinkError(f"cannot make the folder {folder}: {exc.strerror or exc}") from exc
    written: dict[Path, Image] = {}

    def write(prefix: str, image: Image) -> None:
        path = folder / _file_name(prefix, image)
        if path in written and written[path] is not image:
            raise AssertionError(f"two pictures are called {path.name}")
        written[path] = image
        _write(path, encode_png(image.pixels))

    for prefix, data in _parts(explanation):
        walk(data, lambda array: None, partial(write, prefix))
    return list(written)


def to_json(explanation: Explanation) -> dict[str, Any]:
    """Return everything as plain dicts, lists, text and numbers; pictures by the names of their files.

    Numbers have six digits.
    """
    plain = {prefix: walk(data, _to_list, partial(_file_name, prefix)) for prefix, data in _parts(explanation)}
    head = plain.pop("head")
    screens = {
        screen.key: {"title": screen.title, "missing": screen.missing, **plain[_prefix(screen)]}
        for screen in explanation.screens
    }
    return {**head, "screens": screens}


def render(explanation: Explanation) -> str:
    """Return the page."""
    environment = _environment()
    script = _script(tuple(screen.key for screen in explanation.screens))
    return environment.get_template("page.html").render(
        head=walk(explanation.head, _to_typed, _to_embedded),
        screens=[(screen, walk(screen.data, _to_typed, _to_embedded)) for screen in explanation.screens],
        script=Markup(script),  # our own files, never data
        style=Markup(_style(tuple(screen.key for screen in explanation.screens))),
        script_source=source_of(script),
    )


def _parts(explanation: Explanation) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "head", explanation.head
    for screen in explanation.screens:
        yield _prefix(screen), screen.data


def _prefix(screen: Screen) -> str:
    return f"{screen.number}-{screen.key}"


def _file_name(prefix: str, image: Image) -> str:
    return f"{prefix}-{image.slug}.png"


def _to_list(array: NDArray[Any]) -> Any:
    if not np.issubdtype(array.dtype, np.floating):
        return array.tolist()
    return _rounded(array.tolist())


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def _to_typed(array: NDArray[Any]) -> dict[str, Any]:
    """What page.js makes a typed array of; where few different numbers repeat, bytes that say which, and a table."""
    dtype = {"float64": "float32", "int64": "int32", "bool": "uint8"}.get(str(array.dtype), str(array.dtype))
    values = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    typed = {"$array": dtype, "shape": list(array.shape)}
    if values.itemsize > 1 and len(np.unique(values.ravel()[:_SAMPLE])) <= _MOST_IN_TABLE:
        table, places = np.unique(values, return_inverse=True)
        if len(table) <= _MOST_IN_TABLE and values.size + table.nbytes < values.nbytes:
            return {**typed, "base64": _to_base64(places.astype(np.uint8)), "table": _to_base64(table)}
    return {**typed, "base64": _to_base64(values)}


def _to_base64(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _to_embedded(image: Image) -> dict[str, Any]:
    height, width = image.pixels.shape[:2]
    if image.only_file:
        return {"width": width, "height": height, "name": image.name}
    kind = "png" if image.quality is None else "jpeg"
    data = encode_png(image.pixels) if image.quality is None else encode_jpeg(image.pixels, image.quality)
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return {"src": address, "width": width, "height": height, "name": image.name}


def _write(path: Path, data: bytes) -> int:
    try:
        write_atomically(path, data)
    except OSError as exc:
        raise SinkError(f"cannot write {path}: {exc.strerror or exc}") from exc
    return len(data)


def _script(keys: tuple[str, ...]) -> str:
    return "\n".join(_source(name) for name in ("page.js", *(f"screens/{key}.js" for key in keys), "start.js"))


def _style(keys: tuple[str, ...]) -> str:
    return house_style() + "\n".join(_source(name) for name in ("page.css", *(f"screens/{key}.css" for key in keys)))


def _source(name: str) -> str:
    path = Path(__file__).parent / "templates" / name
    return path.read_text("utf-8") if path.is_file() else ""


def _with_minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


@cache
def _environment() -> Environment:
    filters: dict[str, Callable[..., str]] = {
        "percent": lambda share: _with_minus(f"{100 * share:.1f}%"),
        "number": lambda value: _with_minus(f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"),
        "count": lambda value: f"{value:,}",
    }
    return make_environment("edgecnn.explain.page", filters)
