"""The error of every layer, in the order in which the file computes them."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from edgecnn.export.integer_check import layer_of
from edgecnn.export.quantize.layer_errors import LayerError
from edgecnn.export.report.contents import LayerRow
from edgecnn.modelfile.graph import Graph

NUM_WORST = 6
_BEST_DB, _WORST_DB = 120.0, -20.0


def layer_rows(errors: Collection[LayerError], graph: Graph, layers: Collection[str]) -> tuple[LayerRow, ...]:
    """Return one row per compared operator, the ``NUM_WORST`` noisiest of those that add noise ranked."""
    of_operator = {error.operator: error for error in errors}
    known: dict[int, float] = {}
    rows: list[LayerRow] = []
    for index, operator in enumerate(graph.operators):
        before = min((known[tensor] for tensor in operator.inputs if tensor in known), default=None)
        if index not in of_operator:  # a conversion: the value goes on with the error that it has
            known.update({} if before is None else dict.fromkeys(operator.outputs, before))
            continue
        error, output = of_operator[index], graph.tensors[operator.outputs[0]]
        sqnr_db = cut_decibels(error.sqnr_db)
        known[operator.outputs[0]] = sqnr_db
        rows.append(
            LayerRow(
                operator=index,
                kind=operator.name,
                layer=layer_of(error.name, layers) or layer_of(output.name, layers) or "",
                tensor=output.name,
                dtype=output.dtype,
                sqnr_db=sqnr_db,
                step_db=None if before is None else round(sqnr_db - before, 2),
            )
        )
    return _rank(rows)


def _rank(rows: list[LayerRow]) -> tuple[LayerRow, ...]:
    # A step after which the values are no worse than before it is not where the error is.
    adding = [row for row in rows if row.step_db is None or row.step_db < 0]
    worst = sorted(adding, key=lambda row: (row.sqnr_db, row.operator))[:NUM_WORST]
    rank_of = {row.operator: rank for rank, row in enumerate(worst, start=1)}
    return tuple(replace(row, rank=rank_of.get(row.operator)) for row in rows)


def cut_decibels(sqnr_db: float) -> float:
    """Return a ratio within -20 to 120 dB: infinity, which JSON has no word for, and 0/0 stay out of the page."""
    return _BEST_DB if math.isnan(sqnr_db) else round(min(_BEST_DB, max(_WORST_DB, sqnr_db)), 2)
