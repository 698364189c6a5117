"""What a cohort refuses, what its methods return, and that its text form tells nothing."""

from __future__ import annotations

import numpy as np
import pytest

from cohortium.data import Cohort, concatenate
from cohortium.errors import DataValueError, FeatureError, LabelError, ParameterError

VALUES = np.array([[1.25, 2.5], [3.75, np.nan], [5.125, 6.0]])


def cohort(**changes):
    parts = {
        "values": VALUES,
        "samples": ("anna", "bert", "cora"),
        "features": ("TP53", "BRCA1"),
        "labels": np.array([1, 0, 1]),
        "positive": "relapse",
        "negative": "well",
        "source": "north.csv",
    }
    return Cohort(**{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "kind", "what"),
    [
        ({"values": VALUES.T}, DataValueError, "shape"),
        ({"values": np.where(VALUES == 6, np.inf, VALUES)}, DataValueError, "'cora'.*'BRCA1'"),
        ({"samples": ("a", "b", "a")}, DataValueError, "1 sample name used more than once: 'a'"),
        ({"features": ("g", "g")}, FeatureError, "1 feature name .*: 'g'.*different names"),
        ({"labels": np.array([1, 0])}, LabelError, "0 or a 1"),
        ({"labels": np.array([1, 2, 0])}, LabelError, "0 or a 1"),
        ({"labels": None}, LabelError, "no labels"),
        ({"positive": None}, LabelError, "two different classes"),
        ({"positive": "well"}, LabelError, "two different classes"),
    ],
)
def test_refusals(changes, kind, what):
    with pytest.raises(kind, match=what) as caught:
        cohort(**changes)
    assert caught.value.remedy
    assert "north.csv" in caught.value.what


def test_text_shows_the_shape_only():
    for text in (repr(cohort()), str(cohort()), f"{[cohort()]}"):
        assert "Cohort(3 samples × 2 features, labelled)" in text
        for secret in ("1.25", "3.75", "anna", "TP53", "relapse", "north"):
            assert secret not in text
    assert "no labels" in repr(cohort(labels=None, positive=None, negative=None))


def test_arrays_can_not_be_changed():
    own = VALUES.copy()
    made = cohort(values=own)
    with pytest.raises(ValueError, match="read-only"):
        made.values[0, 0] = 9
    with pytest.raises(ValueError, match="read-only"):
        made.labels[0] = 0
    own[0, 0] = 1.5  # the caller's own array stays writeable


def test_take():
    taken = cohort().take([2, 0])
    np.testing.assert_array_equal(taken.values, VALUES[[2, 0]])
    assert taken.samples == ("cora", "anna")
    assert taken.labels.tolist() == [1, 1]
    assert (taken.positive, taken.source) == ("relapse", "north.csv")
    assert cohort().take([]).values.shape == (0, 2)
    for rows in ([3], [-1], [0.5], [True, False, True], [[0]]):
        with pytest.raises(ParameterError, match="Rows must"):
            cohort().take(rows)
    with pytest.raises(DataValueError, match="more than once"):
        cohort().take([1, 1])


def test_select_features():
    picked = cohort().select_features(["BRCA1"])
    np.testing.assert_array_equal(picked.values, VALUES[:, [1]])
    assert cohort().select_features(["BRCA1", "TP53"]).features == ("BRCA1", "TP53")
    assert picked.labels.tolist() == [1, 0, 1]
    with pytest.raises(FeatureError, match=r"north.csv lacks 2 of 3 features: 'A', 'B'"):
        cohort().select_features(["A", "TP53", "B"])
    with pytest.raises(FeatureError, match="more than once"):
        cohort().select_features(["TP53", "TP53"])


def test_concatenate_puts_features_in_the_first_ones_order():
    other = cohort(samples=("dora", "emil", "finn")).select_features(["BRCA1", "TP53"])
    both = concatenate([cohort(), other], source="both")
    np.testing.assert_array_equal(both.values, np.concatenate([VALUES, VALUES]))
    assert both.labels.tolist() == [1, 0, 1, 1, 0, 1]
    assert both.source == "both"
    plain = cohort(labels=None, positive=None, negative=None)
    assert concatenate([plain], source="one").labels is None
    with pytest.raises(LabelError, match="same classes"):
        concatenate([cohort(), plain], source="x")
    with pytest.raises(FeatureError, match=r"1 only in north.csv \('TP53'\)"):
        concatenate([cohort(), other.select_features(["BRCA1"])], source="x")
    with pytest.raises(ParameterError, match="nothing to concatenate"):
        concatenate([], source="x")
