"""The one door to TensorFlow and Keras: quiet, and one sentence where they are missing.

Only modules that compute import this one; it takes about three seconds.
"""

from __future__ import annotations

import os
from contextlib import nullcontext

from edgecnn.errors import MissingExtraError
from edgecnn.quiet import quiet_stderr

_INSTALL = "run: pip install 'edgecnn[train]'"


__all__ = ["keras", "make_repeatable", "tf"]

# TensorFlow's C++ half writes four lines about oneDNN and CUDA, before it has read its own log level.
_quiet = quiet_stderr if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3" else nullcontext

try:
    with _quiet():
        import keras
        import tensorflow as tf
except ImportError as exc:
    raise MissingExtraError(
        f"training needs TensorFlow and Keras, which cannot be imported ({exc}); {_INSTALL}"
    ) from exc

if keras.backend.backend() != "tensorflow":
    raise MissingExtraError(
        f"training needs Keras on TensorFlow, but here it runs on {keras.backend.backend()!r}; "
        "set the environment variable KERAS_BACKEND to tensorflow"
    )

# Its Python half warns of retracing, which a last, smaller batch is bound to cause.
tf.get_logger().setLevel("ERROR")


def make_repeatable(seed: int) -> None:
    """Seed Python, numpy, Keras and TensorFlow, and let no result depend on the order of threads.

    On two cores deterministic kernels cost no time that could be measured.

    Args:
        seed: 0 to 2**32 - 1.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
