"""A site's cohort: one number for every sample and feature, and a class for every sample.

Rows are samples, columns are features; a missing value is NaN. A cohort never changes: each method
returns a new one. Its text form shows its shape only, so that one that ends up in a log or a
traceback tells nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cohortium.data.values import Matrix, Selected, Values
from cohortium.data.wording import counted, examples, repeated
from cohortium.errors import DataValueError, FeatureError, LabelError, ParameterError


@dataclass(frozen=True, eq=False, repr=False)
class Cohort:
    """Samples × features of one site.

    ``values`` is float64 of shape (samples, features), NaN where missing, or ``Values`` that make
    such a matrix for some features at a time; ``labels`` is int64 of shape (samples,), 1 for the
    class named ``positive`` and 0 for ``negative``, or None with both names None. ``source`` names
    the file in messages; ``notes`` says what its reader left out. The arrays are read-only.

    Raises DataValueError (shape, infinity, duplicated sample), FeatureError (duplicated feature)
    or LabelError (labels other than 0 and 1, or without the names of the classes).
    """

    values: Matrix
    samples: tuple[str, ...]
    features: tuple[str, ...]
    labels: npt.NDArray[np.int64] | None = None
    positive: str | None = None
    negative: str | None = None
    source: str = "cohort"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = self.values
        if not isinstance(values, Values):
            values = np.asarray(values, dtype=np.float64).view()
            values.flags.writeable = False
            object.__setattr__(self, "values", values)
        object.__setattr__(self, "samples", tuple(self.samples))
        object.__setattr__(self, "features", tuple(self.features))
        if values.shape != (len(self.samples), len(self.features)):
            raise DataValueError(
                f"{self.source}: the values have shape {values.shape}, but there are "
                f"{counted(len(self.samples), 'sample')} and "
                f"{counted(len(self.features), 'feature')}.",
                remedy="Give one row for each sample and one column for each feature.",
            )
        # Values are of readers that let no infinity through, or prepared and so finite.
        if not isinstance(values, Values) and np.isinf(values).any():
            row, column = np.argwhere(np.isinf(values))[0]
            raise DataValueError(
                f"{self.source}: sample {self.samples[row]!r}, feature "
                f"{self.features[column]!r} is infinite.",
                remedy="Replace infinite values by NaN (missing) or by a number.",
            )
        self._check_names()
        self._check_labels()

    def _check_names(self) -> None:
        for error, what, names in (
            (DataValueError, "sample", self.samples),
            (FeatureError, "feature", self.features),
        ):
            if "" in names:
                raise error(
                    f"{self.source}: {what} number {names.index('') + 1} has no name.",
                    remedy=f"Give every {what} a name of its own.",
                )
        if twice := repeated(self.samples):
            raise DataValueError(
                f"{self.source}: {counted(len(twice), 'sample name')} used more than once: "
                f"{examples(list(twice))}.",
                remedy="Give every sample a name of its own.",
            )
        if twice := repeated(self.features):
            raise FeatureError(
                f"{self.source}: {counted(len(twice), 'feature name')} used more than once: "
                f"{examples(list(twice))}.",
                remedy="Keep one value for each (their mean, say), or give them different names.",
            )

    def _check_labels(self) -> None:
        if self.labels is None:
            if self.positive is not None or self.negative is not None:
                raise LabelError(
                    f"{self.source}: classes are named, but there are no labels.",
                    remedy="Give the labels as well, or leave out the names of the classes.",
                )
            return
        labels = np.asarray(self.labels)
        if labels.shape != (len(self.samples),) or not np.isin(labels, (0, 1)).all():
            raise LabelError(
                f"{self.source}: labels must be a 0 or a 1 for each of "
                f"{counted(len(self.samples), 'sample')}.",
                remedy="Code the positive class as 1 and the negative as 0.",
            )
        if self.positive is None or self.negative is None or self.positive == self.negative:
            raise LabelError(
                f"{self.source}: labels need the names of two different classes.",
                remedy="Give the positive and the negative class a name each.",
            )
        object.__setattr__(self, "labels", _read_only(labels.astype(np.int64)))

    def __repr__(self) -> str:
        rows, columns = self.values.shape
        labelled = "labelled" if self.labels is not None else "no labels"
        return f"Cohort({rows:,} samples × {columns:,} features, {labelled})"

    def take(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> Cohort:
        """Return the samples at the given positions, in that order.

        Raises ParameterError where a position is not a whole number from 0 to samples − 1.
        """
        positions = np.asarray(rows)
        if positions.size == 0:
            positions = positions.astype(np.intp)
        if positions.ndim != 1 or positions.dtype.kind not in "iu":
            raise ParameterError(
                "Rows must be a one-dimensional list of whole numbers.",
                remedy="For a true/false mask use numpy.flatnonzero(mask).",
            )
        if positions.size and not 0 <= positions.min() <= positions.max() < len(self.samples):
            raise ParameterError(
                f"Rows must lie between 0 and {len(self.samples) - 1}, "
                f"got {positions.min()} to {positions.max()}.",
                remedy="Count the samples from 0.",
            )
        return Cohort(
            values=Selected(self.values, rows=positions)
            if isinstance(self.values, Values)
            else self.values[positions],
            samples=tuple(self.samples[row] for row in positions),
            features=self.features,
            labels=None if self.labels is None else self.labels[positions],
            positive=self.positive,
            negative=self.negative,
            source=self.source,
            notes=self.notes,
        )

    def select_features(self, names: Sequence[str]) -> Cohort:
        """Return the cohort with exactly the named features, in that order.

        Raises FeatureError where a name is not a feature of the cohort, or is given twice.
        """
        place = {name: column for column, name in enumerate(self.features)}
        if missing := [name for name in names if name not in place]:
            raise FeatureError(
                f"{self.source} lacks {len(missing):,} of {counted(len(names), 'feature')}: "
                f"{examples(missing)}.",
                remedy="Use a file that has them, or agree on the features that every site has.",
            )
        return self.at([place[name] for name in names])

    def at(self, places: Sequence[int] | npt.NDArray[np.intp]) -> Cohort:
        """Return the cohort with the features at these places, in that order."""
        columns = np.asarray(places, dtype=np.intp)
        return replace(
            self,
            values=Selected(self.values, features=columns)
            if isinstance(self.values, Values)
            else self.values[:, columns],
            features=tuple(self.features[place] for place in columns),
        )


def concatenate(cohorts: Sequence[Cohort], *, source: str) -> Cohort:
    """Return the samples of all cohorts, one after the other, in the features of the first.

    The others' features are put into the order of the first. Raises FeatureError where the
    features differ, LabelError where only some are labelled or their classes differ,
    DataValueError where two cohorts have a sample of the same name, ParameterError for none.
    """
    if not cohorts:
        raise ParameterError("There is nothing to concatenate.", remedy="Give one cohort or more.")
    first = cohorts[0]
    for other in cohorts[1:]:
        _check_same_features(first, other)
        if (first.positive, first.negative) != (other.positive, other.negative):
            raise LabelError(
                f"{first.source} and {other.source} do not have the same classes.",
                remedy="Read both with the same label, positive and negative class.",
            )
    labels = [cohort.labels for cohort in cohorts if cohort.labels is not None]
    return Cohort(
        values=np.concatenate(
            [cohort.select_features(first.features).values[:, :] for cohort in cohorts]
        ),
        samples=tuple(sample for cohort in cohorts for sample in cohort.samples),
        features=first.features,
        labels=np.concatenate(labels) if labels else None,
        positive=first.positive,
        negative=first.negative,
        source=source,
        notes=tuple(note for cohort in cohorts for note in cohort.notes),
    )


def _check_same_features(first: Cohort, other: Cohort) -> None:
    only_first = sorted(set(first.features) - set(other.features))
    only_other = sorted(set(other.features) - set(first.features))
    differences = [
        f"{len(names):,} only in {cohort.source} ({examples(names)})"
        for cohort, names in ((first, only_first), (other, only_other))
        if names
    ]
    if differences:
        raise FeatureError(
            f"{first.source} and {other.source} do not have the same features: "
            f"{'; '.join(differences)}.",
            remedy="Keep the features that both have.",
        )


def _read_only(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    view = array.view()
    view.flags.writeable = False
    return view
