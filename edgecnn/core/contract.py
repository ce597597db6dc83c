"""The preprocessing contract: what a model wants to see, written into its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edgecnn.core.quantization import QuantParams

AspectRule = Literal["squash", "crop", "fit"]
ASPECT_RULES: tuple[str, ...] = get_args(AspectRule)
MAX_SIDE_PX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class InputContract:
    """Geometry and value range of a model's input; the colour order is always RGB.

    Attributes:
        width: columns of the input tensor, in pixels.
        height: rows of the input tensor, in pixels.
        aspect: how a picture of another shape is brought to that size:
            ``squash`` stretches it, ``crop`` cuts the longer side evenly at both ends,
            ``fit`` keeps all of it and fills the rest with mid grey (128).
        crop_fraction: share of each side (0 < f <= 1) kept around the centre before the
            resize; networks trained on ImageNet are commonly judged with 0.875.
        mean: pixel value (0 to 255) that the network sees as zero.
        std: pixel distance from ``mean`` that the network sees as one.
    """

    width: int
    height: int
    aspect: AspectRule = "squash"
    crop_fraction: float = 1.0
    mean: float = 128.0
    std: float = 128.0

    def __post_init__(self) -> None:
        for name, side in (("width", self.width), ("height", self.height)):
            if not 1 <= side <= MAX_SIDE_PX:
                raise ValueError(f"{name} must be 1 to {MAX_SIDE_PX} pixels, got {side}")
        if self.aspect not in ASPECT_RULES:
            raise ValueError(f"aspect must be one of {', '.join(ASPECT_RULES)}, got {self.aspect!r}")
        if not 0.0 < self.crop_fraction <= 1.0:
            raise ValueError(f"crop_fraction must be above 0 and at most 1, got {self.crop_fraction}")
        if not (0.0 <= self.mean <= 255.0 and 0.0 < self.std <= 255.0):
            raise ValueError(f"mean must be 0 to 255 and std 0 to 255, got {self.mean} and {self.std}")

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels, in OpenCV's order."""
        return self.width, self.height

    @property
    def pixel_quantization(self) -> QuantParams:
        """Scale and zero point under which a raw pixel is its own uint8 code.

        The network sees ``(pixel - mean) / std`` and the tensor means
        ``scale * (code - zero_point)``: the two agree for ``scale = 1 / std`` and
        ``zero_point = mean``, so no arithmetic is left to do per frame.
        """
        return QuantParams(scale=1.0 / self.std, zero_point=round(self.mean), dtype="uint8")
