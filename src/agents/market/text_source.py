"""Open a file of prices as text, whatever its encoding or compression, in blocks that end at a line's end."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from src.agents.market.candles import MarketDataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK_CHARACTERS = 6 << 20
_LARGEST_BYTES = 1 << 30
_LONGEST_RECORD = 64 << 20
_HEAD_BYTES = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DAMAGE = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, RuntimeError, NotImplementedError, ValueError)


@dataclass(frozen=True, slots=True)
class TextSource:
    """A file of text: `head` is its beginning, with lines that end in a line feed alone."""

    path: Path
    encoding: str
    head: str

    def blocks(self, size: int = BLOCK_CHARACTERS) -> Iterator[str]:
        """Yield the whole text in blocks; a record that a quotation mark carries over lines stays in one block."""
        with _opened(self.path) as stream, io.TextIOWrapper(stream, encoding=self.encoding, newline=None) as text:
            rest, read = "", 0
            while True:
                try:
                    piece = text.read(size)
                except UnicodeDecodeError as error:
                    raise MarketDataError(
                        f"{self.path} is no text: byte {error.object[error.start]:#04x} is no letter in "
                        f"{self.encoding}, nor is the file UTF-8. Export it anew, as UTF-8."
                    ) from error
                read += len(piece)
                if read > _LARGEST_BYTES:
                    raise _too_large(self.path)
                whole, rest = _cut(rest + piece, is_last=not piece)
                if whole:
                    yield whole
                if not piece:
                    return
                if len(rest) > _LONGEST_RECORD:
                    raise MarketDataError(
                        f"{self.path} has a line of more than {_LONGEST_RECORD >> 20} MB, or a quotation mark that is "
                        "never closed: give a CSV file with one candle a row."
                    )


def _cut(text: str, *, is_last: bool) -> tuple[str, str]:
    if is_last:
        return text, ""
    end = text.rfind("\n") + 1
    quotes = text.count('"', 0, end) if '"' in text else 0
    while end and quotes % 2:
        previous = text.rfind("\n", 0, end - 1) + 1
        quotes -= text.count('"', previous, end)
        end = previous
    return text[:end], text[end:]


def open_text(path: Path) -> TextSource:
    """Return a file as text: UTF-8, UTF-16 or UTF-32, else Windows-1252; gzip, bzip2, xz and zip are unpacked.

    Raises:
        MarketDataError: it cannot be read, is too large, or is no text.
    """
    head = checked_head(path)
    encoding = _encoding(head, path)
    if encoding.startswith("utf-8") and not _is_utf8(path, encoding):
        encoding = "cp1252"
    try:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        text = decoder.decode(head)
    except UnicodeError as error:
        raise MarketDataError(f"{path} is not {encoding.upper()} text: save it as UTF-8.") from error
    return TextSource(path=path, encoding=encoding, head=text.replace("\r\n", "\n").replace("\r", "\n"))


def checked_head(path: Path) -> bytes:
    """Return the first bytes of what a file holds.

    Raises:
        MarketDataError: it is a folder, is not there, or cannot be read.
    """
    _check(path)
    return head_bytes(path)


def head_bytes(path: Path) -> bytes:
    """Return the first bytes of what a file holds, unpacked."""
    try:
        with _opened(path) as stream:
            return stream.read(_HEAD_BYTES)
    except MarketDataError:
        raise
    except _DAMAGE as error:
        raise MarketDataError(f"{path} cannot be unpacked ({error}): fetch it again.") from error


def _check(path: Path) -> None:
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where the folder above may not be read
        raise MarketDataError(f"{path} is a folder: name a file of prices in it.")
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise MarketDataError(f"{path} does not exist: check the path.") from error
    except (OSError, ValueError) as error:
        raise MarketDataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if size > _LARGEST_BYTES:
        raise _too_large(path)


def _too_large(path: Path) -> MarketDataError:
    return MarketDataError(f"{path} holds more than 1 GB: cut it to the months that are needed.")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open what a file holds: its only member of prices, where it is an archive."""
    with path.open("rb") as raw:
        magic = raw.read(6)
        raw.seek(0)
        if magic[:4] == b"PK\x03\x04":
            with _archive(raw, path) as archive, archive.open(_member(archive, path)) as member:
                yield member
        elif magic[:2] == b"\x1f\x8b":
            with gzip.open(raw) as unpacked:
                yield unpacked  # type: ignore[misc]  # a GzipFile reads as any binary file
        elif magic[:3] == b"BZh":
            with bz2.open(raw) as unpacked:
                yield unpacked
        elif magic == b"\xfd7zXZ\x00":
            with lzma.open(raw) as unpacked:
                yield unpacked
        else:
            yield raw


def _archive(raw: IO[bytes], path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(raw)
    except zipfile.BadZipFile as error:
        raise MarketDataError(
            f"{path} is not a text file, nor a whole zip archive: fetch it again, or give a CSV file."
        ) from error


def _member(archive: zipfile.ZipFile, path: Path) -> str:
    names = [info.filename for info in archive.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
    if "[Content_Types].xml" in names:
        raise MarketDataError(f"{path} is not a text file but a spreadsheet: save it as CSV first.")
    tables = [name for name in names if name.lower().endswith((".csv", ".json", ".tsv"))] or names
    if len(tables) != 1:
        listed = ", ".join(tables[:5]) or "nothing"
        raise MarketDataError(f"{path} holds {listed}: give an archive with one file of prices, or that file itself.")
    return tables[0]


def _encoding(head: bytes, path: Path) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" not in head[:4096]:
        return "utf-8"
    even, odd = head[0:4096:2], head[1:4096:2]
    if odd.count(0) > len(odd) * 0.8 and not even.count(0):
        return "utf-16-le"
    if even.count(0) > len(even) * 0.8 and not odd.count(0):
        return "utf-16-be"
    raise MarketDataError(f"{path} is not a text file: give a CSV file (a spreadsheet must be saved as CSV first).")


def _is_utf8(path: Path, encoding: str) -> bool:
    """Tell whether all of a file is UTF-8; Latin-1 shows in its first letter beyond ASCII, which may come late."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with _opened(path) as stream:
            read = 0
            while piece := stream.read(1 << 20):
                read += len(piece)
                if read > _LARGEST_BYTES:
                    raise _too_large(path)
                if not piece.isascii():
                    decoder.decode(piece)
                elif decoder.getstate()[0]:
                    return False
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except MarketDataError:
        raise
    except _DAMAGE as error:
        raise MarketDataError(f"{path} cannot be unpacked ({error}): fetch it again.") from error
    return True
