"""What a run would refuse of a site's data, found by `data check` at the site alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from run_sites import parsed, study_text

from cohortium.data import Cohort
from cohortium.run.refusals import refusals

FREQUENCY = '[preparation]\nstandardise = "allele-frequency"\n'
POOLED = """
[preparation]
standardise = "pooled"
impute = "pooled-mean"
value_bound = 8.0
[[reveal]]
what = "feature_statistics"
to = ["north", "south"]
"""
KEPT = '[[reveal]]\nwhat = "kept_features"\nto = ["north", "south"]\n'
RARE = "[filter]\nmin_maf = 0.01\n" + KEPT
UNEQUAL = "[filter]\nhwe_p = 1e-6\n" + KEPT
SELECTED = """
[preparation]
value_bound = 8.0
[selection]
by = "variance"
top = 12
[[reveal]]
what = "selected_features"
to = ["north", "south"]
"""
OF_GRCH37 = 'names = "variant"\nbuild = "GRCh37"'
SAME = 'mode = "same"'


def genotypes(samples: int = 12, features: int = 13) -> Cohort:
    """A cohort that all of these studies take."""
    values = np.random.default_rng(0).integers(0, 3, (samples, features)).astype(float)
    return Cohort(
        values,
        [f"s{place}" for place in range(samples)],
        [f"1:{place}:A:G" for place in range(1, features + 1)],
        np.arange(samples) % 2,
        "BCR/ABL",
        "NEG",
        "north.vcf",
    )


def changed(value: float) -> Cohort:
    cohort = genotypes()
    values = np.array(cohort.values)
    values[3, 4] = value
    return replace(cohort, values=values)


@pytest.mark.parametrize(
    ("sections", "features", "cohort", "told"),
    [
        (POOLED, SAME, changed(8.5), ["[COH-202]", "beyond the study's value_bound = 8"]),
        (FREQUENCY, SAME, changed(-0.5), ["[COH-202]", "is not a number of alleles"]),
        (RARE, SAME, changed(2.5), ["[COH-202]", "the study's [filter] counts"]),
        (UNEQUAL, SAME, changed(0.5), ["[COH-202]", "a dosage between two calls"]),
        (
            "",
            OF_GRCH37,
            replace(genotypes(), build="GRCh38"),
            ["[COH-204]", "its header says GRCh38"],
        ),
        (SELECTED, SAME, genotypes(features=12), ["[COH-101]", "12 of 12 features can not"]),
        (RARE, SAME, genotypes(samples=9), ["[COH-501]", "Too few samples of north.vcf (9)"]),
        (POOLED, SAME, genotypes(samples=9), ["[COH-501]", "Too few samples of north.vcf (9)"]),
        (
            "",
            SAME,
            replace(genotypes(), labels=None, positive=None, negative=None),
            ["[COH-203]", "north.vcf has no labels"],
        ),
    ],
    ids=[
        "beyond the bound",
        "no allele count to standardise",
        "no allele count to filter",
        "a dosage",
        "another build",
        "too few features",
        "too few samples to filter",
        "too few samples for statistics",
        "no labels",
    ],
)
def test_what_a_run_would_refuse_is_found(
    sections: str, features: str, cohort: Cohort, told: list[str]
) -> None:
    study = parsed(study_text(features=features) + sections).study
    (found,) = refusals(study, cohort, len(cohort.features))
    assert all(part in found.finding for part in told), found.finding
    # It is the data that are refused.
    assert refusals(study, genotypes(), 13) == []


def test_each_of_several_is_told() -> None:
    study = parsed(
        study_text(features=SAME) + SELECTED + KEPT + "[filter]\nmax_missing = 0.1"
    ).study
    few = genotypes(samples=9, features=12)
    few = replace(few, values=np.array(few.values) + 7)
    codes = [error.code for error in refusals(study, few, 12)]
    assert codes == ["COH-202", "COH-501", "COH-101"]
