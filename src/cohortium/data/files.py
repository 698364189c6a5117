"""The text of a file, a block of lines at a time: opened, decompressed, checked to be text.

What a file is, is decided by its first bytes and not by its name: people rename files. A text is
read from its beginning as often as it is asked for, and never held as a whole: a file may be larger
than memory, and a small compressed one may hold a very large text.
"""

from __future__ import annotations

import codecs
import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import zstandard

from cohortium.errors import DataFileError

PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_HEAD = 1 << 12
_CHUNK = 1 << 20
# zstd makes at most 128 KiB of 4 bytes: so many of its bytes at a time keep memory bounded.
_ZSTD_CHUNK = 1 << 12
_BLOCK = 1 << 22
# A header of three million names fits; what has no line ends at all does not.
_LONGEST_LINE = 1 << 26

_OTHER_FORMATS = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"RDX", "an R workspace (RData)"),
    (b"X\n\x00\x00", "an R object (rds)"),
    (b"\x93NUMPY", "a NumPy array without names of samples and features"),
    (b"PARE", "an encrypted Parquet table"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz"),
    (_GZIP, "compressed twice"),
    (_ZSTD, "compressed twice"),
    (PARQUET, "a compressed Parquet table"),
    (b"\x89HDF", "an HDF5 (h5ad) file"),
    (b"l\x1b\x01", "a PLINK .bed file"),
    (b"##fileformat=VCF", "a VCF file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)
_EXPORT = "Export it as a plain table: UTF-8 text, tab- or comma-separated, as it is or gzipped."


@dataclass(frozen=True)
class Text:
    r"""A file's text from the line after ``skip`` on, to the one that begins with ``until``.

    Line ends are ``\n``, and those after the last line are left out; there is no byte order mark.
    ``head`` is how the file begins.
    """

    path: Path
    head: bytes
    skip: int = 0
    until: str = ""

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    def after(self, lines: int) -> Text:
        """Return the text that begins so many lines later."""
        return replace(self, skip=self.skip + lines)

    def lines(self) -> Iterator[str]:
        r"""Yield the lines, each with its ``\n``. Errors: as ``blocks``."""
        for block in self.blocks():
            # Of all that Unicode calls a line end, \n alone is one.
            yield from io.StringIO(block, newline="\n")

    def blocks(self) -> Iterator[str]:
        """Yield the text in blocks of whole lines, about 4 MiB each.

        Raises DataFileError where it can not be read or decompressed, is not UTF-8, has a zero
        byte or a line of more than 64 MiB; or where there is no line that begins with ``until``.
        """
        skip = self.skip
        for block in self._whole_lines():
            if skip:
                skip, block = _without_lines(block, skip)
            if self.until and (end := ("\n" + block).find("\n" + self.until)) >= 0:
                if end:
                    yield block[:end]
                return
            if block:
                yield block
        if self.until:
            raise DataFileError(
                f"{self.name} has no line {self.until}: it is cut off.",
                remedy="Copy or download it again.",
            )

    def _whole_lines(self) -> Iterator[str]:
        decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8-sig")(), translate=True
        )
        rest, before, empty = "", 0, 0
        for chunk in _chunks(self.path):
            try:
                rest += decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                seen = error.object[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                line = before + empty + rest.count("\n") + seen.count(b"\n") + 1
                raise DataFileError(
                    f"{self.name}: line {line} is not UTF-8 text.",
                    remedy="Save the file again with the encoding UTF-8.",
                ) from error
            if "\0" in rest:
                line = before + empty + rest.count("\n", 0, rest.index("\0")) + 1
                raise DataFileError(
                    f"{self.name} is not text: line {line} has a zero byte.", remedy=_EXPORT
                )
            end = rest.rfind("\n") + 1 if chunk else len(rest)
            if chunk and len(rest) - end > _LONGEST_LINE:
                raise DataFileError(
                    f"{self.name}, line {before + empty + rest.count(chr(10)) + 1} has more than "
                    f"{_LONGEST_LINE:,} characters: it is no table, or has no line ends.",
                    remedy=_EXPORT,
                )
            if chunk and end < _BLOCK:
                continue
            block, rest = rest[:end].rstrip("\n"), rest[end:]
            ends = end - len(block)
            if block:
                yield from _empty_lines(empty)
                before += empty + block.count("\n") + 1
                empty = ends - 1
                yield block + "\n"
            else:
                empty += ends


def _empty_lines(count: int) -> Iterator[str]:
    for start in range(0, count, _BLOCK):
        yield "\n" * min(_BLOCK, count - start)


def _without_lines(block: str, skip: int) -> tuple[int, str]:
    """Return how many lines are still to be left out, and the rest of the block."""
    start = 0
    while skip and start < len(block):
        start = (block.find("\n", start) + 1) or len(block)
        skip -= 1
    return skip, block[start:]


def open_text(path: Path) -> Text:
    """Return the text of a file, gzip and zstd undone.

    Raises DataFileError where the file can not be opened or decompressed, is of another format or
    is empty; what is further down is found when it is read.
    """
    name, head = path.name, b""
    for chunk in _chunks(path):
        head += chunk
        if len(head) >= _HEAD:
            break
    for magic, kind in _OTHER_FORMATS:
        if head.startswith(magic):
            raise DataFileError(f"{name} is {kind}, not a plain table.", remedy=_EXPORT)
    text = Text(path, head.removeprefix(codecs.BOM_UTF8)[:_HEAD])
    if not any(block.strip() for block in text.blocks()):
        raise DataFileError(f"{name} is empty.", remedy="Check that it was copied completely.")
    return text


def first_bytes(path: Path) -> bytes:
    """Return how the file begins, gzip undone; DataFileError where it can not be opened."""
    with _opened(path) as file:
        head = file.read(_HEAD)
    if not head.startswith(_GZIP):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def is_gzipped(path: Path) -> bool:
    """Return whether a file is compressed by gzip; errors as ``first_bytes``."""
    with _opened(path) as file:
        return file.read(len(_GZIP)) == _GZIP


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, decompressed; an empty chunk is the last."""
    name = path.name
    with _opened(path) as file:
        magic = file.read(4)
        file.seek(0)
        try:
            if magic.startswith(_ZSTD):
                yield from _without_zstd(name, file)
            else:
                stream = gzip.GzipFile(fileobj=file) if magic.startswith(_GZIP) else file
                while chunk := stream.read(_CHUNK):
                    yield chunk
        except EOFError as error:
            raise DataFileError(
                f"{name} ends in the middle of its gzip data: it is cut off.",
                remedy="Copy or download it again.",
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataFileError(
                f"{name} has damaged gzip data.", remedy="Copy or download it again."
            ) from error
        except OSError as error:
            raise _unreadable(path, error) from error
    yield b""


def _without_zstd(name: str, file: io.BufferedReader) -> Iterator[bytes]:
    frame, left = None, b""
    try:
        while left := left or file.read(_ZSTD_CHUNK):
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            if made := frame.decompress(left):
                yield made
            left = frame.unused_data
            if frame.eof:
                frame = None
    except zstandard.ZstdError as error:
        raise DataFileError(
            f"{name} has damaged zstd data.", remedy="Copy or download it again."
        ) from error
    if frame is not None:
        raise DataFileError(
            f"{name} ends in the middle of its zstd data: it is cut off.",
            remedy="Copy or download it again.",
        )


def _opened(path: Path) -> io.BufferedReader:
    """Return an ordinary file, opened; what is read twice can not be a pipe."""
    try:
        # Opening a pipe would wait for whoever writes into it.
        kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise DataFileError(
                f"{path.name} is a pipe or a device, not a file.",
                remedy="Write what it yields into a file first: it is read more than once.",
            )
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataFileError:
    name = path.name
    if isinstance(error, FileNotFoundError):
        return DataFileError(
            f"{name}: there is no such file.",
            remedy="Check the spelling, and the folder that the path starts from.",
        )
    if isinstance(error, IsADirectoryError):
        return DataFileError(
            f"{name or path} is a folder, not a file.", remedy="Give the file inside it."
        )
    if isinstance(error, PermissionError):
        return DataFileError(
            f"{name} can not be opened: permission denied.",
            remedy="Ask its owner for the right to read it.",
        )
    return DataFileError(
        f"{name} can not be read ({getattr(error, 'strerror', None) or error}).",
        remedy="Check the path and the disk.",
    )
