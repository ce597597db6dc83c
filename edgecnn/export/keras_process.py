"""The process that imports TensorFlow for ``edgecnn.export.convert``; not for use by hand.

It loads a run's Keras model, then does one command after the other: each is a JSON object on a line
of standard input, and each is answered by events, one JSON object a line, the last of which has the
key ``done``. Everything that TensorFlow prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edgecnn.errors import EdgecnnError, ExportError, UnsupportedOpError
from edgecnn.export.onnx_file import missing_onnx

_NORMALIZATION_LAYER = "normalization"
Send = Callable[..., None]


def main() -> None:
    """Serve the run that the first argument names until standard input ends."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    send = _sender(events)
    try:
        converter = _Converter(Path(sys.argv[1]))
        send(done=True, **converter.describe())
        for line in sys.stdin:
            command = json.loads(line)
            send(done=True, **getattr(converter, f"do_{command.pop('do')}")(**command))
    except EdgecnnError as exc:
        traceback.print_exc()
        send(error=str(exc), kind=type(exc).__name__)
    except Exception as exc:
        traceback.print_exc()
        error = _translate(exc)
        send(error=str(error), kind=type(error).__name__)


def _sender(events: TextIO) -> Send:
    def send(**event: Any) -> None:
        events.write(json.dumps(event) + "\n")
        events.flush()

    return send


class _Converter:
    """A run's Keras model and what can be made of it."""

    def __init__(self, run_path: Path) -> None:
        from edgecnn.train.keras_model import load_keras_model
        from edgecnn.train.run_folder import RunFolder

        run = RunFolder.open(run_path)
        self._contract = run.contract
        self._model = load_keras_model(run)

    def describe(self) -> dict[str, Any]:
        import keras
        import tensorflow as tf

        if isinstance(self._model, keras.Sequential):
            raise ExportError("the model is a keras.Sequential, which cannot be cut; save it as a keras.Model")
        names = [layer.name for layer in self._model.layers]
        if _NORMALIZATION_LAYER not in names:
            raise ExportError(
                f"the model has no layer named {_NORMALIZATION_LAYER!r} to cut off; train it with edgecnn"
            )
        self._check_normalization()
        return {"layers": names, "tools": {"tensorflow": tf.__version__, "keras": keras.__version__}}

    def _check_normalization(self) -> None:
        """Raise ExportError unless the layer that is cut off does what the file's input says that it does."""
        contract = self._contract
        extremes = np.array([0.0, 255.0], np.float32).reshape(2, 1, 1, 1)
        pixels = np.broadcast_to(extremes, (2, contract.height, contract.width, 3))
        found = np.asarray(self._model.get_layer(_NORMALIZATION_LAYER)(pixels))
        if not np.allclose(found, (pixels - contract.mean) / contract.std, atol=1e-4):
            raise ExportError(
                f"the layer {_NORMALIZATION_LAYER!r} makes {found[0].mean():.3g} of 0 and {found[1].mean():.3g} of "
                f"255, which is not the mean {contract.mean:g} and std {contract.std:g} of the run's config.json"
            )

    def do_score(self, pixels: str, scores: str) -> dict[str, Any]:
        """Score uint8 pixels (N, h, w, 3) out of one ``.npy`` file into another, float32 (N, C)."""
        from edgecnn.train.keras_model import KerasScorer

        np.save(scores, KerasScorer(self._model).scores(np.load(pixels, mmap_mode="r")))
        return {}

    def do_cool(self, temperature: float) -> dict[str, Any]:
        """Divide the logits by a temperature, in the weights of the layer that makes them."""
        logits = self._logits_layer()
        if logits is None:
            return {"cooled": False}
        logits.set_weights([weights / temperature for weights in logits.get_weights()])
        return {"cooled": True}

    def do_convert(self, kind: str, model: str, calibration: str | None = None) -> dict[str, Any]:
        """Write one variant as a FlatBuffer.

        ``inner`` is the float network behind the normalization, and ``int8`` has pixels as codes; all
        others take float32 pixels, 0 to 255, and normalize them as their first step.
        """
        import tensorflow as tf

        network = self._fixed(inner=kind in ("inner", "int8"))
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        if kind not in ("inner", "float32"):
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "fp16":
            converter.target_spec.supported_types = [tf.float16]
        if kind == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
            # The Edge TPU's compiler knows dense layers with one scale only; nothing is lost by it elsewhere.
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True
        if kind == "int16x8":
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
        if calibration is not None:
            pictures = np.load(calibration, mmap_mode="r")
            converter.representative_dataset = lambda: self._representative(pictures, normalized=kind == "int8")
        Path(model).write_bytes(share_vectors(converter.convert()))
        return {}

    def do_onnx(self, path: str) -> dict[str, Any]:
        """Write the whole model as ONNX: float32 pixels, 0 to 255, (1, h, w, 3), to scores (1, C)."""
        if not all(map(find_spec, ("onnx", "tf2onnx"))):
            raise missing_onnx()
        network = self._fixed(inner=False)
        network(np.zeros(network.input_shape, np.float32))  # Keras exports only what was called before
        import keras

        signature = [keras.InputSpec(shape=network.input_shape, dtype="float32")]  # or the batch would be open again
        network.export(path, format="onnx", verbose=False, input_signature=signature)
        return {}

    def _fixed(self, *, inner: bool) -> Any:
        """Return the model, or only what follows its normalization, for one picture at a time."""
        import keras

        model = self._model
        if inner:
            # The network without its normalization: the input's scale and zero point do that work.
            model = keras.Model(model.get_layer(_NORMALIZATION_LAYER).output, model.output)
        shape = (1, self._contract.height, self._contract.width, 3)
        picture = keras.Input(batch_shape=shape, name="image" if inner else "pixels")
        return keras.Model(picture, model(picture))

    def _logits_layer(self) -> Any:
        """Return the layer whose weights make what the final softmax takes, None where there is no such end."""
        import keras

        *_, before, last = self._model.layers
        if isinstance(last, keras.layers.Dense) and last.activation is keras.activations.softmax:
            return last
        is_softmax = isinstance(last, keras.layers.Softmax) or (
            isinstance(last, keras.layers.Activation) and last.activation is keras.activations.softmax
        )
        is_linear = isinstance(before, keras.layers.Dense) and before.activation is keras.activations.linear
        return before if is_softmax and is_linear and last.input is before.output else None

    def _representative(self, pictures: Any, *, normalized: bool) -> Iterator[list[Any]]:
        for index, picture in enumerate(pictures):
            values = picture.astype(np.float32)
            if index == 0:
                # The range must be 0 to 255 exactly, or a pixel would not be its own code;
                # two corner pixels state it without moving any other range.
                values[0, 0], values[-1, -1] = 0.0, 255.0
            yield [((values - self._contract.mean) / self._contract.std if normalized else values)[np.newaxis]]


