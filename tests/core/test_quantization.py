import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgecnn.core.contract import InputContract
from edgecnn.core.quantization import QuantParams, dequantize, quantize

DTYPES = ("uint8", "int8", "int16")


@st.composite
def params(draw: st.DrawFn) -> QuantParams:
    dtype = draw(st.sampled_from(DTYPES))
    info = np.iinfo(dtype)
    scale = draw(st.floats(1e-6, 1e3))
    return QuantParams(scale=scale, zero_point=draw(st.integers(int(info.min), int(info.max))), dtype=dtype)


@given(params(), st.data())
def test_a_value_in_range_comes_back_within_half_a_step(given_params: QuantParams, data: st.DataObject) -> None:
    info = np.iinfo(given_params.dtype)
    low = given_params.scale * (int(info.min) - given_params.zero_point)
    high = given_params.scale * (int(info.max) - given_params.zero_point)
    real = data.draw(arrays(np.float64, 16, elements=st.floats(low, high)))
    back = dequantize(quantize(real, given_params), given_params)
    # float32 holds 24 bits: the rounding of the result itself comes on top of the half step.
    allowed = given_params.scale * 0.5 + np.abs(real) * 2.0**-23
    assert (np.abs(back - real) <= allowed * (1 + 1e-9)).all()


@given(params(), st.floats(allow_nan=False, min_value=-1e300, max_value=1e300))
def test_a_value_out_of_range_saturates_and_never_wraps(given_params: QuantParams, value: float) -> None:
    info = np.iinfo(given_params.dtype)
    low = given_params.scale * (int(info.min) - given_params.zero_point)
    high = given_params.scale * (int(info.max) - given_params.zero_point)
    code = int(quantize(np.array([value]), given_params)[0])
    if value <= low:
        assert code == info.min
    elif value >= high:
        assert code == info.max


@given(params())
def test_every_code_comes_back_as_itself(given_params: QuantParams) -> None:
    info = np.iinfo(given_params.dtype)
    codes = np.arange(info.min, int(info.max) + 1).astype(given_params.dtype)
    back = quantize(dequantize(codes, given_params), given_params)
    assert back.dtype == codes.dtype
    np.testing.assert_array_equal(back, codes)


@pytest.mark.parametrize(("mean", "std"), [(128.0, 128.0), (127.0, 128.0), (0.0, 255.0), (127.0, 127.5), (255.0, 1.0)])
def test_every_pixel_is_its_own_code_under_the_contract(mean: float, std: float) -> None:
    contract = InputContract(width=8, height=8, mean=mean, std=std)
    pixels = np.arange(256)
    seen_by_the_network = (pixels - contract.mean) / contract.std
    np.testing.assert_array_equal(quantize(seen_by_the_network, contract.pixel_quantization), pixels)


def test_a_halfway_value_goes_to_the_even_code() -> None:
    halves = QuantParams(scale=1.0, zero_point=0, dtype="int8")
    assert quantize(np.array([0.5, 1.5, 2.5, -0.5, -1.5]), halves).tolist() == [0, 2, 2, 0, -2]


def test_quantizing_rounds_where_truncation_would_be_wrong() -> None:
    params_of_255 = QuantParams(scale=1 / 255, zero_point=-128, dtype="int8")
    pixels = np.arange(256)
    assert quantize(pixels / 255.0, params_of_255).tolist() == (pixels - 128).tolist()


def test_dequantizing_unsigned_codes_does_not_wrap_below_the_zero_point() -> None:
    unsigned = QuantParams(scale=0.5, zero_point=200, dtype="uint8")
    assert dequantize(np.array([0, 199, 200, 255], np.uint8), unsigned).tolist() == [-100.0, -0.5, 0.0, 27.5]


def test_shapes_and_dtypes_are_kept() -> None:
    any_params = QuantParams(scale=0.1, zero_point=3, dtype="int16")
    codes = quantize(np.zeros((2, 3, 4), np.float32), any_params)
    assert (codes.shape, codes.dtype) == ((2, 3, 4), np.int16)
    assert (dequantize(codes, any_params).shape, dequantize(codes, any_params).dtype) == ((2, 3, 4), np.float32)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_is_no_positive_number_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be finite and above 0"):
        QuantParams(scale=scale, zero_point=0, dtype="int8")


@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", 128), ("int8", -129), ("uint8", -1), ("uint8", 256)])
def test_a_zero_point_outside_of_its_type_is_refused(dtype: str, zero_point: int) -> None:
    with pytest.raises(ValueError, match="zero_point must fit"):
        QuantParams(scale=1.0, zero_point=zero_point, dtype=dtype)  # type: ignore[arg-type]  # from a list of text
