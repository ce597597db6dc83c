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
        random_deletions: float64, shape (R, S + 1): ``deletion`` of random maps of the same grain.
        random_insertions: float64, shape (R, S + 1): ``insertion`` of these maps.

    Reference:
        Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
        arXiv:1806.07421, section 4.
    """

    shares: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]
    random_deletions: NDArray[np.float64]
    random_insertions: NDArray[np.float64]

    @property
    def deletion_area(self) -> float:
        """Mean of ``deletion``: the lower, the sooner the class is lost."""
        return _area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """Mean of ``insertion``: the higher, the sooner the class is found."""
        return _area(self.insertion)

    @property
    def random_deletion_area(self) -> float:
        """The mean of ``deletion_area`` over the random maps; not a number without them."""
        return _mean_area(self.random_deletions)

    @property
    def random_insertion_area(self) -> float:
        """The mean of ``insertion_area`` over the random maps; not a number without them."""
        return _mean_area(self.random_insertions)

    @property
    def num_beaten(self) -> int:
        """How many of the R random maps are worse by both measures."""
        pairs = zip(self.random_deletions, self.random_insertions, strict=True)
        return sum(self.deletion_area < _area(gone) and self.insertion_area > _area(shown) for gone, shown in pairs)

    @property
    def is_better_than_chance(self) -> bool:
        """Whether the map beats the mean of random ones by both measures."""
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
        network: the network; it runs ``2 * (steps - 1) * (repeats + 1) + 4`` times.
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
    mean, blurred = np.broadcast_to(mean_colour(pixels), pixels.shape), blur(pixels)
    size_wh = pixels.shape[1], pixels.shape[0]

    # Where everything is covered or shown, the order no longer matters.
    whole, grey, soft = (float(network.scores(one)[wanted]) for one in (pixels, np.array(mean), blurred))

    def curves(order: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        gone = _between(network, pixels, mean, order, steps, wanted)
        shown = _between(network, blurred, pixels, order, steps, wanted)
        return np.array([whole, *gone, grey]), np.array([soft, *shown, whole])

    deletion, insertion = curves(hottest_first(heat, size_wh))
    rng = np.random.default_rng(seed)
    random = [curves(hottest_first(rng.random(heat.shape, np.float32), size_wh)) for _ in range(repeats)]
    return Faithfulness(
        shares=np.linspace(0.0, 1.0, steps + 1),
        deletion=deletion,
        insertion=insertion,
        random_deletions=np.array([gone for gone, _ in random]).reshape(repeats, steps + 1),
        random_insertions=np.array([shown for _, shown in random]).reshape(repeats, steps + 1),
    )


def hottest_first(heat: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.int64]:
    """Return the order in which ``faithfulness`` covers pixels.

    Args:
        heat: float32, shape (rows, columns), of any size.
        size_wh: width and height of the picture, pixels.

    Returns:
        int64, shape (height * width,): indices of pixels, counted row by row.
    """
    order: NDArray[np.int64] = np.argsort(-enlarge(heat, size_wh).reshape(-1), kind="stable")
    return order


def blur(pixels: Pixels) -> Pixels:
    """Return the picture that ``faithfulness`` inserts into: uint8, same shape."""
    sigma = _BLUR_SHARE * max(pixels.shape[:2])
    return as_uint8(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _between(
    network: Network, old: Pixels, new: NDArray[np.uint8], order: NDArray[np.int64], steps: int, wanted: int
) -> list[float]:
    """Return the class's score on the way from one picture to another, whose pixels come in an order."""
    scores = []
    for share in np.linspace(0.0, 1.0, steps + 1)[1:-1]:
        picture = old.reshape(-1, 3).copy()
        gone = order[: round(share * len(order))]
        picture[gone] = new.reshape(-1, 3)[gone]
        scores.append(float(network.scores(picture.reshape(old.shape))[wanted]))
    return scores


def _area(curve: NDArray[np.float64]) -> float:
    return float((curve[1:] + curve[:-1]).mean() / 2)


def _mean_area(curves: NDArray[np.float64]) -> float:
    return float(np.mean([_area(curve) for curve in curves])) if len(curves) else float("nan")
