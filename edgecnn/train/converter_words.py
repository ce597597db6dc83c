"""What the TensorFlow converter means by its errors, in a sentence."""

from __future__ import annotations

import re


def find_unsupported(exc: Exception) -> str | None:
    """Return which operator of a network LiteRT does not have, and what to do; None where that is not the reason."""
    text = str(exc)
    missing = re.search(r"(?:Flex|Custom) ops: ([\w, ]+)", text)
    if missing:
        layers = sorted(set(re.findall(r'"(?:[\w.]+/)*([\w.]+)/\w+@', text)))
        where = f" (in {', '.join(layers[:3])})" if layers else ""
        return f"LiteRT has no builtin operator for {missing[1].strip()}{where}; replace the layer that uses it"
    unsupported = re.search(r"Quantization to (?:8x8|16x8)-bit not yet supported for op: '?(\w+)", text)
    if unsupported:
        return f"LiteRT has no integer form of {unsupported[1]}; replace the layer that uses it"
    untranslated = re.search(r"'tf\.(\w+)' op ", text)
    if untranslated:
        return f"the converter finds nothing in LiteRT for {untranslated[1]}; replace the layer that uses it"
    return None


def first_line(exc: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    text = str(exc).strip()
    return text.splitlines()[0] if text else type(exc).__name__
