"""Features of pictures: by a network that knows ImageNet and has seen none of them, and by the trained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress
from edgecnn.data import PixelSet
from edgecnn.imaging import resize
from edgecnn.train.report.material import Known

MAX_PICTURES = 20_000
_BATCH = 32
Describe = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def describe_pictures(
    pictures: Mapping[str, PixelSet],
    contract: InputContract,
    progress: Progress,
    *,
    given: NDArray[np.float32] | None = None,
    own_network: Any = None,
) -> Known | None:
    """Return the training and validation pictures with their features; None unless there are some of both.

    Of more than 20,000 pictures every second one is taken, or every third, and so on.

    Args:
        pictures: by split; ``test`` is not looked at.
        contract: their size.
        progress: told of every batch.
        given: the features of all of them, training pictures first, where training computed them anyway.
        own_network: a ``keras.Model`` that was trained from scratch, for features of its own.
    """
    parts = [pictures[split] for split in ("train", "val") if split in pictures and len(pictures[split])]
    if len(parts) < 2:
        return None
    num_train, num = len(parts[0]), sum(map(len, parts))
    # Files are sorted by class, so that all classes keep their share.
    chosen = np.arange(0, num, -(-num // MAX_PICTURES))
    train = chosen < num_train
    pixels = [parts[0].pixels[chosen[train]], parts[1].pixels[chosen[~train] - num_train]]

    def describe(name: str, one: Describe) -> NDArray[np.float32]:
        with progress.task(f"computing {name} for the report", len(chosen)) as task:
            found = []
            for part in pixels:
                for start in range(0, len(part), _BATCH):
                    found.append(one(part[start : start + _BATCH]))
                    task.advance(len(found[-1]))
        return np.concatenate(found)

    return Known(
        features=given[chosen] if given is not None and len(given) == num else describe("features", _frozen(contract)),
        num_train=int(train.sum()),
        rows=tuple(("train", int(row)) if row < num_train else ("val", int(row) - num_train) for row in chosen),
        label_indices=np.concatenate([part.label_indices for part in parts])[chosen],
        num_left_out=num - len(chosen),
        own_features=describe("its own features", _own(own_network)) if _has_pooling(own_network) else None,
    )


def _frozen(contract: InputContract) -> Describe:
    """Return EfficientNet-Lite0 with its ImageNet weights, from pixels (N, h, w, 3) to pooled features (N, 1280)."""
    from edgecnn.train.backend import keras
    from edgecnn.train.keras_model import compile_forward
    from edgecnn.train.lite0_network import INPUT_MEAN, INPUT_STD, build_lite0_backbone

    side = contract.width
    backbone = build_lite0_backbone(side)
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    forward = compile_forward(keras.Model(backbone.input, pooled))

    def describe(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        square = pixels if pixels.shape[1] == side else np.stack([resize(one, (side, side)) for one in pixels])
        return np.asarray(forward((square.astype(np.float32) - INPUT_MEAN) / INPUT_STD))

    return describe


def _has_pooling(network: Any) -> bool:
    from edgecnn.train.networks import POOLING_LAYER

    return network is not None and any(layer.name == POOLING_LAYER for layer in network.layers)


def _own(network: Any) -> Describe:
    """Return a trained network up to its pooling layer."""
    from edgecnn.train.backend import keras
    from edgecnn.train.keras_model import compile_forward
    from edgecnn.train.networks import POOLING_LAYER

    forward = compile_forward(keras.Model(network.input, network.get_layer(POOLING_LAYER).output))
    return lambda pixels: np.asarray(forward(pixels))
