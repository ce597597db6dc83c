"""Which Keras layer a tensor of a converted file came from."""

import pytest

from edgecnn.export.integer_check import layer_of

FUSED = (
    "functional_1_1/functional_1/stem_relu_1/Relu6;functional_1_1/functional_1/stem_bn_1/batchnorm/add_1;"
    "functional_1_1/functional_1/stem_conv_1/convolution;functional_1_1/functional_1/stem_bn_1/batchnorm/sub1"
)


@pytest.mark.parametrize(
    ("tensor_name", "layer"),
    [
        (FUSED, "stem_conv"),
        ("functional_1_1/functional_1/logits_1/MatMul;functional_1_1/functional_1/logits_1/BiasAdd", "logits"),
        ("functional_1_1/functional_1/stem_relu_1/Relu6", "stem_relu"),
        ("StatefulPartitionedCall_1:0", None),
    ],
)
def test_of_fused_steps_the_one_with_weights_names_the_layer(tensor_name: str, layer: str | None) -> None:
    assert layer_of(tensor_name, ["stem_conv", "stem_bn", "stem_relu", "logits"]) == layer


@pytest.mark.parametrize(
    ("part", "layer"), [("conv2d_1", "conv2d"), ("conv2d_1_1", "conv2d_1"), ("conv2d_2", "conv2d")]
)
def test_the_number_that_keras_adds_is_no_part_of_the_name(part: str, layer: str) -> None:
    assert layer_of(f"functional_1_1/functional_1/{part}/convolution", ["conv2d", "conv2d_1"]) == layer


def test_a_layer_that_is_called_once_keeps_its_number() -> None:
    assert layer_of("model/block_7/Relu", ["block_7"]) == "block_7"
