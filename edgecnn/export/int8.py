"""The int8 form of a network: as the converter makes it, or repaired, or by a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgecnn.core.contract import InputContract
from edgecnn.core.progress import Progress
from edgecnn.export.calibration_source import CalibrationSource
from edgecnn.export.convert import KerasProcess
from edgecnn.export.quantize.ladder import Climbed, Judge, climb, find_rung, run_rung
from edgecnn.export.quantize.material import Material, Tune
from edgecnn.export.quantize.recipe import Recipe
from edgecnn.export.quantize.rungs import Built, rungs_with
from edgecnn.modelfile.manifest import RecipePart

_TEMPLATE = "TFLiteConverter: weights per channel, dense layers per tensor"
# What the converter makes is only the form that the rungs fill with numbers of their own.
_NUM_TEMPLATE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Job:
    """What the int8 form is made of.

    Attributes:
        keras: the run's model.
        float_model: the network behind its normalization, as a float32 FlatBuffer.
        contract: what its input wants to see.
        calibration: pictures that set the ranges.
        num_calibration: how many of them the first rungs of the repair ladder measure.
        max_drop_points: what may be lost, in percentage points.
        edgetpu: whether it must fit an Edge TPU.
        tune: runs quantization-aware fine-tuning of a float file with given settings.
        look: sees what the converter made, before it is repaired; may raise.
    """

    keras: KerasProcess
    float_model: bytes
    contract: InputContract
    calibration: CalibrationSource
    num_calibration: int
    max_drop_points: float
    edgetpu: bool
    tune: Tune
    look: Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Model:
    """What quantization gave.

    Attributes:
        model: the FlatBuffer.
        float_model: the network as it stood right before its numbers were rounded.
        recipe: how it was made.
        num_calibration: out of how many calibration pictures.
        integer_only: whether all of it is integers.
    """

    model: bytes
    float_model: bytes
    recipe: RecipePart
    num_calibration: int
    integer_only: bool


def make_int8(job: Int8Job, judge: Judge, recipe: Recipe | None, progress: Progress) -> Int8Model:
    """Quantize a network to 8 bits.

    Args:
        job: what it is made of.
        judge: measures a file on the validation pictures.
        recipe: the rung to take; None climbs the repair ladder.
        progress: told of every rung.

    Raises:
        ExportError: the recipe does not suit this network, or the network cannot be quantized.
    """
    job.calibration.read(job.num_calibration)
    template = job.keras.convert("int8", job.calibration.pixels(_NUM_TEMPLATE))
    job.look(template)
    material = Material(
        float_model=job.float_model,
        template=template,
        contract=job.contract,
        load_pixels=job.calibration.pixels,
        tune=job.tune,
        layers=job.keras.layers,
        edgetpu=job.edgetpu,
    )
    built: Climbed | Built
    if recipe is None:
        found = climb(
            material,
            judge,
            max_drop_points=job.max_drop_points,
            rungs=rungs_with(job.num_calibration),
            progress=progress,
        )
        built, rung, settings, tried = found, found.rung, found.settings, found.tried
    else:
        built = run_rung(material, recipe.rung, recipe.settings, progress=progress)
        rung, settings, tried = recipe.rung, built.settings, ()
    # In a rung that measures ranges, that number of pictures is what set them.
    num = settings["pictures"] if "ranges" in settings else _NUM_TEMPLATE
    return Int8Model(
        model=built.model,
        float_model=built.float_model or job.float_model,
        recipe=RecipePart(kind="int8", quantizer=_TEMPLATE, rung=rung, settings=settings, tried=tried),
        num_calibration=int(num) if isinstance(num, int | float) else _NUM_TEMPLATE,
        integer_only=find_rung(rung).is_8_bit,
    )