def share_vectors(model: bytes) -> bytes:
    """Return the same model with every list of zero points stored once.

    Each channel of each layer brings a zero point of 8 bytes, and all of them are 0: a twelfth of an
    int8 file. A FlatBuffer may refer to one vector from many tables.
    """
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # no type hints there
        def __init__(self, num_bytes: int) -> None:
            super().__init__(num_bytes)
            self.seen: dict[bytes, int] = {}

        def StartVector(self, item_bytes: int, num: int, alignment: int) -> Any:  # noqa: N802  # its parent's name
            self.before, self.num_bytes, self.item_bytes = self.Offset(), item_bytes * num, item_bytes
            return super().StartVector(item_bytes, num, alignment)

        def EndVector(self, *args: Any) -> Any:  # noqa: N802  # its parent's name
            end = super().EndVector(*args)
            # Vectors of one item stay apart: they belong to values that may get another zero point.
            if self.item_bytes != 8 or self.num_bytes <= 8:
                return end
            content = bytes(self.Bytes[self.head : self.head + 4 + self.num_bytes])
            first = self.seen.setdefault(content, end)
            if first != end:
                self.head += end - self.before
            return first

    builder = SharingBuilder(len(model) + 4096)
    builder.Finish(schema.ModelT.InitFromPackedBuf(model, 0).Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _translate(exc: Exception) -> ExportError:
    from edgecnn.train.converter_words import find_unsupported, first_line

    unsupported = find_unsupported(exc)
    if unsupported:
        return UnsupportedOpError(unsupported)
    return ExportError(f"the converter failed: {first_line(exc)}")


if __name__ == "__main__":
    main()
