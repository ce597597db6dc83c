import dataclasses
from typing import Any

import numpy as np
import pytest

from edgecnn.core.contract import ASPECT_RULES, MAX_SIDE_PX, InputContract
from edgecnn.core.frame import Frame

GOOD: dict[str, Any] = {"width": 96, "height": 64}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width must be 1 to 4096 pixels, got 0"),
        ({"height": -3}, "height must be 1 to 4096 pixels, got -3"),
        ({"width": MAX_SIDE_PX + 1}, "width must be"),
        ({"aspect": "stretch"}, "aspect must be one of squash, crop, fit, got 'stretch'"),
        ({"crop_fraction": 0.0}, "crop_fraction must be above 0"),
        ({"crop_fraction": 1.01}, "crop_fraction must be above 0"),
        ({"crop_fraction": float("nan")}, "crop_fraction must be above 0"),
        ({"mean": -1.0}, "mean must be 0 to 255"),
        ({"mean": float("nan")}, "mean must be 0 to 255"),
        ({"std": 0.0}, "std 0 to 255"),
        ({"std": float("inf")}, "std 0 to 255"),
    ],
)
def test_a_contract_that_cannot_be_met_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InputContract(**{**GOOD, **change})


@pytest.mark.parametrize("aspect", ASPECT_RULES)
def test_every_aspect_rule_can_be_asked_for(aspect: Any) -> None:
    assert InputContract(**GOOD, aspect=aspect).aspect == aspect


def test_the_size_is_given_in_the_order_of_opencv() -> None:
    assert InputContract(**GOOD).size_wh == (96, 64)


def test_a_contract_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        InputContract(**GOOD).width = 1  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(("mean", "std", "scale", "zero_point"), [(128, 128, 1 / 128, 128), (127, 128, 1 / 128, 127)])
def test_the_pixel_quantization_is_what_the_network_was_trained_with(
    mean: float, std: float, scale: float, zero_point: int
) -> None:
    params = InputContract(**GOOD, mean=mean, std=std).pixel_quantization
    assert (params.scale, params.zero_point, params.dtype) == (scale, zero_point, "uint8")


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int8),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        [[[0, 0, 0]]],
    ],
)
def test_a_frame_takes_nothing_but_8_bit_colour_pictures(pixels: Any) -> None:
    with pytest.raises(ValueError, match="pixels must"):
        Frame(pixels=pixels, color_order="bgr")


def test_a_frame_wants_to_know_the_order_of_its_colours() -> None:
    with pytest.raises(ValueError, match="color_order must be 'bgr' or 'rgb', got 'gray'"):
        Frame(pixels=np.zeros((1, 1, 3), np.uint8), color_order="gray")  # type: ignore[arg-type]  # that is the point
