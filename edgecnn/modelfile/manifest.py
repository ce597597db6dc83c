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
from edgecnn.core.labels import MAX_LABELS
from edgecnn.errors import ModelIntegrityError, ModelVersionError

SCHEMA: Literal[2] = 2
MAX_MANIFEST_BYTES = 1 << 20
MAX_GOLDEN_VECTORS = 64

Text = Annotated[str, Meta(max_length=4096)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=1 << 40)]
Share = Annotated[float, Meta(ge=0, le=1)]
Side = Annotated[int, Meta(ge=1, le=MAX_SIDE_PX)]


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


class RecipePart(_Part, frozen=True, kw_only=True):
    """How the numbers were made small."""

    kind: Literal["int8"]
    quantizer: Text


class CalibrationPart(_Part, frozen=True, kw_only=True):
    """Which pictures set the ranges; the digest is over the sorted SHA-256 of each file."""

    num: Count
    split: Literal["train"]
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


class ConfidencePart(_Part, frozen=True, kw_only=True):
    """Below which score an answer says ``unknown``, and what that was fitted to.

    ``kept`` is the share of ``num`` pictures of ``split`` whose best score reaches ``unknown_below``.
    """

    method: Literal["max_score"]
    unknown_below: Share
    kept: Share
    split: Literal["val"]
    num: Count


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


class GoldenPart(_Part, frozen=True, kw_only=True):
    """Golden vectors and how closely they must be met.

    On LiteRT with XNNPACK the codes are equal byte for byte on x86-64 and 64-bit ARM alike.
    ``tolerance_codes`` is for everything else: the largest difference, in output codes, that
    this machine's other kernels showed at export, doubled, plus 4.
    """

    generator: Name
    runtime: Text
    tolerance_codes: Annotated[int, Meta(ge=0, le=255)]
    vectors: Annotated[tuple[GoldenVector, ...], Meta(min_length=1, max_length=MAX_GOLDEN_VECTORS)]


class Manifest(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """The whole of ``edgecnn.json``."""

    schema: Literal[1, 2]
    name: Name
    description: Text
    created: Text
    tools: dict[str, Text]
    input: InputPart
    labels: LabelsPart
    model: ModelPart
    recipe: RecipePart
    calibration: CalibrationPart
    accuracy: AccuracyPart
    golden: GoldenPart
    confidence: ConfidencePart | None = None

    def __post_init__(self) -> None:
        if self.confidence is not None and self.schema == 1:
            raise ValueError("confidence came with schema 2")

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
