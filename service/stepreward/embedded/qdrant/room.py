"""Room on disk. The engine maps its files into memory: a disk that is full under it does not fail a write, it kills the
process (SIGBUS). Nothing acknowledged is lost even then, but nobody is answered either: so writes are refused before.
"""

import os
import tempfile
from pathlib import Path

from stepreward.embedded.qdrant.refusals import EngineFailed

# The largest body is written twice, into the log and into the collection, and the log begins files of 32 MiB.
KEPT_FREE_BYTES = 256 * 2**20
# Larger than any file that the engine begins.
_TRIAL_BYTES = 64 * 2**20


def check_room(directory: Path, needed_bytes: int = 0) -> None:
    """Raises EngineFailed where less than `needed_bytes` and KEPT_FREE_BYTES are free. Begins as Qdrant's message."""
    found = os.statvfs(directory)
    free_bytes = found.f_bavail * found.f_frsize
    if free_bytes < needed_bytes + KEPT_FREE_BYTES:
        raise EngineFailed(
            f"Service internal error: No space left on device: {free_bytes >> 20} MiB are free for {directory}, "
            f"{needed_bytes + KEPT_FREE_BYTES >> 20} MiB are needed"
        )


def check_allocation(directory: Path) -> None:
    """Take room and give it back: a quota or a limit of the process shows only so. Raises EngineFailed."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, _TRIAL_BYTES)
    except OSError as error:
        raise EngineFailed(f"Service internal error: No space left on device: {error}") from error


def size_bytes(directory: Path) -> int:
    """Of a copy: holes in files are filled."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
