"""Lines on disk or on standard input, packed by gzip or Zstandard or not, and what is wrong with one."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from pydantic import ValidationError

from stepreward.errors import ConfigurationError

_PACKED_BYTES_AT_ONCE = 16 << 10


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used. `line` is its 1-based line, or its number where the file has no lines."""

    line: int
    reason: str


def reason_of(error: ValidationError) -> str:
    """The first thing that is wrong with a row, and where, without the row's text."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


@contextmanager
def open_lines(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked when its name ends in .gz or .zst; `-` is standard input.

    Raises OSError, also in the block for a damaged .gz, which the standard library tells by three kinds of error, and
    for a damaged .zst. Raises ConfigurationError for .zst without its library.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
    elif path.suffix == ".gz":
        try:
            with gzip.open(path, "rb") as packed:
                yield cast("BinaryIO", packed)
        except (EOFError, zlib.error) as error:
            raise OSError(None, f"damaged gzip: {error}", str(path)) from error
    elif path.suffix == ".zst":
        with _open_zst(path) as unpacked:
            yield unpacked
    else:
        with path.open("rb") as plain:
            yield plain


@contextmanager
def _open_zst(path: Path) -> Iterator[BinaryIO]:
    try:
        import zstandard  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{path}: reading .zst needs zstandard: pip install stepreward[corpus]") from error
    try:
        with path.open("rb") as packed:
            unpacked = UnpackedFrames(packed, lambda: zstandard.ZstdDecompressor().decompressobj())
            yield cast("BinaryIO", io.BufferedReader(unpacked))
    except zstandard.ZstdError as error:
        raise OSError(None, f"damaged zst: {error}", str(path)) from error


class FrameDecompressor(Protocol):
    """Unpacks one frame: the face that the decompression objects of zlib and zstandard share."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class UnpackedFrames(io.RawIOBase):
    """The content of a packed file, frame after frame. Raises OSError where the last frame is cut off.

    zstandard's own stream reader takes a cut file for a whole one.
    """

    def __init__(self, packed: BinaryIO, new_frame: Callable[[], FrameDecompressor]) -> None:
        super().__init__()
        self._packed, self._new_frame = packed, new_frame
        self._frame = new_frame()
        self._begun = False
        self._pending = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # io calls it with a memoryview
        while not self._pending:
            data = self._frame.unused_data if self._frame.eof else b""
            data = data or self._packed.read(_PACKED_BYTES_AT_ONCE)
            if not data:
                if self._begun and not self._frame.eof:
                    raise OSError(None, "the file is cut off", self._packed.name)
                return 0
            if self._frame.eof:
                self._frame = self._new_frame()
            self._begun = True
            self._pending = memoryview(self._frame.decompress(data))
        count = min(len(buffer), len(self._pending))
        buffer[:count], self._pending = self._pending[:count], self._pending[count:]
        return count
