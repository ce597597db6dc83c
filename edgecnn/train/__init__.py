"""Training with Keras: architectures, augmentation, fitting, and the run folder that it leaves.

Importing this package loads neither TensorFlow nor Keras: a run can be read without them.
"""

from __future__ import annotations

import os

# TensorFlow reads these when it is loaded; whoever set them before wants to see what it says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from edgecnn.train.config import TrainConfig
from edgecnn.train.run_folder import RunFolder
from edgecnn.train.session import TrainedRun, train

__all__ = ["RunFolder", "TrainConfig", "TrainedRun", "train"]
