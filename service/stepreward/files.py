"""JSON lines on disk or on standard input, gzipped or not."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast


@contextmanager
def open_lines(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked when its name ends in .gz; `-` is standard input.

    Raises OSError, also in the block for a damaged .gz, which the standard library tells by three kinds of error.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
    elif path.suffix == ".gz":
        try:
            with gzip.open(path, "rb") as packed:
                yield cast("BinaryIO", packed)
        except (EOFError, zlib.error) as error:
            raise OSError(None, f"damaged gzip: {error}", str(path)) from error
    else:
        with path.open("rb") as plain:
            yield plain
