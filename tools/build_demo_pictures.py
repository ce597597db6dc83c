"""Choose the pictures of demo/pictures out of a TrashNet folder that is split already.

    python tools/build_demo_pictures.py TRASHNET demo/pictures

TRASHNET holds train, val and test with one folder per class. Every picture stays in its split
and is copied byte for byte. Which ones are taken depends on nothing but the seed and their paths,
so a smaller number per class is a part of a larger one.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

from edgecnn.data import SPLIT_NAMES, ImageFolder, Picture

NUM_PER_CLASS = {"train": 50, "val": 18, "test": 12}
MAX_BYTES = 8_000_000


def main() -> None:
    """Parse the command line, choose, copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the folder to choose from")
    parser.add_argument("dest", type=Path, help="the folder to make; it must not exist")
    parser.add_argument("--seed", default="edgecnn", help="any text; another text chooses other pictures")
    arguments = parser.parse_args()
    if arguments.dest.exists():
        raise SystemExit(f"{arguments.dest} exists; remove it first, so that no old picture stays in it")
    chosen = choose(ImageFolder.scan(arguments.source), arguments.seed)
    num_bytes = sum((arguments.source / picture.path).stat().st_size for picture in chosen)
    if num_bytes > MAX_BYTES:
        raise SystemExit(
            f"{len(chosen)} pictures have {num_bytes:,} bytes, more than {MAX_BYTES:,}; take fewer of them"
        )
    for picture in chosen:
        target = arguments.dest / picture.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(arguments.source / picture.path, target)
    print(f"{arguments.dest}: {len(chosen)} pictures, {num_bytes:,} bytes")


def choose(folder: ImageFolder, seed: str) -> list[Picture]:
    """Return NUM_PER_CLASS pictures of every class and split, or all where there are fewer."""

    def draw(picture: Picture) -> bytes:
        return hashlib.sha256(f"{seed}/{picture.path}".encode()).digest()

    chosen: list[Picture] = []
    for split in SPLIT_NAMES:
        for index in range(len(folder.labels)):
            candidates = [picture for picture in folder.select(split) if picture.label_index == index]
            chosen += sorted(candidates, key=draw)[: NUM_PER_CLASS[split]]
    return sorted(chosen)


if __name__ == "__main__":
    main()
