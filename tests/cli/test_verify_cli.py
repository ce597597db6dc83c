import base64
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.modelfile.archive import append_files, split_files

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


def test_a_whole_file_is_verified(model_file: Path, run_edgecnn: RunEdgecnn) -> None:
    done = run_edgecnn("verify", model_file)
    assert done.returncode == 0
    assert "verified: " in done.stdout


def test_a_flipped_bit_in_a_weight_is_a_mismatch(model_file: Path, tmp_path: Path, run_edgecnn: RunEdgecnn) -> None:
    data = bytearray(model_file.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(data)
    done = run_edgecnn("verify", damaged)
    assert done.returncode == 3
    assert "SHA-256 differs" in done.stderr


def test_a_network_that_computes_something_else_is_a_mismatch_even_with_its_digest_in_order(
    model_file: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    model, files, _ = split_files(model_file.read_bytes())
    manifest = json.loads(files["edgecnn.json"])
    weights = bytearray(model)
    # The largest constant of the network: its weights are changed all over, its structure is not.
    for position in range(len(weights) // 2, len(weights) // 2 + 4000):
        weights[position] ^= 0x40
    manifest["model"]["sha256"] = hashlib.sha256(weights).hexdigest()
    forged = tmp_path / "forged.tflite"
    forged.write_bytes(append_files(bytes(weights), {**files, "edgecnn.json": json.dumps(manifest).encode()}))
    done = run_edgecnn("verify", forged)
    assert done.returncode == 3
    assert "do not trust this file" in done.stdout


def test_a_golden_output_that_was_changed_is_a_mismatch(
    model_file: Path, tmp_path: Path, run_edgecnn: RunEdgecnn
) -> None:
    model, files, _ = split_files(model_file.read_bytes())
    manifest = json.loads(files["edgecnn.json"])
    codes = bytearray(base64.b64decode(manifest["golden"]["vectors"][0]["output"]))
    codes[0] ^= 1
    manifest["golden"]["vectors"][0]["output"] = base64.b64encode(codes).decode()
    forged = tmp_path / "forged.tflite"
    forged.write_bytes(append_files(model, {**files, "edgecnn.json": json.dumps(manifest).encode()}))
    done = run_edgecnn("verify", forged, "--json")
    assert done.returncode == 3
    results = json.loads(done.stdout)["results"]
    assert [result["max_difference"] for result in results] == [1] + [0] * (len(results) - 1)


def test_other_kernels_are_held_to_the_stated_tolerance(model_file: Path, run_edgecnn: RunEdgecnn) -> None:
    done = run_edgecnn("verify", model_file, "--builtin-kernels", "--json")
    outcome = json.loads(done.stdout)
    assert done.returncode == 0
    assert outcome["tolerance"] > 0
    assert "builtin" in outcome["backend"]


@pytest.mark.parametrize("content", [b"", b"text, not a model", b"PK\x03\x04 a zip"])
def test_what_is_no_model_is_no_match_either(tmp_path: Path, run_edgecnn: RunEdgecnn, content: bytes) -> None:
    file = tmp_path / "file.tflite"
    file.write_bytes(content)
    done = run_edgecnn("verify", file)
    assert done.returncode == 3
    assert "not a .tflite model" in done.stderr
