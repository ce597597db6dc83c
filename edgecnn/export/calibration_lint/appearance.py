"""The pixels by themselves, against those of the training pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.export.calibration_lint.finding import Finding

_MAX_MEASURED = 200
_CHUNK = 32
_SIDE_PX = 80
_CELLS = 8
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_BLACK_BELOW = 5.0
_FLAT_BELOW = 2.0
_CLEAR = 10.0  # with less contrast, a picture of one colour is what its sensor's noise makes of it
_GREY_BELOW = 1.0
_TOO_MANY = 0.25
_RARE = 0.05

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """How pictures look: arrays of shape (N,), one value a picture, in levels from 0 to 255 unless said otherwise.

    Attributes:
        bright: what 99% of the brightness values do not exceed.
        spread: standard deviation of the brightness.
        coarse: share, 0 to 1, of the brightness's variance that is left in the means of 8 x 8 cells. Noise
            averages out in a cell; what shows a thing does not.
        chroma: mean distance of the channels from grey.
        levels: how many of the 256 values occur.
        histogram: of all pictures' brightness together, shape (256,), sum 1.
    """

    bright: Values
    spread: Values
    coarse: Values
    chroma: Values
    levels: Values
    histogram: Values


def measure(pixels: NDArray[np.uint8]) -> Appearance:
    """Measure pictures, uint8 (N, h, w, 3) RGB; of many, a sample that is spread evenly over them.

    Of large pictures every second, third … pixel is taken, which blurs nothing.
    """
    if len(pixels) > _MAX_MEASURED:
        pixels = pixels[np.linspace(0, len(pixels) - 1, _MAX_MEASURED).astype(int)]
    step = max(1, min(pixels.shape[1:3]) // _SIDE_PX)
    pixels = pixels[:, ::step, ::step]
    rows: list[tuple[float, ...]] = []
    histogram = np.zeros(256)
    for start in range(0, len(pixels), _CHUNK):
        chunk = pixels[start : start + _CHUNK].astype(np.float32)
        luma = chunk @ _LUMA
        chroma = np.abs(chunk - chunk.mean(-1, keepdims=True)).mean((1, 2, 3))
        for picture, values, colour in zip(pixels[start : start + _CHUNK], luma, chroma, strict=True):
            counts = np.bincount(np.rint(values).astype(np.int64).ravel(), minlength=256)[:256]
            histogram += counts / counts.sum()
            levels = np.count_nonzero(np.bincount(picture.ravel(), minlength=256))
            rows.append(
                (_quantile(counts, 0.99), float(values.std()), _coarse_share(values), float(colour), float(levels))
            )
    bright, spread, coarse, chroma_, levels_ = np.array(rows, np.float64).reshape(-1, 5).T
    return Appearance(
        bright=bright,
        spread=spread,
        coarse=coarse,
        chroma=chroma_,
        levels=levels_,
        histogram=histogram / max(len(pixels), 1),
    )


def check_appearance(given: NDArray[np.uint8], training: NDArray[np.uint8] | None) -> Iterator[Finding]:
    """Compare pictures with the training pictures, both uint8 (N, h, w, 3) RGB.

    Without training pictures only what is wrong for every model is found.
    """
    seen = measure(given)
    known = None if training is None else measure(training)
    yield from _check_levels(seen, known)
    yield from _check_black(seen, known)
    if known is not None:
        yield from _check_range(seen, known)
    yield from _check_flat(seen, known)
    yield from _check_noise(seen, known)
    if known is not None:
        yield from _check_grey(seen, known)


def _check_black(seen: Appearance, known: Appearance | None) -> Iterator[Finding]:
    share, usual = _shares(lambda look: look.bright < _BLACK_BELOW, seen, known)
    if share >= _TOO_MANY and usual < share / 4:
        brightest = float(np.median(seen.bright[seen.bright < _BLACK_BELOW]))
        yield Finding(
            f"{share:.0%} of the calibration pictures are nearly black: their values reach {brightest:.0f} of 255"
            f"{_against(known, lambda look: look.bright, ', those of the training pictures {:.0f}')}; "
            "they look as if they had been divided by 255 before they were saved, so give the pictures as they were",
            refuses=True,
        )


def _check_flat(seen: Appearance, known: Appearance | None) -> Iterator[Finding]:
    share, usual = _shares(lambda look: look.spread < _FLAT_BELOW, seen, known)
    if share > usual + _RARE:
        yield Finding(
            f"{share:.0%} of the calibration pictures show one constant colour, of the training pictures "
            f"{usual:.0%}; a constant picture shows the quantizer nothing, so remove such pictures",
            refuses=share >= _TOO_MANY and usual < share / 4,
        )


def _check_noise(seen: Appearance, known: Appearance | None) -> Iterator[Finding]:
    limit = 0.15
    if known is not None and np.any(known.spread >= _CLEAR):
        limit = min(limit, 0.5 * float(np.quantile(known.coarse[known.spread >= _CLEAR], 0.05)))
    is_noise = (seen.coarse < limit) & (seen.spread >= _CLEAR)
    share = float(np.mean(is_noise))
    if share >= _TOO_MANY:
        found = float(np.median(seen.coarse[is_noise]))
        against = _against(known, lambda look: look.coarse, ", of the training pictures {:.0%}")
        yield Finding(
            f"{share:.0%} of the calibration pictures are noise, or a fine pattern without shapes: {found:.0%} of "
            f"their contrast is left when they are averaged over cells{against}; "
            "random values set ranges that no picture needs, so give real pictures",
            refuses=True,
        )


def _check_levels(seen: Appearance, known: Appearance | None) -> Iterator[Finding]:
    found = float(np.median(seen.levels))
    usual = 64.0 if known is None else float(np.median(known.levels))
    if found <= 8 and found * 4 <= usual and np.median(seen.spread) >= _FLAT_BELOW:
        yield Finding(
            f"the calibration pictures hold {found:.0f} different values each, where {usual:.0f} were expected; they "
            "look as if normalized values had been rounded to whole numbers, so give the pictures as they were",
            refuses=True,
        )


def _check_range(seen: Appearance, known: Appearance) -> Iterator[Finding]:
    low, high = _quantile(seen.histogram, 0.005), _quantile(seen.histogram, 0.995)
    known_low, known_high = _quantile(known.histogram, 0.005), _quantile(known.histogram, 0.995)
    share = (high - low) / max(known_high - known_low, 1.0)
    clipped = _clipped_at(seen, known)
    if clipped is not None:
        yield Finding(
            f"the calibration pictures are clipped: {clipped[1]:.0%} of their values lie at {clipped[0]}, where the "
            f"training pictures go from {known_low:.0f} to {known_high:.0f}; give the pictures as they were",
            refuses=True,
        )
    elif share < 0.7:
        yield Finding(
            f"the calibration pictures are of too little range: their values go from {low:.0f} to {high:.0f}, those of "
            f"the training pictures from {known_low:.0f} to {known_high:.0f}; give pictures with the whole range of "
            "dark and bright that the model was trained on",
            refuses=share < 0.5,
        )


def _clipped_at(seen: Appearance, known: Appearance) -> tuple[int, float] | None:
    """Return the level inside the usual range where values pile up and end, and their share; None if they do not."""
    for counts, usual, mirrored in (
        (seen.histogram, known.histogram, False),
        (seen.histogram[::-1], known.histogram[::-1], True),
    ):
        end = _end(counts)
        pile = _pile(counts, end)
        before = float(counts[max(end - 5, 0) : max(end - 2, 0)].sum())
        beyond = float(usual[end + 4 :].sum())
        # Where the training pictures have such a pile themselves (a white table), it only got darker.
        if beyond > 0.1 and pile > 0.1 and pile > 4 * before and pile > 4 * _pile(usual, _end(usual)):
            return (255 - end if mirrored else end), pile
    return None


def _end(counts: Values) -> int:
    return round(_quantile(counts, 0.999))


def _pile(counts: Values, end: int) -> float:
    """Return the share of the three highest levels: brightness mixes three channels that are cut one by one."""
    return float(counts[max(end - 2, 0) : end + 1].sum())


def _check_grey(seen: Appearance, known: Appearance) -> Iterator[Finding]:
    share, usual = _shares(lambda look: look.chroma < _GREY_BELOW, seen, known)
    if share >= 0.5 and usual <= _RARE:
        yield Finding(
            f"{share:.0%} of the calibration pictures are grey, of the training pictures {usual:.0%}; "
            "give pictures in colour, as the model was trained on",
            refuses=True,
        )
    elif usual >= 1 - _RARE and share <= 0.5:
        yield Finding(
            f"{1 - share:.0%} of the calibration pictures are coloured, but the model was trained on grey ones; "
            "give grey pictures if that is what the camera will show",
            refuses=False,
        )


def _shares(
    is_odd: Callable[[Appearance], NDArray[np.bool_]], seen: Appearance, known: Appearance | None
) -> tuple[float, float]:
    return float(np.mean(is_odd(seen))), 0.0 if known is None else float(np.mean(is_odd(known)))


def _against(known: Appearance | None, value: Callable[[Appearance], Values], text: str) -> str:
    return "" if known is None else text.format(float(np.median(value(known))))


def _quantile(counts: NDArray[np.float64] | NDArray[np.int64], share: float) -> float:
    """Return the level, 0 to 255, below or at which this share of a histogram (256,) lies."""
    summed = np.cumsum(counts)
    return float(np.searchsorted(summed, share * summed[-1] - 1e-9))


def _coarse_share(luma: NDArray[np.float32]) -> float:
    """Return the variance of the means of 8 x 8 cells as a share of the whole variance; 1 where there is none."""
    height, width = (side // _CELLS * _CELLS for side in luma.shape)
    if not height or not width:
        return 1.0
    cells = luma[:height, :width].reshape(_CELLS, height // _CELLS, _CELLS, width // _CELLS).mean((1, 3))
    variance = float(luma.var())
    return float(cells.var()) / variance if variance > 1e-6 else 1.0
