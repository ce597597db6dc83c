"""What the compiler's complaints mean, and what helps."""

from __future__ import annotations

import re
import signal

# Words of the compiler: cause and cure. The first that is found counts.
_MEANINGS = (
    (
        "dynamic-sized tensors",
        "a size in the model is known only at run time; give the model a batch of 1 before converting",
    ),
    ("Model not quantized", "the model does not compute in 8-bit integers; export it with --int8"),
    (
        "Didn't find op for builtin opcode",
        "an operator is newer than the compiler, which is of 2021; change the layer that it came from",
    ),
    (
        "builtin_code out of range",
        "an operator is newer than the compiler, which is of 2021; change the layer that it came from",
    ),
    (
        "is not constant at compile-time",
        "weights are computed at run time or lie outside of the FlatBuffer; export the model again",
    ),
    (
        "no_integer_overflow_from_quantization",
        "a range of values is out of proportion; calibrate with pictures of the training set",
    ),
    ("large activation tensors", "the model's inner tensors do not fit into the Edge TPU; take a smaller input"),
    ("unresolved custom op", "the model has an operator that is none of TensorFlow Lite's; change its layer"),
    (
        "Internal compiler error",
        "a fault in the compiler; versions before 16.0 had it with models of today: install edgetpu_compiler 16.0",
    ),
    ("Invalid model", "the compiler cannot read the file; check it with: edgecnn inspect"),
    ("Compilation timed out", "the compiler gave up; take a smaller model or a smaller input"),
)
_LAST_WORDS = re.compile(r"ERROR|rror|ailed|nvalid|not ")
_MAX_CHARS = 300


def explain(output: str) -> str | None:
    """Return the first known complaint in the compiler's output with its cure, or None."""
    for words, meaning in _MEANINGS:
        line = next((line.strip() for line in output.splitlines() if words in line), None)
        if line:
            return f"{line[:_MAX_CHARS]!r}: {meaning}"
    return None


def last_words(output: str) -> str:
    """Return the line of the output that most likely says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _LAST_WORDS.search(line)]
    return repr((telling or lines or ["nothing"])[-1][:_MAX_CHARS])


def describe_exit(returncode: int) -> str:
    """Return words for an exit code: a signal's name where it was one."""
    number = -returncode if returncode < 0 else returncode - 128
    if returncode < 0 or returncode > 128:
        try:
            return f"crashed ({signal.Signals(number).name})"
        except ValueError:
            pass
    return f"ended with exit code {returncode}"
