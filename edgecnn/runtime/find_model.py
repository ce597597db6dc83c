"""Which model file a user means."""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import EdgecnnError, ModelFileError
from edgecnn.modelfile.archive import split_files
from edgecnn.modelfile.metadata import MANIFEST_FILE

DEFAULT_MODEL = "imagenet-lite0"
_PACKAGE = Path(__file__).resolve().parents[1]
# In an installed package the published models lie inside it; in a checkout they lie beside it.
_PUBLISHED = (_PACKAGE / "published", _PACKAGE.parent / "models")


def find_model(name_or_path: str | None = None, folder: Path | None = None) -> Path:
    """Return the model file that is meant.

    Args:
        name_or_path: a path, or the name of a published model such as ``imagenet-lite0``. None
            takes the newest export in ``folder``, else the published ``imagenet-lite0``.
        folder: where exports are looked for; None is the current folder.

    Raises:
        ModelFileError: there is no such file and no published model of that name.
    """
    if name_or_path is None:
        return _newest_export(folder or Path()) or _published(DEFAULT_MODEL)
    path = Path(name_or_path)
    if path.exists() or path.suffix or path.name != name_or_path:
        return path
    return _published(name_or_path)


def published_models() -> dict[str, Path]:
    """Return the models that come with edgecnn, by name."""
    found = {path.parent.name: path for root in _PUBLISHED for path in sorted(root.glob("*/*.tflite"))}
    return dict(sorted(found.items()))


def _published(name: str) -> Path:
    models = published_models()
    if name not in models:
        known = f"published models: {', '.join(models)}" if models else "no published model is installed"
        raise ModelFileError(f"there is no file {name!r} here and no published model of that name ({known})")
    return models[name]


def _newest_export(folder: Path) -> Path | None:
    exports = [path for path in folder.glob("*.tflite") if _is_export(path)]
    return max(exports, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def _is_export(path: Path) -> bool:
    """Tell whether a file is an edgecnn export; a damaged one is left for its own error to say so."""
    try:
        return MANIFEST_FILE in split_files(path.read_bytes())[1]
    except (OSError, EdgecnnError):
        return False
