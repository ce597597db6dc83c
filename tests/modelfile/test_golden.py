import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core.synthetic import synthetic_picture
from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import append_files
from edgecnn.modelfile.golden import choose_seeds, compare, record
from edgecnn.runtime.interpreter import Interpreter
from edgecnn.runtime.verification import verify


def with_golden(exported: ModelFile, change: Callable[[dict[str, Any]], None]) -> ModelFile:
    """Return the export with another golden part in its manifest."""
    manifest = json.loads(exported.files["edgecnn.json"])
    change(manifest["golden"])
    files = {**exported.files, "edgecnn.json": json.dumps(manifest).encode()}
    return ModelFile.from_bytes(append_files(exported.model, files), path=exported.path)


def test_an_export_repeats_its_golden_vectors_byte_for_byte(exported: ModelFile) -> None:
    outcome = verify(exported)
    assert outcome.passed
    assert [result.max_difference for result in outcome.results] == [0] * 9
    assert [result.name for result in outcome.results][-1] == "golden/0.png"
    assert all(result.name.startswith("seed ") for result in outcome.results[:8])


def test_other_kernels_stay_within_the_tolerance_that_was_measured(exported: ModelFile) -> None:
    outcome = verify(exported, use_xnnpack=False)
    assert exported.manifest is not None
    assert outcome.tolerance == exported.manifest.golden.tolerance_codes
    assert "builtin kernels" in outcome.backend
    assert outcome.passed


def test_an_output_that_came_out_differently_is_noticed_and_described(exported: ModelFile) -> None:
    def change(golden: dict[str, Any]) -> None:
        codes = np.frombuffer(base64.b64decode(golden["vectors"][0]["output"]), np.uint8).astype(int)
        codes[codes.argmax()] -= 200
        golden["vectors"][0]["output"] = base64.b64encode(np.clip(codes, 0, 255).astype(np.uint8)).decode()

    first, *others = verify(with_golden(exported, change)).results
    assert first.max_difference > 0
    assert first.num_different == 1
    assert all(result.max_difference == 0 for result in others)
    assert not verify(with_golden(exported, change)).passed


def test_a_golden_output_of_another_length_is_refused(exported: ModelFile) -> None:
    def change(golden: dict[str, Any]) -> None:
        golden["vectors"][0]["output"] = base64.b64encode(bytes(5)).decode()

    with pytest.raises(ModelIntegrityError, match="a golden output has 5 bytes, but the model gives 4"):
        verify(with_golden(exported, change))


def test_golden_pictures_of_an_unknown_family_are_refused(exported: ModelFile) -> None:
    def change(golden: dict[str, Any]) -> None:
        golden["generator"] = "waves-2"

    with pytest.raises(ModelIntegrityError, match="of the unknown family 'waves-2'"):
        verify(with_golden(exported, change))


def test_a_golden_picture_that_is_missing_is_named(exported: ModelFile) -> None:
    def change(golden: dict[str, Any]) -> None:
        golden["vectors"][-1]["picture"] = "golden/7.png"

    with pytest.raises(ModelIntegrityError, match=r"the golden picture golden/7\.png is missing in the file"):
        verify(with_golden(exported, change))


def test_a_foreign_file_has_nothing_to_verify(foreign_file: Path, labels_file: Path) -> None:
    with pytest.raises(ModelIntegrityError, match="has no golden vectors: it was not exported by edgecnn"):
        verify(ModelFile.open(foreign_file, labels_path=labels_file))


def test_a_vector_that_is_recorded_compares_equal_with_itself(exported: ModelFile) -> None:
    codes = np.array([1, 2, 250, 3], np.uint8)
    result = compare(exported, record(codes, seed=3), codes)
    assert (result.name, result.max_difference, result.num_different, result.same_top) == ("seed 3", 0, 0, True)
    other = np.array([251, 2, 250, 3], np.uint8)
    result = compare(exported, record(codes, picture="golden/1.png"), other)
    assert (result.name, result.max_difference, result.num_different, result.same_top) == (
        "golden/1.png",
        250,
        1,
        False,
    )


def test_the_seeds_chosen_are_those_with_the_richest_outputs(exported: ModelFile) -> None:
    interpreter = Interpreter(exported, num_threads=1)
    chosen = choose_seeds(interpreter.invoke, 96, 96)
    richness = {seed: len(set(interpreter.invoke(synthetic_picture(seed, 96, 96)).tolist())) for seed in range(48)}
    assert len(set(chosen)) == 8
    assert min(richness[seed] for seed in chosen) >= max(richness[seed] for seed in set(range(48)) - set(chosen))
