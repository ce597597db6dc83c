"""What the screens about the decision share: the classes to choose from."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.explain.head import find_head
from edgecnn.explain.network import Look
from edgecnn.explain.page.material import Material

NUM_CLASSES = 5


def choose_classes(material: Material, look: Look) -> list[int]:
    """Return class indices: the explained one first, then the others by their score."""
    first = look.class_or_best(material.class_index)
    # Scores of few bits are often all 0 behind the first: their logits tell them apart.
    logits = look.values(find_head(look.network).logits).reshape(-1)
    order = np.lexsort((-logits, -look.scores)).tolist()
    return [first, *(index for index in order if index != first)][:NUM_CLASSES]


def name_class(material: Material, look: Look, class_index: int) -> dict[str, Any]:
    """Return what a class is called and what score it got."""
    return {"index": class_index, "label": material.labels[class_index], "score": look.scores[class_index]}
