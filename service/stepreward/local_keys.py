"""The keys of the embedded vector engine: one to read with, one to write with too, made once, for this user alone.

`serve` makes them and gives the engine their file, which is one of `access`. The gateway takes the one that only reads,
so that nobody who gets hold of it can plant references; an ingest takes the other.
"""

import json
import os
import secrets
from pathlib import Path


def key_file(data_dir: Path) -> Path:
    return data_dir / "keys" / "vectors.json"


def make(data_dir: Path) -> Path:
    """The file; one that is there stays as it is."""
    path = key_file(data_dir)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        entries = [
            {"tenant": "gateway", "scopes": ["scoring"], "key": secrets.token_hex(32)},
            {"tenant": "ingest", "scopes": ["scoring", "corpus"], "key": secrets.token_hex(32)},
        ]
        made = path.with_suffix(".new")
        made.unlink(missing_ok=True)
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"keys": entries}, file)
        made.replace(path)
    return path


def find(data_dir: Path, *, writes: bool) -> str | None:
    """None where there are none, or they are another user's: the engine may want none."""
    try:
        entries = json.loads(key_file(data_dir).read_text(encoding="utf-8"))["keys"]
    except OSError:
        return None
    return next((str(entry["key"]) for entry in entries if ("corpus" in entry["scopes"]) is writes), None)
