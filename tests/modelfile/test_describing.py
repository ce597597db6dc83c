import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgecnn.errors import ModelFileError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import append_files
from edgecnn.modelfile.manifest import ConfidencePart, EdgeTpuPart, RecipePart, TriedPart
from edgecnn.modelfile.manifest_rows import manifest_rows
from edgecnn.modelfile.summary import format_summary, summarize
from edgecnn.runtime.find_model import find_model, published_models

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


def test_the_summary_is_plain_data(exported: ModelFile) -> None:
    summary = json.loads(json.dumps(summarize(exported)))
    assert summary["labels"] == ["Kreis ○", "square", "star", "triangle"]
    assert summary["contract"] == {
        "width": 96,
        "height": 96,
        "aspect": "squash",
        "crop_fraction": 1.0,
        "mean": 128.0,
        "std": 128.0,
    }
    assert summary["input"]["quantization"] == {"scale": 0.0078125, "zero_point": 128}
    assert summary["operator_counts"]["CONV_2D"] == 4
    assert len(summary["operators"]) == sum(summary["operator_counts"].values())
    assert summary["associated_files"]["labels.txt"] == len("Kreis ○\nsquare\nstar\ntriangle\n".encode())
    assert summary["manifest"]["name"] == "shapes"
    assert summary["num_weights"] > 200_000


def test_the_summary_for_people_has_what_they_ask_for(exported: ModelFile) -> None:
    text = format_summary(exported)
    for part in ("4: Kreis ○, square", "uint8 1 x 96 x 96 x 3", "scale 0.0078125", "stretched to 96 x 96", "sha256"):
        assert part in text


def test_the_newer_parts_of_a_manifest_are_shown(exported: ModelFile) -> None:
    assert exported.manifest is not None
    manifest = msgspec.structs.replace(
        exported.manifest,
        schema=3,
        recipe=RecipePart(
            kind="int8",
            quantizer="by hand",
            rung="percentile",
            settings={"percentile": 99.9, "layers": ("conv1", "conv2")},
            tried=(TriedPart(rung="minmax", top1=0.9, agreement=0.91, drop_points=5.25),),
        ),
        confidence=ConfidencePart(
            method="energy",
            unknown_below=0.5,
            kept=0.95,
            split="val",
            num=36,
            temperature=1.5,
            ece_before=0.08,
            ece_after=0.02,
            threshold=1.0,
            typical=2.0,
            score_below=0.4,
            auroc={"energy": 0.97},
            against="shapes of no class",
        ),
        target="edgetpu",
        edgetpu=EdgeTpuPart(
            status="checked",
            compiler="",
            mapped=12,
            operators=13,
            subgraphs=1,
            cached_bytes=1 << 20,
            streamed_bytes=512,
        ),
    )
    text = "\n".join(f"{title}: {line}" for title, line in manifest_rows(manifest))
    for part in (
        "recipe: int8, by hand, percentile",
        "settings: percentile 99.9, layers conv1, conv2",
        "tried: minmax: 90.0%, drop 5.25, agreement 91.0%",
        "made for: edgetpu",
        "edge tpu: checked, NOT compiled; predicted: 12 of 13 operators mapped, 1 subgraph(s), 1,024.0 KiB cached",
        "unknown: below a familiarity (by energy) of 0.500, which 95.0% of 36 val pictures reach",
        "auroc: energy 0.970 against shapes of no class",
        "temperature: 1.5; expected calibration error 0.080 before, 0.020 after",
    ):
        assert part in text
    compiled = msgspec.structs.replace(manifest.edgetpu, status="compiled", compiler="edgetpu_compiler 16")
    rows = dict(manifest_rows(msgspec.structs.replace(manifest, edgetpu=compiled)))
    assert rows["edge tpu"].startswith("compiled by edgetpu_compiler 16: 12 of 13")
    assert rows["unknown"] == "below a score of 0.400; a compiled file shows nothing but its scores"
    assert rows["accuracy"].startswith("100.0% by the plain int8 file on 36 val pictures")


