"""A process that looks at files for ``edgecnn.data.check.looking``; not for use by hand.

Its argument is a folder. Each line of standard input is a JSON array of paths in it, each line of standard
output the JSON array of what was seen. It ends with its input.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from edgecnn.data.check.look import look_at, many_looks


def main() -> None:
    """Answer line by line."""
    root = Path(sys.argv[1])
    # Whatever a foreign library prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with many_looks():
        for line in sys.stdin.buffer:
            looks = [look_at(root / path) for path in msgspec.json.decode(line, type=list[str])]
            answers.write(msgspec.json.encode(looks) + b"\n")
            answers.flush()


if __name__ == "__main__":
    main()
