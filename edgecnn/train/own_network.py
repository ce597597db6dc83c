"""The user's own network, checked before it is trained and brought into the form that export needs.

It takes RGB pixels from 0 to 255 and ends in softmax. If it begins with a ``Rescaling``, that layer becomes the
normalization of its contract; if not, its contract says that pixels are taken as they are. Either way it computes
what the user wrote, and becomes a flat graph of Keras's own layers, as the other networks are.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import RunError
from edgecnn.modelfile.graph import Graph
from edgecnn.quiet import quiet_stderr
from edgecnn.train.architectures import Architecture, Ingredient
from edgecnn.train.backend import keras, tf
from edgecnn.train.converter_words import find_unsupported, first_line
from edgecnn.train.keras_model import find_foreign
from edgecnn.train.networks import NORMALIZATION_LAYER
from edgecnn.train.own_file import OWN_MODULE, LoadedFunction, OwnFunction
from edgecnn.train.run_folder import CODE_FILE

_PIXELS = "pixels"
_NUM_DRAWN = 3
_WHOLE = 1e-6
_SUM_TOLERANCE = 1e-3


def prepare_own(row: Architecture, function: OwnFunction, size_px: int, num_classes: int) -> Architecture:
    """Return the row with the user's function loaded, tried and found good.

    Raises:
        RunError: it is not; says why.
    """
    loaded = function.load()
    model = build_own(loaded, size_px, num_classes)
    check_convertible(model, str(function))
    mean, std = normalization_of(model)

    def build(contract: InputContract, num_classes: int, *, pooled: bool = True) -> Any:
        return build_own(loaded, contract.width, num_classes)

    ingredient = Ingredient(path=str(function.path.absolute()), sha256=loaded.sha256, copy=CODE_FILE)
    return replace(row, build=build, prepare=None, mean=mean, std=std, ingredients=(ingredient,), code=loaded.code)


def build_own(function: LoadedFunction, size_px: int, num_classes: int) -> Any:
    """Return what the user's function makes, flat and with a layer named ``normalization`` behind its input.

    Raises:
        RunError: it is no network that takes RGB pictures of this size and gives so many scores.
    """
    who = str(function.origin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Keras warns of is checked here
        network = function.build(size_px, num_classes)
        if not isinstance(network, keras.Model):
            raise RunError(f"{who} returned a {type(network).__name__}; let it return a keras.Model")
        if any(layer.name in (_PIXELS, NORMALIZATION_LAYER) for layer in network.layers):
            raise RunError(f"{who} has a layer named {_PIXELS!r} or {NORMALIZATION_LAYER!r}; give it another name")
        model = _take_up_rescaling(_reload(_flatten(_on_pixels(network, size_px, who), who), who), who)
    _check(model, num_classes, who)
    return model


def normalization_of(model: Any) -> tuple[float, float]:
    """Return the mean and the distance from it that a network's ``normalization`` makes 0 and 1."""
    layer = model.get_layer(NORMALIZATION_LAYER)
    return round(-layer.offset / layer.scale, 6) + 0.0, round(1.0 / layer.scale, 6)


