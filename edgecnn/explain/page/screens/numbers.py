"""A picture is numbers: what a network is given, and what its first step makes of it."""

from __future__ import annotations

from typing import Any

from edgecnn.explain.page.contents import Image
from edgecnn.explain.page.material import Material
from edgecnn.explain.page.screens.first_layer import describe_steps, layers_before, reading_of

CHANNELS = ("red", "green", "blue")


def gather(material: Material) -> dict[str, Any]:
    """Return the picture as numbers.

    Returns:
        ``photograph``: its size and how it became the pixels, which stand in the page's head;
        ``input``: how the file takes a number; ``steps`` and ``reads``: what the first convolution reads.
    """
    network, pixels = material.network, material.pixels
    contract, graph = network.file.contract, network.file.graph
    first, tensor = network.convolutions[0], graph.tensors[graph.inputs[0]]
    height, width = material.photograph.shape[:2]
    is_float = "float" in tensor.dtype
    return {
        "channels": [Image(name=name, pixels=pixels[:, :, index], quality=90) for index, name in enumerate(CHANNELS)],
        "num_values": pixels.size,
        "photograph": {
            "width": width,
            "height": height,
            "aspect": contract.aspect,
            "crop_fraction": contract.crop_fraction,
            "is_as_in_training": network.file.manifest is not None,
        },
        "input": {
            "dtype": tensor.dtype,
            "scale": tensor.scales[0] if tensor.scales and not is_float else None,
            "zero_point": (tensor.zero_points or (0,))[0],
            "mean": contract.mean if is_float else None,
            "std": contract.std if is_float else None,
        },
        "layer": first.name,
        "steps": describe_steps(layers_before(network, first)),
        "reads": reading_of(network),
    }
