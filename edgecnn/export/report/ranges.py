"""The values of the worst layers against what the codes of the file can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.quantization import QuantParams
from edgecnn.export.quantize.activations import Inner
from edgecnn.export.report.contents import ChannelRanges, LayerRow, TensorRange
from edgecnn.export.report.layers import cut_decibels
from edgecnn.export.report.material import ReportMaterial
from edgecnn.export.report.weights import compare_weights
from edgecnn.modelfile.graph import Graph, Tensor
from edgecnn.modelfile.modelfile import quantization_of
from edgecnn.runtime.interpreter import InnerTensors

_INNER_BINS, _OUTER_BINS = 40, 12  # of the range that codes can hold, and beyond it on either side
_MAX_CHANNELS_SHOWN = 64
_MIN_VALUES_PER_CODE = 10


def measure_ranges(
    material: ReportMaterial, rows: Sequence[LayerRow], float_operator: Mapping[int, int], pixels: NDArray[np.uint8]
) -> tuple[TensorRange, ...]:
    """Run both networks and collect the values at the outputs of some operators.

    Args:
        material: the export.
        rows: the operators, in the order in which they shall come back; those in floats are left out.
        float_operator: place of an operator in the file -> its place in the float model.
        pixels: uint8, shape (N, height, width, 3), RGB.
    """
    float_network = Inner(material.float_model, material.float_contract)
    watches = [
        _Watch(row, params, material.file.graph, float_network.graph, float_operator[row.operator])
        for row in rows
        if (params := quantization_of(_output(material.file.graph, row.operator)))
    ]
    if not watches:
        return ()
    network = InnerTensors(material.file.model)
    for picture in pixels:
        float_network.run(picture)
        network.run(_as_input(picture, material.file.input.dtype))
        for watch in watches:
            watch.look(float_network, network)
    return tuple(watch.result() for watch in watches)


class _Watch:
    """What was seen of one tensor so far."""

    def __init__(
        self, row: LayerRow, params: QuantParams, graph: Graph, float_graph: Graph, float_operator: int
    ) -> None:
        self._row, self._params = row, params
        self._float_output = float_graph.operators[float_operator].outputs[0]
        self._output = graph.operators[row.operator].outputs[0]
        self._weights = compare_weights(
            graph, graph.operators[row.operator], float_graph, float_graph.operators[float_operator]
        )
        info = np.iinfo(params.dtype)
        self._low = params.scale * (info.min - params.zero_point)
        self._high = params.scale * (info.max - params.zero_point)
        step = (self._high - self._low) / _INNER_BINS
        self._edges = self._low + step * np.arange(-_OUTER_BINS, _INNER_BINS + _OUTER_BINS + 1)
        self._counts = np.zeros(len(self._edges) - 1, np.int64)
        self._num_clipped = 0
        self._codes = np.zeros(info.max - info.min + 1, bool)
        self._channels: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def look(self, float_network: Inner, network: InnerTensors) -> None:
        values, codes = float_network.read(self._float_output), network.read(self._output)
        inside = np.clip(values, self._edges[0], np.nextafter(self._edges[-1], -np.inf))
        self._counts += np.histogram(inside, self._edges)[0]
        half = self._params.scale / 2
        self._num_clipped += int(np.count_nonzero((values < self._low - half) | (values > self._high + half)))
        self._codes[codes.ravel().astype(np.int64) - np.iinfo(self._params.dtype).min] = True
        flat = values.reshape(-1, values.shape[-1])
        low, high = flat.min(axis=0), flat.max(axis=0)
        if self._channels is not None:
            low, high = np.minimum(low, self._channels[0]), np.maximum(high, self._channels[1])
        self._channels = low, high

    def result(self) -> TensorRange:
        assert self._channels is not None
        spans = (self._channels[1] - self._channels[0]) / self._params.scale
        first, last = self._shown_bins()
        weights = self._weights
        return TensorRange(
            row=self._row,
            low=float(self._low),
            high=float(self._high),
            edges=tuple(_round_off(edge) for edge in self._edges[first : last + 1]),
            shares=tuple((self._counts[first:last] / self._counts.sum()).tolist()),
            clipped=self._num_clipped / int(self._counts.sum()),
            unused=float(1 - self._codes.mean()) if self._could_use_all_codes() else None,
            activations=_channel_ranges(spans, per_channel=False) if len(spans) > 1 else None,
            weights=_channel_ranges(weights.spans, per_channel=weights.per_channel) if weights else None,
            weights_sqnr_db=cut_decibels(weights.sqnr_db) if weights else None,
        )

    def _could_use_all_codes(self) -> bool:
        return len(self._codes) == 256 and int(self._counts.sum()) >= _MIN_VALUES_PER_CODE * 256

    def _shown_bins(self) -> tuple[int, int]:
        """Leave out what is empty beyond the range, but for a margin of two bins."""
        filled = np.flatnonzero(self._counts)
        first = min(_OUTER_BINS, int(filled[0])) - 2
        last = max(_OUTER_BINS + _INNER_BINS, int(filled[-1]) + 1) + 2
        return max(0, first), min(len(self._counts), last)


def _channel_ranges(spans: NDArray[np.floating], *, per_channel: bool) -> ChannelRanges:
    ordered = np.sort(spans.astype(np.float64))
    places = np.unique(np.linspace(0, len(ordered) - 1, _MAX_CHANNELS_SHOWN).round().astype(int))
    return ChannelRanges(
        ranges=tuple(_round_off(span) for span in ordered[places]), num=len(ordered), per_channel=per_channel
    )


def _as_input(picture: NDArray[np.uint8], dtype: str) -> NDArray[np.generic]:
    """Return a picture as the file takes it: floats are raw pixels, too, and int8 counts them from -128."""
    return (picture ^ 0x80).view(np.int8) if dtype == "int8" else picture.astype(dtype)


def _output(graph: Graph, operator: int) -> Tensor:
    return graph.tensors[graph.operators[operator].outputs[0]]


def _round_off(value: float) -> float:
    """Keep five digits: what a drawing can show."""
    return float(f"{value:.5g}") if math.isfinite(value) else 0.0
