import subprocess
import sys
from pathlib import Path

import pytest

DRAW_SHAPES = Path(__file__).parents[2] / "tools" / "draw_shapes.py"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of 20 coloured shapes; one class has a name that is not ASCII."""
    folder = tmp_path_factory.mktemp("pictures") / "shapes"
    subprocess.run([sys.executable, str(DRAW_SHAPES), str(folder), "--per-class", "20"], check=True)
    return folder
