import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

import edgecnn
from edgecnn import errors
from edgecnn.cli.main import VERBS

RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]
PACKAGE = Path(edgecnn.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
)
TRAINING_SIDE = ("edgecnn.train", "edgecnn.export", "edgecnn.cli.train", "edgecnn.cli.export")
DEVICE_MODULES = [module for module in MODULES if not module.startswith(TRAINING_SIDE)]
MAX_LINES = 400

# None in sys.modules makes every import of that name an ImportError.
POISON = "import sys; sys.modules.update(dict.fromkeys(({names}), None)); "


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, encoding="utf-8", timeout=120, check=False
    )


def poison(*names: str) -> str:
    return POISON.format(names=", ".join(map(repr, names)) + ",")


def test_the_layers_of_the_house_are_kept(repository: Path) -> None:
    lint = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or shutil.which("lint-imports")
    assert lint is not None, "import-linter is not installed; run: pip install -e '.[dev]'"
    done = subprocess.run([lint, "--no-cache"], cwd=repository, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_device_module_can_be_imported_where_tensorflow_and_keras_cannot() -> None:
    code = poison("tensorflow", "keras", "tf_keras", "flatbuffers", "matplotlib")
    code += "import importlib; [importlib.import_module(name) for name in sys.argv[1:]]"
    command = [sys.executable, "-W", "error", "-c", code, *DEVICE_MODULES]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_the_device_half_classifies_where_tensorflow_and_keras_cannot_be_imported(model_file: Path) -> None:
    code = poison("tensorflow", "keras", "tf_keras", "flatbuffers", "matplotlib", "PIL")
    code += "import numpy as np, edgecnn; "
    code += f"classifier = edgecnn.load({str(model_file)!r}, num_threads=1); "
    code += "print(len(classifier.classify(np.zeros((50, 50, 3), np.uint8)).categories))"
    done = run_python(code)
    assert (done.returncode, done.stdout.strip()) == (0, "4"), done.stderr


def test_the_numbers_and_the_file_format_need_neither_opencv_nor_litert_nor_click(model_file: Path) -> None:
    code = poison("cv2", "ai_edge_litert", "tflite_runtime", "click", "tensorflow", "flatbuffers")
    code += f"from pathlib import Path; import edgecnn; print(edgecnn.ModelFile.open(Path({str(model_file)!r})).labels)"
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert "triangle" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], []])
def test_help_loads_neither_numpy_nor_opencv(arguments: list[str]) -> None:
    code = poison("numpy", "cv2", "ai_edge_litert", "msgspec")
    done = run_python(code + f"from edgecnn.cli.main import main; main({arguments!r})")
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert "edgecnn" in done.stdout + done.stderr


def test_importing_edgecnn_loads_nothing_else() -> None:
    done = run_python("import sys, json, edgecnn; print(json.dumps(sorted(sys.modules)))")
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded.isdisjoint({"numpy", "cv2", "ai_edge_litert", "click", "msgspec", "tensorflow"})


def test_the_exported_names_are_these() -> None:
    assert sorted(edgecnn.__all__) == PUBLIC_NAMES
    assert dir(edgecnn) == PUBLIC_NAMES
    for name in PUBLIC_NAMES:
        assert getattr(edgecnn, name) is not None
    with pytest.raises(AttributeError, match="module 'edgecnn' has no attribute 'Trainer'"):
        _ = edgecnn.Trainer


PUBLIC_NAMES = [
    "Category",
    "Classifier",
    "EdgecnnError",
    "Frame",
    "InputContract",
    "ModelFile",
    "Prediction",
    "__version__",
    "load",
]


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.EdgecnnError)]
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+)(?: \((\w+)\))?", errors.__doc__ or "", re.MULTILINE)
    parents: list[str] = []
    found: dict[str, tuple[str, ...]] = {}
    for indent, name, builtin in drawn:
        depth = len(indent) // 4
        parents[depth:] = [name]
        found[name] = ((parents[depth - 1] if depth else "Exception"), *([builtin] if builtin else []))
    assert found == {kind.__name__: tuple(base.__name__ for base in kind.__bases__) for kind in kinds}


def test_every_error_says_what_it_means() -> None:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        assert kind.__doc__


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_command_with_help(verb: str) -> None:
    command = importlib.import_module(f"edgecnn.cli.{verb}").command
    assert isinstance(command, click.Command)
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert each.help
        assert "--json" in {option for parameter in each.params for option in parameter.opts} or verb == "run"


def test_there_is_a_file_for_every_verb_and_a_verb_for_every_file() -> None:
    no_verbs = {"__init__", "asking", "explained", "main", "progress", "signals", "training_record"}
    files = {path.stem for path in (PACKAGE / "cli").glob("*.py")} - no_verbs
    assert files == set(VERBS)


def entry_points_of(repository: Path) -> set[tuple[str, str]]:
    """Return name and object of every entry point in pyproject.toml; Python 3.10 has no parser for it."""
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    return set(re.findall(r'^(\w+) = "(edgecnn\.[\w.]+:\w+)"$', text, re.MULTILINE))


def test_every_entry_point_leads_to_something_that_can_be_called(repository: Path) -> None:
    points = entry_points_of(repository)
    assert {"edgecnn", "camera", "folder", "console", "jsonl"} <= {name for name, _ in points}
    for _, value in points:
        module, _, name = value.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_installed_entry_points_are_those_of_this_checkout(repository: Path) -> None:
    groups = ("edgecnn.sources", "edgecnn.sinks", "edgecnn.backends", "console_scripts")
    found = [point for group in groups for point in entry_points(group=group)]
    installed = {(point.name, point.value) for point in found if point.value.startswith("edgecnn.")}
    if not installed:
        pytest.skip("edgecnn is not installed here, only found on the path; run: pip install -e .")
    assert entry_points_of(repository) == installed, "run again: pip install -e ."


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_enough_to_be_read(module: str) -> None:
    path = PACKAGE.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
