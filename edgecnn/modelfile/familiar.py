"""``familiar.bin``: what a model file measures the strangeness of a picture with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgecnn.core.feature_map import FeatureMap
from edgecnn.errors import ModelIntegrityError
from edgecnn.modelfile.graph import Graph
from edgecnn.modelfile.head import find_head

if TYPE_CHECKING:
    from edgecnn.modelfile.manifest import ConfidencePart

FAMILIAR_FILE = "familiar.bin"


def check_familiarity(confidence: ConfidencePart | None, graph: Graph, files: Mapping[str, bytes]) -> None:
    """Raise ModelIntegrityError unless a file has, undamaged, what its method for strange pictures needs.

    A network of which a compiler has hidden the end needs less: there the best score decides.
    """
    if confidence is None or confidence.features_sha256 is None:
        if FAMILIAR_FILE in files:
            raise ModelIntegrityError(f"{FAMILIAR_FILE} is in the file, but edgecnn.json has no use for it")
        if confidence is not None and confidence.method == "energy":
            _check_head(graph, None)
        return
    data = files.get(FAMILIAR_FILE)
    if data is None or hashlib.sha256(data).hexdigest() != confidence.features_sha256:
        raise ModelIntegrityError(
            f"{FAMILIAR_FILE} in the file is missing or not the one that was exported; export the file again"
        )
    _check_head(graph, FeatureMap.from_bytes(data).num_features)


def _check_head(graph: Graph, num_features: int | None) -> None:
    head = find_head(graph)
    if head is None:
        if any(operator.name.startswith("CUSTOM") for operator in graph.operators):
            return
        raise ModelIntegrityError(
            "edgecnn.json goes by what a dense layer and softmax do, but the network ends otherwise"
        )
    found = graph.tensors[head.features].shape[1]
    if num_features is not None and found != num_features:
        raise ModelIntegrityError(f"{FAMILIAR_FILE} is about {num_features} features, but the network has {found}")
