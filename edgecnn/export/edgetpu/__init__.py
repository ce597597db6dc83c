"""Export for the Coral Edge TPU: check, compile, put the manifest back, take in what was compiled elsewhere."""

from edgecnn.export.edgetpu.adopting import adopt
from edgecnn.export.edgetpu.checking import check_for_edgetpu, describe_check, predicted_part
from edgecnn.export.edgetpu.compiler import Compiler, command_elsewhere, find_compiler
from edgecnn.export.edgetpu.compiling import Compiled, compile_model
from edgecnn.export.edgetpu.completing import check_plain_name, compiled_path, complete_compiled
from edgecnn.export.edgetpu.verdict import describe_verdict

__all__ = [
    "Compiled",
    "Compiler",
    "adopt",
    "check_for_edgetpu",
    "check_plain_name",
    "command_elsewhere",
    "compile_model",
    "compiled_path",
    "complete_compiled",
    "describe_check",
    "describe_verdict",
    "find_compiler",
    "predicted_part",
]
