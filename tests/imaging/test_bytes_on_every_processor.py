"""The digests were taken on x86-64 and came out equal on (emulated) 64-bit ARM."""

import hashlib
from pathlib import Path

import pytest

from edgecnn.core.contract import AspectRule, InputContract
from edgecnn.imaging import load_input

DEMO = Path(__file__).parents[2] / "demo" / "pictures" / "test"


@pytest.mark.parametrize(
    ("side_px", "aspect", "crop_fraction", "digest"),
    [
        (224, "squash", 1.0, "d7335c3203602a776e0790f95b757128372373873e5e03fa2a93ea1ca5899375"),
        (96, "crop", 0.875, "86a6eae50d871eab78a14360b8e51675d19910a7a7ef2c4acc21c090d04d0580"),
        (150, "fit", 1.0, "6d3a745336dd16c90f19e4475fe94d14fa01fc08ee9d3c2e60b38e02091fd246"),
        (32, "squash", 1.0, "9c5ff6d7a412ae8cdde3532839bff6d9c36965e1063154c7f8633bd7600a7a68"),
    ],
)
def test_the_demo_pictures_become_the_same_bytes_on_every_processor(
    side_px: int, aspect: AspectRule, crop_fraction: float, digest: str
) -> None:
    contract = InputContract(width=side_px, height=side_px, aspect=aspect, crop_fraction=crop_fraction)
    found = hashlib.sha256()
    for picture in sorted(DEMO.rglob("*.jpg")):
        found.update(load_input(picture, contract).tobytes())
    assert found.hexdigest() == digest
