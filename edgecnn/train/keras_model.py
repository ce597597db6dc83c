"""A trained Keras model as a function from pixels to scores."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress, SilentProgress, Task
from edgecnn.errors import RunError
from edgecnn.train.backend import keras, tf
from edgecnn.train.run_folder import RunFolder

INFERENCE_BATCH = 32
Forward = Callable[[NDArray[Any]], Any]


def compile_forward(network: Any) -> Forward:
    """Return a network's inference as a function, traced once for every batch size.

    It takes an array of shape (N, …), any real dtype, and gives the network's output or outputs as tensors.
    """
    shape = (None, *network.inputs[0].shape[1:])

    # XLA runs these networks at a half to a third of the speed that oneDNN has on a CPU.
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)], jit_compile=False)  # type: ignore[untyped-decorator] # no hints
    def traced(batch: Any) -> Any:
        return network(batch, training=False)

    return lambda batch: traced(np.asarray(batch, np.float32))


def predict(forward: Forward, inputs: NDArray[Any], task: Task | None = None) -> NDArray[np.float32]:
    """Run a network with one output over inputs of shape (N, …), N from 1, in batches; float32 (N, …)."""
    parts: list[NDArray[np.float32]] = []
    for start in range(0, len(inputs), INFERENCE_BATCH):
        batch = inputs[start : start + INFERENCE_BATCH]
        parts.append(forward(batch).numpy())
        if task is not None:
            task.advance(len(batch))
    return np.concatenate(parts)


class KerasScorer:
    """Scores pictures with a Keras model that takes raw pixels."""

    def __init__(self, model: Any) -> None:
        self._forward = compile_forward(model)

    def scores(
        self, pixels: NDArray[Any], *, progress: Progress | None = None, title: str = "scoring pictures"
    ) -> NDArray[np.float32]:
        """Return the model's scores.

        Args:
            pixels: uint8, shape (N, h, w, 3), RGB, values 0 to 255; N from 1.
            progress: told about every batch.
            title: of that work.

        Returns:
            float32, shape (N, C), 0 to 1, every row with the sum 1.
        """
        with (progress or SilentProgress()).task(title, len(pixels)) as task:
            return predict(self._forward, pixels, task)


def load_keras_model(run: RunFolder) -> Any:
    """Load a run's ``keras.Model``: raw pixels, float32 (N, h, w, 3), 0 to 255, to scores (N, C).

    Raises:
        RunError: the model file is damaged or does not fit the run's labels.
    """
    try:
        model = keras.saving.load_model(run.model_path, compile=False)
    except Exception as exc:  # Keras raises whatever its zip, HDF5 and JSON readers do
        raise RunError(f"{run.model_path} cannot be loaded: {_reason(exc)}") from exc
    wanted = (None, run.contract.height, run.contract.width, 3), (None, len(run.labels))
    if (model.input_shape, model.output_shape) != wanted:
        raise RunError(
            f"{run.model_path} goes from {model.input_shape} to {model.output_shape}, but the run's config and labels "
            f"say from {wanted[0]} to {wanted[1]}; train again with --overwrite"
        )
    return model


def load_keras_scorer(run: RunFolder) -> KerasScorer:
    """Load a run's model as a function from pixels to scores; raises as ``load_keras_model`` does."""
    return KerasScorer(load_keras_model(run))


def find_foreign(exc: Exception) -> str | None:
    """Return what in a saved network is not one of Keras's own parts; None where loading failed for another reason."""
    text = str(exc)
    foreign = re.search(r"Could not locate (class|function) '(?:[\w.]+>)?(\w+)'", text)
    if foreign:
        return f"it uses the {foreign[1]} {foreign[2]!r}, which is not one of Keras's own; build the network without it"
    if "Could not interpret" in text and "'value'" in text:
        return "it uses a lambda, which is not run out of a file; write a function or layer of Keras's own"
    if "`Lambda` layer" in text:
        return "it has a Lambda layer, whose code is not run out of a file; put a layer of Keras's own in its place"
    return None


def _reason(exc: Exception) -> str:
    first_line = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
    return find_foreign(exc) or f"{first_line}; train again with --overwrite"