def test_inspect_prints_the_summary(run_edgecnn: RunEdgecnn, model_file: Path, exported: ModelFile) -> None:
    done = run_edgecnn("inspect", model_file, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == json.loads(json.dumps(summarize(exported)))
    assert "Kreis ○" in run_edgecnn("inspect", model_file).stdout


def test_inspect_of_a_foreign_file_says_that_there_is_no_manifest(
    run_edgecnn: RunEdgecnn, foreign_file: Path, labels_file: Path
) -> None:
    assert run_edgecnn("inspect", foreign_file).returncode == 1
    done = run_edgecnn("inspect", foreign_file, "--labels", labels_file)
    assert done.returncode == 0
    assert "none: the file was not exported by edgecnn" in done.stdout


def test_verify_passes_for_an_export(run_edgecnn: RunEdgecnn, model_file: Path) -> None:
    done = run_edgecnn("verify", model_file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "verified: 9 golden vectors, largest difference 0 codes" in done.stdout
    outcome = json.loads(run_edgecnn("verify", model_file, "--json").stdout)
    assert (outcome["passed"], len(outcome["results"])) == (True, 9)


def test_a_damaged_file_ends_in_one_sentence(run_edgecnn: RunEdgecnn, model_file: Path, tmp_path: Path) -> None:
    damaged = bytearray(model_file.read_bytes())
    damaged[100_000] ^= 1
    (tmp_path / "damaged.tflite").write_bytes(damaged)
    # For inspect that is an error; for verify it is the answer to what it was asked.
    for verb, code, start in (("inspect", 1, "error: "), ("verify", 3, "MISMATCH: ")):
        done = run_edgecnn(verb, tmp_path / "damaged.tflite")
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith(start)
        assert "its SHA-256 differs" in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_file_of_a_newer_edgecnn_ends_in_exit_code_5(
    run_edgecnn: RunEdgecnn, exported: ModelFile, tmp_path: Path
) -> None:
    newer = exported.files["edgecnn.json"].replace(b'"schema": 1', b'"schema": 99')
    (tmp_path / "newer.tflite").write_bytes(append_files(exported.model, {**exported.files, "edgecnn.json": newer}))
    done = run_edgecnn("inspect", tmp_path / "newer.tflite")
    assert done.returncode == 5
    assert "pip install --upgrade edgecnn" in done.stderr


def test_a_model_compiled_for_the_edge_tpu_ends_in_exit_code_5(run_edgecnn: RunEdgecnn, shared_data: Path) -> None:
    path = shared_data / "models" / "coral" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    done = run_edgecnn("verify", path)
    assert done.returncode == 5
    assert "Edge TPU" in done.stderr
    described = run_edgecnn("inspect", path)
    assert described.returncode == 0
    assert "runtime 12 or newer: 553.6 KiB of parameters cached, 0.0 KiB streamed" in described.stdout


def test_a_path_is_a_path_and_a_bare_name_is_a_published_model(tmp_path: Path) -> None:
    assert find_model("some/where.tflite") == Path("some/where.tflite")
    assert find_model("where.tflite") == Path("where.tflite")
    with pytest.raises(ModelFileError, match="no file 'no-such-model' here and no published model of that name"):
        find_model("no-such-model")
    for name, path in published_models().items():
        assert find_model(name) == path


def test_without_a_name_the_newest_export_in_the_folder_is_meant(model_file: Path, tmp_path: Path) -> None:
    for age, name in enumerate(("new.tflite", "middle.tflite", "old.tflite")):
        (tmp_path / name).write_bytes(model_file.read_bytes())
        os.utime(tmp_path / name, ns=(10**18 - age * 10**9,) * 2)
    (tmp_path / "foreign.tflite").write_bytes(b"whatever")
    assert find_model(None, tmp_path) == tmp_path / "new.tflite"
