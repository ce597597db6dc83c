"""The layers' names, out of the names that a converter left on tensors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

# Of the parts of a fused tensor's name, the one that did the multiplying names the layer.
_MAIN = frozenset({"convolution", "depthwise", "Conv2D", "Conv2D_Fold", "depthwise_Fold", "MatMul", "separable_conv2d"})
# Steps inside a layer that look like layers of their own.
_INSIDE = frozenset({"batchnorm", "BatchNorm", "BatchNorm_Fold", "weights_quant", "moments"})
_NUMBERED = re.compile(r"_(\d+)$")


class LayerPath(tuple[str, ...]):
    """Where a layer stands: the models that it is in, then its own name."""

    __slots__ = ()


def main_path(weights_name: str, output_name: str) -> LayerPath:
    """Return the path of the layer that an operator stands for; empty where the names tell none.

    Args:
        weights_name: name of its weights' tensor; empty for an operator without.
        output_name: name of its output's tensor.
    """
    parts = [*_parts(weights_name), *_parts(output_name)]
    mains = [part for part in parts if part and re.sub(r"\d+$", "", part[-1]) in _MAIN] or _parts(output_name)
    return _layer_of(mains[0]) if mains else LayerPath()


def all_paths(output_name: str) -> tuple[LayerPath, ...]:
    """Return the paths of all layers that were fused into one operator, in the name's order."""
    return tuple(dict.fromkeys(path for part in _parts(output_name) if (path := _layer_of(part))))


def short_names(paths: Sequence[LayerPath]) -> dict[LayerPath, str]:
    """Return each path without what all of them have in common, and without the number that a converter adds."""
    known = [path for path in dict.fromkeys(paths) if path]
    nested = [path for path in known if len(path) > 1]
    common = 0
    while nested and all(len(path) > common + 1 and path[common] == nested[0][common] for path in nested):
        common += 1
    numbers = [_NUMBERED.search(path[-1]) for path in known]
    # A converter's number is on every layer, and is another one than 1 only where names would be the same.
    numbered = None not in numbers and sum(found is not None and found[1] == "1" for found in numbers) * 2 > len(known)
    return {path: "/".join(_clean(step, numbered) for step in (path[common:] or path[-1:])) for path in known}


def make_unique(names: Iterable[str]) -> list[str]:
    """Return the names with a number behind each one that came before."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return unique


def _parts(name: str) -> list[list[str]]:
    return [part.split("/") for part in name.split(";") if "/" in part]


def _layer_of(part: list[str]) -> LayerPath:
    steps = part[:-1]  # the last one is what the layer does
    while len(steps) > 1 and steps[-1] in _INSIDE:
        steps = steps[:-1]
    return LayerPath(steps)


def _clean(step: str, numbered: bool) -> str:
    return _NUMBERED.sub("", step) if numbered else step
