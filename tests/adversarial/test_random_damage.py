"""Damage that nobody thought of."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import EdgecnnError
from edgecnn.modelfile import ModelFile

LABELS = ("a", "b", "c", "d")


def fuzz(repository: Path, network: Path, *options: str) -> dict[str, Any]:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork, so a crash would end the tests")
    script = repository / "tools" / "fuzz_model_files.py"
    done = subprocess.run(
        [sys.executable, script, network, "--count", "100000", *options],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def test_networks_that_are_wrong_in_random_ways_never_end_the_process(repository: Path, model_file: Path) -> None:
    counts = fuzz(repository, model_file, "--seed", "1", "--seconds", "6")
    assert counts["unsafe"] == []
    assert counts["refused"] > 0


@pytest.mark.slow
def test_most_of_a_minute_of_damage_finds_nothing_that_ends_the_process(repository: Path, model_file: Path) -> None:
    counts = fuzz(repository, model_file, "--seed", str(random.randrange(1 << 30)), "--seconds", "45")
    assert counts["unsafe"] == []
    assert counts["mutants"] > 100


@pytest.mark.parametrize("num_bytes", [1, 4, 32])
def test_random_bytes_in_a_network_never_end_in_a_foreign_error(bare_model: bytes, num_bytes: int) -> None:
    rng = random.Random(num_bytes)
    # Tables lie at both ends of the file, weights in the middle.
    places = [*range(3000), *range(len(bare_model) - 9000, len(bare_model))]
    refused = 0
    for _ in range(300):
        damaged = bytearray(bare_model)
        for _ in range(num_bytes):
            damaged[rng.choice(places)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        try:
            ModelFile.from_bytes(bytes(damaged), path=Path("model.tflite"), labels=LABELS)
        except EdgecnnError:
            refused += 1
    assert refused > 0


def test_a_network_cut_short_anywhere_never_ends_in_a_foreign_error(bare_model: bytes) -> None:
    for end in range(8, len(bare_model), len(bare_model) // 300):
        with pytest.raises(EdgecnnError):
            ModelFile.from_bytes(bare_model[:end], path=Path("model.tflite"), labels=LABELS)
