"""A site's values, samples × features, of which float64 is made for some features at a time.

Half a million genotypes take a byte each as they are in the file, and eight as numbers to compute
with. So they stay as they are; which samples and features are meant, in which order, and how they
are prepared are remembered beside them, and done for a block of features when it is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from cohortium.data.gathering import Filed

Features: TypeAlias = "slice | npt.NDArray[np.intp]"
Array: TypeAlias = npt.NDArray[np.float64]
Variants: TypeAlias = "npt.NDArray[np.int8] | npt.NDArray[np.float32]"

MISSING_CALL = -127
# Values made at a time where all are gone through.
BLOCK_ELEMENTS = 1 << 22


class Values(ABC):
    """Values of ``shape`` (samples, features), read like a NumPy matrix, NaN where missing.

    ``values[:, features]`` is a float64 matrix of these features, a slice or their places;
    ``values[:, :]``, or NumPy's own functions, make all of it.
    """

    shape: tuple[int, int]

    @abstractmethod
    def made(self, features: Features) -> Array:
        """Return a new matrix of all samples of these features."""

    def __getitem__(self, index: tuple[Any, Any]) -> Array:
        """Return the values of some samples (often all of them) of some features."""
        rows, features = index
        chosen: Array = self.made(features)[rows]
        return chosen

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return all values, for NumPy's functions."""
        return np.asarray(self[:, :], dtype)


Matrix: TypeAlias = "Values | Array"


class Stored(Values):
    """Values as they came, a row for each feature, in memory or in a file (``Filed``).

    Those in int8 are genotypes: a missing call is ``MISSING_CALL``. All others are NaN if missing.
    """

    def __init__(self, variants: Variants | Filed) -> None:
        self._variants = variants
        self.shape = (variants.shape[1], variants.shape[0])

    def made(self, features: Features) -> Array:
        """Return the values of these features."""
        # Turned while it is small.
        stored = np.ascontiguousarray(self._variants[features].T)
        made = stored.astype(np.float64)
        if stored.dtype == np.int8:
            made[stored == MISSING_CALL] = np.nan
        return made


class Selected(Values):
    """Some samples and some features of other values, in a given order.

    All of them where no places are given; a feature whose place is −1 is 0 for every sample.
    """

    def __init__(
        self,
        values: Matrix,
        *,
        rows: npt.NDArray[np.intp] | None = None,
        features: npt.NDArray[np.intp] | None = None,
    ) -> None:
        self._values = values
        self._rows = rows
        self._features = features
        samples, width = values.shape
        self.shape = (
            samples if rows is None else len(rows),
            width if features is None else len(features),
        )

    def made(self, features: Features) -> Array:
        """Return these features of the selection."""
        if self._features is None:
            made = self._values[:, features]
        else:
            places = self._features[features]
            made = self._values[:, places]
            made[:, places < 0] = 0.0
        return made if self._rows is None else made[self._rows]


class Turned(Values):
    """Dosages, of which those of the features marked are of the other allele: d becomes 2 − d."""

    def __init__(self, values: Matrix, turned: npt.NDArray[np.bool_]) -> None:
        self._values = values
        self._turned = turned
        self.shape = values.shape

    def made(self, features: Features) -> Array:
        """Return the dosages of these features."""
        made = self._values[:, features]
        return np.where(self._turned[features], 2.0 - made, made)


class Joined(Values):
    """The samples of several values, one after the other, of equal features."""

    def __init__(self, parts: Sequence[Matrix]) -> None:
        self._parts = parts
        self.shape = (sum(part.shape[0] for part in parts), parts[0].shape[1])

    def made(self, features: Features) -> Array:
        """Return these features of all parts."""
        return np.concatenate([part[:, features] for part in self._parts])


def in_blocks(values: Matrix) -> Iterator[tuple[slice, Array]]:
    """Yield all values in blocks of features: which, and theirs."""
    samples, features = values.shape
    step = max(1, BLOCK_ELEMENTS // max(1, samples))
    for start in range(0, features, step):
        block = slice(start, min(start + step, features))
        yield block, values[:, block]
