"""What to build a network of instead of what the Edge TPU does not have."""

from __future__ import annotations

_ACTIVATION = "use ReLU6, or swish (which becomes LOGISTIC and MUL, and both are mapped)"
_NORMALIZATION = "use BatchNormalization, which becomes part of the convolution before it"
_UPSAMPLING = 'use UpSampling2D(interpolation="bilinear") or Conv2DTranspose'
_GROUPS = "use a DepthwiseConv2D followed by a Conv2D of 1 x 1, or a Conv2D without groups"
_FIXED_SIZE = "give the model a batch of 1 before converting, or a GlobalAveragePooling2D in place of Flatten"
_REPLACEMENTS = {
    "BROADCAST_TO": _UPSAMPLING,
    "CONV_2D": _GROUPS,
    "DEQUANTIZE": "use an operator that has an int8 form between the DEQUANTIZE and the next QUANTIZE",
    "ELU": _ACTIVATION,
    "EXP": _ACTIVATION,
    "GATHER_ND": _UPSAMPLING,
    "GELU": _ACTIVATION,
    "HARD_SWISH": _ACTIVATION,
    "LEAKY_RELU": "use ReLU6, or PReLU(shared_axes=[1, 2])",
    "NEG": _NORMALIZATION,
    "POW": _NORMALIZATION,
    "PRELU": "use PReLU(shared_axes=[1, 2]), which has one alpha per channel",
    "RSQRT": _NORMALIZATION,
    "SHAPE": _FIXED_SIZE,
    "SQRT": _NORMALIZATION,
    "SQUARE": _NORMALIZATION,
    "SQUARED_DIFFERENCE": _NORMALIZATION,
    "TILE": _UPSAMPLING,
}
FIXED_SIZE = _FIXED_SIZE


def replacement_for(operator: str) -> str:
    """Return what to use in place of an operator that is not mapped; empty where nothing is known."""
    return _REPLACEMENTS.get(operator, "")
