"""An ingest beside the searches, as a process of its own: `python -m loadtests.retrieval.storing URL`."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from loadtests.retrieval.engine import opened
from stepreward.errors import ConfigurationError
from stepreward.retrieval.payloads import StepPayload
from stepreward.retrieval.store import Point

_SNAPSHOT = "bench-storing"
_POINTS = 2_048


@asynccontextmanager
async def storing(url: str) -> AsyncIterator[None]:
    """Meanwhile steps are stored in a snapshot of their own, which is removed afterwards.

    Raises ConfigurationError where that ended by itself.
    """
    command = [sys.executable, "-m", "loadtests.retrieval.storing", url]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        await process.stdout.readline()
        yield
        if process.returncode is not None:
            raise ConfigurationError(f"{url}: storing beside the searches ended with {process.returncode}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        store = opened(url)
        await store.drop(_SNAPSHOT)
        await store.close()


async def _store_on(url: str) -> None:
    """The same points again and again, under new ids; says "storing" once the first are stored."""
    store = opened(url)
    active = (await store.active()).manifest
    await store.begin(active.model_copy(update={"id": _SNAPSHOT, "complete": False}))
    vectors = np.random.default_rng(0).standard_normal((_POINTS, active.pca.dimensions_out)).tolist()
    payload = StepPayload(question_id=str(uuid.uuid4()), text="2 + 3 = 5.", label=True, source="", sha256="")
    while True:
        points = [Point(str(uuid.uuid4()), vector, payload.model_dump(mode="json")) for vector in vectors]
        await store.add_steps(_SNAPSHOT, points)
        sys.stdout.write("storing\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_store_on(sys.argv[1]))
