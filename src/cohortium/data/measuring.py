"""What is counted of a cohort: a pass over blocks of its features, in bounded memory.

Missing values, ranges, features and samples with the same values, how samples lie among each other,
and of genotypes the counts of each. `checking.py` says what of it is odd.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cohortium.data.cohort import Cohort
from cohortium.data.values import in_blocks
from cohortium.data.variants import Variant, canonical_variant

_Floats = npt.NDArray[np.float64]
# Medians and distributions are of at most so many values, those of evenly spaced features.
_MOST_SAMPLED = 8_000_000
# Components need a matrix of samples × samples.
_MOST_COMPARED = 3000
_BINS = 60
# One person typed twice is near 1, parent and child are near 0.5.
_ALIKE = 0.9
_LEAST_ALIKE_VARIANTS = 100
_LARGEST_DOSAGE = 2.0


@dataclass(frozen=True, eq=False, repr=False)
class Genotypes:
    """Of each variant: ``frequency`` of the alternative allele, and how many samples have 0, 1 and
    2 of it (``counts``, dosages rounded); ``outside`` says how many are not from 0 to 2.
    """

    variants: tuple[Variant | None, ...]
    frequency: _Floats
    counts: npt.NDArray[np.int64]
    outside: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Measures:
    """Numbers about a cohort, by sample, by feature, and of all values.

    ``missing_by_…`` are shares. ``quantiles`` of all values are at 0, 0.25, 0.5, 0.75, 0.99 and 1,
    None without values; ``histogram`` counts them between its ``edges``. ``levels`` is a number for
    each sample: its median, or of genotypes the share of heterozygous ones. ``components`` are the
    samples' first two principal components of standardised features (missing ones at the mean),
    of shape (samples, 2), and ``explained`` their shares of the variance; None of fewer than three
    samples, or more than 3000. ``alike`` are pairs of samples whose standardised genotypes
    correlate by more than 0.9, of 100 variants or more. ``sampled`` is how many features quantiles,
    histogram and medians are of. ``equal_…`` are groups of places.
    """

    missing: int
    missing_by_sample: _Floats
    missing_by_feature: _Floats
    constant: npt.NDArray[np.bool_]
    quantiles: tuple[float, ...] | None
    histogram: npt.NDArray[np.int64]
    edges: _Floats
    sampled: int
    levels: _Floats
    components: _Floats | None
    explained: tuple[float, float]
    equal_features: tuple[tuple[int, ...], ...]
    equal_samples: tuple[tuple[int, ...], ...]
    alike: tuple[tuple[int, int], ...]
    genotypes: Genotypes | None


def measure(cohort: Cohort) -> Measures:
    """Return the numbers; genotypes are what is named so, or has 0, 1 and 2 as its only values."""
    rows, columns = len(cohort.samples), len(cohort.features)
    step = max(1, -(-rows * columns // _MOST_SAMPLED))
    by_block = _Pass(rows, columns)
    for features, block in in_blocks(cohort.values):
        by_block.take(features, block, block[:, -features.start % step :: step])
    return by_block.measures(cohort)


class _Pass:
    """Sums over the blocks."""

    def __init__(self, rows: int, columns: int) -> None:
        self.missing = np.zeros(rows, np.int64)
        self.missing_in = np.zeros(columns, np.int64)
        self.smallest = np.full(columns, np.nan)
        self.largest = np.full(columns, np.nan)
        self.mean = np.full(columns, np.nan)
        self.counts = np.zeros((columns, 3), np.int64)
        self.outside = np.zeros(columns, np.int64)
        self.heterozygous = np.zeros(rows, np.int64)
        self.gram = np.zeros((rows, rows)) if 3 <= rows <= _MOST_COMPARED else None
        self.whole = True
        self.row_digests = [hashlib.sha256() for _ in range(rows)]
        self.column_groups: dict[bytes, list[int]] = {}
        self.sampled: list[_Floats] = []

    def take(self, columns: slice, block: _Floats, sampled: _Floats) -> None:
        unknown = np.isnan(block)
        self.missing += unknown.sum(axis=1)
        self.missing_in[columns] = unknown.sum(axis=0)
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            # A feature without any value has no mean: that is told on its own.
            warnings.simplefilter("ignore", RuntimeWarning)
            self.smallest[columns] = np.nanmin(block, axis=0)
            self.largest[columns] = np.nanmax(block, axis=0)
            self.mean[columns] = np.nanmean(block, axis=0)
        self._genotypes(columns, block)
        self._equal(columns.start, block)
        if self.gram is not None:
            centred = np.where(unknown, 0.0, block - self.mean[columns])
            spread = np.sqrt((centred**2).sum(axis=0))
            told = spread > 0
            centred = centred[:, told] / spread[told]
            self.gram += centred @ centred.T
        self.sampled.append(sampled.copy())

    def _genotypes(self, columns: slice, block: _Floats) -> None:
        each = [block == dosage for dosage in (0.0, 1.0, 2.0)]
        if self.whole:
            seen = sum(int(found.sum()) for found in each)
            self.whole = seen == block.size - int(self.missing_in[columns].sum())
        if not self.whole:
            each = [np.rint(block) == dosage for dosage in (0.0, 1.0, 2.0)]
        self.counts[columns] = np.stack([found.sum(axis=0) for found in each], axis=1)
        self.heterozygous += each[1].sum(axis=1)
        self.outside[columns] = ((block < 0) | (block > _LARGEST_DOSAGE)).sum(axis=0)

    def _equal(self, start: int, block: _Floats) -> None:
        # Zero has two signs.
        block = np.ascontiguousarray(block + 0.0)
        for digest, row in zip(self.row_digests, block, strict=True):
            digest.update(row.tobytes())
        for place, column in enumerate(np.ascontiguousarray(block.T), start):
            if self.smallest[place] < self.largest[place]:
                key = hashlib.sha256(column.tobytes()).digest()
                self.column_groups.setdefault(key, []).append(place)

    def measures(self, cohort: Cohort) -> Measures:
        rows, columns = len(self.missing), len(self.missing_in)
        variants = tuple(map(canonical_variant, cohort.features))
        named = sum(each is not None for each in variants) > columns / 2
        is_genotypes = named or (self.whole and bool(np.nanmax(self.largest, initial=-1.0) == 2.0))
        sampled = np.concatenate(self.sampled, axis=1) if self.sampled else np.zeros((rows, 0))
        known = sampled[~np.isnan(sampled)]
        quantiles = None
        histogram, edges = np.zeros(1, np.int64), np.array([0.0, 1.0])
        if known.size:
            inner = np.quantile(known, [0.25, 0.5, 0.75, 0.99])
            smallest, largest = np.nanmin(self.smallest), np.nanmax(self.largest)
            quantiles = (float(smallest), *map(float, inner), float(largest))
            histogram, edges = np.histogram(known, bins=_BINS)
        genotypes = None
        if is_genotypes:
            frequency = self.mean / 2
            genotypes = Genotypes(variants, frequency, self.counts, self.outside)
        components, explained = self._components()
        by_row: dict[bytes, list[int]] = {}
        for place, digest in enumerate(self.row_digests):
            if self.missing[place] < columns:
                by_row.setdefault(digest.digest(), []).append(place)
        return Measures(
            missing=int(self.missing.sum()),
            missing_by_sample=self.missing / max(columns, 1),
            missing_by_feature=self.missing_in / max(rows, 1),
            constant=self.smallest == self.largest,
            quantiles=quantiles,
            histogram=histogram,
            edges=edges,
            sampled=sampled.shape[1],
            levels=self._levels(sampled, is_genotypes=is_genotypes),
            components=components,
            explained=explained,
            equal_features=_several(self.column_groups),
            equal_samples=_several(by_row),
            alike=self._alike() if is_genotypes else (),
            genotypes=genotypes,
        )

    def _levels(self, sampled: _Floats, *, is_genotypes: bool) -> _Floats:
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            # A sample without any value has no level.
            warnings.simplefilter("ignore", RuntimeWarning)
            if is_genotypes:
                called: _Floats = self.heterozygous / (len(self.missing_in) - self.missing)
                return called
            medians: _Floats = np.nanmedian(sampled, axis=1)
            return medians

    def _alike(self) -> tuple[tuple[int, int], ...]:
        if self.gram is None or len(self.missing_in) < _LEAST_ALIKE_VARIANTS:
            return ()
        size = np.sqrt(np.diagonal(self.gram))
        with np.errstate(invalid="ignore", divide="ignore"):
            near = np.triu(self.gram / np.outer(size, size) > _ALIKE, k=1)
        return tuple((int(one), int(other)) for one, other in np.argwhere(near))

    def _components(self) -> tuple[_Floats | None, tuple[float, float]]:
        if self.gram is None or not (whole := float(np.trace(self.gram))):
            return None, (0.0, 0.0)
        values, vectors = np.linalg.eigh(self.gram)
        first = np.maximum(values[:-3:-1], 0.0)
        components = vectors[:, :-3:-1] * np.sqrt(first)
        # The sign is nobody's: the component's largest entry is positive.
        turned = np.sign(components[np.abs(components).argmax(axis=0), [0, 1]])
        shares = first / whole
        return components * np.where(turned == 0, 1.0, turned), (float(shares[0]), float(shares[1]))


def _several(groups: dict[bytes, list[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
