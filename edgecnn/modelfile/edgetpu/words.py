"""What the checker says, in the Edge TPU compiler's own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MAPPED = "Mapped to Edge TPU"
LIMITED = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
MORE_SUBGRAPHS = "More than one subgraph is not supported"
NOT_SUPPORTED = "Operation not supported"
DATA_TYPE = "Operation is working on an unsupported data type"
RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
NOT_CONSTANT = "Filter, bias, or other param is not constant at compile-time"

FITS_BELOW = 6 << 20
STREAMS_FROM = int(7.9 * (1 << 20))


class OperatorCheck(NamedTuple):
    """What becomes of one operator.

    Attributes:
        operator: its name in the schema.
        version: of the operator.
        tensor: name of what it computes; it holds the name of the Keras layer.
        status: the compiler's words.
        why: the limit behind the words, where it is known; empty for a mapped operator.
        replacement: what to use in its place; empty where nothing is known.
    """

    operator: str
    version: int
    tensor: str
    status: str
    why: str = ""
    replacement: str = ""

    @property
    def is_mapped(self) -> bool:
        """Whether it runs on the Edge TPU."""
        return self.status == MAPPED


class Refusal(NamedTuple):
    """A reason for which the compiler refuses the whole model.

    Attributes:
        text: the compiler's words.
        why: the same for people.
        position: of the operator that is to blame in the graph; None where it is the model as a whole.
        replacement: what to do; empty where nothing is known.
    """

    text: str
    why: str
    position: int | None = None
    replacement: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeTpuReport:
    """What the compiler will say about a model, as far as that can be known without it.

    Attributes:
        operators: one entry for each, in the order in which they run.
        refusals: why the compiler refuses the whole model; empty if it does not.
        warnings: what may go otherwise than said here, or cost accuracy or speed.
        subgraphs: parts for the Edge TPU, 0 or 1: the compiler makes no more by itself.
        parameter_bytes: estimate of the mapped operators' parameters as the Edge TPU keeps them.
        activation_bytes: most that one mapped operator reads and writes.
    """

    operators: tuple[OperatorCheck, ...]
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    subgraphs: int
    parameter_bytes: int
    activation_bytes: int

    @property
    def mapped(self) -> int:
        """Operators that run on the Edge TPU; none if the model is refused."""
        return 0 if self.refusals else sum(check.is_mapped for check in self.operators)

    @property
    def memory(self) -> str:
        """``fits``, ``may stream`` or ``streams``: the Edge TPU has about 8 MiB for everything."""
        if self.parameter_bytes < FITS_BELOW:
            return "fits"
        return "may stream" if self.parameter_bytes < STREAMS_FROM else "streams"

    @property
    def cached_bytes(self) -> int:
        """Estimate of the parameters that are kept on the Edge TPU."""
        return min(self.parameter_bytes, FITS_BELOW) if self.memory == "streams" else self.parameter_bytes

    @property
    def streamed_bytes(self) -> int:
        """Estimate of the parameters that are sent to the Edge TPU for every picture."""
        return self.parameter_bytes - self.cached_bytes
