"""A teacher at work: what it says of its student's training pictures.

It sees a picture with the very random changes that its student sees, at the teacher's own size and from the file
itself: the changes are drawn as shares of a picture's sides. Its scores of a few such copies are computed once
and kept, because a large teacher takes longer for a picture than a small student for a step.

Reference:
    Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", arXiv:2106.05237: why teacher
    and student should see the same copy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgecnn.data import load_pixels
from edgecnn.errors import RunError
from edgecnn.train.activations import new_store
from edgecnn.train.augment import Augmentation
from edgecnn.train.distillation import MIN_SCORE, Floats, Rows, Teaching
from edgecnn.train.material import Material


class TeacherScores:
    """What a teacher says of the training pictures: of each as it is, and of its changed copies.

    A score is computed when it is first asked for, and kept in half precision until training ends.
    """

    def __init__(self, material: Material, num_copies: int) -> None:
        """Read the training pictures as the teacher wants to see them.

        Args:
            material: with a teacher.
            num_copies: changed copies of each picture; copy c has the changes of epoch c.

        Raises:
            RunError: the pictures are not the same any more.
            DatasetError: there is no room for them.
        """
        assert material.teacher is not None
        self._seed, self._columns = material.config.seed, material.teacher.columns
        self._distillation = material.config.distillation
        self._augmentation = Augmentation(parts=material.config.augment)
        self._pixels = _see_as(material)
        self._score = material.teacher.load()
        num_rows = len(self._pixels) * (1 + num_copies)
        self._kept = new_store(material.work_folder / "teacher.f16", num_rows, self._columns.shape)
        self._is_known = np.zeros(num_rows, np.bool_)

    def teach(self, copies_of: Callable[[Rows, int], Rows]) -> Teaching:
        """Return its part in a lesson.

        Args:
            copies_of: takes row numbers, int64 (B,), and the epoch; gives the copy of each that the student sees.
        """
        return Teaching(
            log_scores=lambda rows, epoch: self.log_scores(rows, copies_of(rows, epoch)),
            distillation=self._distillation,
        )

    def log_scores(self, rows: Rows, copies: Rows) -> Floats:
        """Return natural logarithms of scores.

        Args:
            rows: int64, shape (B,), which pictures.
            copies: int64, shape (B,), which copy of each; 0 is the picture as it is.

        Returns:
            float32, shape (B, C), in the order of the student's classes.
        """
        places = copies * len(self._pixels) + rows
        missing = np.unique(places[~self._is_known[places]])
        if len(missing):
            scores = self._score(np.stack([self._look(place) for place in missing.tolist()]))[:, self._columns]
            self._kept[missing] = np.log(np.maximum(scores, MIN_SCORE))
            self._is_known[missing] = True
        found: Floats = self._kept[places].astype(np.float32)
        return found

    def _look(self, place: int) -> NDArray[np.uint8]:
        copy, row = divmod(place, len(self._pixels))
        pixels: NDArray[np.uint8] = self._pixels[row]
        return self._augmentation.change(pixels, row, self._seed, copy) if copy else pixels


def _see_as(material: Material) -> NDArray[np.uint8]:
    """Return the training pictures at the size of the teacher's input."""
    assert material.teacher is not None
    contract, own = material.teacher.contract, material.config.contract
    if (contract.size_wh, contract.aspect, contract.crop_fraction) == (own.size_wh, own.aspect, own.crop_fraction):
        return material.train.pixels
    loaded = load_pixels(
        material.config.data,
        material.train.pictures,
        contract,
        progress=material.progress,
        title="reading train pictures for the teacher",
        file=material.work_folder / "teacher.npy",
    )
    if loaded.pictures != material.train.pictures:
        raise RunError(f"pictures changed while training read them: {loaded.unreadable[0]}; train again")
    return loaded.pixels
