"""Reading ``--recipe FILE.json``: which rung of the ladder to take, with which settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from edgecnn.errors import ExportError
from edgecnn.export.quantize.ladder import complete_settings, find_rung
from edgecnn.export.quantize.material import Settings
from edgecnn.export.quantize.rungs import RUNGS, Rung
from edgecnn.modelfile.manifest import TriedPart

_MAX_BYTES = 1 << 20
_EXAMPLE = '{"rung": "bias", "settings": {"pictures": 200}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One rung and all of its settings."""

    rung: str
    settings: Settings


class _File(msgspec.Struct, forbid_unknown_fields=True):
    rung: str
    settings: dict[str, str | int | float | tuple[str, ...]] = {}
    # What a manifest's ``recipe`` says besides, so that it can be given as it is.
    kind: Literal["int8"] = "int8"
    quantizer: str = ""
    tried: tuple[TriedPart, ...] = ()


def read_recipe(path: Path, rungs: Sequence[Rung] = RUNGS) -> Recipe:
    """Read a recipe: ``{"rung": "bias", "settings": {"pictures": 200}}``.

    Settings that are left out take the rung's own values. The ``recipe`` of a file's manifest is one, too.

    Args:
        path: the JSON file.
        rungs: the ladder that it speaks of.

    Raises:
        ExportError: it cannot be read, or names a rung or setting that does not exist.
    """
    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            raise ExportError(f"the recipe {path} has {len(data)} bytes; a recipe is a few lines of JSON")
        file = msgspec.json.decode(data, type=_File)
    except OSError as exc:
        raise ExportError(f"cannot read the recipe {path}: {exc.strerror}") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ExportError(f"the recipe {path} is not one: {exc}; a recipe looks like {_EXAMPLE}") from exc
    try:
        return Recipe(rung=file.rung, settings=complete_settings(find_rung(file.rung, rungs), file.settings))
    except ExportError as exc:
        raise ExportError(f"the recipe {path}: {exc}") from exc
