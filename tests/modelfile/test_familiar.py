import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from msgspec import structs

from edgecnn.core.feature_map import fit_feature_map
from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.familiar import FAMILIAR_FILE
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.head import find_head
from edgecnn.modelfile.manifest import ConfidencePart
from edgecnn.modelfile.modelfile import pack_model_file


@pytest.fixture(scope="module")
def careful(careful_file: Path) -> ModelFile:
    return ModelFile.open(careful_file)


def confidence_of(file: ModelFile) -> ConfidencePart:
    assert file.manifest is not None
    assert file.manifest.confidence is not None
    return file.manifest.confidence


def rewritten(file: ModelFile, familiar: bytes | None, **changes: Any) -> ModelFile:
    """Open the file with another ``familiar.bin`` and a manifest that stands by it."""
    part = structs.replace(confidence_of(file), **changes)
    manifest = structs.replace(file.manifest, confidence=part)
    extra = {} if familiar is None else {FAMILIAR_FILE: familiar}
    return ModelFile.from_bytes(pack_model_file(file.model, file.labels, manifest, extra), path=Path("model.tflite"))


def with_map(file: ModelFile, familiar: bytes) -> ModelFile:
    return rewritten(file, familiar, features_sha256=hashlib.sha256(familiar).hexdigest())


def test_the_head_of_a_network_is_its_logits_and_the_features_below_them(exported: ModelFile) -> None:
    head = find_head(exported.graph)
    assert head is not None
    assert [exported.graph.tensors[index].shape for index in head] == [(1, 4), (1, 192)]
    softmax = next(operator for operator in exported.graph.operators if operator.name == "SOFTMAX")
    assert softmax.inputs == (head.logits,)


def test_a_network_that_ends_in_something_else_has_no_such_head(exported: ModelFile) -> None:
    graph = exported.graph
    for name in ("SOFTMAX", "FULLY_CONNECTED"):
        others = tuple(operator for operator in graph.operators if operator.name != name)
        cut = Graph(
            tensors=graph.tensors,
            operators=others,
            inputs=graph.inputs,
            outputs=graph.outputs,
            buffers=graph.buffers,
            metadata=graph.metadata,
            num_subgraphs=1,
        )
        assert find_head(cut) is None


def test_a_file_with_a_feature_map_is_a_plain_classifier_with_one_output(careful: ModelFile) -> None:
    assert confidence_of(careful).method == "feature_distance"
    assert {"edgecnn.json", FAMILIAR_FILE, "labels.txt"} < set(careful.files)
    assert len(schema.ModelT.InitFromPackedBuf(careful.model, 0).subgraphs[0].outputs) == 1
    assert careful.unknown_below == 0.5


def test_a_feature_map_that_is_missing_or_another_one_is_refused(careful: ModelFile) -> None:
    own = careful.files[FAMILIAR_FILE]
    for familiar in (None, b"", own[:-1], own + b"\0", own[:-1] + bytes([own[-1] ^ 1])):
        with pytest.raises(ModelIntegrityError, match=r"familiar\.bin in the file is missing or not the one"):
            rewritten(careful, familiar)


def test_a_feature_map_that_is_none_is_refused_even_with_its_digest(careful: ModelFile) -> None:
    own = careful.files[FAMILIAR_FILE]
    for familiar in (b"", b"EFM1", own[:-1], own + b"\0", own[:4] + b"\xff" * 16 + own[20:], own[:-2] + b"\0\x7e"):
        with pytest.raises(ModelIntegrityError, match="the feature map"):
            with_map(careful, familiar)


def test_a_feature_map_of_another_network_is_refused(careful: ModelFile) -> None:
    other = fit_feature_map(np.random.default_rng(0).random((10, 100))).to_bytes()
    with pytest.raises(ModelIntegrityError, match=r"familiar\.bin is about 100 features, but the network has 192"):
        with_map(careful, other)


def test_a_feature_map_that_nobody_asks_for_is_refused(careful: ModelFile) -> None:
    with pytest.raises(ModelIntegrityError, match=r"familiar\.bin is in the file, but edgecnn\.json has no use for it"):
        rewritten(careful, careful.files[FAMILIAR_FILE], method="energy", features_sha256=None)


def test_a_file_may_go_by_energy(careful: ModelFile) -> None:
    opened = rewritten(careful, None, method="energy", features_sha256=None, threshold=1.0, typical=2.0)
    assert confidence_of(opened).method == "energy"