def check_convertible(model: Any, who: str) -> None:
    """Raise RunError unless the converter makes an int8 file of a network; after its training would be late."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converter.representative_dataset = lambda: ([picture[np.newaxis]] for picture in _pictures(model))
    try:
        with quiet_stderr(), redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = Graph.parse(converter.convert())
    except Exception as exc:  # whatever the converter raises
        raise RunError(f"{who} cannot be exported to int8: {find_unsupported(exc) or first_line(exc)}") from exc
    for operator in graph.operators:
        if any(graph.tensors[index].dtype.startswith("float") for index in operator.outputs):
            raise RunError(f"{who} cannot be exported to int8: LiteRT has {operator.name} in floats only; replace it")


def _on_pixels(network: Any, size_px: int, who: str) -> Any:
    shape = (size_px, size_px, 3)
    pixels = keras.Input(shape, name=_PIXELS)
    as_they_are = keras.layers.Rescaling(1.0, name=NORMALIZATION_LAYER)(pixels)
    try:
        if isinstance(network, keras.Sequential) and not network.built:
            network.build((None, *shape))
        return keras.Model(pixels, _rerun(network, as_they_are), name="own")
    except Exception as exc:  # whatever the user's layers and Keras raise
        raise RunError(
            f"{who} does not take one batch of RGB pictures, shape {(None, *shape)}: {first_line(exc)}"
        ) from exc


def _rerun(network: Any, tensor: Any) -> Any:
    """Apply the layers of a network to a tensor; a call of the network would put it into one layer."""
    if getattr(network, "inputs", None):
        outputs = network.outputs if len(network.outputs) > 1 else network.outputs[0]
        return keras.Function(network.inputs[0], outputs).call(tensor)
    return network.call(tensor)  # a class of the user's own, with layers inside of its method


def _flatten(model: Any, who: str) -> Any:
    """Return the same graph with the layers of networks that are used as layers in their places."""

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return _rerun(layer, args[0]) if isinstance(layer, keras.Model) else layer(*args, **kwargs)

    while any(isinstance(layer, keras.Model) for layer in model.layers):
        try:
            model = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
        except Exception as exc:
            raise RunError(
                f"{who} has networks inside of it that cannot be taken apart ({first_line(exc)}); "
                "go on from base.output instead of calling base"
            ) from exc
    return model


def _reload(model: Any, who: str) -> Any:
    """Save a network and load it without the user's code, as export will; each layer is then called once only."""
    with TemporaryDirectory() as folder, _forgotten_code():
        path = Path(folder) / "own.keras"
        try:
            model.save(path)
            return keras.saving.load_model(path, compile=False)
        except Exception as exc:  # Keras raises whatever its zip, HDF5 and JSON readers do
            raise RunError(f"{who} cannot be loaded once it is saved: {find_foreign(exc) or first_line(exc)}") from exc


@contextmanager
def _forgotten_code() -> Iterator[None]:
    """Let Keras find nothing that the user's file defined."""
    known = keras.saving.get_custom_objects()
    kept, module = dict(known), sys.modules.pop(OWN_MODULE, None)
    known.clear()
    try:
        yield
    finally:
        known.update(kept)
        if module is not None:
            sys.modules[OWN_MODULE] = module


def _take_up_rescaling(model: Any, who: str) -> Any:
    """Return the network with its own first ``Rescaling`` as its normalization, where a contract can say that."""
    as_they_are = model.get_layer(NORMALIZATION_LAYER).output
    first = next((layer for layer in model.layers[2:] if layer.input is as_they_are), None)
    if not isinstance(first, keras.layers.Rescaling) or not _fits_contract(first):
        return model
    pixels = keras.Input(model.input_shape[1:], name=_PIXELS)
    normalized = keras.layers.Rescaling(first.scale, first.offset, name=NORMALIZATION_LAYER)(pixels)
    try:
        behind = keras.Model(first.output, model.output)
    except ValueError:  # something else in it looks at the pixels, too
        return model
    return _reload(keras.Model(pixels, _rerun(behind, normalized), name="own"), who)


def _fits_contract(layer: Any) -> bool:
    try:
        contract = InputContract(width=1, height=1, mean=-layer.offset / layer.scale, std=1.0 / layer.scale)
    except (TypeError, ValueError, ZeroDivisionError):  # one number for each colour; out of range
        return False
    # Only a whole number lets a pixel be its own code in an int8 file.
    return abs(contract.mean - round(contract.mean)) < _WHOLE


def _check(model: Any, num_classes: int, who: str) -> None:
    if model.output_shape != (None, num_classes):
        raise RunError(
            f"{who} gives an output of shape {model.output_shape}; give a score for each class: (None, {num_classes})"
        )
    if not model.trainable_weights:
        raise RunError(f"{who} has no weights that could be trained")
    scores = np.asarray(model(_pictures(model), training=False))
    sums = scores.sum(axis=1)
    if not (np.isfinite(scores).all() and scores.min() >= 0.0 and np.allclose(sums, 1.0, atol=_SUM_TOLERANCE)):
        raise RunError(
            f"{who} gives numbers from {scores.min():.3g} to {scores.max():.3g} with the sum {sums[0]:.3g} for a "
            'picture, not scores with the sum 1; end it with keras.layers.Dense(num_classes, activation="softmax")'
        )


def _pictures(model: Any) -> NDArray[np.float32]:
    """Return a few pictures for a network to try, the first one black, which saturates nothing."""
    _, height, width, _ = model.input_shape
    drawn = [synthetic_picture(seed, width, height) for seed in range(_NUM_DRAWN)]
    return np.stack([np.zeros_like(drawn[0]), *drawn]).astype(np.float32)
