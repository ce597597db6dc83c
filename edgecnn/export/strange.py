"""Pictures that show nothing a model knows, made out of pictures that it does know.

They stand in for pictures of other things where the user has none: the same sizes, the same colours,
the same camera, but no longer the thing. None of them uses another data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.imaging import resize

Pixels = NDArray[np.uint8]
_GRID = 4
_DETAIL = 8


def make_strange(pictures: Sequence[Pixels], seed: int) -> dict[str, list[Pixels]]:
    """Return for each kind of strangeness one strange picture for each familiar one.

    Args:
        pictures: uint8, shape (height, width, 3) each and all of one shape, RGB, from 1.
        seed: of all chance; the same seed makes the same pictures.
    """
    made: dict[str, list[Pixels]] = {}
    for number, (kind, change) in enumerate(KINDS.items()):
        random = np.random.default_rng((seed, number))
        made[kind] = [change(picture, random) for picture in pictures]
    return made


def shuffle(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Cut a picture into 4 by 4 pieces and lay them in another order; a rim that does not divide stays."""
    rows, columns = (max(1, side // _GRID) for side in picture.shape[:2])
    places = [(top * rows, left * columns) for top in range(_GRID) for left in range(_GRID)]
    changed = picture.copy()
    for (top, left), index in zip(places, random.permutation(len(places)), strict=True):
        from_top, from_left = places[index]
        piece = picture[from_top : from_top + rows, from_left : from_left + columns]
        changed[top : top + rows, left : left + columns][: len(piece), : piece.shape[1]] = piece
    return changed


def invert(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Return the negative."""
    return 255 - picture


def noise(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Return noise with the mean and the spread of the picture's colours."""
    mean, spread = picture.mean(axis=(0, 1)), picture.std(axis=(0, 1)) + 1.0
    return _to_bytes(random.normal(mean, spread, picture.shape))


def flatten(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Return a plane of the picture's mean colour."""
    return np.broadcast_to(_to_bytes(picture.mean(axis=(0, 1))), picture.shape).copy()


def texturize(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Return a texture with the amplitudes of the picture's frequencies, and phases of noise."""
    spectrum = np.fft.rfft2(picture.astype(np.float64), axes=(0, 1))
    phases = np.angle(np.fft.rfft2(random.normal(size=picture.shape[:2])))[..., None]
    mixed = np.abs(spectrum) * np.exp(1j * phases)
    mixed[0, 0] = spectrum[0, 0]  # the mean colour
    return _to_bytes(np.fft.irfft2(mixed, s=picture.shape[:2], axes=(0, 1)))


def enlarge(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Return an eighth of the picture's sides, enlarged to its size."""
    rows, columns = picture.shape[:2]
    height, width = max(1, rows // _DETAIL), max(1, columns // _DETAIL)
    top, left = random.integers(rows - height + 1), random.integers(columns - width + 1)
    detail = np.ascontiguousarray(picture[top : top + height, left : left + width])
    return resize(detail, (columns, rows))


def draw_shapes(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Return three to eight ellipses and rectangles in colours of the picture on a plane of such a colour."""
    rows, columns = picture.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns]

    def some_colour() -> Pixels:
        colour: Pixels = picture[random.integers(rows), random.integers(columns)]
        return colour

    drawn = np.broadcast_to(some_colour(), picture.shape).copy()
    for _ in range(random.integers(3, 9)):
        angle, share = random.uniform(0.0, np.pi), random.uniform(1 / 16, 1 / 3, 2) * min(rows, columns)
        dx, dy = x - random.uniform(0, columns), y - random.uniform(0, rows)
        along = np.abs(np.cos(angle) * dx + np.sin(angle) * dy) / share[0]
        across = np.abs(np.cos(angle) * dy - np.sin(angle) * dx) / share[1]
        inside = along**2 + across**2 < 1 if random.random() < 0.5 else np.maximum(along, across) < 1
        drawn[inside] = some_colour()
    return drawn


KINDS: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "shuffled": shuffle,
    "inverted": invert,
    "noise": noise,
    "plain": flatten,
    "texture": texturize,
    "detail": enlarge,
    "shapes": draw_shapes,
}


def _to_bytes(values: NDArray[np.float64]) -> Pixels:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)
