"""Make the small model file that the tests use, by the same commands that a user types.

    python tools/build_test_model.py tests/fixtures/shapes-int8.tflite

It draws 60 pictures of each shape, trains the architecture tiny on them and exports it with one golden picture.
Training is not repeatable to the last bit, so a new file has other weights; the tests stand on no particular ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from draw_shapes import draw_folder

MAX_BYTES = 300_000
NUM_PER_CLASS = 60
SEED = 1


def main() -> None:
    """Parse the command line, draw, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the .tflite to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        pictures, run = Path(work) / "pictures", Path(work) / "shapes"
        made = Path(work) / "shapes-int8.tflite"
        draw_folder(pictures, NUM_PER_CLASS, SEED)
        edgecnn("train", pictures, "-o", run, "--arch", "tiny", "--epochs", "20", "--augment", "flip,shift")
        describe = ("--name", "shapes", "--description", "Coloured shapes on plain ground, drawn by a program.")
        edgecnn("export", run, "--int8", "-o", made, "--golden-pictures", "1", *describe)
        if made.stat().st_size > MAX_BYTES:
            raise SystemExit(f"the file has {made.stat().st_size:,} bytes, more than {MAX_BYTES:,}")
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_bytes(made.read_bytes())
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")


def edgecnn(*arguments: str | Path) -> None:
    """Run one verb, its words going where ours go."""
    subprocess.run([sys.executable, "-m", "edgecnn", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
