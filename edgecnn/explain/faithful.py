"""Whether a heat map is right: a pretty map that is wrong is seen to be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.explain.heat import Pixels, enlarge, mean_colour
from edgecnn.explain.network import Network
from edgecnn.imaging.geometry import as_uint8
from edgecnn.imaging.opencv import cv2

# A picture blurred this far shows where it is dark, and no longer what is there.
_BLUR_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Faithfulness:
    """Whether the places that a heat map calls important are.

    Attributes:
        shares: float64, shape (S + 1,): share of the picture that is covered, or shown; 0 to 1.
        deletion: float64, shape (S + 1,): the class's score when that share is covered, hottest first.
        insertion: float64, shape (S + 1,): its score when only that share is shown, the rest blurred.
        deletion_area: mean of ``deletion``: the lower, the sooner the class is lost.
        insertion_area: mean of ``insertion``: the higher, the sooner the class is found.
        random_deletion_area: the same of random maps of the same grain.
        random_insertion_area: the same of random maps.

    Reference:
        Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
        arXiv:1806.07421, section 4.
    """

    shares: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]
    deletion_area: float
    insertion_area: float
    random_deletion_area: float
    random_insertion_area: float

    @property
    def is_better_than_chance(self) -> bool:
        """Whether the map beats random ones by both measures."""
        loses = self.deletion_area < self.random_deletion_area
        return loses and self.insertion_area > self.random_insertion_area


def faithfulness(
    network: Network,
    pixels: Pixels,
    heat: NDArray[np.float32],
    class_index: int | None = None,
    *,
    steps: int = 16,
    repeats: int = 2,
    seed: int = 0,
) -> Faithfulness:
    """Cover and show the picture in the order of a heat map, and see how fast the class goes and comes.

    Args:
        network: the network; it runs ``2 * (steps + 1) * (repeats + 1)`` times.
        pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, at the input's size.
        heat: float32, shape (rows, columns), of any size.
        class_index: which class; None takes the file's answer.
        steps: parts in which the picture is covered.
        repeats: random maps to compare with.
        seed: of the random maps.

    Raises:
        ValueError: there is no such class, or the picture has another size.
    """
    wanted = network.look(pixels).class_or_best(class_index)
    mean, blurred = np.broadcast_to(mean_colour(pixels), pixels.shape), _blur(pixels)

    def curves(order: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        deletion = _curve(network, pixels, mean, order, steps, wanted)
        return deletion, _curve(network, blurred, pixels, order, steps, wanted)

    deletion, insertion = curves(_hottest_first(heat, pixels))
    rng = np.random.default_rng(seed)
    chance = [curves(_hottest_first(rng.random(heat.shape, np.float32), pixels)) for _ in range(repeats)]
    random = np.mean([[_area(gone), _area(shown)] for gone, shown in chance], axis=0) if chance else (np.nan, np.nan)
    return Faithfulness(
        shares=np.linspace(0.0, 1.0, steps + 1),
        deletion=deletion,
        insertion=insertion,
        deletion_area=_area(deletion),
        insertion_area=_area(insertion),
        random_deletion_area=float(random[0]),
        random_insertion_area=float(random[1]),
    )


def _curve(
    network: Network, old: Pixels, new: NDArray[np.uint8], order: NDArray[np.int64], steps: int, wanted: int
) -> NDArray[np.float64]:
    """Return the class's score while the pixels of one picture give way to another's, in an order."""
    scores = []
    for share in np.linspace(0.0, 1.0, steps + 1):
        picture = old.reshape(-1, 3).copy()
        gone = order[: round(share * len(order))]
        picture[gone] = new.reshape(-1, 3)[gone]
        scores.append(float(network.scores(picture.reshape(old.shape))[wanted]))
    return np.array(scores)


def _hottest_first(heat: NDArray[np.float32], pixels: Pixels) -> NDArray[np.int64]:
    smooth = enlarge(heat, (pixels.shape[1], pixels.shape[0]))
    order: NDArray[np.int64] = np.argsort(-smooth.reshape(-1), kind="stable")
    return order


def _area(curve: NDArray[np.float64]) -> float:
    return float((curve[1:] + curve[:-1]).mean() / 2)


def _blur(pixels: Pixels) -> Pixels:
    sigma = _BLUR_SHARE * max(pixels.shape[:2])
    return as_uint8(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
