"""The page of a data file's check, for the site's own eyes: it names samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from cohortium.data import Cohort, DataCheck, builds_in_words
from cohortium.data.checking import LEAST_EQUILIBRIUM
from cohortium.report import data_figures as figures
from cohortium.report.rendering import render_html

# A page of more rows becomes slow; `--json` has all.
MOST_ROWS = 200


def render_data_page(check: DataCheck, cohort: Cohort) -> str:
    """Return the page as HTML; ``check`` is that of the cohort."""
    return render_html(
        "data-check.html",
        check=check,
        most=MOST_ROWS,
        builds=builds_in_words(check),
        quantiles=check.measures.quantiles,
        figures={name: Markup(drawn) for name, drawn in _figures(check, cohort).items()},  # noqa: S704 - drawn here, names escaped by ElementTree
        outliers=_outliers(check, cohort),
        unequal=_unequal(check, cohort),
    )


def _figures(check: DataCheck, cohort: Cohort) -> dict[str, str]:
    measures = check.measures
    drawn = {}
    if measures.quantiles is not None:
        drawn["values"] = figures.values_figure(measures.histogram, measures.edges)
        drawn["levels"] = figures.levels_figure(
            measures.levels, _named(cohort, check.outlying_levels), cohort.samples, check.level
        )
    if check.missing:
        shares = {"sample": measures.missing_by_sample, "feature": measures.missing_by_feature}
        drawn["missing"] = figures.missing_figure(shares)
    if measures.components is not None:
        drawn["components"] = figures.components_figure(
            measures.components,
            measures.explained,
            _classes(check, cohort),
            _named(cohort, check.outlying_components),
            cohort.samples,
        )
    if (found := measures.genotypes) is not None:
        called = np.maximum(found.counts.sum(axis=1), 1)
        tested = ~np.isnan(check.equilibrium)
        drawn["spectrum"] = figures.spectrum_figure(found.frequency)
        drawn["equilibrium"] = figures.equilibrium_figure(
            found.frequency[tested],
            (found.counts[:, 1] / called)[tested],
            (check.equilibrium < LEAST_EQUILIBRIUM)[tested],
        )
    return drawn


def _named(cohort: Cohort, names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    wanted = set(names)
    return np.array([name in wanted for name in cohort.samples], dtype=bool)


def _classes(check: DataCheck, cohort: Cohort) -> dict[str, npt.NDArray[np.bool_]]:
    if not check.classes or cohort.labels is None:
        return {"samples": np.ones(len(cohort.samples), bool)}
    positive, negative = check.classes
    return {positive: cohort.labels == 1, negative: cohort.labels == 0}


def _outliers(check: DataCheck, cohort: Cohort) -> list[dict[str, Any]]:
    """Return a row for each sample that is far from the others, or mostly missing."""
    reasons = {
        check.level: set(check.outlying_levels),
        "principal components": set(check.outlying_components),
        "missing values": set(check.mostly_missing_samples),
    }
    classes = _classes(check, cohort) if check.classes else {}
    measures = check.measures
    rows = []
    for place, name in enumerate(cohort.samples):
        if why := [reason for reason, names in reasons.items() if name in names]:
            rows.append(
                {
                    "name": name,
                    "why": why,
                    "class": next((each for each, of in classes.items() if of[place]), ""),
                    "missing": measures.missing_by_sample[place],
                    "level": measures.levels[place],
                    "components": []
                    if measures.components is None
                    else list(measures.components[place]),
                }
            )
    return rows


def _unequal(check: DataCheck, cohort: Cohort) -> list[dict[str, Any]]:
    """Return the variants farthest from Hardy–Weinberg equilibrium, the farthest first."""
    found = check.measures.genotypes
    if found is None:
        return []
    far = np.flatnonzero(check.equilibrium < LEAST_EQUILIBRIUM)
    far = far[np.argsort(check.equilibrium[far], kind="stable")][:MOST_ROWS]
    return [
        {
            "name": cohort.features[place],
            "counts": found.counts[place].tolist(),
            "frequency": found.frequency[place],
            "p": check.equilibrium[place],
        }
        for place in far
    ]
