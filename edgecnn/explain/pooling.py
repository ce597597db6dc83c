"""What lies under a pooling window at one place: the numbers behind one cell of a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain.clamp import clamped
from edgecnn.explain.maps import feature_maps
from edgecnn.explain.network import LayerKey, Look
from edgecnn.explain.tensors import step_of
from edgecnn.explain.tolerance import FLOAT_STEP
from edgecnn.explain.windows import check_cell, under


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWindow:
    """What lies under a pooling window.

    Attributes:
        top: input row under the first tap; negative where the window hangs over the border.
        left: input column under the first tap.
        values: float32, shape (rows, columns); NaN where the window hangs over.
        result: the largest of them, or their mean.
        file_value: the real value that the file itself computed there.
        tolerance: how far the two may be apart: half a step for a mean, nothing for the largest.
    """

    top: int
    left: int
    values: NDArray[np.float32]
    result: float
    file_value: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the file computed the same."""
        return abs(self.result - self.file_value) <= self.tolerance


def pool_window(look: Look, layer: LayerKey, y: int, x: int, channel: int) -> PoolWindow:
    """Return the values behind one cell of a pooling's map.

    Args:
        look: the picture in the network.
        layer: a max or average pooling with a window.
        y: row of the map.
        x: column of the map.
        channel: which map.

    Raises:
        ModelFileError: the layer is no pooling with a window.
        ValueError: the map has no such cell.
    """
    found = look.network.layer(layer)
    if found.kind not in ("max_pool", "average_pool") or found.window is None:
        raise ModelFileError(f"the layer {found.name} ({found.operator}) is no pooling with a window")
    check_cell(found, y, x, channel)
    values, inside = under(look.input_values(found), found, y, x)
    here = np.where(inside, values[:, :, channel], np.float32(np.nan))
    is_max = found.kind == "max_pool"
    result = float(np.nanmax(here) if is_max else np.nanmean(here, dtype=np.float64))
    step = step_of(look.network.file.graph.tensors[found.output])
    return PoolWindow(
        top=found.window.start(y, 0),
        left=found.window.start(x, 1),
        values=here,
        result=float(clamped(look.network, found, np.asarray(result))),
        file_value=float(feature_maps(look, found)[y, x, channel]),
        tolerance=0.0 if is_max else step or 4 * FLOAT_STEP * float(np.nansum(np.abs(here))),
    )
