"""What LiteRT and Vulkan say when a GPU cannot be used, in words that tell what to do."""

from __future__ import annotations

import re

ALLOW_SOFTWARE = "EDGECNN_ALLOW_SOFTWARE_GPU"
_LOCATION = re.compile(r"^(└ )?(ERROR: \[[^\]]*\])?\s*")
_LACKING = re.compile(r"Vulkan (\S+) required")


def explain(error: str, complaints: str) -> str:
    """Return why the GPU cannot be used.

    Args:
        error: the message of LiteRT's exception.
        complaints: what it and the driver wrote to standard error.
    """
    if "Couldn't load Vulkan" in complaints:
        return "there is no Vulkan here, which LiteRT's GPU code needs; on Debian run: sudo apt install libvulkan1"
    lacking = _LACKING.search(complaints)
    if lacking:
        return (
            f"the GPU's Vulkan driver lacks {lacking[1]}, which LiteRT needs "
            "(that of a Raspberry Pi does); use the int8 file on the CPU"
        )
    if "No adapters found" in complaints:
        return (
            "there is no GPU with a Vulkan driver here; one that is only a program on the CPU does not count, "
            f"unless {ALLOW_SOFTWARE}=1 is set"
        )
    if "not accelerated" in error + complaints or "unresolved" in (error + complaints).lower():
        return (
            "the network has operators that LiteRT has no GPU code for; use it on the CPU, or export the "
            "fp16 file that is made for GPUs: edgecnn export RUN --gpu"
        )
    return f"LiteRT cannot use it: {_last_words(error, complaints)}"


def _last_words(error: str, complaints: str) -> str:
    """Return the first line with words of its own: LiteRT's exceptions often are source lines only."""
    lines = [*error.splitlines(), *(line for line in complaints.splitlines() if "ERROR" in line or "Error" in line)]
    words = (_LOCATION.sub("", line).strip() for line in lines)
    return next((each for each in words if each), "it gave no reason").rstrip(".")
