import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import settings
from msgspec import structs
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from edgecnn.modelfile import ModelFile
from edgecnn.modelfile.archive import append_files
from edgecnn.modelfile.metadata import METADATA_NAME
from edgecnn.modelfile.modelfile import pack_model_file
from edgecnn.testing.fake_edgetpu import fake_compiled
from edgecnn.testing.fake_library import build_fake_library, find_c_compiler

ROOT = Path(__file__).parent.parent
SHAPES = ("Kreis ○", "square", "star", "triangle")

# Before a test module imports OpenCV: edgecnn does the same, but comes second there.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

# A busy machine is no reason to fail: what must be fast is measured by tools, not by tests.
settings.register_profile("edgecnn", deadline=None)
settings.load_profile("edgecnn")

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]
StartChromium = Callable[..., webdriver.Chrome]


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
def careful_file(exported: ModelFile, picture_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That export with a feature map: to half of ``picture_folder``, while the other half set the threshold."""
    from edgecnn.data import ImageFolder, load_pixels
    from edgecnn.export.rejection import fit_confidence

    pictures = ImageFolder.scan(picture_folder).pictures
    train, val = (load_pixels(picture_folder, pictures[start::2], exported.contract) for start in (0, 1))
    bare = replace(exported, manifest=None, files={})
    part, files = fit_confidence(bare, train=train.pixels, val=val.pixels, truths=val.label_indices)
    assert exported.manifest is not None
    manifest = structs.replace(exported.manifest, schema=3, confidence=part)
    path = tmp_path_factory.mktemp("careful") / "careful.tflite"
    golden = {name: data for name, data in exported.files.items() if name.startswith("golden/")}
    path.write_bytes(pack_model_file(exported.model, exported.labels, manifest, {**golden, **files}))
    return path


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


@pytest.fixture(scope="session")
def start_chromium() -> Iterator[StartChromium]:
    """Starts headless Chromium, which keeps the named logs: ``start_chromium("browser", "performance")``."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no browser to open the page in: apt-get install chromium chromium-driver")
    opened: list[webdriver.Chrome] = []

    def start(*logs: str) -> webdriver.Chrome:
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", dict.fromkeys(logs, "ALL"))
        opened.append(webdriver.Chrome(options=options, service=Service(driver)))
        return opened[-1]

    yield start
    for browser in opened:
        browser.quit()


@pytest.fixture(scope="session")
def software_gpu(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which SwiftShader, a Vulkan driver that computes on the CPU, stands for a GPU.

    Its files come with Chromium; tests/gpu/get_swiftshader.sh fetches them alone.
    """
    names = ("libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json")
    folders = [Path(os.environ.get("EDGECNN_TEST_SWIFTSHADER") or "/nowhere"), Path("/usr/lib/chromium")]
    found = [folder for folder in folders if all((folder / name).is_file() for name in names)]
    if not found:
        pytest.skip("SwiftShader is not here: set EDGECNN_TEST_SWIFTSHADER, see tests/gpu/get_swiftshader.sh")
    folder = tmp_path_factory.mktemp("swiftshader")  # without Chromium's other libraries
    for name in names:
        (folder / name).symlink_to(found[0].resolve() / name)
    return {
        "LD_LIBRARY_PATH": str(folder),
        "VK_DRIVER_FILES": str(folder / names[2]),
        "EDGECNN_ALLOW_SOFTWARE_GPU": "1",
    }


@pytest.fixture(scope="session")
def built_edgetpu_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The FAKE libedgetpu of ``edgecnn.testing.fake_library``, built."""
    if find_c_compiler() is None:
        pytest.skip("no C compiler (cc, gcc or clang) to build the FAKE libedgetpu with")
    return build_fake_library(tmp_path_factory.mktemp("fake_libedgetpu"))


@pytest.fixture
def edgetpu_library(built_edgetpu_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that this test alone loads, here and in the processes that it starts."""
    library = tmp_path / "fake_libedgetpu" / "libedgetpu-FAKE.so.1"
    library.parent.mkdir()
    shutil.copyfile(built_edgetpu_library, library)
    monkeypatch.setenv("EDGECNN_EDGETPU_LIB", str(library))
    monkeypatch.setenv("FAKE_EDGETPU_LOG", str(library.parent / "log"))
    return library


@pytest.fixture
def compiled_file(exported: ModelFile, tmp_path: Path) -> Path:
    """``shapes_edgetpu.tflite``, the export as a FAKE compiler writes it, with the export itself beside it."""
    model = fake_compiled(exported.model)
    manifest = json.loads(exported.files["edgecnn.json"])
    manifest["model"] |= {"sha256": hashlib.sha256(model).hexdigest(), "num_bytes": len(model)}
    path = tmp_path / "compiled" / "shapes_edgetpu.tflite"
    path.parent.mkdir()
    path.write_bytes(append_files(model, {**exported.files, "edgecnn.json": json.dumps(manifest).encode()}))
    shutil.copyfile(exported.path, path.with_name("shapes.tflite"))
    return path
