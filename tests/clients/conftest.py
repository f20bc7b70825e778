"""The services that the frameworks call, each a process of the project's own environment."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from sample import QUESTION, RESPONSE

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("STEPREWARD_SERVICE_PYTHON", str(ROOT / ".venv/bin/python"))


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    program = Path(__file__).with_name("service.py")
    command = [PYTHON, str(program), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the service did not start"
        yield url
        process.stdin.close()
        process.wait(30)


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., str]]:
    """Start another service, with these arguments, until the end of the tests."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(running(*arguments))


@pytest.fixture(scope="session")
def url(start: Callable[..., str]) -> str:
    """A service that scores."""
    return start()


@pytest.fixture(scope="session")
def scoreless(start: Callable[..., str]) -> str:
    """A service whose model has no room for any solution."""
    return start("--context-tokens", "300")


@pytest.fixture(scope="session")
def expected(url: str) -> float:
    """The score of the solution, by the service's own route."""
    body = {"items": [{"question": QUESTION, "response": RESPONSE}]}
    return float(httpx.post(f"{url}/score", json=body, timeout=60).json()["items"][0]["score"])
