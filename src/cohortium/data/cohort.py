"""A site's cohort: one number for every sample and feature, and a label for every sample.

Rows are samples, columns are features; a missing value is NaN. A cohort never changes: each method
returns a new one. Its text form shows its shape only, so that one that ends up in a log or a
traceback tells nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cohortium.data.values import Joined, Matrix, Selected, Values
from cohortium.data.variants import Build
from cohortium.data.wording import counted, examples, repeated
from cohortium.errors import DataValueError, FeatureError, LabelError, ParameterError

Labels: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Cohort:
    """Samples × features of one site.

    ``values`` is float64 of shape (samples, features), NaN where missing, or ``Values`` that make
    such a matrix for some features at a time; ``labels`` is int64 of shape (samples,), 1 for the
    class named ``positive`` and 0 for ``negative``, or None with both names None. Labels that are
    numbers are float64, without classes. ``weights`` are samples' weights, ``groups`` say whom each
    sample is of (folds keep a group together), where a study wants such; ``covariates`` (samples ×
    columns) are in their own units, 0 and 1 for levels. ``source`` names the file in messages;
    ``notes`` says what its reader left out; ``unmatched`` are names of a label or covariate file
    that are no samples here; ``build`` is the genome build that the file tells. The arrays are
    read-only.

    Raises DataValueError (shape, infinity, duplicated sample), FeatureError (duplicated feature)
    or LabelError (classes other than 0 and 1, or without names; numbers that are not finite;
    weights that are not numbers of 0 or more; a number of them other than of samples).
    """

    values: Matrix
    samples: tuple[str, ...]
    features: tuple[str, ...]
    labels: Labels | None = None
    positive: str | None = None
    negative: str | None = None
    source: str = "cohort"
    notes: tuple[str, ...] = ()
    weights: npt.NDArray[np.float64] | None = None
    groups: tuple[str, ...] | None = None
    covariates: npt.NDArray[np.float64] | None = None
    unmatched: tuple[str, ...] = ()
    build: Build | None = None

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
        self._check_attributes()
        self._check_covariates()

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
        if self.numeric:
            if labels.shape != (len(self.samples),) or not np.isfinite(labels).all():
                raise LabelError(
                    f"{self.source}: labels must be a finite number for each of "
                    f"{counted(len(self.samples), 'sample')}.",
                    remedy="Leave out samples without a label.",
                )
            object.__setattr__(self, "labels", _read_only(labels.astype(np.float64)))
            return
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

    def _check_covariates(self) -> None:
        if self.covariates is None:
            return
        columns = _read_only(np.asarray(self.covariates, dtype=np.float64))
        object.__setattr__(self, "covariates", columns)
        if columns.ndim != 2 or len(columns) != len(self.samples) or not np.isfinite(columns).all():
            raise DataValueError(
                f"{self.source}: covariates must be finite numbers, a row for each of "
                f"{counted(len(self.samples), 'sample')}.",
                remedy="Give one row for each sample, and fill in what is missing.",
            )

    def _check_attributes(self) -> None:
        if self.weights is not None:
            weights = np.asarray(self.weights, dtype=np.float64)
            # Also false for what is not a number.
            allowed = np.isfinite(weights).all() and (weights >= 0).all()
            if weights.shape != (len(self.samples),) or not allowed:
                raise LabelError(
                    f"{self.source}: weights must be a number of 0 or more for each of "
                    f"{counted(len(self.samples), 'sample')}.",
                    remedy="Correct the weights.",
                )
            object.__setattr__(self, "weights", _read_only(weights))
        if self.groups is not None and len(self.groups) != len(self.samples):
            raise LabelError(
                f"{self.source}: {counted(len(self.groups), 'group')} for "
                f"{counted(len(self.samples), 'sample')}.",
                remedy="Give each sample its group.",
            )

    @property
    def numeric(self) -> bool:
        """Whether the labels are numbers, not classes: floats, and no class is named."""
        named = self.positive is not None or self.negative is not None
        return self.labels is not None and not named and self.labels.dtype.kind == "f"

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
        return replace(
            self,
            values=Selected(self.values, rows=positions)
            if isinstance(self.values, Values)
            else self.values[positions],
            samples=tuple(self.samples[row] for row in positions),
            labels=None if self.labels is None else self.labels[positions],
            weights=None if self.weights is None else self.weights[positions],
            groups=None if self.groups is None else tuple(self.groups[row] for row in positions),
            covariates=None if self.covariates is None else self.covariates[positions],
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
    features differ, LabelError where only some are labelled or have weights, groups or covariates,
    or their classes differ, DataValueError where two cohorts have a sample of the same name,
    ParameterError for none.
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
    weights = [cohort.weights for cohort in cohorts if cohort.weights is not None]
    groups = [cohort.groups for cohort in cohorts if cohort.groups is not None]
    covariates = [cohort.covariates for cohort in cohorts if cohort.covariates is not None]
    for what, those in (
        ("labels", labels),
        ("weights", weights),
        ("groups", groups),
        ("covariates", covariates),
    ):
        if those and len(those) < len(cohorts):
            raise LabelError(
                f"Only {len(those)} of {len(cohorts)} files have {what}.",
                remedy="Read all of them in the same way.",
            )
    return Cohort(
        values=_one_after_the_other(
            [cohort.select_features(first.features).values for cohort in cohorts]
        ),
        samples=tuple(sample for cohort in cohorts for sample in cohort.samples),
        features=first.features,
        labels=_joined(labels),
        positive=first.positive,
        negative=first.negative,
        source=source,
        notes=tuple(note for cohort in cohorts for note in cohort.notes),
        build=first.build if len({cohort.build for cohort in cohorts}) == 1 else None,
        covariates=np.concatenate(covariates) if covariates else None,
        unmatched=tuple(name for cohort in cohorts for name in cohort.unmatched),
        weights=np.concatenate(weights) if weights else None,
        groups=tuple(group for of_one in groups for group in of_one) if groups else None,
    )


def _one_after_the_other(parts: Sequence[Matrix]) -> Matrix:
    if any(isinstance(part, Values) for part in parts):
        return Joined(parts)
    return np.concatenate([part[:, :] for part in parts])


def _joined(labels: Sequence[Labels]) -> Labels | None:
    joined: npt.NDArray[Any] | None = np.concatenate(labels) if labels else None
    return joined


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
