import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.data import ImageFolder, Picture, load_pixels
from edgecnn.errors import CalibrationError, DatasetError
from edgecnn.export.calibration import choose_calibration, choose_calibration_folder, describe_calibration
from edgecnn.export.calibration_lint import (
    CalibrationSet,
    Embed,
    Reference,
    hash_pixels,
    lint_calibration,
    read_calibration_set,
    read_known_pictures,
    read_reference,
)
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.interpreter import InnerTensors

Pixels = NDArray[np.uint8]
LABELS = ("Kreis ○", "square", "star", "triangle")
PER_CLASS = 80


@pytest.fixture(scope="module")
def folder(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    """Eighty pictures of each class that the model file knows."""
    path = tmp_path_factory.mktemp("calibration") / "shapes"
    script = repository / "tools" / "draw_shapes.py"
    command = [sys.executable, script, path, "--per-class", str(PER_CLASS), "--seed", "5"]
    subprocess.run(command, check=True, timeout=120)
    return ImageFolder.scan(path)


@pytest.fixture(scope="module")
def parts(folder: ImageFolder) -> dict[str, list[Picture]]:
    """The first 40 of each class to compare with, 15 that were not learnt from, and 25 to be given."""
    parts: dict[str, list[Picture]] = {"training": [], "fresh": [], "given": []}
    for number, picture in enumerate(folder.pictures):
        place = number % PER_CLASS
        parts["training" if place < 40 else "fresh" if place < 55 else "given"].append(picture)
    return parts


@pytest.fixture(scope="module")
def reference(folder: ImageFolder, parts: dict[str, list[Picture]], exported: ModelFile) -> Reference:
    made = read_reference(folder.root, parts["training"], parts["fresh"], exported.contract)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def good(folder: ImageFolder, parts: dict[str, list[Picture]], exported: ModelFile) -> CalibrationSet:
    """Pictures of the right things."""
    return read_calibration_set(folder.root, load_pixels(folder.root, parts["given"], exported.contract))


@pytest.fixture(scope="module")
def embed(exported: ModelFile) -> Embed:
    """The network of the model file: what goes into its last dense layer, and its scores."""
    network, graph = InnerTensors(exported.model), exported.graph
    dense = [operator for operator in graph.operators if operator.name == "FULLY_CONNECTED"][-1]

    @cache
    def see(picture: bytes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        network.run(np.frombuffer(picture, np.uint8).reshape(96, 96, 3))
        features, scores = (network.read(index).ravel() for index in (dense.inputs[0], graph.outputs[0]))
        zero = graph.tensors[dense.inputs[0]].zero_points[0]
        return features.astype(np.float32) - zero, scores.astype(np.float32) / 256

    def run(pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        seen = [see(picture.tobytes()) for picture in pixels]
        return np.stack([features for features, _ in seen]), np.stack([scores for _, scores in seen])

    return run


@pytest.fixture
def lint(reference: Reference, embed: Embed) -> Callable[..., tuple[str, ...]]:
    def run(given: CalibrationSet, **options: object) -> tuple[str, ...]:
        return lint_calibration(given, reference, **{"labels": LABELS, "embed": embed, **options})  # type: ignore[arg-type]

    return run


def changed(
    good: CalibrationSet, change: Callable[[Pixels], NDArray[np.generic]], num: int | None = None
) -> CalibrationSet:
    """The same list of pictures with other pixels and without labels."""
    values = change(good.pixels[:: len(good) // num if num else 1][:num])
    pixels = np.ascontiguousarray(np.clip(np.rint(values.astype(np.float64)), 0, 255).astype(np.uint8))
    names = good.names[: len(pixels)]
    return CalibrationSet(pixels=pixels, names=names, digests=names, hashes=hash_pixels(pixels))


def random_values(shape: tuple[int, ...]) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def stripes(shape: tuple[int, ...]) -> Pixels:
    """Pictures of something else: wide stripes of two colours."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    pages = np.empty(shape, np.uint8)
    for page in pages:
        which = (rows * random.uniform() + columns).astype(int) // 20 % 2
        page[:] = random.integers(40, 220, (2, 3))[which] + random.integers(0, 9, shape[1:])
    return pages


@pytest.mark.parametrize("num", [20, 100])
@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: pixels,
        lambda pixels: pixels * 0.8,
        lambda pixels: pixels * 1.15,
        lambda pixels: 255 * (pixels / 255) ** 0.8,
        lambda pixels: pixels * np.array([1.05, 1.0, 0.95]),
        lambda pixels: pixels[:, :, ::-1],
        lambda pixels: pixels + np.random.default_rng(0).normal(0, 4, pixels.shape),
    ],
    ids=["as they are", "darker", "brighter", "gamma", "warmer", "mirrored", "noisier"],
)
def test_pictures_of_the_right_things_pass_in_another_light(
    good: CalibrationSet, lint: Callable[..., tuple[str, ...]], change: Callable[[Pixels], Pixels], num: int
) -> None:
    warnings = lint(changed(good, change, num))
    assert all("there are 20" in warning or "too little range" in warning for warning in warnings), warnings


@pytest.mark.parametrize("num", [20, 100])
@pytest.mark.parametrize(
    ("change", "diagnosis"),
    [
        (lambda pixels: random_values(pixels.shape), "are noise"),
        (lambda pixels: random_values((len(pixels), 24, 24, 3)).repeat(4, 1).repeat(4, 2), "are noise"),
        (lambda pixels: pixels // 255, "nearly black.*divided by 255"),
        (lambda pixels: pixels / 255, "nearly black.*divided by 255"),
        (lambda pixels: np.rint((pixels - 127.0) / 128).astype(np.int8).view(np.uint8), "different values each"),
        (lambda pixels: pixels[..., ::-1], "red and blue swapped"),
        (lambda pixels: 255 - pixels, "inverted"),
        (lambda pixels: pixels.mean(-1, keepdims=True).repeat(3, -1), "are grey"),
        (lambda pixels: pixels[:, :1, :1].repeat(96, 1).repeat(96, 2), "one constant colour"),
        (lambda pixels: np.minimum(pixels, 90), "clipped"),
        (lambda pixels: np.maximum(pixels, 150), "clipped"),
        (lambda pixels: 100 + pixels / 4, "too little range"),
        (lambda pixels: stripes(pixels.shape), "something else"),
    ],
    ids=[
        "noise",
        "coarse noise",
        "divided",
        "divided and rounded",
        "normalized and wrapped",
        "BGR",
        "inverted",
        "grey",
        "constant",
        "clipped above",
        "clipped below",
        "squeezed",
        "other things",
    ],
)
def test_pictures_that_would_spoil_the_ranges_are_refused_by_name(
    good: CalibrationSet,
    lint: Callable[..., tuple[str, ...]],
    change: Callable[[Pixels], Pixels],
    diagnosis: str,
    num: int,
) -> None:
    with pytest.raises(CalibrationError, match=diagnosis):
        lint(changed(good, change, num))


def test_one_class_is_refused_with_labels_and_without(
    good: CalibrationSet, lint: Callable[..., tuple[str, ...]]
) -> None:
    assert good.label_indices is not None
    chosen = np.flatnonzero(good.label_indices == 2)
    only = CalibrationSet(
        pixels=good.pixels[chosen],
        names=tuple(good.names[index] for index in chosen),
        digests=tuple(good.digests[index] for index in chosen),
        hashes=good.hashes[chosen],
        label_indices=good.label_indices[chosen],
    )
    with pytest.raises(CalibrationError, match="one class, 'star', but the model knows 4"):
        lint(only)
    with pytest.raises(CalibrationError, match=r"one class only.*'star'"):
        lint(replace(only, label_indices=None))


def test_a_missing_class_is_a_warning_and_most_of_them_missing_a_refusal(
    good: CalibrationSet, lint: Callable[..., tuple[str, ...]]
) -> None:
    assert good.label_indices is not None
    three = np.where(good.label_indices == 3, 0, good.label_indices)
    (warning,) = lint(replace(good, label_indices=three), embed=None)
    assert "show 3 of the model's 4 classes, triangle are missing" in warning
    many = tuple(map(str, range(10)))
    with pytest.raises(CalibrationError, match="show 4 of the model's 10 classes"):
        lint(good, labels=many, embed=None)


def test_a_hundred_pictures_need_not_show_a_thousand_classes(
    good: CalibrationSet, lint: Callable[..., tuple[str, ...]]
) -> None:
    labels = tuple(map(str, range(1000)))
    spread = np.random.default_rng(0).integers(0, 1000, len(good))
    (warning,) = lint(replace(good, label_indices=spread), labels=labels, embed=None)
    assert "of the model's 1000 classes" in warning
    with pytest.raises(CalibrationError, match="of the model's 1000 classes"):
        lint(replace(good, label_indices=spread % 30), labels=labels, embed=None)


def test_labels_that_the_model_contradicts_are_refused(
    good: CalibrationSet, lint: Callable[..., tuple[str, ...]]
) -> None:
    assert good.label_indices is not None
    assert lint(good) == ()
    with pytest.raises(CalibrationError, match="the model recognizes"):
        lint(replace(good, label_indices=(good.label_indices + 1) % 4))


def test_too_few_pictures_are_refused(good: CalibrationSet, lint: Callable[..., tuple[str, ...]]) -> None:
    with pytest.raises(CalibrationError, match="there are 9 calibration pictures, at least 10"):
        lint(changed(good, lambda pixels: pixels, 9))


def test_the_frames_of_three_scenes_are_not_a_hundred_pictures(
    good: CalibrationSet, lint: Callable[..., tuple[str, ...]]
) -> None:
    def film(pixels: Pixels) -> NDArray[np.float64]:
        random = np.random.default_rng(0)
        scenes = pixels[[0, 40, 70]][np.arange(len(pixels)) % 3]
        return scenes * random.uniform(0.95, 1.05, (len(pixels), 1, 1, 1)) + random.normal(0, 2, pixels.shape)

    frames = changed(good, film)
    with pytest.raises(CalibrationError, match=r"100 calibration pictures are [34] different ones"):
        lint(frames)
    (warning,) = lint(frames, own=True, embed=None)
    assert "different ones" in warning


def test_copies_of_pictures_that_measure_accuracy_are_found_even_when_they_were_changed(
    folder: ImageFolder, parts: dict[str, list[Picture]], good: CalibrationSet, exported: ModelFile, tmp_path: Path
) -> None:
    evaluation = parts["given"][:30]
    sizes = {(folder.root / picture.path).stat().st_size for picture in evaluation[:2]}
    for picture in evaluation:
        (tmp_path / Path(picture.path).parent).mkdir(exist_ok=True)
        (tmp_path / picture.path).write_bytes((folder.root / picture.path).read_bytes())
    known = read_known_pictures(tmp_path, evaluation, exported.contract, sizes=sizes)
    with pytest.raises(CalibrationError, match=r"Kreis ○/055\.png = Kreis ○/055\.png"):
        lint_calibration(good, None, labels=LABELS, known=known)
    recompressed = changed(good, lambda pixels: np.stack([_as_jpeg(picture) for picture in pixels]))
    with pytest.raises(CalibrationError, match=r"\d+ calibration pictures look the same as pictures that measure"):
        lint_calibration(recompressed, None, labels=LABELS, known=known)
    warnings = lint_calibration(good, None, labels=LABELS, known=known, own=True)
    assert any("also among the 30 that measure the accuracy" in warning for warning in warnings)


def test_other_pictures_are_no_copies(
    folder: ImageFolder,
    parts: dict[str, list[Picture]],
    good: CalibrationSet,
    exported: ModelFile,
    lint: Callable[..., tuple[str, ...]],
) -> None:
    known = read_known_pictures(folder.root, parts["fresh"], exported.contract)
    assert lint(good, known=known, embed=None) == ()


def test_without_training_pictures_it_says_so_and_still_finds_what_is_wrong_for_every_model(
    good: CalibrationSet,
) -> None:
    (warning,) = lint_calibration(good, None, labels=LABELS)
    assert "not compared with the training pictures, which are gone" in warning
    with pytest.raises(CalibrationError, match="noise"):
        lint_calibration(changed(good, lambda pixels: random_values(pixels.shape)), None, labels=LABELS)


def test_a_model_of_grey_pictures_takes_grey_pictures_in_either_channel_order(
    good: CalibrationSet, reference: Reference, embed: Embed
) -> None:
    def grey(pixels: Pixels) -> Pixels:
        return np.ascontiguousarray(pixels.mean(-1, keepdims=True).repeat(3, -1).astype(np.uint8))

    twin = Reference(
        training=grey(reference.training),
        fresh=grey(reference.fresh),
        fresh_labels=reference.fresh_labels,
        hashes=reference.hashes,
    )
    assert lint_calibration(changed(good, grey), twin, labels=LABELS, embed=embed) == ()


def test_a_model_of_dark_scenes_takes_dark_pictures(good: CalibrationSet, reference: Reference) -> None:
    dark = Reference(
        training=reference.training // 64,
        fresh=reference.fresh // 64,
        fresh_labels=reference.fresh_labels,
        hashes=hash_pixels(reference.training // 64),
    )
    assert lint_calibration(changed(good, lambda pixels: pixels // 64), dark, labels=LABELS) == ()


def test_a_folder_of_classes_gives_labelled_pictures_of_every_class(folder: ImageFolder) -> None:
    chosen = choose_calibration_folder(folder.root, LABELS, 40, seed=1)
    assert chosen.labelled
    assert chosen == choose_calibration_folder(folder.root, LABELS, 40, seed=1)
    assert chosen != choose_calibration_folder(folder.root, LABELS, 40, seed=2)
    record = describe_calibration(folder.root, chosen.pictures, LABELS, 1, split="folder")
    assert (record.split, set(record.per_class.values())) == ("folder", {10})


def test_a_flat_folder_gives_pictures_without_labels(folder: ImageFolder, tmp_path: Path) -> None:
    data = (folder.root / folder.pictures[0].path).read_bytes()
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(data)
    chosen = choose_calibration_folder(tmp_path, LABELS, 4, seed=0)
    assert (chosen.labelled, len(chosen.pictures)) == (False, 4)
    assert {picture.label_index for picture in chosen.pictures} == {-1}
    assert describe_calibration(tmp_path, chosen.pictures, (), 0, split="folder").per_class == {}


def test_of_a_folder_with_splits_the_training_part_is_taken(folder: ImageFolder, tmp_path: Path) -> None:
    for number, picture in enumerate(folder.pictures[::20]):
        place = tmp_path / ("val" if number % 4 == 0 else "train") / picture.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((folder.root / picture.path).read_bytes())
    chosen = choose_calibration_folder(tmp_path, LABELS, 100, seed=0)
    assert len(chosen.pictures) == 12
    assert all(picture.path.startswith("train/") for picture in chosen.pictures)
    assert chosen.labelled


def test_folders_that_are_no_classes_of_the_model_are_refused_by_their_names(folder: ImageFolder) -> None:
    with pytest.raises(CalibrationError, match=r"folders called Kreis ○, square.*classes are cat, dog"):
        choose_calibration_folder(folder.root, ("cat", "dog"), 10, seed=0)


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="holds no pictures"):
        choose_calibration_folder(tmp_path, LABELS, 10, seed=0)
    with pytest.raises(DatasetError, match="does not exist"):
        choose_calibration_folder(tmp_path / "gone", LABELS, 10, seed=0)


def test_what_lies_beside_the_class_folders_is_left_out_and_said(folder: ImageFolder, tmp_path: Path) -> None:
    data = (folder.root / folder.pictures[0].path).read_bytes()
    for name in ("square/a.png", "star/b.png", "sketches/c.png", "d.png", ".trash/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    chosen = choose_calibration_folder(tmp_path, LABELS, 10, seed=0)
    assert [picture.path for picture in chosen.pictures] == ["square/a.png", "star/b.png"]
    (warning,) = chosen.warnings
    assert warning.startswith("2 pictures")


def test_pictures_that_cannot_be_read_are_named(
    folder: ImageFolder, exported: ModelFile, tmp_path: Path, lint: Callable[..., tuple[str, ...]]
) -> None:
    for picture in folder.pictures[::5]:
        (tmp_path / picture.path.replace("/", "-")).write_bytes((folder.root / picture.path).read_bytes())
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 cut short")
    chosen = choose_calibration_folder(tmp_path, LABELS, 100, seed=0)
    given = read_calibration_set(tmp_path, load_pixels(tmp_path, chosen.pictures, exported.contract))
    (warning,) = lint(given)
    assert "1 calibration pictures cannot be read" in warning
    assert "broken.jpg" in warning


def test_the_default_pictures_pass(
    folder: ImageFolder, exported: ModelFile, lint: Callable[..., tuple[str, ...]]
) -> None:
    chosen = choose_calibration(folder.pictures, 100, seed=0)
    given = read_calibration_set(folder.root, load_pixels(folder.root, chosen, exported.contract))
    assert lint(given, own=True) == ()


def _as_jpeg(picture: Pixels) -> Pixels:
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
