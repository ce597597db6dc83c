"""The backend ``gpu``: LiteRT on WebGPU, taken only where its results are right.

A GPU's driver is the least reliable part of a small board: it may crash, hang, compute something
else, or be a program that plays a GPU on the CPU, a hundred times slower. So the network runs in a
process of its own, is held against the file's golden vectors and timed against the CPU before the
first picture. What came out is kept until the machine starts again.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edgecnn.errors import BackendUnavailableError, ModelFileError
from edgecnn.modelfile import ModelFile
from edgecnn.runtime.backends.gpu_engine import GpuEngine, allows_software
from edgecnn.runtime.backends.probe_cache import boot_id, model_digest, read_outcome, write_outcome
from edgecnn.runtime.engine import EngineOptions

IF_FASTER = "if-faster"
_LIBRARIES = Path("/etc/ld.so.cache")  # written again when a library is installed, Vulkan's loader too
_DRIVER_FOLDERS = ("/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d")
_DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "VK_LOADER_DRIVERS_DISABLE")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What trying the GPU with a file gave.

    Attributes:
        error: why it cannot be used; empty if it can, and only then do the others mean something.
        adapter: what the driver calls the GPU.
        exact: whether it had to compute in float32 for its results to be right.
        difference: largest difference from the right scores.
        inside: whether the inner tensors that were asked for are right, too.
        gpu_ms: median time of one inference, in milliseconds.
        cpu_ms: the same on the CPU with ``cpu_threads``, the best number of threads.
    """

    error: str = ""
    adapter: str = ""
    exact: bool = False
    difference: float = 0.0
    inside: bool = False
    gpu_ms: float = 0.0
    cpu_ms: float = 0.0
    cpu_threads: int = 1


def open_gpu(file: ModelFile, options: EngineOptions) -> GpuEngine:
    """Load a model for the GPU; the backend ``gpu``.

    As ``gpu`` it must be right, and a faster CPU is only spoken of; as ``gpu:if-faster`` it must be faster, too.

    Raises:
        BackendUnavailableError: it cannot be used, is wrong, or is slower than asked for.
        MissingExtraError: LiteRT is not installed.
    """
    if options.place not in ("", IF_FASTER):
        raise BackendUnavailableError(f"there is no gpu:{options.place}; give gpu or gpu:{IF_FASTER}")
    trial, engine = _recall(file, options), None
    if trial is None:
        trial, engine = _try(file, options.also)
        write_outcome("gpu", _key(file, options.also), msgspec.to_builtins(trial))
    if trial.error:
        raise BackendUnavailableError(trial.error)
    if trial.gpu_ms >= trial.cpu_ms:
        threads = "1 thread" if trial.cpu_threads == 1 else f"{trial.cpu_threads} threads"
        slower = (
            f"the GPU {trial.adapter} takes {trial.gpu_ms:.1f} ms for a picture, "
            f"the CPU with {threads} {trial.cpu_ms:.1f} ms"
        )
        if options.place == IF_FASTER:
            raise BackendUnavailableError(slower)
        options.say(f"{slower}; leave out --backend gpu to take the CPU")
    engine = engine or GpuEngine(file, also=options.also if trial.inside else (), exact=trial.exact)
    if not trial.inside:
        engine.extras = None
    return engine


def _recall(file: ModelFile, options: EngineOptions) -> Trial | None:
    """Return what an earlier trial gave; one that failed counts only where nobody insists on the GPU."""
    try:
        trial = msgspec.convert(read_outcome("gpu", _key(file, options.also)), Trial)
    except msgspec.ValidationError:
        return None
    return None if trial.error and options.place != IF_FASTER else trial


def _try(file: ModelFile, also: tuple[int, ...]) -> tuple[Trial, GpuEngine | None]:
    """Try the GPU with a file, in half precision and then in full; the engine comes along if its results are right."""
    from edgecnn.runtime.backends.gpu_check import MAX_DIFFERENCE, largest_difference, measure, questions, sees_inside

    difference = 0.0
    for exact in (False, True):
        try:
            engine, inside = _open(file, also, exact)
            asked = questions(file)
            difference, is_right = largest_difference(file, asked, engine.invoke)
            if not is_right:
                engine.close()
                continue
            if inside and also:
                inside = sees_inside(file, asked, engine, also)
            speed = measure(file, asked, engine.invoke)
        except (BackendUnavailableError, ModelFileError) as exc:
            return Trial(error=str(exc)), None
        trial = Trial(
            adapter=engine.adapter,
            exact=exact,
            difference=difference,
            inside=inside,
            gpu_ms=speed.gpu_ms,
            cpu_ms=speed.cpu_ms,
            cpu_threads=speed.num_threads,
        )
        return trial, engine
    return Trial(
        error=f"{file.path}: the GPU {engine.adapter} computes something else: scores differ by up to "
        f"{difference:.3g} from the file's own, and {MAX_DIFFERENCE} is allowed; use the CPU"
    ), None


def _open(file: ModelFile, also: tuple[int, ...], exact: bool) -> tuple[GpuEngine, bool]:
    """Return an engine, with the inner tensors if it can put them out, and whether it can."""
    if also:
        try:
            return GpuEngine(file, also=also, exact=exact), True
        except BackendUnavailableError:
            pass  # perhaps only because of them
    return GpuEngine(file, exact=exact), not also


def _key(file: ModelFile, also: tuple[int, ...]) -> dict[str, object]:
    from edgecnn.runtime.bench.threads import num_usable_cores
    from edgecnn.runtime.interpreter import import_compiled_model

    return {
        "runtime": import_compiled_model()[1],
        "model": model_digest(file.model),
        "golden": str(file.manifest.golden) if file.manifest else "",
        "also": also,
        "drivers": [_stamp(path) for folder in _DRIVER_FOLDERS for path in sorted(Path(folder).glob("*.json"))],
        "libraries": _stamp(_LIBRARIES),
        "nvidia": _first_line(Path("/proc/driver/nvidia/version")),
        "variables": {name: os.environ.get(name, "") for name in (*_DRIVER_VARIABLES, "LD_LIBRARY_PATH")},
        "allows_software": allows_software(),
        "cores": num_usable_cores(),
        "boot": boot_id(),
    }


def _stamp(path: Path) -> tuple[str, int]:
    try:
        return str(path), path.stat().st_mtime_ns
    except OSError:
        return str(path), 0


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").partition("\n")[0]
    except OSError:
        return ""
