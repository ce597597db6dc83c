"""What a page is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.data import Picture
from edgecnn.explain.comparison import LayerPair, compare
from edgecnn.explain.network import Look, Network
from edgecnn.explain.page.training import TrainingRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSet:
    """Labelled pictures, for what one picture cannot tell.

    Attributes:
        root: the folder that the paths are relative to.
        split: which part of it these are: ``test`` for instance, ``all`` where it has no splits.
        pictures: label indices count in the order of the file's own labels.
    """

    root: Path
    split: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A network, a picture, and what else is known about the two.

    Attributes:
        network: of the file that is explained.
        pixels: the picture as the network sees it: uint8, shape (height, width, 3), RGB, values 0 to 255.
        photograph: the same before it was brought to that size: uint8, shape (h, w, 3), RGB.
        picture_name: what people call it.
        class_index: whose score is explained; None takes the file's answer.
        other: the same network in floats, to be held against it; None where there is none.
        other_name: what to call it; empty where there is none.
        pictures: labelled pictures; None where none were given.
        training: what training recorded; None where it was not found.
        no_training: one sentence on why not; empty where it was found.
        progress: told of every step.
    """

    network: Network
    pixels: NDArray[np.uint8]
    photograph: NDArray[np.uint8]
    picture_name: str
    class_index: int | None = None
    other: Network | None = None
    other_name: str = ""
    pictures: PictureSet | None = None
    training: TrainingRecord | None = None
    no_training: str = ""
    progress: Progress = field(default_factory=SilentProgress)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the scores."""
        return self.network.labels

    def look(self) -> Look:
        """Return what the network computes of the picture."""
        return self.network.look(self.pixels)

    def other_look(self) -> Look | None:
        """Return what the network in floats computes of it; None where there is none."""
        return None if self.other is None else self.other.look(self.pixels)

    def pairs(self) -> tuple[LayerPair, ...]:
        """Return the layers that both networks have; empty where there is one network."""
        return () if self.other is None else compare(self.network, self.other)
