"""Where a network looked: by the votes of places, or by covering them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.decision import class_activation_map, has_class_activation_map
from edgecnn.explain.head import find_head
from edgecnn.explain.network import Network
from edgecnn.imaging.opencv import cv2

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Where a network looked.

    Attributes:
        heat: float32, shape (rows, columns): larger where more speaks for the class, below 0 against it.
        method: how it was found.
        class_index: for which class.
    """

    heat: NDArray[np.float32]
    method: Literal["class activation", "occlusion"]
    class_index: int


def heat_map(network: Network, pixels: Pixels, class_index: int | None = None) -> HeatMap:
    """Return where the network looked: by class activation where its end allows that, else by occlusion.

    Args:
        network: the network.
        pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, at the input's size.
        class_index: for which class; None takes the file's answer.

    Raises:
        ValueError: there is no such class, or the picture has another size.
    """
    look = network.look(pixels)
    wanted = look.class_or_best(class_index)
    if has_class_activation_map(network):
        return HeatMap(heat=class_activation_map(look, wanted), method="class activation", class_index=wanted)
    return HeatMap(heat=occlusion_map(network, pixels, wanted), method="occlusion", class_index=wanted)


def occlusion_map(
    network: Network, pixels: Pixels, class_index: int | None = None, *, cells: int = 12, cover: int = 2
) -> NDArray[np.float32]:
    """Return how much a class loses when a place of the picture is covered with its mean colour.

    A square slides over the picture; each cell gets the mean of what the squares on it cost. The loss is
    in the logit where the network shows one, since scores near 1 hardly move.

    Args:
        network: the network; it runs ``(cells + cover - 1) ** 2 + 1`` times.
        pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, at the input's size.
        class_index: which class; None takes the file's answer.
        cells: rows and columns of the result, from 2.
        cover: rows and columns of cells under the square, from 1.

    Returns:
        float32, shape (cells, cells): positive where covering costs the class.

    Raises:
        ValueError: there is no such class, or the picture has another size.

    Reference:
        Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901, 4.2.
    """
    wanted = network.look(pixels).class_or_best(class_index)
    one: NDArray[np.float32] = occlusion_maps(network, pixels, [wanted], cells=cells, cover=cover)[0]
    return one


def occlusion_maps(
    network: Network, pixels: Pixels, class_indices: Sequence[int], *, cells: int = 12, cover: int = 2
) -> NDArray[np.float32]:
    """Return the occlusion maps of several classes, in as many runs as that of one takes.

    Args:
        network: the network.
        pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, at the input's size.
        class_indices: N classes.
        cells: rows and columns of a map, from 2.
        cover: rows and columns of cells under the square, from 1.

    Returns:
        float32, shape (N, cells, cells); see ``occlusion_map``.

    Raises:
        ValueError: there is no such class, or the picture has another size.
    """
    look = network.look(pixels)
    wanted = [look.class_or_best(class_index) for class_index in class_indices]
    logits = find_head(network).logits

    def strength(picture: Pixels) -> NDArray[np.float32]:
        return network.look(picture).values(logits).reshape(-1)[wanted]

    whole, grey = strength(pixels), mean_colour(pixels)
    rows, columns = _edges(pixels.shape[0], cells), _edges(pixels.shape[1], cells)
    losses, times = np.zeros((len(wanted), cells, cells)), np.zeros((cells, cells))
    for top in range(1 - cover, cells):
        for left in range(1 - cover, cells):
            here = slice(max(top, 0), min(top + cover, cells)), slice(max(left, 0), min(left + cover, cells))
            covered = pixels.copy()
            covered[rows[here[0].start] : rows[here[0].stop], columns[here[1].start] : columns[here[1].stop]] = grey
            losses[(slice(None), *here)] += (whole - strength(covered))[:, np.newaxis, np.newaxis]
            times[here] += 1
    return (losses / times).astype(np.float32)


def enlarge(heat: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Return a heat map at the picture's size, bilinear between the middles of its cells: float32 (height, width)."""
    cells = np.ascontiguousarray(heat, np.float32)
    return np.asarray(cv2.resize(cells, size_wh, interpolation=cv2.INTER_LINEAR), np.float32)


def mean_colour(pixels: Pixels) -> Pixels:
    """Return the mean colour of a picture: uint8, shape (3,)."""
    colour: Pixels = np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8)
    return colour


def _edges(side: int, cells: int) -> list[int]:
    return [round(index * side / cells) for index in range(cells + 1)]
