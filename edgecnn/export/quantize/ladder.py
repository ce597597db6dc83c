"""The repair ladder: makes the file again in a better way for as long as it is not good enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.errors import BackendUnavailableError, ExportError, MissingExtraError, ModelIntegrityError
from edgecnn.export.quantize.material import Material, Settings, Workbench
from edgecnn.export.quantize.rungs import RUNGS, Built, Rung, check_settings
from edgecnn.modelfile.manifest import TriedPart

# Asked of the validation pictures, which are few, so that 98% and more can be expected of unseen ones.
MIN_AGREEMENT = 0.995
# Of two files that are good enough, the one that is made in the simpler way, unless the other's scores are
# nearer to the float network's by a tenth (less than that is chance) and it is right as often.
_WORTHWHILE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How a file does on the validation pictures, by the runtime of the device.

    Attributes:
        top1: share of right answers, 0 to 1.
        agreement: share of pictures to which the float network gives the same answer, 0 to 1.
        drop_points: what is lost against the float network, in percentage points.
        distance: mean difference of all scores from the float network's; finer than shares of a few
            hundred pictures, so that it decides between files that are all good enough; 0 if unknown.
    """

    top1: float
    agreement: float
    drop_points: float
    distance: float = 0.0


Judge = Callable[[bytes], Judged]


@dataclass(frozen=True, slots=True, kw_only=True)
class Climbed:
    """Where the climb ended.

    Attributes:
        model: the quantized file.
        rung: that made it.
        settings: that make it again.
        judged: its figures.
        tried: the figures of every file that was made, in order.
        float_model: the float file that was quantized: equalized or trained further, if the rung did that.
    """

    model: bytes
    rung: str
    settings: Settings
    judged: Judged
    tried: tuple[TriedPart, ...]
    float_model: bytes


def climb(
    material: Material,
    judge: Judge,
    *,
    max_drop_points: float,
    min_agreement: float = MIN_AGREEMENT,
    rungs: Sequence[Rung] = RUNGS,
    progress: Progress | None = None,
) -> Climbed:
    """Try one rung after the other, up to the first whose file is good enough.

    Every rung is tried while the file loses more than ``max_drop_points``. While it only agrees with
    the float network on too few pictures, those rungs are tried that take seconds. If no file is good
    enough, the best is returned: one that passes the drop before one that does not, then the one that
    follows the float network more closely by a tenth at least and loses no more, then the one that came first.

    Args:
        material: the network, its template and its pictures.
        judge: measures a file.
        max_drop_points: what it may lose against the float network, in percentage points.
        min_agreement: share of pictures, 0 to 1.
        rungs: the ladder.
        progress: told what each rung gave.

    Raises:
        ExportError: not even the first rung could be built.
    """
    bench = Workbench(material, progress or SilentProgress())
    climbed: list[Climbed] = []
    for rung in rungs:
        passed = any(found.judged.drop_points <= max_drop_points for found in climbed)
        if (passed and not rung.for_agreement) or (material.edgetpu and not rung.is_8_bit):
            continue
        for settings in rung.attempts:
            found = _try(bench, rung, settings, judge, first=not climbed)
            if found is None:
                break
            climbed.append(found)
            if _is_good(found.judged, max_drop_points, min_agreement if rung.for_agreement else 0.0):
                return _with_history(found, climbed)
    return _with_history(_best(climbed, max_drop_points), climbed)


def run_rung(
    material: Material,
    name: str,
    settings: Settings,
    *,
    rungs: Sequence[Rung] = RUNGS,
    progress: Progress | None = None,
) -> Built:
    """Make a file by one rung alone, as a recipe asks for it.

    Args:
        material: the network, its template and its pictures.
        name: of the rung.
        settings: those that differ from the rung's own.
        rungs: the ladder.
        progress: told of the steps.

    Returns:
        The file, with all settings that make it again.

    Raises:
        ExportError: there is no such rung or setting, or it does not suit this material.
    """
    rung = find_rung(name, rungs)
    if material.edgetpu:
        check_edgetpu_takes(rung)
    return rung.build(Workbench(material, progress or SilentProgress()), complete_settings(rung, settings))


