from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_network import SmallNetwork

from edgecnn.explain import Box, Network, receptive_field
from edgecnn.modelfile import ModelFile

SIDE = 21


def ones(*shape: int) -> Any:
    return np.full(shape, 1 / np.prod(shape))


def build(steps: list[tuple[str, Any]], hw: tuple[int, int] = (SIDE, SIDE)) -> Network:
    """A chain of layers whose sums all depend on everything under their windows; branches join again at once."""
    small = SmallNetwork(*hw)
    at = small.conv(0, ones(2, 1, 1, 3))
    for kind, options in steps:
        channels = small.shapes[at][3]
        if kind == "conv":
            at = small.conv(at, ones(2, *options["taps"], channels), **_moves(options))
        elif kind == "depthwise":
            at = small.depthwise(at, ones(1, *options["taps"], channels), **_moves(options))
        elif kind == "average":
            at = small.pool(at, options["taps"], kind="AVERAGE", **_moves(options))
        elif kind == "pad":
            at = small.pad(at, *options)
        else:
            branch = small.conv(at, ones(channels, *options["taps"], channels), padding="same")
            at = small.add(at, branch) if kind == "add" else small.concatenate(branch, at)
    return small.network(small.mean(at))


def _moves(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "taps"}


def seen(network: Network, layer: Any) -> Any:
    """Which pixels change which cells, found by changing each row and column: bool (pixels, cells), for both."""
    contract = network.file.contract
    base = np.full((contract.height, contract.width, 3), 90, np.uint8)
    before = network.look(base).values(layer)
    found = []
    for axis, side in ((0, contract.height), (1, contract.width)):
        changes = []
        for index in range(side):
            pixels = base.copy()
            pixels[(slice(None),) * axis + (index,)] = 250
            changed = (np.abs(network.look(pixels).values(layer) - before) > 1e-6).any(axis=2)
            changes.append(changed.any(axis=1 - axis))
        found.append(np.array(changes))
    return found


def check_by_changing_pixels(network: Network) -> None:
    layer = network.layers[-2]
    field = receptive_field(network, layer)
    for axis, reached in enumerate(seen(network, layer)):
        for cell in range(reached.shape[1]):
            (pixels,) = np.nonzero(reached[:, cell])
            first, last = (field.rows, field.columns)[axis][cell]
            if len(pixels):
                assert (first, last) == (pixels[0], pixels[-1]), (axis, cell)
            else:  # the window lies wholly in the padding
                assert first > last, (axis, cell)


def test_two_filters_of_three_see_five_pixels() -> None:
    network = build([("conv", {"taps": (3, 3)}), ("conv", {"taps": (3, 3)})])
    field = receptive_field(network, network.layers[2])
    assert (field.size_hw, field.stride_hw, field.start_hw) == ((5, 5), (1, 1), (0, 0))
    assert field.box(2, 4) == Box(2, 4, 7, 9)
    check_by_changing_pixels(network)


def test_a_pooling_doubles_what_the_next_filter_sees() -> None:
    steps = [("average", {"taps": (2, 2), "stride": (2, 2)}), ("conv", {"taps": (3, 3), "padding": "same"})]
    network = build(steps)
    field = receptive_field(network, network.layers[-2])
    assert (field.size_hw, field.stride_hw, field.start_hw) == ((6, 6), (2, 2), (-2, -2))
    assert field.box(0, 0) == Box(0, 0, 4, 4)
    check_by_changing_pixels(network)


def test_a_branch_sees_as_much_as_its_widest_side() -> None:
    network = build([("conv", {"taps": (3, 1)}), ("add", {"taps": (5, 3)})])
    assert receptive_field(network, network.layers[-2]).size_hw == (7, 3)
    check_by_changing_pixels(network)


@st.composite
def chains(draw: Any) -> list[tuple[str, Any]]:
    steps: list[tuple[str, Any]] = []
    for kind in draw(st.lists(st.sampled_from(["conv", "depthwise", "average", "pad", "add", "concat"]), max_size=4)):
        taps = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        if kind == "pad":
            steps.append((kind, draw(st.tuples(*[st.integers(0, 2)] * 4))))
            continue
        options: dict[str, Any] = {"taps": taps}
        if kind in ("conv", "depthwise", "average"):
            options["padding"] = draw(st.sampled_from(["same", "valid"]))
            dilated = kind != "average" and draw(st.booleans())
            options["dilation" if dilated else "stride"] = (
                (2, 2) if dilated else draw(st.tuples(*[st.integers(1, 2)] * 2))
            )
        steps.append((kind, options))
    return steps


def test_a_cell_that_sees_only_padding_has_an_empty_field() -> None:
    network = build([("pad", (1, 0, 0, 0))])
    field = receptive_field(network, network.layers[-2])
    assert (field.box(0, 3), field.box(1, 3)) == (Box(0, 0, 0, 0), Box(0, 3, 1, 4))


@settings(max_examples=30)
@given(chains())
def test_changing_a_pixel_changes_the_cells_whose_field_begins_or_ends_there(steps: list[tuple[str, Any]]) -> None:
    check_by_changing_pixels(build(steps))


def test_after_a_global_average_everything_is_seen(exported: ModelFile) -> None:
    network = Network(exported)
    field = receptive_field(network, "avg_pool")
    assert field.size_hw == (None, None)
    assert field.box(0, 0) == Box(0, 0, 96, 96)


def test_the_last_filters_of_an_export_see_38_pixels_every_8(exported: ModelFile) -> None:
    # Four convolutions of 3 with poolings of 2 between: 3, then 4 + 4, 10 + 8, 22 + 16.
    field = receptive_field(Network(exported), "conv4")
    assert (field.size_hw, field.stride_hw, field.start_hw) == ((38, 38), (8, 8), (-15, -15))


def test_multiplying_by_a_summary_of_the_picture_shows_all_of_it_to_every_cell() -> None:
    small = SmallNetwork(8, 8)
    maps = small.conv(0, ones(2, 3, 3, 3))
    summary = small.pool(maps, (6, 6), kind="AVERAGE")
    network = small.network(small.mean(small.multiply(maps, summary)))
    field = receptive_field(network, network.layers[-2])
    assert field.size_hw == (None, None)
    assert field.box(3, 3) == Box(0, 0, 8, 8)
