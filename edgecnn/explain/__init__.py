"""What a deployed network sees: functions that return what the file itself computed or holds, as arrays.

network = Network.open("flowers.tflite")
look = network.look(load_input(Path("rose.jpg"), network.file.contract))
feature_maps(look, "conv1")       # float32, shape (rows, columns, channels)
"""

from edgecnn.evaluate.changes import CHANGES, Change
from edgecnn.explain.clamp import Clamp, clamp_of
from edgecnn.explain.comparison import Difference, LayerPair, compare, difference
from edgecnn.explain.counts import ARTICLE, DenseEquivalent, DenseSize, LayerCount, dense_equivalent, layer_counts
from edgecnn.explain.decision import Contributions, class_activation_map, contributions, has_class_activation_map
from edgecnn.explain.faithful import Faithfulness, faithfulness
from edgecnn.explain.field import Box, ReceptiveField, receptive_field, receptive_fields
from edgecnn.explain.heat import HeatMap, enlarge, heat_map, occlusion_map, occlusion_maps
from edgecnn.explain.layer import PICTURE, Layer
from edgecnn.explain.maps import before_activation, biases, feature_maps, filters, zero_share
from edgecnn.explain.moved import Equivariance, equivariance, equivariances
from edgecnn.explain.network import Look, Network
from edgecnn.explain.patches import LayerPatches, Patch, TopPatches, cut, top_patches
from edgecnn.explain.place import InvarianceCurve, invariance_curve
from edgecnn.explain.pooling import PoolWindow, pool_window
from edgecnn.explain.window import Window
from edgecnn.explain.windows import WindowSum, window_sum, window_sums

__all__ = [
    "ARTICLE",
    "CHANGES",
    "PICTURE",
    "Box",
    "Change",
    "Clamp",
    "Contributions",
    "DenseEquivalent",
    "DenseSize",
    "Difference",
    "Equivariance",
    "Faithfulness",
    "HeatMap",
    "InvarianceCurve",
    "Layer",
    "LayerCount",
    "LayerPair",
    "LayerPatches",
    "Look",
    "Network",
    "Patch",
    "PoolWindow",
    "ReceptiveField",
    "TopPatches",
    "Window",
    "WindowSum",
    "before_activation",
    "biases",
    "clamp_of",
    "class_activation_map",
    "compare",
    "contributions",
    "cut",
    "dense_equivalent",
    "difference",
    "enlarge",
    "equivariance",
    "equivariances",
    "faithfulness",
    "feature_maps",
    "filters",
    "has_class_activation_map",
    "heat_map",
    "invariance_curve",
    "layer_counts",
    "occlusion_map",
    "occlusion_maps",
    "pool_window",
    "receptive_field",
    "receptive_fields",
    "top_patches",
    "window_sum",
    "window_sums",
    "zero_share",
]
