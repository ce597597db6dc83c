import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DRAW_SHAPES = Path(__file__).parents[2] / "tools" / "draw_shapes.py"
RunEdgecnn = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, run_edgecnn: RunEdgecnn) -> Path:
    """A run of `tiny` on shapes, small and short, but trained; its pictures lie beside it."""
    folder = tmp_path_factory.mktemp("trained")
    subprocess.run([sys.executable, DRAW_SHAPES, folder / "shapes", "--per-class", "60"], check=True, timeout=60)
    done = run_edgecnn(
        "train",
        folder / "shapes",
        *("-o", folder / "run", "--arch", "tiny", "--size", "32", "--epochs", "12", "--augment", "none"),
        timeout_s=300,
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture(scope="session")
def exported_file(trained_run: Path, run_edgecnn: RunEdgecnn) -> Path:
    """The int8 file of ``trained_run``."""
    output = trained_run.parent / "shapes.tflite"
    done = run_edgecnn(
        *("export", trained_run, "--int8", "-o", output, "--max-drop", "5", "--calib-count", "200"), timeout_s=300
    )
    assert done.returncode == 0, done.stderr
    return output
