"""Where the network looked, by two methods, and whether their maps are right."""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.decision import class_activation_map, has_class_activation_map
from edgecnn.explain.faithful import blur, faithfulness
from edgecnn.explain.head import find_head
from edgecnn.explain.heat import mean_colour, occlusion_maps
from edgecnn.explain.network import Look, Network
from edgecnn.explain.page.contents import Image
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.decision_classes import choose_classes, name_class
from edgecnn.explain.page.screens.looked_drawing import draw_heat, draw_order
from edgecnn.explain.page.screens.looked_verdict import gather_test

STEPS, _REPEATS = 16, 4
# A slower network is not asked by a second method, which takes more than 300 runs.
_MAX_RUN_S = 0.03
_MAX_CELLS = 64
Method = Literal["class activation", "occlusion"]


def gather(material: Material) -> dict[str, Any]:
    """Return heat maps of the strongest classes, and whether covering the hot places costs the explained class."""
    chosen = choose_classes(material, look := material.look())
    methods: list[Method] = ["occlusion"]
    run_s = _seconds_of_a_run(material)
    if _can(material.network, "class activation"):
        methods = ["class activation"] if run_s > _MAX_RUN_S else ["class activation", "occlusion"]
    height, width = material.pixels.shape[:2]
    return {
        "blurred": Image(name="blurred", pixels=blur(material.pixels), quality=85),
        "grey": mean_colour(material.pixels),
        "width": width,
        "height": height,
        "classes": [name_class(material, look, index) for index in chosen],
        "left_out": None if "occlusion" in methods else {"method": "occlusion", "run_ms": 1e3 * run_s},
        "is_at_limit": _is_at_limit(look, chosen[0]),
        # The other network is asked by the first method only: a second one takes its time again.
        "methods": [
            _gather_method(material, method, chosen, material.other if method == methods[0] else None)
            for method in methods
        ],
    }


def _gather_method(material: Material, method: Method, chosen: list[int], other: Network | None) -> dict[str, Any]:
    """Return one method's maps, those of the other network beside them, and a test of the first."""
    height, width = material.pixels.shape[:2]
    heat = _maps(material.network, material.pixels, method, chosen)
    beside = _maps(other, material.pixels, method, chosen) if other and _can(other, method) else None
    if beside is not None and beside.shape != heat.shape:
        beside = None
    largest = max(float(np.abs(one[0]).max()) for one in (heat, beside) if one is not None)
    tested = faithfulness(material.network, material.pixels, heat[0], chosen[0], steps=STEPS, repeats=_REPEATS)
    return {
        "method": method,
        "heat": heat,
        "other": beside,
        "correlations": None if beside is None else [_correlation(*pair) for pair in zip(heat, beside, strict=True)],
        "test": gather_test(tested),
        "order": Image(name=f"order by {method}", pixels=draw_order(heat[0], (width, height), STEPS)),
        "pictures": [
            Image(name=f"{method} in {where}", pixels=draw_heat(material.pixels, one[0], largest), quality=85)
            for where, one in (("this file", heat), ("floats", beside))
            if one is not None
        ],
    }


def _can(network: Network, method: Method) -> bool:
    return method == "occlusion" or has_class_activation_map(network)


def _maps(network: Network, pixels: NDArray[np.uint8], method: Method, chosen: list[int]) -> NDArray[np.float32]:
    """Return a method's maps of some classes: float32, shape (classes, rows, columns)."""
    if method == "occlusion":
        return occlusion_maps(network, pixels, chosen)
    look = network.look(pixels)
    return _add_blocks(np.array([class_activation_map(look, index) for index in chosen]))


def _add_blocks(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return maps of at most ``_MAX_CELLS`` rows and columns: what a block of places adds together."""
    for axis in (1, 2):
        block = -(-heat.shape[axis] // _MAX_CELLS)
        heat = np.add.reduceat(heat, range(0, heat.shape[axis], block), axis=axis)
    return heat


def _seconds_of_a_run(material: Material) -> float:
    """Return how long the network takes for a picture: the quickest of three times."""
    times = []
    for _ in range(3):
        start_s = time.perf_counter()
        material.look()
        times.append(time.perf_counter() - start_s)
    return min(times)


def _is_at_limit(look: Look, class_index: int) -> bool:
    """Whether a class's logit is the largest number that the file can write down for it."""
    logits = find_head(look.network).logits
    codes = look.codes(logits).reshape(-1)
    is_real = look.network.file.graph.tensors[logits.output].dtype == "float32"
    return not is_real and int(codes[class_index]) == np.iinfo(codes.dtype).max


def _correlation(heat: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    """Return Pearson's coefficient of two maps; None where one of them is the same everywhere."""
    first, second = (one.reshape(-1).astype(np.float64) - float(one.mean()) for one in (heat, other))
    sizes = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / sizes if sizes > 0 else None
