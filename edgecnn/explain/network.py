"""A deployed classifier as a sequence of layers, and what it computes for a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ModelFileError
from edgecnn.explain.building import build_layers
from edgecnn.explain.layer import Layer
from edgecnn.explain.tensors import to_real
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.classifier import to_values
from edgecnn.runtime.engine import is_compiled

if TYPE_CHECKING:
    from edgecnn.runtime.interpreter import InnerTensors

LayerKey = Layer | int | str


class Network:
    """A model file that can be looked into; for one thread at a time.

    Attributes:
        file: the model file.
        layers: its steps, in the order in which they run.
    """

    def __init__(self, file: ModelFile, *, num_threads: int | None = None) -> None:
        """Take a model file apart; nothing runs yet.

        Args:
            file: a model file that was checked by opening it.
            num_threads: of one run, 1 to 64; None takes the cores, at most 4.

        Raises:
            ModelFileError: it is compiled for an Edge TPU, or has no convolution.
        """
        if is_compiled(file):
            raise ModelFileError(_explain_compiled(file.path))
        self.file = file
        self.layers = build_layers(file.graph)
        self._num_threads = num_threads
        self._inner: InnerTensors | None = None
        self._newest: Look | None = None
        if not self.convolutions:
            raise ModelFileError(
                f"{file.path}: the network has no convolution, so there are no filters and no maps to show; "
                "give a convolutional network, one that edgecnn export made for instance"
            )

    @classmethod
    def open(cls, path: str | Path, *, labels_path: str | Path | None = None) -> Network:
        """Open a model file and take it apart.

        Args:
            path: a ``.tflite`` file.
            labels_path: a labels file, for a model from elsewhere that brings none.

        Raises:
            ModelFileError: it is damaged or no classifier, is compiled for an Edge TPU, or has no convolution.
        """
        return cls(ModelFile.open(Path(path), labels_path=Path(labels_path) if labels_path else None))

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in output order."""
        return self.file.labels

    @property
    def convolutions(self) -> tuple[Layer, ...]:
        """The layers with filters that slide."""
        return tuple(layer for layer in self.layers if layer.kind in ("convolution", "depthwise"))

    def layer(self, which: LayerKey) -> Layer:
        """Return a layer by its index or its name.

        Raises:
            ModelFileError: there is no such layer.
        """
        if isinstance(which, Layer):
            return which
        for layer in self.layers:
            if which in (layer.index, layer.name):
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise ModelFileError(f"{self.file.path} has no layer {which!r}; it has {names}")

    def look(self, pixels: NDArray[np.uint8]) -> Look:
        """Run the network on a picture and let all that it computed be read.

        The tensors of one picture are held at a time: an older ``Look`` runs its picture again when asked.

        Args:
            pixels: uint8, shape (height, width, 3), RGB, values 0 to 255, at the input's size.

        Raises:
            ValueError: the picture has another size.
            BackendUnavailableError: the runtime cannot run this model.
            MissingExtraError: LiteRT is not installed.
        """
        wanted = (self.file.contract.height, self.file.contract.width, 3)
        if pixels.shape != wanted or pixels.dtype != np.uint8:
            raise ValueError(f"the picture is {pixels.dtype} of shape {pixels.shape}; expected uint8 of {wanted}")
        return Look(self, pixels)

    def scores(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the file's scores of a picture: float32, shape (C,)."""
        return self.look(pixels).scores

    def _read(self, look: Look, tensor: int) -> NDArray[Any]:
        """Return a tensor's codes for a picture, without the batch axis."""
        self._run(look)
        assert self._inner is not None
        return np.asarray(self._inner.read(tensor)[0])

    def _run(self, look: Look) -> None:
        if self._inner is None:
            from edgecnn.runtime.interpreter import InnerTensors

            self._inner = InnerTensors(self.file.model, num_threads=self._num_threads)
        if self._newest is not look:
            self._newest = None  # if it fails half-way, nothing is the newest
            self._inner.run(to_values(look.pixels, self.file))
            self._newest = look


class Look:
    """One picture in one network.

    Attributes:
        network: the network.
        pixels: the picture: uint8, shape (height, width, 3), RGB, values 0 to 255.
        scores: the file's answer: float32, shape (C,).
    """

    def __init__(self, network: Network, pixels: NDArray[np.uint8]) -> None:
        """See ``Network.look``."""
        self.network, self.pixels = network, pixels
        self.scores = self.tensor(network.file.graph.outputs[0])

    @property
    def best(self) -> int:
        """The class with the highest score."""
        return int(self.scores.argmax())

    def class_or_best(self, class_index: int | None) -> int:
        """Return a class that was asked for, or the file's answer where none was.

        Raises:
            ValueError: there is no such class.
        """
        if class_index is None:
            return self.best
        if not 0 <= class_index < len(self.scores):
            raise ValueError(f"there is no class {class_index} among the {len(self.scores)} of this network")
        return class_index

    def codes(self, layer: LayerKey) -> NDArray[Any]:
        """Return what a layer gave as it lies in memory: the file's own element type, without the batch axis."""
        return self.network._read(self, self.network.layer(layer).output)

    def values(self, layer: LayerKey) -> NDArray[np.float32]:
        """Return what a layer gave as real numbers: float32, shape ``layer.output_shape``."""
        return self.tensor(self.network.layer(layer).output)

    def input_values(self, layer: LayerKey, position: int = 0) -> NDArray[np.float32]:
        """Return what a layer read as real numbers: float32, shape ``layer.input_shapes[position]``."""
        return self.tensor(self.network.layer(layer).inputs[position])

    def tensor(self, index: int) -> NDArray[np.float32]:
        """Return a tensor that the file computed as real numbers: float32, without the batch axis."""
        return to_real(self.network._read(self, index), self.network.file.graph.tensors[index], first_axis=1)


def _explain_compiled(path: Path) -> str:
    plain = path.with_name(path.stem.removesuffix("_edgetpu") + path.suffix)
    found = plain != path and plain.is_file()
    instead = f"{plain}, which lies beside it" if found else f"{plain.name if plain != path else 'the plain int8 file'}"
    return (
        f"{path} is compiled for a Coral Edge TPU, and its inside cannot be seen; "
        f"explain the plain file that it was compiled from: {instead}"
    )
