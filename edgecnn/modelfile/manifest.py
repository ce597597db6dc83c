"""``edgecnn.json``: everything that a model file says about itself.

Strict on purpose: an unknown key, a missing key or a value out of range is an error, so that a
file either means what it says or is refused. A new field means a new ``schema`` number.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edgecnn.core.contract import MAX_SIDE_PX, AspectRule, InputContract
from edgecnn.core.familiarity import AT_THRESHOLD, FamiliarityMethod
from edgecnn.core.labels import MAX_LABELS
from edgecnn.errors import ModelIntegrityError, ModelVersionError

SCHEMA: Literal[3] = 3
MAX_MANIFEST_BYTES = 1 << 20
MAX_GOLDEN_VECTORS = 64

Text = Annotated[str, Meta(max_length=4096)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=1 << 40)]
Share = Annotated[float, Meta(ge=0, le=1)]
Side = Annotated[int, Meta(ge=1, le=MAX_SIDE_PX)]
Variant = Literal["int8", "int16x8", "dynamic", "fp16", "float32"]
Measure = Annotated[float, Meta(ge=-1e6, le=1e6)]
Setting = str | float | int | tuple[str, ...]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the manifest."""


class InputPart(_Part, frozen=True, kw_only=True):
    """The preprocessing contract; see ``edgecnn.core.contract.InputContract``."""

    width: Side
    height: Side
    aspect: AspectRule
    crop_fraction: float
    mean: float
    std: float

    def to_contract(self) -> InputContract:
        """Return the contract that runtime and training work with."""
        try:
            return InputContract(**msgspec.structs.asdict(self))
        except ValueError as exc:
            raise ModelIntegrityError(f"edgecnn.json states an impossible input: {exc}") from exc


class LabelsPart(_Part, frozen=True, kw_only=True):
    """Ties ``labels.txt`` to the file: a list with other or swapped names has another digest."""

    num: Annotated[int, Meta(ge=1, le=MAX_LABELS)]
    sha256: Sha256


class ModelPart(_Part, frozen=True, kw_only=True):
    """Ties the FlatBuffer to the manifest: one flipped bit in a weight changes the digest."""

    num_bytes: Count
    sha256: Sha256
    architecture: Name
    run: Text


class TriedPart(_Part, frozen=True, kw_only=True):
    """One rung of the repair ladder and what it gave on the pictures of ``accuracy``."""

    rung: Name
    top1: Share
    agreement: Share
    drop_points: float


