import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import settings

from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.metadata import METADATA_NAME

ROOT = Path(__file__).parent.parent
SHAPES = ("Kreis ○", "square", "star", "triangle")

# Before a test module imports OpenCV: edgecnn does the same, but comes second there.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

# A busy machine is no reason to fail: what must be fast is measured by tools, not by tests.
settings.register_profile("edgecnn", deadline=None)
settings.load_profile("edgecnn")

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real export: int8, 96 x 96 pixels, the four classes of SHAPES; nobody may write into it."""
    copy = tmp_path_factory.mktemp("model") / "shapes-int8.tflite"
    shutil.copyfile(ROOT / "tests" / "fixtures" / copy.name, copy)
    copy.chmod(0o444)
    return copy


@pytest.fixture(scope="session")
def exported(model_file: Path) -> ModelFile:
    """That export, opened."""
    return ModelFile.open(model_file)


@pytest.fixture(scope="session")
def bare_model(exported: ModelFile) -> bytes:
    """Its network as a converter writes it: without TFLite Metadata and without files."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(exported.model, 0))
    for entry in model.metadata:
        if entry.name == METADATA_NAME.encode():
            model.buffers[entry.buffer].data = None
    model.metadata = [entry for entry in model.metadata if entry.name != METADATA_NAME.encode()]
    builder = flatbuffers.Builder(len(exported.model))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="session")
def foreign_file(bare_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network as if another tool had written it: no labels, no manifest."""
    path = tmp_path_factory.mktemp("foreign") / "network.tflite"
    path.write_bytes(bare_model)
    return path


@pytest.fixture(scope="session")
def labels_file(exported: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labels file for it."""
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    path.write_bytes(exported.files["labels.txt"])
    return path


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of each class that the model file knows, none of which it was trained on."""
    folder = tmp_path_factory.mktemp("pictures") / "shapes"
    script = ROOT / "tools" / "draw_shapes.py"
    subprocess.run([sys.executable, script, folder, "--per-class", "12", "--seed", "77"], check=True, timeout=60)
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Foreign models, photographs and data sets that are too large for the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def run_edgecnn() -> RunEdgecnn:
    """Runs the command line in a process of its own: ``run_edgecnn("inspect", path).stdout``."""

    def run(
        *arguments: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        timeout_s: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edgecnn", *map(str, arguments)],
            capture_output=True,
            check=False,
            cwd=cwd,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **(env or {})},
            input=stdin,
            timeout=timeout_s,
        )

    return run
