"""What went wrong in the process that owns an Edge TPU, in words."""

from __future__ import annotations

import signal
from pathlib import Path

from edgecnn.errors import BackendUnavailableError, DeviceMissingError
from edgecnn.runtime.backends.edgetpu_devices import Choice, why_none_opens
from edgecnn.runtime.backends.edgetpu_worker import REFUSED, RUN

NEWER_LIBRARY = "install one that was built for TensorFlow 2.17 or newer, such as feranick's libedgetpu 16.0tf2.17.1"
_CRASHES = (-signal.SIGSEGV, -signal.SIGILL, -getattr(signal, "SIGBUS", signal.SIGSEGV))
_MAX_COMPLAINT = 300


def explain_failure(step: str, reason: str, device: Choice) -> BackendUnavailableError:
    """Return the error for what the process answered: the step that failed, and why."""
    if step == REFUSED:  # libedgetpu itself gives no reason
        because = f"{reason}; " if reason else ""
        return DeviceMissingError(f"the Edge TPU ({device.name}) cannot be opened: {because}{why_none_opens()}")
    return DeviceMissingError(reason) if step == RUN else BackendUnavailableError(reason)


def explain_loading(reason: str, path: Path, device: Choice, library: str) -> BackendUnavailableError:
    """Return the error for a network that LiteRT could not load, and for which reason."""
    # The other thing that a library does which is too old, if it does not crash.
    is_old = "unresolved custom op" in reason
    hint = f"; {library} may be too old for this runtime: {NEWER_LIBRARY}" if is_old else ""
    return BackendUnavailableError(f"{path} cannot be loaded for the Edge TPU ({device.name}): {reason}{hint}")


def explain_end(code: int | None, complaints: bytes, library: str) -> BackendUnavailableError:
    """Return the error for a process that has ended.

    Args:
        code: its return code as ``subprocess`` has it, negative for a signal; None if it does not end.
        complaints: what it wrote to standard error.
        library: path or name of libedgetpu.
    """
    if code in _CRASHES:
        return BackendUnavailableError(
            f"{library} crashes this runtime (in a process of its own: {_name_end(code)}): it is too old for it, as "
            f"Google's release of 2021 is; {NEWER_LIBRARY}"
        )
    complaint = _last_line(complaints)
    because = f": {complaint}" if complaint else ""
    if code == -signal.SIGABRT:
        return DeviceMissingError(f"{library} gave up{because}")
    kind = BackendUnavailableError if code is not None and code >= 0 else DeviceMissingError
    return kind(f"the process for the Edge TPU ended with {_name_end(code)}{because}")


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return "".join(character for character in last if character.isprintable())[:_MAX_COMPLAINT]


def _name_end(code: int | None) -> str:
    try:
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
    except ValueError:
        return f"signal {-(code or 0)}"
