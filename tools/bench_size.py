"""Compare the size of exported int8 files with the float32 .tflite of the same Keras model.

    python tools/bench_size.py RUN FILE.tflite

The float file is what TFLiteConverter writes without any optimization.
"""

from __future__ import annotations

import argparse
import contextlib
import io
from pathlib import Path

from edgecnn.train.backend import tf
from edgecnn.train.keras_model import load_keras_model
from edgecnn.train.run_folder import RunFolder


def main() -> None:
    """Parse the command line, convert, print one row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    model = load_keras_model(RunFolder.open(arguments.run))
    with contextlib.redirect_stdout(io.StringIO()):  # the converter lists every variable
        float_bytes = len(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    int8_bytes = arguments.file.stat().st_size
    print(f"{arguments.file}: int8 {int8_bytes:,} bytes, float32 {float_bytes:,} bytes: {int8_bytes / float_bytes:.1%}")


if __name__ == "__main__":
    main()
