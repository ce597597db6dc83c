"""What the repair ladder works on and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.export.quantize.bias_correction import Map, mean_inputs
from edgecnn.export.quantize.equalization import Vector, channel_peaks
from edgecnn.export.quantize.ranges import Statistics, collect
from edgecnn.export.quantize.requantize import Ranges

Setting = str | int | float | tuple[str, ...]
Settings = dict[str, Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What quantization-aware fine-tuning gives.

    Attributes:
        float_model: the float file with the weights that it found.
        ranges: those that it trained with; None to measure them on calibration pictures.
    """

    float_model: bytes
    ranges: Ranges | None


Tune = Callable[[Settings, bytes], Tuned]
LoadPixels = Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One network and what can be asked about it.

    Attributes:
        float_model: float32 file; its input are normalized pixels.
        template: full-integer file that the converter made of the same network.
        contract: mean and standard deviation of the input.
        load_pixels: gives so many calibration pictures, fewer where there are no more: uint8,
            (N, height, width, 3), RGB. A larger number holds the pictures of a smaller one.
        tune: runs quantization-aware fine-tuning of a float file with given settings; None where that
            cannot be done.
        layers: names of the Keras layers.
        edgetpu: whether the file must fit an Edge TPU: 8 bits everywhere.
    """

    float_model: bytes
    template: bytes
    contract: InputContract
    load_pixels: LoadPixels
    tune: Tune | None
    layers: tuple[str, ...]
    edgetpu: bool


@dataclass(frozen=True, slots=True)
class Workbench:
    """Material with what was measured on it, each figure once."""

    material: Material
    progress: Progress = field(default_factory=SilentProgress)
    _statistics: dict[tuple[int, int], Statistics] = field(default_factory=dict)
    _means: dict[tuple[int, int], dict[int, Map]] = field(default_factory=dict)
    _peaks: dict[tuple[int, int], dict[int, Vector]] = field(default_factory=dict)

    def pixels(self, num: int) -> NDArray[np.uint8]:
        """Return so many calibration pictures, fewer where there are no more."""
        return self.material.load_pixels(num)[:num]

    def statistics(self, float_model: bytes, num: int) -> Statistics:
        """Return the values of every activation over ``num`` pictures."""
        key = hash(float_model), num
        if key not in self._statistics:
            self._statistics[key] = collect(float_model, self.material.contract, self.pixels(num), self.progress)
        return self._statistics[key]

    def means(self, float_model: bytes, num: int) -> dict[int, Map]:
        """Return the mean input of every layer over ``num`` pictures."""
        key = hash(float_model), num
        if key not in self._means:
            self._means[key] = mean_inputs(float_model, self.material.contract, self.pixels(num), self.progress)
        return self._means[key]

    def peaks(self, float_model: bytes, num: int) -> dict[int, Vector]:
        """Return the largest magnitude in every channel over ``num`` pictures."""
        key = hash(float_model), num
        if key not in self._peaks:
            self._peaks[key] = channel_peaks(float_model, self.material.contract, self.pixels(num), self.progress)
        return self._peaks[key]
