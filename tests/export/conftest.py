import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.core.contract import InputContract
from edgecnn.data import ImageFolder, load_pixels

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path) -> Path:
    """A small trained run and networks from the converter, see ``convert_networks.py``; nobody may write there."""
    folder = tmp_path_factory.mktemp("converted")
    script = Path(__file__).parent / "convert_networks.py"
    done = subprocess.run([sys.executable, script, picture_folder, folder], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return folder


@pytest.fixture(scope="session")
def ladder_folder() -> Path:
    """Networks of inverted residuals, ``plain`` and ``hostile``, see ``tools/build_ladder_models.py``."""
    return ROOT / "tests" / "fixtures" / "ladder"


@pytest.fixture(scope="session")
def grey_shapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """160 pictures that those networks never saw, shuffled, with their classes."""
    folder = tmp_path_factory.mktemp("grey") / "shapes"
    script = ROOT / "tools" / "draw_shapes.py"
    subprocess.run([sys.executable, script, folder, "--per-class", "40", "--seed", "7"], check=True, timeout=60)
    loaded = load_pixels(folder, ImageFolder.scan(folder).pictures, InputContract(width=48, height=48))
    grey = loaded.pixels.mean(axis=3, keepdims=True).astype(np.uint8).repeat(3, axis=3)
    order = np.random.default_rng(0).permutation(len(grey))
    return grey[order], loaded.label_indices[order]
