"""Qdrant's own engine behind the part of Qdrant's REST API that we use, as a process of its own.

    python -m stepreward.embedded.qdrant.server --data-dir DIR --host 127.0.0.1 --port 6333

The gateway speaks to it with the same client as to a Qdrant server. What it does not do, it refuses; see the modules
`wire` and `schema` for the bodies, `refusals` for the answers. With `--keys` a request wants an API key, and
one for `corpus` to write (`access`); health and metrics want none.
"""

import signal
import sys
from pathlib import Path

import click
import uvicorn

from stepreward import logs
from stepreward.access import Gate
from stepreward.embedded.qdrant.routes import create_app
from stepreward.embedded.qdrant.store import Store
from stepreward.errors import ConfigurationError

# Longer than a client keeps an idle connection (httpx: 5 s), so that it never finds one closed under its request.
KEEP_ALIVE_S = 75


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=6333, show_default=True)
@click.option("--keys", type=click.Path(path_type=Path, dir_okay=False), multiple=True, help="files of API keys")
def main(data_dir: Path, host: str, port: int, keys: tuple[Path, ...]) -> None:
    """Serve the collections in DATA_DIR until SIGTERM; then flush, close and exit with 0."""
    logs.configure("info")
    try:
        gates = [Gate(path) for path in keys]
        store = Store.open(data_dir)
    except ConfigurationError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    config = uvicorn.Config(
        create_app(store, gates),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    # uvicorn raises the signals it caught once more when it is done: without this the process would die of SIGTERM.
    for caught in (signal.SIGTERM, signal.SIGINT):
        signal.signal(caught, lambda *_: None)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
