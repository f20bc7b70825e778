"""A Ray cluster that runs already: connected to, never started. Ray is an extra, and takes seconds to import."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from stepreward.errors import ConfigurationError


@dataclass(frozen=True)
class RayOptions:
    """`address` as `ray.init` takes it; `workers` is how many actors there are, None for what the work takes."""

    address: str = "auto"
    workers: int | None = None

    @classmethod
    def of(cls, engine: str, address: str | None, workers: int | None) -> Self | None:
        """From a command's options; None for another engine, for which they are refused by ConfigurationError."""
        if engine == "ray":
            return cls(address or os.environ.get("RAY_ADDRESS") or "auto", workers)
        for name, given in {"--ray-address": address, "--ray-workers": workers}.items():
            if given is not None:
                raise ConfigurationError(f"{name}: only for --engine ray")
        return None


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, with Ray Data. Raises ConfigurationError: no Ray, no such cluster."""
    try:
        import ray  # noqa: PLC0415
        import ray.data  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'--engine ray needs the module {error.name} (pip install "stepreward[ray]")'
        ) from error
    ray.init(_reachable(address), log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        ray.shutdown()


def this_node(ray: Any) -> dict[str, str]:
    """The label of the node that this process is on."""
    return {"ray.io/node-id": ray.get_runtime_context().get_node_id()}


def streamed(ray: Any, read: Callable[[], Iterator[Any]]) -> Any:
    """A dataset of the tables that `read` gives in a task on this node, each a block, which goes on at once."""
    from ray.data.block import BlockMetadata  # noqa: PLC0415
    from ray.data.datasource import Datasource, ReadTask  # noqa: PLC0415

    class Tables(Datasource):  # type: ignore[misc]  # Ray is an extra
        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, **_: Any) -> list[Any]:
            return [ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None))]

    context = ray.data.DataContext.get_current()
    # Ray Data would wait for more of them.
    context.target_max_block_size = 1
    context.enable_progress_bars = False
    return ray.data.read_datasource(Tables(), override_num_blocks=1, num_cpus=0, label_selector=this_node(ray))


def reason(error: BaseException) -> str:
    """What an actor said, without the traces of all that it went through."""
    while (inner := getattr(error, "cause", None) or error.__cause__) is not None and inner is not error:
        error = inner
    return _first_line(error)


def _reachable(address: str) -> str:
    """host:port of a cluster. `ray.init` would wait for a missing one without end, and start one for "local"."""
    from ray._private.services import canonicalize_bootstrap_address_or_die  # noqa: PLC0415  (what "auto" means)

    if address == "local" or "://" in address:
        raise ConfigurationError(f"--ray-address: {address!r} is not auto or host:port; run on a node of the cluster")
    try:
        found: str = canonicalize_bootstrap_address_or_die(address)
        host, _, port = found.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--ray-address: no Ray cluster at {address!r}: {_first_line(error)}") from error
    return found


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