def find_rung(name: str, rungs: Sequence[Rung] = RUNGS) -> Rung:
    """Return the rung of that name.

    Raises:
        ExportError: there is none; the message names those that there are.
    """
    for rung in rungs:
        if rung.name == name:
            return rung
    raise ExportError(f"there is no rung {name!r}; give one of: {', '.join(rung.name for rung in rungs)}")


def check_edgetpu_takes(rung: Rung) -> None:
    """Raise ExportError if a rung makes files that no Edge TPU takes."""
    if not rung.is_8_bit:
        raise ExportError(
            f"the rung {rung.name!r} leaves 8 bits, which no Edge TPU takes; give another rung or no --edgetpu"
        )


def complete_settings(rung: Rung, settings: Settings) -> Settings:
    """Return the rung's own settings with the given ones in their place.

    Raises:
        ExportError: one of them is unknown, of another kind or out of bounds.
    """
    complete = dict(rung.attempts[0])
    for name, value in settings.items():
        if name not in complete:
            known = ", ".join(complete) or "none at all"
            raise ExportError(f"the rung {rung.name!r} has no setting {name!r}; it has: {known}")
        own = complete[name]
        # A whole number may stand for a float, and nothing else for another kind.
        if type(value) is not type(own) and not (isinstance(own, float) and type(value) is int):
            kind = {str: "a text", int: "a whole number", float: "a number", tuple: "a list of names"}[type(own)]
            raise ExportError(f"the setting {name!r} of the rung {rung.name!r} must be {kind}, got {value!r}")
        complete[name] = value
    check_settings(complete)
    return complete


def _try(bench: Workbench, rung: Rung, settings: Settings, judge: Judge, *, first: bool) -> Climbed | None:
    """Build and judge one file; None where this network does not allow the rung."""
    try:
        built = rung.build(bench, settings)
    except (BackendUnavailableError, ExportError, MissingExtraError, ModelIntegrityError) as exc:
        if first:
            raise
        bench.progress.say(f"{rung.name}: not possible here: {exc}")
        return None
    judged = judge(built.model)
    bench.progress.say(
        f"{rung.name} ({rung.title}): {judged.top1:.1%} right, {_loss(judged.drop_points)}, "
        f"{judged.agreement:.1%} as the float network"
    )
    return Climbed(
        model=built.model,
        rung=rung.name,
        settings=built.settings,
        judged=judged,
        tried=(),
        float_model=built.float_model or bench.material.float_model,
    )


def _loss(points: float) -> str:
    return (
        f"{points:.2f} points lost" if points > 0 else f"{-points:.2f} points gained" if points < 0 else "nothing lost"
    )


def _is_good(judged: Judged, max_drop_points: float, min_agreement: float) -> bool:
    return judged.drop_points <= max_drop_points and judged.agreement >= min_agreement


def _best(climbed: Sequence[Climbed], max_drop_points: float) -> Climbed:
    best = climbed[0]
    for found in climbed[1:]:
        if _is_better(found.judged, best.judged, max_drop_points):
            best = found
    return best


def _is_better(new: Judged, old: Judged, max_drop_points: float) -> bool:
    passes, passed = (judged.drop_points <= max_drop_points for judged in (new, old))
    if passes != passed:
        return passes
    if not passes:
        return new.drop_points < old.drop_points
    if new.drop_points > old.drop_points:
        return False
    if new.distance and old.distance:
        return new.distance < _WORTHWHILE * old.distance
    return new.agreement > old.agreement


def _with_history(found: Climbed, climbed: Sequence[Climbed]) -> Climbed:
    tried = tuple(
        TriedPart(
            rung=one.rung,
            top1=one.judged.top1,
            agreement=one.judged.agreement,
            drop_points=one.judged.drop_points,
        )
        for one in climbed
    )
    return replace(found, tried=tried)
