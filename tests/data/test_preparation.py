"""Preparation against scikit-learn, and what it reports."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from cohortium.data import Cohort, Preparation, prepare, read_cohort
from cohortium.errors import DataValueError, ParameterError


def cohort(values):
    values = np.asarray(values, dtype=float)
    rows, columns = values.shape
    return Cohort(values, [f"s{i}" for i in range(rows)], [f"g{i}" for i in range(columns)])


def reference(values, clip):
    imputed = SimpleImputer(keep_empty_features=True).fit_transform(values)
    return np.clip(StandardScaler().fit_transform(imputed), -clip, clip)


@pytest.mark.parametrize(("name", "clip"), [("genefu_nkis", 3.0), ("golub1999", 5.0)])
def test_equals_scikit_learn_on_real_data(shared, name, clip):
    original = read_cohort(shared(name) / "X.csv.gz", orientation="samples_in_rows")
    prepared, report = prepare(original, Preparation(clip=clip))
    expected = reference(original.values, clip)
    np.testing.assert_allclose(prepared.values, expected, rtol=0, atol=1e-12)
    assert report.imputed_cells == np.isnan(original.values).sum()
    assert report.clipped_cells == (np.abs(reference(original.values, 1e9)) > clip).sum() > 0
    assert prepared.samples == original.samples
    assert prepared.features == original.features


@settings(deadline=None, max_examples=150)
@given(data=st.data(), shape=st.tuples(st.integers(2, 9), st.integers(1, 5)))
def test_equals_scikit_learn_on_any_table(data, shape):
    # Whole numbers and a few of them, so that constant and empty columns are common.
    cell = st.sampled_from([np.nan, np.nan, -7.0, 0.1, 0.1, 3.0, 250.0])
    rows, columns = shape
    row = st.lists(cell, min_size=columns, max_size=columns)
    values = np.array(data.draw(st.lists(row, min_size=rows, max_size=rows)))
    prepared, report = prepare(cohort(values), Preparation(clip=2.0))
    np.testing.assert_allclose(prepared.values, reference(values, 2.0), rtol=0, atol=1e-9)
    assert np.isfinite(prepared.values).all()
    assert np.abs(prepared.values).max() <= 2.0
    empty = np.isnan(values).all(axis=0)
    assert len(report.empty_features) == empty.sum()
    assert report.imputed_cells == np.isnan(values[:, ~empty]).sum()


def test_report():
    nan = np.nan
    values = [[1, nan, 5, 0.1], [3, nan, 5, 0.1], [nan, nan, nan, 0.1], [2, nan, 5, 0.1]]
    prepared, report = prepare(cohort(values), Preparation(clip=1.0))
    assert report.imputed_cells == 2
    assert report.empty_features == ("g1",)
    assert report.constant_features == ("g2", "g3")
    assert report.clipped_cells == 2
    root = np.sqrt(0.5)
    assert root < 1
    np.testing.assert_array_equal(prepared.values[:, 1:], np.zeros((4, 3)))
    np.testing.assert_array_equal(prepared.values[:, 0], [-1, 1, 0, 0])
    assert report.lines() == [
        "4 samples × 4 features.",
        "2 missing values replaced by the mean of the feature.",
        "2 values clipped to the bound.",
        "1 feature without any value, set to 0: 'g1'.",
        "2 features with one value only: 'g2', 'g3'.",
    ]


def test_without_standardising():
    values = [[1, np.nan, 5], [3, np.nan, -50]]
    prepared, report = prepare(cohort(values), Preparation(standardise="none", clip=4.0))
    np.testing.assert_array_equal(prepared.values, [[1, 0, 4], [3, 0, -4]])
    assert report.clipped_cells == 2
    alone, _ = prepare(cohort([[1.5, 2.5]]), Preparation(standardise="none"))
    np.testing.assert_array_equal(alone.values, [[1.5, 2.5]])


def test_the_original_is_left_alone():
    original = cohort([[1, np.nan], [3, 4]])
    prepare(original, Preparation())
    np.testing.assert_array_equal(original.values, [[1, np.nan], [3, 4]])


def test_large_offset_keeps_its_digits():
    values = 1e9 + np.array([[0.0], [1.0], [2.0]])
    prepared, report = prepare(cohort(values), Preparation())
    np.testing.assert_allclose(prepared.values[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)], atol=1e-9)
    assert report.constant_features == ()


@pytest.mark.parametrize(
    ("values", "settings_", "what"),
    [
        ([[1.0, 2.0]], Preparation(), "has 1 sample; preparing needs at least 2"),
        (np.empty((0, 2)), Preparation(standardise="none"), "has 0 samples.*at least 1"),
        ([[1e300, 1], [-1e300, 2]], Preparation(), "1 feature with values too large.*'g0'"),
    ],
)
def test_refusals(values, settings_, what):
    with pytest.raises(DataValueError, match=what) as caught:
        prepare(cohort(values), settings_)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "arguments",
    [
        {"impute": "median"},
        {"standardise": "pooled"},
        {"clip": 0},
        {"clip": -1.0},
        {"clip": float("nan")},
        {"clip": float("inf")},
        {"clip": "8"},
        {"clip": True},
    ],
)
def test_settings_out_of_range(arguments):
    with pytest.raises(ParameterError, match=f"{next(iter(arguments))} is") as caught:
        Preparation(**arguments)
    assert caught.value.remedy
