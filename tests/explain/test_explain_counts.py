import numpy as np
import pytest
from small_network import SmallNetwork

from edgecnn.explain import ARTICLE, Network, dense_equivalent, layer_counts
from edgecnn.modelfile import ModelFile


def test_the_article_s_dense_network_has_188_trillion_weights() -> None:
    assert ARTICLE.inputs == 3082 * 2031 * 3 == 18_778_626
    assert ARTICLE.weights == 187_786_260_000_000
    assert round(ARTICLE.weights / 1e12) == 188
    assert ARTICLE.sum == ("3,082 x 2,031 x 3 = 18,778,626 numbers; x 10,000,000 units = 187,786,260,000,000 weights")
    assert ARTICLE.num_bytes == 4 * ARTICLE.weights


def test_the_costs_of_each_kind_of_layer_are_those_done_by_hand() -> None:
    small = SmallNetwork(8, 8)
    plain = small.conv(0, np.ones((4, 3, 3, 3)))  # 6 x 6 places
    each = small.depthwise(plain, np.ones((1, 3, 3, 4)), stride=(2, 2))  # 2 x 2 places
    network = small.network(small.softmax(small.dense(small.mean(each), np.ones((5, 4)))))
    counts = {count.layer.kind: count for count in layer_counts(network)}
    first = counts["convolution"]
    assert (first.weights, first.biases, first.connections, first.uses) == (4 * 27, 4, 27, 36)
    assert first.multiplications == 36 * 4 * 27
    assert first.dense_weights == (8 * 8 * 3) * (6 * 6 * 4)
    assert first.output_bytes == 6 * 6 * 4 * 4
    assert first.weight_bytes == 4 * (4 * 27 + 4)
    second = counts["depthwise"]
    assert (second.weights, second.connections, second.uses, second.multiplications) == (36, 9, 4, 144)
    last = counts["dense"]
    assert (last.weights, last.connections, last.uses, last.dense_weights) == (20, 4, 1, 20)
    assert counts["softmax"].multiplications == 0


def test_a_dense_network_on_the_same_picture_takes_as_many_units_as_the_first_filters_have_places() -> None:
    small = SmallNetwork(8, 8)
    network = small.network(small.mean(small.conv(0, np.ones((4, 3, 3, 3)))))
    beside = dense_equivalent(network)
    assert beside.dense.hidden_units == 6 * 6 * 4
    assert beside.dense.weights == 192 * 144
    assert (beside.weights, beside.multiplications) == (108, 36 * 108)
    assert dense_equivalent(network, 10).dense.weights == 1920
    with pytest.raises(ValueError, match="at least one unit"):
        dense_equivalent(network, 0)


def test_the_weights_of_an_export_are_those_that_its_file_holds(exported: ModelFile) -> None:
    counts = layer_counts(Network(exported))
    assert sum(count.weights + count.biases for count in counts) == exported.graph.num_weights()


def test_the_weights_of_a_float16_file_take_two_bytes_each() -> None:
    small = SmallNetwork(8, 8)
    network = small.network(small.mean(small.conv(0, np.ones((4, 3, 3, 3)), half=True)))
    assert layer_counts(network)[0].weight_bytes == 2 * (108 + 4)
