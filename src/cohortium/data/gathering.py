"""Numbers as a reader finds them, put together: in memory if they are few, in a file if not.

Beyond 512 MiB they go into a temporary file, in the folder that the environment variable TMPDIR
names: it has no name there, belongs to this process alone, and is gone when the process ends,
however it ends. A block of features is read from it when it is asked for.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data.values import Features, Matrix, Stored, Variants
from cohortium.errors import DataFileError, DataValueError

MOST_IN_MEMORY = 1 << 29
"""Bytes of a table that are held in memory."""

# Samples that are put beside each other before they are written: long runs for each feature.
_HELD = 1 << 26


def gathered(
    batches: Iterable[npt.NDArray[Any]],
    shape: tuple[int, int],
    *,
    source: str,
    turned: bool = False,
    dtype: npt.DTypeLike = np.float64,
) -> Matrix:
    """Return the rows of all batches as samples × features (``shape``), NaN where missing.

    Rows are samples, or features where ``turned``. ``dtype`` is one that holds them exactly: that
    of the file, where they do not fit in memory. Raises DataValueError where a number is infinite,
    DataFileError where there are not as many rows as the shape says, or no room for the file.
    """
    samples, features = shape
    small = samples * features * np.dtype(np.float64).itemsize <= MOST_IN_MEMORY
    values = np.empty(shape) if small else None
    filed = None if small else Filed(samples, np.dtype(dtype), source, features)
    start, rows = 0, features if turned else samples
    for batch in batches:
        stop = start + len(batch)
        if stop > rows:
            break
        _refuse_infinite(batch, start, source, turned=turned)
        if values is not None:
            target = values.T if turned else values
            target[start:stop] = batch
        elif filed is not None and turned:
            filed.append(batch)
        elif filed is not None:
            filed.beside(batch)
        start = stop
    if start != rows:
        raise DataFileError(
            f"{source} changed while it was read.", remedy="Wait until it is written, then retry."
        )
    return Stored(filed) if filed is not None else np.asarray(values)


def _refuse_infinite(batch: npt.NDArray[Any], start: int, source: str, *, turned: bool) -> None:
    if np.isinf(batch).any():
        row, column = (int(place) + 1 for place in np.argwhere(np.isinf(batch))[0])
        sample, feature = (column, start + row) if turned else (start + row, column)
        raise DataValueError(
            f"{source}: sample number {sample}, feature number {feature} is infinite.",
            remedy="Replace infinite values by NaN (missing) or by a number.",
        )


class Filed:
    """Features × samples in a temporary file without a name; ``filed[features]`` reads some.

    Either whole features are appended, or, where their number is given, samples put beside each
    other.
    """

    def __init__(
        self, samples: int, dtype: np.dtype[Any], source: str, features: int | None = None
    ) -> None:
        self.dtype = dtype
        self._samples = samples
        self._features = features
        self._source = source
        self._written = 0
        self._held: list[npt.NDArray[Any]] = []
        try:
            file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with this object
        except OSError as error:
            raise self._no_room(error) from error
        weakref.finalize(self, file.close)
        self._file = file.fileno()

    @property
    def shape(self) -> tuple[int, int]:
        """Features and samples."""
        features = self._written if self._features is None else self._features
        return features, self._samples

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write further features; DataFileError where there is no room."""
        self._write(rows, self._written * self._stride)
        self._written += len(rows)

    def beside(self, rows: npt.NDArray[Any]) -> None:
        """Write further samples, of all features; DataFileError where there is no room."""
        self._held.append(rows.astype(self.dtype))
        self._written += len(rows)
        if self._written == self._samples or sum(map(_size, self._held)) > _HELD:
            turned = np.empty((self.shape[0], sum(map(len, self._held))), self.dtype)
            np.concatenate(self._held, out=turned.T)
            start = self._written - turned.shape[1]
            self._held.clear()
            for feature, run in enumerate(turned):
                self._write(run, feature * self._stride + start * self.dtype.itemsize)

    def __getitem__(self, features: Features) -> npt.NDArray[Any]:
        """Return a new array, features × samples, of a slice of the features or their places."""
        count = self.shape[0]
        if isinstance(features, slice) and features.step in (None, 1):
            start, stop, _ = features.indices(count)
            return self._read(start, max(0, stop - start))
        places = np.arange(count)[features]
        rows = np.empty((len(places), self._samples), self.dtype)
        for row, place in enumerate(places):
            rows[row] = self._read(int(place), 1)[0]
        return rows

    @property
    def _stride(self) -> int:
        return self._samples * self.dtype.itemsize

    def _write(self, rows: npt.NDArray[Any], offset: int) -> None:
        data = _octets(rows, self.dtype)
        try:
            while data:
                written = os.pwrite(self._file, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise self._no_room(error) from error

    def _no_room(self, error: OSError) -> DataFileError:
        return DataFileError(
            f"{self._source} is too large for memory, and can not be kept in the temporary "
            f"folder{' ' + tempfile.tempdir if tempfile.tempdir else ''} ({error.strerror}).",
            remedy="Name a folder with more room in the environment variable TMPDIR.",
        )

    def _read(self, start: int, count: int) -> npt.NDArray[Any]:
        rows = np.empty((count, self._samples), self.dtype)
        data, offset = _octets(rows, self.dtype), start * self._stride
        while data:
            read = os.preadv(self._file, [data], offset)
            data, offset = data[read:], offset + read
        return rows


def _octets(rows: npt.NDArray[Any], dtype: np.dtype[Any]) -> memoryview:
    return np.ascontiguousarray(rows, dtype).reshape(-1).view(np.uint8).data


def _size(rows: npt.NDArray[Any]) -> int:
    return rows.nbytes


class Growing:
    """Features × samples, of which the number of features is not known before the end."""

    def __init__(self, samples: int, dtype: npt.DTypeLike, source: str) -> None:
        self.dtype = np.dtype(dtype)
        self.samples = samples
        self.source = source
        self._held = bytearray()
        self._filed: Filed | None = None

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add features; DataFileError where there is no room for them."""
        self._held += _octets(rows, self.dtype)
        if len(self._held) > (MOST_IN_MEMORY if self._filed is None else _HELD):
            self._filed = self._filed or Filed(self.samples, self.dtype, self.source)
            self._filed.append(self._in_memory())
            self._held = bytearray()

    def whole(self) -> Variants | Filed:
        """Return all; nothing may be added afterwards."""
        if self._filed is None:
            return self._in_memory()
        if self._held:
            self._filed.append(self._in_memory())
        return self._filed

    def _in_memory(self) -> npt.NDArray[Any]:
        return np.frombuffer(self._held, self.dtype).reshape(-1, max(1, self.samples))
