"""What ``edgecnn explain`` is given: a picture, labelled pictures, and the network in floats beside the file."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.data import ImageFolder
from edgecnn.errors import DatasetError, EdgecnnError, ModelFileError, SourceError
from edgecnn.evaluate.comparison import Pictures, choose_from_splits, choose_pictures, relabel
from edgecnn.explain import Network, compare
from edgecnn.explain.page import PictureSet
from edgecnn.imaging import decode, load_input, to_input, upright
from edgecnn.imaging.decoding import decode_picture, read_bytes
from edgecnn.modelfile.manifest import MAX_MANIFEST_BYTES, Manifest, read_manifest
from edgecnn.modelfile.metadata import MANIFEST_FILE

if TYPE_CHECKING:
    from edgecnn.core.contract import InputContract
    from edgecnn.core.frame import Frame
    from edgecnn.runtime.streams import CaptureRequest
    from edgecnn.train.run_folder import RunFolder

# The nearest to what was learnt comes first.
_FLOAT_KINDS = ("float32", "fp16")
# A camera needs a while until its exposure is right.
_SETTLE_S = 1.0


class Picture(NamedTuple):
    """A picture, small as the network sees it and large as people do.

    Attributes:
        name: what people call it.
        pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, at the network's size.
        photograph: uint8, shape (h, w, 3), RGB.
    """

    name: str
    pixels: NDArray[np.uint8]
    photograph: NDArray[np.uint8]


def read_picture(path: Path, contract: InputContract) -> Picture:
    """Read a picture file.

    Raises:
        DatasetError: it cannot be read.
    """
    frame = decode_picture(read_bytes(path), str(path))
    return Picture(path.name, load_input(path, contract), _photograph(frame))


def first_picture(some: PictureSet, contract: InputContract) -> tuple[Path, Picture]:
    """Return the first picture that can be read, and where it lies.

    Raises:
        DatasetError: none can be read.
    """
    unread: DatasetError | None = None
    for one in some.pictures:
        path = some.root / one.path
        try:
            return path, read_picture(path, contract)
        except DatasetError as exc:
            unread = unread or exc
    raise unread or DatasetError(f"{some.root} holds no pictures")


def take_picture(address: str, request: CaptureRequest, contract: InputContract) -> Picture:
    """Take one picture with a camera.

    Raises:
        SourceError: there is no camera, or it gives no picture.
    """
    from edgecnn.runtime.plugins import open_source

    with open_source(address, request=request) as source:
        ready = time.monotonic() + (_SETTLE_S if source.live else 0.0)
        for shot in source:
            if time.monotonic() < ready:
                continue
            frame = decode(shot)
            name = f"a picture of {source.address}" if not frame.name else frame.name
            return Picture(name, to_input(frame, contract), _photograph(frame))
        raise SourceError(f"{source.address} gave no picture; try it with: edgecnn run --camera {source.address}")


def labelled_pictures(folder: Path, split: str | None, network: Network, run: RunFolder | None) -> PictureSet:
    """Return the labelled pictures of a folder, by default those that training did not see.

    Raises:
        DatasetError: there are none, or their classes are not the file's.
    """
    scanned = ImageFolder.scan(folder)
    if run is not None and not scanned.has_splits and folder.resolve() == run.data_root.resolve():
        chosen = choose_from_splits(folder, run.labels, run.splits, split)
    else:
        chosen = choose_pictures(scanned, split)
    return _with_labels_of(network, chosen)


def pictures_of_run(run: RunFolder, network: Network) -> PictureSet | None:
    """Return the pictures that a run kept aside; None where they are gone."""
    try:
        return _with_labels_of(network, choose_from_splits(run.data_root, run.labels, run.splits, None))
    except DatasetError:
        return None


def _photograph(frame: Frame) -> NDArray[np.uint8]:
    return np.ascontiguousarray(upright(frame)[:, :, ::-1])  # BGR to RGB


def open_float_file(network: Network, path: Path, labels_path: Path | None) -> Network:
    """Open what the user says is the network in floats.

    Raises:
        ModelFileError: it is another network, or computes with whole numbers, too.
    """
    other = Network.open(path, labels_path=labels_path)
    first = other.file.graph.tensors[other.convolutions[0].output]
    if not first.dtype.startswith("float"):
        raise ModelFileError(f"{path} computes in {first.dtype}; give the same network in floats with --against")
    if path.resolve() == network.file.path.resolve():
        raise ModelFileError(f"{path} is the very file that is explained; give another export of it with --against")
    if other.labels != network.labels:
        raise ModelFileError(f"{path} has other classes than {network.file.path}; give the float file of one export")
    compare(network, other)  # raises if it is another network
    return other


def find_float_file(network: Network) -> Network | None:
    """Return the network in floats that was exported from the same run and lies beside the file, if there is one."""
    mine = network.file.manifest
    if mine is None or mine.recipe.kind in _FLOAT_KINDS:
        return None
    beside = {path: _glance(path) for path in sorted(network.file.path.parent.glob("*.tflite"))}
    for kind in _FLOAT_KINDS:
        for path, manifest in beside.items():
            if manifest and manifest.recipe.kind == kind and _origin(manifest) == _origin(mine):
                try:
                    other = Network.open(path)
                    compare(network, other)
                except EdgecnnError:
                    continue  # a later training of the same name, say
                return other
    return None


def _origin(manifest: Manifest) -> tuple[Any, ...]:
    """Return what the exports of one run have in common; mean and standard deviation are the variant's own."""
    size = manifest.input
    return manifest.model.run, manifest.labels, size.width, size.height, size.aspect, size.crop_fraction


def _glance(path: Path) -> Manifest | None:
    """Return the manifest at the end of a file, without reading the network before it."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(MANIFEST_FILE) as entry:
            return read_manifest(entry.read(MAX_MANIFEST_BYTES))
    except (OSError, KeyError, zipfile.BadZipFile, EdgecnnError):
        return None


def _with_labels_of(network: Network, chosen: Pictures) -> PictureSet:
    pictures = relabel(chosen, network.labels, network.file.path.name)
    return PictureSet(root=chosen.root, split=chosen.split, pictures=pictures)
