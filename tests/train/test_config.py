from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.train.architectures import ARCHITECTURES
from edgecnn.train.class_weights import balance_classes
from edgecnn.train.config import TrainConfig

LOPSIDED = np.array([0] * 8 + [1] * 4 + [2] * 4)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"architecture": "resnet"}, "architecture must be one of lite0, tiny, .*; got 'resnet'"),
        ({"aspect": "stretch"}, "aspect must be one of squash, crop, fit; got 'stretch'"),
        ({"augment": ("mirror",)}, "augment must be one of flip, shift, zoom, rotate, light; got 'mirror'"),
        ({"class_weights": "yes"}, "class_weights must be one of auto, on, off; got 'yes'"),
        ({"epochs": -1}, "epochs must be 0 to 10000, got -1"),
        ({"epochs": 0, "architecture": "tiny"}, "epochs must be at least 1 for 'tiny', which learns from nothing"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0 and at most 10, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0 and at most 10, got nan"),
        ({"batch_size": 0}, "batch_size must be 1 to 4096, got 0"),
        ({"patience": 0}, "patience must be 1 to 10000, got 0"),
        ({"size_px": 16}, "size_px must be 32 to 1024, got 16"),
        ({"seed": -1}, "seed must be 0 to 4294967295, got -1"),
    ],
)
def test_an_impossible_option_is_refused_at_once(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TrainConfig(data=Path("pictures"), **options)


def test_the_architecture_fills_in_what_was_not_given() -> None:
    config = TrainConfig(data=Path("pictures"), architecture="tiny", epochs=3, size_px=64)
    own = ARCHITECTURES["tiny"].schedule
    assert (config.schedule.epochs, config.schedule.size_px) == (3, 64)
    assert config.schedule.learning_rate == own.learning_rate
    assert config.contract.size_wh == (64, 64)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_raw_pixel_can_be_its_own_int8_code(name: str) -> None:
    row = ARCHITECTURES[name]
    assert row.mean == round(row.mean)
    assert row.contract(row.schedule.size_px, "squash").pixel_quantization.zero_point == row.mean


def test_rare_classes_weigh_n_over_k_times_their_pictures() -> None:
    weights = balance_classes(LOPSIDED, 3, "auto")
    assert weights is not None
    np.testing.assert_allclose(weights, [16 / 24, 16 / 12, 16 / 12])
    assert weights[LOPSIDED].mean() == pytest.approx(1.0)


def test_classes_are_weighed_only_when_they_differ_by_half_or_on_request() -> None:
    mild = np.array([0] * 6 + [1] * 4)
    assert balance_classes(mild, 2, "auto") is None
    assert balance_classes(mild, 2, "on") is not None
    assert balance_classes(LOPSIDED, 3, "off") is None
