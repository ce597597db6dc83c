"""What trying a backend gave on this machine, kept so that it is not tried at every start.

One small JSON file per outcome, in ``$XDG_CACHE_HOME/edgecnn/probes`` or ``~/.cache/edgecnn/probes``.
What cannot be read or written there is tried again, and nobody is told.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.modelfile.atomic import write_atomically

_MAX_BYTES = 1 << 16


def probe_path(backend: str, key: Mapping[str, object]) -> Path:
    """Return where the outcome of a probe is kept.

    Args:
        backend: its name, ``gpu`` or ``edgetpu``: the file's name begins with it.
        key: everything that the outcome hangs on: version of the runtime, SHA-256 of the model,
            driver, device, ``boot_id()`` where the next start of the machine may bring another outcome.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
    return root / "edgecnn" / "probes" / f"{backend}-{digest[:32]}.json"


def read_outcome(backend: str, key: Mapping[str, object]) -> dict[str, Any] | None:
    """Return the outcome that ``write_outcome`` kept for a key; None where there is none."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # RuntimeError: there is no home folder
        with probe_path(backend, key).open("rb") as stream:
            outcome = json.loads(stream.read(_MAX_BYTES))
        if isinstance(outcome, dict):
            return outcome
    return None


def write_outcome(backend: str, key: Mapping[str, object], outcome: Mapping[str, object]) -> None:
    """Keep the outcome of a probe, plain values that JSON has; where that fails, nothing is kept."""
    with contextlib.suppress(OSError, RuntimeError):
        path = probe_path(backend, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(outcome).encode())


def boot_id() -> str:
    """Return what Linux calls this run of the machine; empty elsewhere."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def model_digest(model: bytes) -> str:
    """Return the SHA-256 of a model's bytes as hexadecimal digits, for the key."""
    return hashlib.sha256(model).hexdigest()
