from pathlib import Path
from typing import Any

import pytest

from edgecnn.train.architectures import ARCHITECTURES
from edgecnn.train.config import TrainConfig
from edgecnn.train.recipe import Distillation, Recipe

RUN = Path("run")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and below 1, got 1.0"),
        ({"ema": 1.0}, "ema must be at least 0 and below 1, got 1.0"),
        ({"ema": float("nan")}, "ema must be at least 0 and below 1, got nan"),
        ({"weight_decay": -1e-4}, "weight_decay must be 0 to 1, got -0.0001"),
        ({"mixup": -0.1}, "mixup must be 0 to 100, got -0.1"),
        ({"cutmix": 101.0, "architecture": "tiny"}, "cutmix must be 0 to 100, got 101.0"),
        ({"lr_schedule": "step"}, "lr_schedule must be one of cosine, linear, constant; got 'step'"),
        ({"cutmix": 1.0, "architecture": "lite0"}, "'lite0' learns from what its first layers made of whole ones"),
        ({"teacher_weight": 0.5}, "teacher_weight needs a teacher; name a run"),
        ({"teacher_temperature": 2.0}, "teacher_temperature needs a teacher; name a run"),
        ({"teacher": RUN, "teacher_weight": 0.0}, "teacher_weight must be above 0 and at most 1, got 0.0"),
        ({"teacher": RUN, "teacher_temperature": 0.5}, "teacher_temperature must be 1 to 100, got 0.5"),
        ({"teacher": RUN, "teacher_views": 0, "architecture": "tiny"}, "teacher_views must be 1 to 10000, got 0"),
        ({"teacher": RUN, "teacher_views": 4, "architecture": "lite0"}, "'lite0' keeps its own copies"),
        (
            {"teacher": RUN, "teacher_views": 4, "architecture": "tiny", "augment": ()},
            "teacher_views would change nothing, because no picture is changed",
        ),
    ],
)
def test_an_option_that_is_impossible_or_that_nothing_listens_to_is_refused(
    options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        TrainConfig(data=Path("pictures"), **options)


def test_without_options_every_architecture_has_its_own_recipe() -> None:
    for name, row in ARCHITECTURES.items():
        assert TrainConfig(data=Path("pictures"), architecture=name).recipe == row.recipe


def test_a_given_value_takes_its_place_and_0_is_a_value() -> None:
    config = TrainConfig(data=Path("pictures"), architecture="tiny", label_smoothing=0.0, cutmix=1.0, ema=0.99)
    assert config.recipe == Recipe(label_smoothing=0.0, cutmix=1.0, ema=0.99)
    taught = TrainConfig(data=Path("pictures"), teacher=RUN, teacher_weight=0.5)
    assert taught.distillation == Distillation(weight=0.5)
