"""What `data check` finds: each oddity planted on its own, and real sets that have some."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cohortium.data import Cohort, check_cohort, read_cohort


def cohort(change=None, names=None, samples=40, features=30):
    values = np.random.default_rng(0).normal(7.0, 1.0, (samples, features))
    if change is not None:
        change(values)
    names = names or [f"G{place}" for place in range(features)]
    labels = np.arange(samples) % 2
    return Cohort(values, [f"s{row}" for row in range(samples)], names, labels, "ill", "well")


def test_nothing_odd_is_said_of_what_is_not():
    found = check_cohort(cohort())
    assert found.warnings == ()
    assert (found.samples, found.features, found.classes) == (40, 30, {"ill": 20, "well": 20})
    assert found.missing == 0
    assert found.smallest < 5 < found.median < 9 < found.largest
    assert json.loads(json.dumps(found.facts()))["classes"] == {"ill": 20, "well": 20}


def planted(place, value):
    def change(values):
        values[place] = value

    return change


def doubled(values):
    values[:, 4] = values[:, 9]


def louder(values):
    values[17] += 2.5


def unlogged(values):
    np.exp(values, out=values)


@pytest.mark.parametrize(
    ("change", "told", "field", "named"),
    [
        (planted((3, slice(10)), np.nan), "1 sample with more", "mostly_missing_samples", "s3"),
        (planted((slice(9), 5), np.nan), "1 feature with more", "mostly_missing_features", "G5"),
        (planted((slice(None), 8), 3.5), "1 feature with one value", "constant_features", "G8"),
        (louder, "1 sample far from the others", "outlying_samples", "s17"),
        (doubled, "1 group of features with the same", "equal_features", ("G4", "G9")),
        (unlogged, "no logarithm", "notes", None),
    ],
)
def test_what_is_odd_is_named(change, told, field, named):
    found = check_cohort(cohort(change))
    assert [line for line in found.warnings if told in line], found.warnings
    # By chance a changed sample may be a little farther from the others.
    assert not [line for line in found.warnings if told not in line and "far from" not in line]
    if named is not None:
        assert getattr(found, field) == (named,)


def test_genotypes():
    names = [f"1:{place}:{'A:T' if place < 3 else 'C:T'}" for place in range(30)]
    dosages = cohort(lambda v: np.clip(np.rint(v - 6), 0, 2, out=v), names)
    found = check_cohort(dosages)
    assert (found.variants, found.ambiguous_variants, found.swapped_variants) == (30, 3, 27)
    assert [line for line in found.warnings if "3 variants of alleles A/T" in line]
    assert not [line for line in found.warnings if "outside 0 to 2" in line]
    assert not [line for line in found.warnings if "logarithm" in line]
    beyond = check_cohort(cohort(lambda v: np.rint(v, out=v), names))
    assert [line for line in beyond.warnings if "outside 0 to 2" in line]


def test_a_feature_without_values_and_small_classes():
    found = check_cohort(cohort(planted((slice(None), 2), np.nan), samples=12))
    assert found.mostly_missing_features == ("G2",)
    assert [line for line in found.warnings if "fewer than 10 samples" in line]
    empty = check_cohort(Cohort(np.full((2, 1), np.nan), ["a", "b"], ["g"]))
    assert (empty.smallest, empty.median, empty.classes) == (None, None, {})


def test_real_unlogged_counts(shared):
    folder = shared("tcga_brca_tumor_normal909")
    found = check_cohort(
        read_cohort(
            folder / "X.csv.gz",
            label="label",
            label_file=folder / "labels.tsv",
            positive="Tumor",
        )
    )
    assert found.classes == {"Tumor": 1104, "Normal": 114}
    assert any("no logarithm" in line for line in found.warnings)
    logged = check_cohort(
        read_cohort(shared("golub1999") / "X.csv.gz", orientation="samples_in_rows")
    )
    assert logged.features == 7129
