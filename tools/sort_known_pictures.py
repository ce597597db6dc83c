"""Sort pictures whose ImageNet class is known into one folder per class, as `edgecnn eval` takes them.

    python tools/sort_known_pictures.py tuxpaint /usr/share/tuxpaint/stamps build/stamps
    edgecnn eval imagenet-lite0 build/stamps

tools/known_pictures.tsv says which picture shows what: by the name that its collection gives it and
by a look at each, never by a network's answer. Pictures that fit no class or several were left
out, except for two tabby cats, which are near to "tiger cat" and "Egyptian cat", too. The collections:

    foolbox       pictures in the wheel foolbox 3.3.4 (MIT), under the classes in their file names
    scikit-image  pictures in the wheel scikit-image 0.26.0 (BSD)
    scikit-learn  pictures in the wheel scikit-learn 1.8.0 (BSD; the picture itself is CC BY 2.0)
    coral         test_data of https://github.com/google-coral/test_data (CC BY 2.0, one public domain)
    tuxpaint      /usr/share/tuxpaint/stamps of the Debian package tuxpaint-stamps-default (GPL-2):
                  photographs of things cut out on transparent ground
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("known_pictures.tsv")


class KnownPicture(NamedTuple):
    """One row of the table: which collection, where in it, and the class that it shows."""

    collection: str
    path: str
    label: str


def main() -> None:
    """Parse the command line and copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = read_table()
    parser.add_argument("collection", choices=sorted({picture.collection for picture in known}))
    parser.add_argument("source", type=Path, help="the folder that the collection's paths are relative to")
    parser.add_argument("dest", type=Path, help="the folder to make; it must not exist")
    arguments = parser.parse_args()
    if arguments.dest.exists():
        raise SystemExit(f"{arguments.dest} exists; remove it first, so that no old picture stays in it")
    chosen = [picture for picture in known if picture.collection == arguments.collection]
    for picture in chosen:
        target = arguments.dest / picture.label / Path(picture.path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(arguments.source / picture.path, target)
    print(f"{arguments.dest}: {len(chosen)} pictures of {len({picture.label for picture in chosen})} classes")


def read_table() -> list[KnownPicture]:
    """Return the rows of the table in their order."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    return [KnownPicture(*row) for row in rows[1:]]


if __name__ == "__main__":
    main()
