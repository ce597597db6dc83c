from typing import Any

import numpy as np
import pytest

from edgecnn.core.contract import InputContract
from edgecnn.data import ImageFolder
from edgecnn.evaluate.changes import CHANGES, JPEG
from edgecnn.evaluate.robustness import SPOILERS, measure_robustness
from edgecnn.imaging import encode_png

CONTRACT = InputContract(width=24, height=24)
BRIGHT = 170


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    """Pictures of two greys, which only brightness can confuse."""
    root = tmp_path_factory.mktemp("greys")
    for label, grey in (("bright", BRIGHT), ("dark", 60)):
        (root / label).mkdir()
        for index in range(40):
            pixels = np.full((24, 24, 3), grey, np.uint8)
            (root / label / f"{index}.png").write_bytes(encode_png(pixels))
    return ImageFolder.scan(root)


def by_grey(pixels: Any) -> Any:
    is_dark = pixels.reshape(len(pixels), -1).mean(axis=1) < 115
    return np.stack([~is_dark, is_dark], axis=1).astype(np.float32)


def test_only_what_a_classifier_goes_by_costs_it_accuracy(folder: ImageFolder) -> None:
    measured = {
        one.change: one
        for one in measure_robustness(by_grey, folder.root, folder.pictures, contract=CONTRACT, labels=folder.labels)
    }
    assert set(measured) == set(SPOILERS)
    for name in ("shift", "blur", "noise", "jpeg"):
        assert [interval.value for interval in measured[name].top1] == [1.0] * len(SPOILERS[name])
    under = dict(zip(measured["brightness"].amounts, measured["brightness"].top1, strict=True))
    assert under[-40].value == under[40].value == 1.0
    assert under[-80].value == under[80].value == 0.5  # one of the two greys is taken for the other
    assert under[80].low < 0.5 < under[80].high


def test_compression_keeps_colours_and_loses_more_the_stronger_it_is() -> None:
    rng = np.random.default_rng(3)
    pixels = np.clip(np.full((32, 32, 3), (200, 120, 40)) + rng.normal(0, 12, (32, 32, 3)), 0, 255).astype(np.uint8)
    apart = [np.abs(JPEG.apply(pixels, quality, 0).astype(int) - pixels).mean() for quality in (95, 50, 10)]
    assert apart[0] < apart[1] < apart[2] < 15
    assert JPEG.apply(pixels, 10, 0).mean(axis=(0, 1)) == pytest.approx(pixels.mean(axis=(0, 1)), abs=10)


def test_every_spoiler_is_a_change_that_there_is() -> None:
    assert set(SPOILERS) <= {*CHANGES, "jpeg"}
