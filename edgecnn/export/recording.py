"""The manifest of an export, and the file that holds it."""

from __future__ import annotations

import datetime
import hashlib
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecnn.core.labels import digest_labels
from edgecnn.errors import ExportError
from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.atomic import write_atomically
from edgecnn.modelfile.manifest import SCHEMA, InputPart, LabelsPart, Manifest, ModelPart
from edgecnn.runtime.verification import verify
from edgecnn.train.run_folder import RunFolder


def build_manifest(draft: ModelFile, run: RunFolder, *, name: str, description: str, **parts: Any) -> Manifest:
    """Return the manifest of a file.

    Args:
        draft: the network.
        run: where it comes from.
        name: what the model calls itself.
        description: one sentence about it.
        parts: of the manifest that were measured.
    """
    return Manifest(
        schema=SCHEMA,
        name=name,
        description=description,
        created=_now(),
        input=InputPart(**asdict(draft.contract)),
        labels=LabelsPart(num=len(draft.labels), sha256=digest_labels(draft.labels)),
        model=ModelPart(
            num_bytes=len(draft.model),
            sha256=hashlib.sha256(draft.model).hexdigest(),
            architecture=run.architecture,
            run=run.path.resolve().name,
        ),
        **parts,
    )


def write_proved(path: Path, data: bytes) -> ModelFile:
    """Prove a file as its reader will see it, and only then give it its name.

    Raises:
        ExportError: it does not repeat its golden vectors.
    """
    written = ModelFile.from_bytes(data, path=path)
    if not verify(written, backend="cpu").passed:
        raise ExportError("the file does not repeat its own golden vectors on this machine; nothing was written")
    write_atomically(path, data)
    return ModelFile.open(path)


def _now() -> str:
    """Return the time of the export, UTC; a fixed one where SOURCE_DATE_EPOCH asks for it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = (
        datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
        if epoch
        else datetime.datetime.now(datetime.timezone.utc)
    )
    return moment.isoformat(timespec="seconds")
