"""The promise of the house: training and the device see the same bytes of a picture."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgecnn.core.contract import InputContract
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.data import Picture, load_pixels
from edgecnn.evaluate.evaluator import evaluate
from edgecnn.imaging import decode_picture, load_input, to_input
from edgecnn.runtime.classifier import Classifier


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


LARGE = Image.fromarray(synthetic_picture(0, 1000, 700))
SMALL = Image.fromarray(synthetic_picture(1, 61, 43))
CLEAR = Image.fromarray(np.dstack([synthetic_picture(2, 200, 150), synthetic_picture(3, 200, 150)[..., 0]]))
FILES: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
    "large.jpg": (LARGE, "JPEG", {}),
    "progressive.jpg": (LARGE, "JPEG", {"progressive": True}),
    "turned.jpg": (LARGE, "JPEG", {"exif": exif(6)}),
    "cmyk.jpg": (LARGE.convert("CMYK"), "JPEG", {}),
    "grey.jpg": (LARGE.convert("L"), "JPEG", {}),
    "small.jpg": (SMALL, "JPEG", {}),
    "large.png": (LARGE, "PNG", {}),
    "clear.png": (CLEAR, "PNG", {"exif": exif(8)}),
    "palette.png": (SMALL.quantize(16), "PNG", {"transparency": 1}),
    "grey16.png": (Image.fromarray(synthetic_picture(4, 90, 90)[..., 0].astype(np.uint16) * 257), "PNG", {}),
    "one pixel.png": (SMALL.resize((1, 1)), "PNG", {}),
    "exact.bmp": (SMALL.resize((96, 96)), "BMP", {}),
    "picture.webp": (LARGE, "WEBP", {}),
    "picture.gif": (SMALL, "GIF", {}),
    "picture.tif": (SMALL, "TIFF", {}),
}
CONTRACTS = {
    "square": InputContract(width=96, height=96),
    "imagenet": InputContract(width=224, height=224, mean=127, crop_fraction=0.875),
    "oblong crop": InputContract(width=160, height=120, aspect="crop"),
    "fit": InputContract(width=64, height=96, aspect="fit"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    for name, (picture, kind, options) in FILES.items():
        file = io.BytesIO()
        picture.save(file, kind, **options)
        (folder / name).write_bytes(file.getvalue())
    return folder


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@pytest.mark.parametrize("name", FILES)
def test_a_picture_through_the_training_reader_and_through_the_runtime_gives_equal_bytes(
    folder: Path, model_file: Path, name: str, contract: InputContract
) -> None:
    in_training = load_pixels(folder, [Picture(name, 0)], contract).pixels[0]
    frame = decode_picture((folder / name).read_bytes(), name, contract)
    np.testing.assert_array_equal(to_input(frame, contract), in_training)
    np.testing.assert_array_equal(load_input(folder / name, contract), in_training)


def test_a_classifier_prepares_the_pixels_that_training_saw(folder: Path, model_file: Path) -> None:
    classifier = Classifier.load(model_file, num_threads=1)
    loaded = load_pixels(folder, [Picture(name, 0) for name in FILES], classifier.contract)
    assert loaded.unreadable == ()
    for picture, in_training in zip(loaded.pictures, loaded.pixels, strict=True):
        frame = decode_picture((folder / picture.path).read_bytes(), picture.path, classifier.contract)
        np.testing.assert_array_equal(classifier.prepare(frame), in_training)


def test_an_evaluation_judges_the_pixels_that_training_saw(folder: Path) -> None:
    contract = CONTRACTS["square"]
    pictures = [Picture(name, 0) for name in FILES]
    seen = []

    def score_batch(pixels: Any) -> Any:
        seen.append(pixels)
        return np.zeros((len(pixels), 2), np.float32)

    evaluate(score_batch, folder, pictures, contract=contract, labels=("a", "b"))
    np.testing.assert_array_equal(np.concatenate(seen), load_pixels(folder, pictures, contract).pixels)


def test_a_classification_is_that_of_the_prepared_pixels(folder: Path, model_file: Path) -> None:
    classifier = Classifier.load(model_file, num_threads=1)
    frame = decode_picture((folder / "large.jpg").read_bytes(), "large.jpg", classifier.contract)
    prediction = classifier.classify(replace(frame, index=7), max_results=4)
    scores = classifier.scores(load_input(folder / "large.jpg", classifier.contract))
    assert [category.score for category in prediction.categories] == sorted(scores.tolist(), reverse=True)
    assert prediction.frame_index == 7
