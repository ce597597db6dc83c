import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecnn.core.feature_map import MAX_POINTS, FeatureMap, fit_feature_map
from edgecnn.errors import EdgecnnError, ModelIntegrityError

RANDOM = np.random.default_rng(0)
# Two kinds of pictures: each lights up features of its own, more or less.
FEATURES = np.concatenate(
    [
        np.abs(RANDOM.normal([5.0] * 4 + [0.0] * 36, 0.3, (60, 40))),
        np.abs(RANDOM.normal([0.0] * 20 + [5.0] * 4 + [0.0] * 16, 0.3, (60, 40))),
    ]
)
MAP = fit_feature_map(FEATURES)


def distance_by_definition(features: np.ndarray, picture: np.ndarray, num_axes: int, neighbour: int) -> float:
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    centred, own = units - units.mean(axis=0), picture / np.linalg.norm(picture) - units.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:num_axes]
    in_plane = np.sort(np.linalg.norm(centred @ axes.T - axes @ own, axis=1))[neighbour - 1]
    from_plane = np.linalg.norm(own - axes.T @ (axes @ own))
    return math.hypot(in_plane, from_plane)


@pytest.mark.parametrize(("num_axes", "neighbour"), [(16, 3), (1, 1), (5, 7)])
def test_the_distance_is_the_one_of_the_definition(num_axes: int, neighbour: int) -> None:
    found = fit_feature_map(FEATURES, num_axes=num_axes, neighbour=neighbour)
    for picture in (FEATURES[0], FEATURES[100], FEATURES[::-1].mean(axis=0), RANDOM.random(40)):
        expected = distance_by_definition(FEATURES, picture, num_axes, neighbour)
        assert found.distance(picture) == pytest.approx(expected, abs=3e-3)


def test_wide_and_narrow_features_are_measured_alike() -> None:
    wide = np.abs(RANDOM.normal(1.0, 0.5, (12, 300)))
    found = fit_feature_map(wide, num_axes=4)
    assert found.distance(wide[0]) == pytest.approx(distance_by_definition(wide, wide[0], 4, 3), abs=3e-3)


def test_what_lights_up_other_features_is_far_away_and_more_contrast_is_nothing_new() -> None:
    familiar = np.abs(RANDOM.normal([5.0] * 4 + [0.0] * 36, 0.3))
    strange = np.abs(RANDOM.normal([0.0] * 36 + [5.0] * 4, 0.3))
    assert MAP.distance(strange) > 2 * MAP.distance(familiar)
    assert MAP.distance(3.0 * familiar) == pytest.approx(MAP.distance(familiar), abs=1e-5)


def test_a_map_comes_back_from_its_bytes_as_it_was_fitted() -> None:
    read = FeatureMap.from_bytes(MAP.to_bytes())
    assert read.to_bytes() == MAP.to_bytes()
    assert read.num_features == MAP.num_features == 40
    assert [read.distance(row) for row in FEATURES] == [MAP.distance(row) for row in FEATURES]


def test_a_map_of_a_thousand_pictures_and_1280_features_has_76_kilobytes() -> None:
    data = fit_feature_map(RANDOM.random((100, 1280))).to_bytes()
    assert len(data) + 2 * 900 * 16 == 20 + 2 * (1280 + 16 * 1280 + 1000 * 16) == 75_540
    assert len(fit_feature_map(RANDOM.random((20, 16384))).to_bytes()) < 100_000


@pytest.mark.parametrize("features", [np.ones((1, 5)), np.ones((7, 5)), np.zeros((7, 5)), np.eye(3), np.ones((4, 1))])
def test_few_equal_or_dark_pictures_make_a_map_too(features: np.ndarray) -> None:
    read = FeatureMap.from_bytes(fit_feature_map(features).to_bytes())
    assert read.distance(features[0]) <= 2.0
    assert read.distance(features[0]) <= read.distance(-np.arange(1.0, features.shape[1] + 1)) + 1e-3


def test_no_pictures_and_too_many_features_are_refused() -> None:
    for shape in ((0, 5), (1, 0), (1, 20000)):
        with pytest.raises(ValueError, match="a feature map needs pictures with 1 to 16384 features"):
            fit_feature_map(np.zeros(shape))


def test_more_pictures_than_a_map_holds_are_left_out() -> None:
    many = RANDOM.random((MAX_POINTS + 5, 3))
    assert fit_feature_map(many).to_bytes() == fit_feature_map(many[:MAX_POINTS]).to_bytes()


@given(arrays(np.float32, 40, elements=st.floats(width=32)))
def test_any_features_have_a_distance_and_those_that_are_no_numbers_are_infinitely_far(features: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        distance = MAP.distance(features)
    assert distance >= 0.0
    if not np.isfinite(features).all():
        assert distance == math.inf


@given(arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(-1e3, 1e3)))
def test_any_map_comes_back_from_its_bytes(features: np.ndarray) -> None:
    data = fit_feature_map(features).to_bytes()
    assert FeatureMap.from_bytes(data).to_bytes() == data


DATA = MAP.to_bytes()


def with_header(**changes: int) -> bytes:
    values = dict(zip(("features", "axes", "points", "neighbour"), struct.unpack_from("<4I", DATA, 4), strict=True))
    return b"EFM1" + struct.pack("<4I", *(values | changes).values()) + DATA[20:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:19],
        DATA[:-1],
        DATA + b"\0",
        b"EFM2" + DATA[4:],
        with_header(features=41),
        with_header(features=0),
        with_header(features=0xFFFFFFFF),
        with_header(axes=17),
        with_header(axes=0xFFFFFFFF),
        with_header(points=0),
        with_header(points=0xFFFFFFFF),
        with_header(neighbour=0),
        with_header(neighbour=121),
        DATA[:-2] + np.float16("nan").tobytes(),
        DATA[:-2] + np.float16("-inf").tobytes(),
        DATA[:-2] + np.float16(2.5).tobytes(),
        DATA[:-2] + np.float16(-3).tobytes(),
    ],
    ids=range(18),
)
def test_bytes_that_are_no_map_are_refused(data: bytes) -> None:
    with pytest.raises(ModelIntegrityError, match="the feature map"):
        FeatureMap.from_bytes(data)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_a_map_or_an_error_of_edgecnn(data: bytes, marked: bool) -> None:
    try:
        read = FeatureMap.from_bytes(b"EFM1" + data if marked else data)
    except EdgecnnError:
        return
    assert read.distance(np.ones(read.num_features, np.float32)) >= 0.0
