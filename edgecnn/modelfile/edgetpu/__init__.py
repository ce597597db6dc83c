"""Models on a Coral Edge TPU: what its compiler will say about one, and what it wrote into one."""

from edgecnn.modelfile.edgetpu.check import check_graph, check_model
from edgecnn.modelfile.edgetpu.compiled import CompiledInfo, read_compiled
from edgecnn.modelfile.edgetpu.describe import describe_report, report_to_builtins
from edgecnn.modelfile.edgetpu.words import EdgeTpuReport, OperatorCheck, Refusal

__all__ = [
    "CompiledInfo",
    "EdgeTpuReport",
    "OperatorCheck",
    "Refusal",
    "check_graph",
    "check_model",
    "describe_report",
    "read_compiled",
    "report_to_builtins",
]
