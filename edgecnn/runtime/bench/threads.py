"""Which number of threads runs a model best here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import SilentProgress
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.bench.timing import Work, interleave
from edgecnn.runtime.classifier import Classifier

MAX_COUNT = 8
# More threads must be worth it: they take cores from whatever else runs, and heat the board.
NEAR = 1.05
_NUM_PICTURES = 8
_CHOICE_S = 0.4
_CHOICE_ROUNDS = 3


class ThreadChoice(NamedTuple):
    """A number of threads, and why.

    Attributes:
        num_threads: the smallest number whose median time is within 5% of the fastest.
        median_ms: median time of one inference by number of threads; empty where there was
            only one number to choose from.
    """

    num_threads: int
    median_ms: dict[int, float]


def choose_num_threads(
    file: ModelFile, *, thread_counts: Sequence[int] | None = None, seconds: float = _CHOICE_S
) -> ThreadChoice:
    """Return the number of threads that ``edgecnn bench`` would choose, after a shorter look.

    Args:
        file: the model.
        thread_counts: numbers to choose from, each 1 to 64; None takes ``usable_thread_counts``.
        seconds: time for all of them together. Loading comes on top, and a model that takes
            long is run four times with each number all the same.

    Raises:
        BackendUnavailableError: the runtime here cannot run the model.
        MissingExtraError: LiteRT is not installed.
    """
    counts = list(thread_counts or usable_thread_counts())
    if len(counts) == 1:
        return ThreadChoice(counts[0], {})
    pictures = model_pictures(file)
    works = [inference(Classifier(file, num_threads=count), pictures) for count in counts]
    timings = interleave(works, seconds / len(counts), SilentProgress(), "", min_rounds=_CHOICE_ROUNDS)
    medians = {count: timing.percentiles().p50 for count, timing in zip(counts, timings, strict=True)}
    return ThreadChoice(smallest_near_fastest(medians.items()), medians)


def smallest_near_fastest(medians: Iterable[tuple[int, float]]) -> int:
    """Return the smallest number of threads whose median time is within 5% of the smallest time.

    Args:
        medians: numbers of threads with their median times, one at least.
    """
    known = list(medians)
    limit_ms = min(median_ms for _, median_ms in known) * NEAR
    return min(num_threads for num_threads, median_ms in known if median_ms <= limit_ms)


def usable_thread_counts() -> tuple[int, ...]:
    """Return 1, 2, … up to the number of cores that this process may use, at most 8."""
    return tuple(range(1, min(num_usable_cores(), MAX_COUNT) + 1))


def num_usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def inference(classifier: Classifier, pictures: Sequence[NDArray[np.uint8]]) -> Work:
    """Return work that runs the model on the next of some prepared pictures."""
    turns = cycle(pictures)
    return lambda: classifier.scores(next(turns))


def model_pictures(file: ModelFile) -> list[NDArray[np.uint8]]:
    """Return the first golden pictures in the size of the model's input: uint8, (height, width, 3), RGB."""
    contract = file.contract
    return [synthetic_picture(seed, contract.width, contract.height) for seed in range(_NUM_PICTURES)]