class RecipePart(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """How the numbers were made small: enough to do it again with ``--recipe``.

    ``rung`` names the step of the repair ladder that made this file, ``settings`` its numbers, and
    ``tried`` what the rungs up to it gave. All three are empty for variants that have no ladder.
    """

    kind: Variant
    quantizer: Text
    rung: Text = ""
    settings: dict[Name, Setting] = {}
    tried: tuple[TriedPart, ...] = ()


class CalibrationPart(_Part, frozen=True, kw_only=True):
    """Which pictures set the ranges; the digest is over the sorted SHA-256 of each file.

    ``split`` is ``folder`` for pictures that the user gave with ``--calib``.
    """

    num: Count
    split: Literal["train", "folder"]
    seed: int
    per_class: dict[str, Count]
    sha256: Sha256


class AccuracyPart(_Part, frozen=True, kw_only=True):
    """What the exported file itself measured with the device runtime, against the float model.

    ``drop_points`` is ``100 * (float_top1 - top1)``, in percentage points.
    """

    split: Literal["train", "val", "test"]
    num: Count
    float_top1: Share
    top1: Share
    drop_points: float
    max_drop_points: float
    agreement: Share


class ConfidencePart(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """How far a score is to be believed, and below what an answer says ``unknown``.

    ``temperature`` divides the logits; it is in the network's last dense layer already, so no reader
    has to apply it. ``ece_before`` and ``ece_after`` are the expected calibration errors without and
    with it, measured on ``num`` pictures of ``split``.

    ``unknown_below`` is a threshold for a picture's familiarity, 0 to 1, and ``kept`` the share of the
    ``num`` pictures that reach it. By the ``method`` ``max_score`` the familiarity is the best score
    itself. By the others (see ``edgecnn.core.familiarity``) it rises in a straight line with their
    own measure, is 0.5 at ``threshold`` and 1 from ``typical`` on; where the tensors that they look
    at are out of reach, in a file compiled for an Edge TPU, the best score is held against
    ``score_below`` instead. ``features_sha256`` is the digest of the associated file ``familiar.bin``
    that ``feature_distance`` measures with: its measure is the distance with a minus.

    ``auroc`` tells for every method how well it told pictures of ``split`` from the strange ones that
    ``against`` speaks of.
    """

    method: FamiliarityMethod
    unknown_below: Share
    kept: Share
    split: Literal["val"]
    num: Count
    temperature: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    ece_before: Share | None = None
    ece_after: Share | None = None
    threshold: Measure | None = None
    typical: Measure | None = None
    score_below: Share | None = None
    features_sha256: Sha256 | None = None
    auroc: dict[FamiliarityMethod, Share] = {}
    against: Text = ""

    def __post_init__(self) -> None:
        measured = (self.threshold, self.typical, self.score_below)
        if self.method == "max_score":
            if any(value is not None for value in (*measured, self.features_sha256)):
                raise ValueError("confidence by max_score has neither threshold, typical, score_below nor features")
            return
        if self.threshold is None or self.typical is None or self.score_below is None:
            raise ValueError(f"confidence by {self.method} needs threshold, typical and score_below")
        if not self.threshold < self.typical:
            raise ValueError("confidence: threshold must be below typical")
        if self.unknown_below != AT_THRESHOLD:
            raise ValueError(f"confidence by {self.method} is unknown below {AT_THRESHOLD}, where its threshold lies")
        if (self.method == "feature_distance") != (self.features_sha256 is not None):
            raise ValueError("confidence by feature_distance, and no other, needs features_sha256")

    def has_parts_of_schema_3(self) -> bool:
        """Whether it says more than the threshold for the best score that schema 2 knew."""
        known = ConfidencePart(
            method="max_score", unknown_below=self.unknown_below, kept=self.kept, split=self.split, num=self.num
        )
        return self != known


class GoldenVector(_Part, frozen=True, kw_only=True):
    """One input and the raw output codes that the export measured for it.

    The input is either ``seed`` of the synthetic family or the associated file ``picture``;
    ``output`` is base64 of the output tensor's bytes.
    """

    seed: Annotated[int, Meta(ge=0, le=65535)] | None
    picture: Annotated[str, Meta(pattern=r"^golden/\d{1,2}\.png$")] | None
    output: Annotated[str, Meta(max_length=4 * MAX_LABELS)]

    def __post_init__(self) -> None:
        if (self.seed is None) == (self.picture is None):
            raise ValueError("a golden vector has either a seed or a picture")

    def output_bytes(self) -> bytes:
        """Return the output codes."""
        try:
            return base64.b64decode(self.output, validate=True)
        except binascii.Error as exc:
            raise ModelIntegrityError(f"a golden output is not base64: {exc}") from exc


class GoldenPart(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """Golden vectors and how closely they must be met.

    On LiteRT with XNNPACK the codes of an int8 file are equal byte for byte on x86-64 and 64-bit ARM
    alike. ``tolerance_codes`` is for everything else: the largest difference, in output codes, that
    this machine's other kernels showed at export, doubled, plus 4. A file whose output is float32 has
    ``tolerance_score`` instead, in units of the score: no two processors add floats in the same order.
    """

    generator: Name
    runtime: Text
    tolerance_codes: Annotated[int, Meta(ge=0, le=65535)] | None = None
    tolerance_score: Share | None = None
    vectors: Annotated[tuple[GoldenVector, ...], Meta(min_length=1, max_length=MAX_GOLDEN_VECTORS)]

    def __post_init__(self) -> None:
        if (self.tolerance_codes is None) == (self.tolerance_score is None):
            raise ValueError("golden vectors have either tolerance_codes or tolerance_score")


class EdgeTpuPart(_Part, frozen=True, kw_only=True):
    """What is known about this network on a Coral Edge TPU.

    ``status`` is ``checked`` for the plain file that a compiler may take, and ``compiled`` for the file
    that ``compiler`` wrote. ``mapped`` of ``operators`` run on the Edge TPU, by the compiler's word where
    there is one and else by prediction; so with the parameters, in bytes, that its memory caches and
    those that are streamed to it for every picture.
    """

    status: Literal["checked", "compiled"]
    compiler: Text
    mapped: Count
    operators: Count
    subgraphs: Count
    cached_bytes: Count
    streamed_bytes: Count


class Manifest(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """The whole of ``edgecnn.json``."""

    schema: Literal[1, 2, 3]
    name: Name
    description: Text
    created: Text
    tools: dict[str, Text]
    input: InputPart
    labels: LabelsPart
    model: ModelPart
    recipe: RecipePart
    accuracy: AccuracyPart
    golden: GoldenPart
    calibration: CalibrationPart | None = None
    confidence: ConfidencePart | None = None
    target: Literal["cpu", "gpu", "edgetpu"] = "cpu"
    edgetpu: EdgeTpuPart | None = None

    def __post_init__(self) -> None:
        if self.confidence is not None and self.schema == 1:
            raise ValueError("confidence came with schema 2")
        needs_calibration = self.recipe.kind in ("int8", "int16x8")
        if needs_calibration != (self.calibration is not None):
            what = "needs calibration, which is missing" if needs_calibration else "has no calibration"
            raise ValueError(f"a file of the kind {self.recipe.kind} {what}")
        if self.schema < 3 and self._has_parts_of_schema_3():
            raise ValueError("the recipe's rung, other kinds than int8, methods, target and edgetpu came with schema 3")

    def _has_parts_of_schema_3(self) -> bool:
        confidence, recipe = self.confidence, self.recipe
        return bool(
            recipe.kind != "int8"
            or recipe.rung
            or recipe.settings
            or recipe.tried
            or self.target != "cpu"
            or self.edgetpu
            or self.golden.tolerance_codes is None
            or self.golden.tolerance_codes > 255
            or (self.calibration and self.calibration.split != "train")
            or (confidence and confidence.has_parts_of_schema_3())
        )

    def to_json(self) -> bytes:
        """Return the manifest as indented UTF-8 JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    def to_builtins(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class _SchemaOnly(Struct):
    schema: int


def read_manifest(data: bytes) -> Manifest:
    """Read ``edgecnn.json``.

    Raises:
        ModelVersionError: it was written by a newer edgecnn.
        ModelIntegrityError: it breaks the schema; the message names the key.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise ModelIntegrityError(f"edgecnn.json has {len(data)} bytes; at most {MAX_MANIFEST_BYTES} are allowed")
    try:
        schema = msgspec.json.decode(data, type=_SchemaOnly).schema
        if schema > SCHEMA:
            raise ModelVersionError(
                f"edgecnn.json has schema {schema}, this edgecnn reads up to {SCHEMA}; "
                "run: pip install --upgrade edgecnn"
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ModelIntegrityError(f"edgecnn.json is not a valid manifest: {exc}") from exc
