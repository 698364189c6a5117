"""The text of a file: opened, decompressed, and checked to be text before anything parses it.

What a file is, is decided by its first bytes and not by its name: people rename files.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import polars as pl
import zstandard

from cohortium.errors import DataFileError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_PARQUET = b"PAR1"
_PANDAS_INDEX = "__index_level_0__"  # the names of the rows: pandas writes them last
_HEAD = 1 << 12
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_OTHER_FORMATS = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ\x00", "compressed by xz"),
    (b"\x89HDF", "an HDF5 (h5ad) file"),
    (b"l\x1b\x01", "a PLINK .bed file"),
    (b"##fileformat=VCF", "a VCF file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)
_EXPORT = "Export it as a plain table: UTF-8 text, tab- or comma-separated, as it is or gzipped."


def read_text(path: Path) -> bytes:
    r"""Return the file's text as UTF-8 bytes with ``\n`` line ends, no byte order mark.

    gzip and zstd are undone; of a Parquet file it is the table's text. Line ends after the last
    line are left out. Raises DataFileError where the file can not be opened or decompressed, is
    empty, or is not UTF-8 text.
    """
    name, raw = path.name, _decompressed(path.name, _bytes_of(path))
    if raw.startswith(_PARQUET):
        raw = _parquet_as_text(name, raw)
    for magic, kind in _OTHER_FORMATS:
        if raw.startswith(magic):
            raise DataFileError(f"{name} is {kind}, not a plain table.", remedy=_EXPORT)
    text = raw.removeprefix(_BYTE_ORDER_MARK)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    _check_is_text(name, text)
    text = text.rstrip(b"\n")
    if not text.strip():
        raise DataFileError(f"{name} is empty.", remedy="Check that it was copied completely.")
    return text


def first_bytes(path: Path) -> bytes:
    """Return how the file begins, gzip undone; DataFileError where it can not be opened."""
    head = _bytes_of(path, _HEAD)
    if not head.startswith(_GZIP):
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def _bytes_of(path: Path, count: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except FileNotFoundError as error:
        raise DataFileError(
            f"{path.name}: there is no such file.",
            remedy="Check the spelling, and the folder that the path starts from.",
        ) from error
    except IsADirectoryError as error:
        raise DataFileError(
            f"{path.name} is a folder, not a file.", remedy="Give the file inside it."
        ) from error
    except PermissionError as error:
        raise DataFileError(
            f"{path.name} can not be opened: permission denied.",
            remedy="Ask its owner for the right to read it.",
        ) from error
    except (OSError, ValueError) as error:
        raise DataFileError(
            f"{path.name} can not be read ({type(error).__name__}).",
            remedy="Check the path and the disk.",
        ) from error


def _decompressed(name: str, raw: bytes) -> bytes:
    if raw.startswith(_ZSTD):
        return _without_zstd(name, raw)
    if not raw.startswith(_GZIP):
        return raw
    try:
        return gzip.decompress(raw)
    except EOFError as error:
        raise DataFileError(
            f"{name} ends in the middle of its gzip data: it is cut off.",
            remedy="Copy or download it again.",
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataFileError(
            f"{name} has damaged gzip data.", remedy="Copy or download it again."
        ) from error


def _without_zstd(name: str, raw: bytes) -> bytes:
    parts = []
    try:
        while raw:
            frame = zstandard.ZstdDecompressor().decompressobj()
            parts.append(frame.decompress(raw))
            if not frame.eof:
                raise DataFileError(
                    f"{name} ends in the middle of its zstd data: it is cut off.",
                    remedy="Copy or download it again.",
                )
            raw = frame.unused_data
    except zstandard.ZstdError as error:
        raise DataFileError(
            f"{name} has damaged zstd data.", remedy="Copy or download it again."
        ) from error
    return b"".join(parts)


def _parquet_as_text(name: str, raw: bytes) -> bytes:
    """Return a Parquet table as the tab-separated text that says the same."""
    try:
        frame = pl.read_parquet(io.BytesIO(raw))
        if _PANDAS_INDEX in frame.columns:
            frame = frame.select(_PANDAS_INDEX, pl.exclude(_PANDAS_INDEX))
        return frame.write_csv(separator="\t", null_value="NA").encode()
    except pl.exceptions.PolarsError as error:
        raise DataFileError(
            f"{name} can not be read as a Parquet table of texts and numbers.",
            remedy="Check that it was copied completely, and that no column holds lists.",
        ) from error


def _check_is_text(name: str, text: bytes) -> None:
    if b"\x00" in text:
        line = text.count(b"\n", 0, text.index(b"\x00")) + 1
        raise DataFileError(f"{name} is not text: line {line} has a zero byte.", remedy=_EXPORT)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise DataFileError(
            f"{name}: line {line} is not UTF-8 text.",
            remedy="Save the file again with the encoding UTF-8.",
        ) from error
