"""Applying a revealed model to a site's new samples, prepared as its training's were."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.data import (
    Cohort,
    PooledStatistics,
    Preparation,
    PreparationReport,
    check_allele_counts,
    common_names,
    prepare,
    read_argument,
    with_features,
)
from cohortium.data.values import Matrix, in_blocks
from cohortium.data.wording import counted, examples
from cohortium.errors import CohortiumError, FeatureError, ModelFileError, ParameterError
from cohortium.learn import Model
from cohortium.learn.model import probability
from cohortium.run.adjusting import covariates_of_model

# Of fewer samples means and spreads tell more of the samples than of the laboratory.
_FEW_SAMPLES = 20
# Of a normal distribution hardly any value lies beyond the usual bound of 8 deviations.
_MANY_CLIPPED = 1e-3


@dataclass(frozen=True)
class Predictions:
    """What is predicted for each sample, and what to be wary of.

    ``values`` are probabilities of the positive class; of a linear regression, which has no
    classes, the numbers of the label.
    """

    samples: tuple[str, ...]
    values: NDArray[np.float64]
    positive: str | None
    negative: str | None
    warnings: tuple[str, ...]
    label: str | None = None

    def as_csv(self) -> str:
        """Return the lines sample, probability of the positive class, class (at 0.5).

        Of a linear regression: sample, number.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.positive is None:
            writer.writerow(["sample", f"predicted {self.label or 'number'}"])
            writer.writerows(
                [sample, f"{value:.6g}"]
                for sample, value in zip(self.samples, self.values, strict=True)
            )
            return text.getvalue()
        writer.writerow(["sample", f"probability of {self.positive}", "class"])
        for sample, chance in zip(self.samples, self.values, strict=True):
            name = self.positive if chance > 0.5 else self.negative
            writer.writerow([sample, f"{chance:.6f}", name])
        return text.getvalue()


def read_for(model: Model, argument: str, *, label: str | None = None) -> Cohort:
    """Return the cohort that a data argument names.

    ``label`` is a column with the true classes or numbers: it is no feature, and samples of neither
    class of the model are left out. Whether a plain table has samples or genes in rows is found by
    the model's features. Errors: as ``read_argument``.
    """
    covariates = covariates_of_model(model)
    if label is not None:
        return read_argument(
            argument,
            label=label,
            positive=model.positive,
            negative=model.negative,
            missing_label="drop",
            numbers=model.kind == "linear",
            covariates=covariates,
        )
    try:
        return read_argument(argument, covariates=covariates)
    except ParameterError:
        # A plain table, which does not say what is in its rows.
        found = []
        for orientation in ("samples_in_rows", "genes_in_rows"):
            try:
                cohort = read_argument(argument, orientation=orientation, covariates=covariates)
            except CohortiumError as error:
                refusal = error
            else:
                found.append(cohort)
        if not found:
            raise refusal from None
        return max(found, key=lambda cohort: len(set(cohort.features) & set(model.features)))


def predict(model: Model, cohort: Cohort, *, site: str | None = None) -> Predictions:
    """Return the predictions for a cohort, prepared as by ``made_ready``; errors as there.

    Of a model with sites' effects the one of ``site`` is added, without a site their mean. The
    cohort has the model's covariates, as ``read_for`` reads them. ParameterError where the model
    has no such site.
    """
    ready, warnings = made_ready(model, cohort)
    logits = model.without_features(len(cohort.samples), cohort.covariates, site)
    for block, values in in_blocks(ready):
        logits += values @ model.weights[block]
    if model.sites and site is None:
        warnings = (
            *warnings,
            f"No site was named: each sample gets the mean effect of {', '.join(model.sites)}. "
            "Predictions are right only for a site with that mean; their order does not depend on "
            "it.",
        )
    return Predictions(
        cohort.samples,
        logits if model.kind == "linear" else probability(logits),
        model.positive,
        model.negative,
        warnings,
        model.label,
    )


def made_ready(model: Model, cohort: Cohort) -> tuple[Matrix, tuple[str, ...]]:
    """Return a cohort's values, samples × the model's features, and what to be wary of.

    They are prepared as the training's were: by pooled means and variances, or frequencies, where
    the model holds such, else by the cohort's own. A feature that the cohort lacks counts as its
    mean, with a warning. Raises FeatureError where it lacks more than half, DataValueError where a
    value is no allele count and has to be one, ModelFileError where the model does not say how to
    prepare.
    """
    try:
        settings = dict(model.preparation)
        form, aliases = settings.pop("names", "exact"), settings.pop("aliases", {})
        standardise, clip = settings["standardise"], float(settings["clip"])
        prepare_rows = _preparing(model, settings)
    except (KeyError, TypeError, ValueError, ParameterError):
        raise ModelFileError(
            "The model does not say how values are to be prepared.",
            remedy="Give a model.json that a run of this version has written.",
        ) from None
    named, _ = common_names(cohort, form, aliases)
    there = set(named.features)
    known = [name for name in model.features if name in there]
    lacking = sorted(set(model.features) - set(known))
    if 2 * len(lacking) > len(model.features) or (lacking and standardise == "none"):
        raise FeatureError(
            f"{cohort.source} lacks {len(lacking):,} of the model's "
            f"{counted(len(model.features), 'feature')}: {examples(lacking)}.",
            remedy="Use data measured on the same features, named alike.",
        )
    selected = named.select_features(known)
    if standardise == "allele-frequency":
        check_allele_counts(selected)
    ready, report = prepare_rows(selected)
    values = with_features(ready, model.features).values
    cells = len(cohort.samples) * len(model.features)
    warnings = list(cohort.notes)
    if lacking:
        warnings.append(
            f"{counted(len(lacking), 'feature')} of the model's {len(model.features):,} lacking, "
            f"counted as their mean: {examples(lacking)}."
        )
    if standardise == "site" and len(cohort.samples) < _FEW_SAMPLES:
        warnings.append(
            f"Values are standardised by these {counted(len(cohort.samples), 'sample')} alone: of "
            "so few the means and spreads are uncertain, and so are the predictions."
        )
    if report.clipped_cells > _MANY_CLIPPED * cells:
        warnings.append(
            f"{report.clipped_cells / cells:.1%} of the values lie beyond the bound of "
            f"{clip:g}: they are unlike the training's (other units, no logarithm?)."
        )
    return values, tuple(warnings)


def _preparing(
    model: Model, settings: Mapping[str, Any]
) -> Callable[[Cohort], tuple[Cohort, PreparationReport]]:
    """Return what prepares rows as a model's settings say; errors where these mean nothing."""
    if settings["standardise"] == "allele-frequency":
        frequency = np.array(settings["frequency"], np.float64)
        statistics = PooledStatistics.of_frequencies(model.features, frequency)
    elif settings["standardise"] == "pooled":
        mean, variance = (np.array(settings[name], np.float64) for name in ("mean", "variance"))
        bound = float(settings["value_bound"])
        statistics = PooledStatistics.of_moments(model.features, mean, variance, bound)
    else:
        own = Preparation(**settings)
        return lambda cohort: prepare(cohort, own)
    clip = float(settings["clip"])
    return lambda cohort: statistics.of(cohort.features).prepare(cohort, clip)
