"""Estimators in scikit-learn's manner: real studies, against scikit-learn on the pooled data."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression as PooledRegression
from sklearn.metrics import roc_auc_score

import cohortium as co
from cohortium.errors import (
    CohortiumError,
    DataValueError,
    FeatureError,
    LabelError,
    ParameterError,
)

FEATURES = [f"GENE{i}" for i in (3, 1, 2, 0, 5, 4)]
L2 = 0.1


def rows(seed, samples, shift=0.0):
    random = np.random.default_rng(seed)
    y = (np.arange(samples) % 3 == 0).astype(int)
    x = random.normal(5 + shift, 2, (samples, 6)) + 1.5 * np.outer(y, [1, -1, 0, 0, 0, 0])
    return x, np.array(["benign", "malign"])[y]


# The laboratories' levels differ: each site's own means take that out.
SITES = {"north": rows(1, 30), "south": rows(2, 36, shift=3.0), "dealer": rows(3, 24)}


def standardised(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


@pytest.fixture(scope="module")
def fitted():
    model = co.LogisticRegression(l2=L2, class_weight="balanced", weight_bound=2.0)
    frames = {n: (pd.DataFrame(x, columns=FEATURES), y) for n, (x, y) in SITES.items()}
    assert model.fit(frames) is model
    return model


def pooled(**parameters):
    x = np.concatenate([standardised(x) for x, _ in SITES.values()])
    y = np.concatenate([y for _, y in SITES.values()])
    return PooledRegression(C=1 / (len(y) * L2), tol=1e-10, **parameters).fit(x, y)


def test_three_hospitals_train_the_pooled_model(fitted):
    reference = pooled(class_weight="balanced")
    np.testing.assert_allclose(fitted.coef_, reference.coef_, atol=5e-3)
    np.testing.assert_allclose(fitted.intercept_, reference.intercept_, atol=5e-3)
    assert fitted.classes_.tolist() == ["benign", "malign"]
    assert fitted.n_features_in_ == 6
    assert fitted.feature_names_in_.tolist() == FEATURES
    assert fitted.n_iter_ == [100]
    assert fitted.model_.positive == "malign"
    # Names of hospitals are free: the added dealer takes another.
    assert list(fitted.records_) == ["north", "south", "dealer", "dealer-2"]
    assert fitted.records_["dealer-2"]["roles"] == ["deal"]


def test_predictions_are_by_own_or_by_a_sites_numbers(fitted):
    x, y = SITES["south"]
    logits = standardised(x) @ fitted.coef_[0] + fitted.intercept_[0]
    np.testing.assert_allclose(fitted.decision_function(x), logits, atol=1e-9)
    # One later sample of the site, which tells no mean of its own.
    np.testing.assert_allclose(fitted.decision_function(x[:1], site="south"), logits[:1], atol=1e-9)
    probabilities = fitted.predict_proba(x, site="south")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-logits)))
    assert fitted.predict(x).tolist() == np.where(logits > 0, "malign", "benign").tolist()
    assert fitted.score(x, y) == np.mean(fitted.predict(x) == y) > 0.7
    assert roc_auc_score(y, fitted.decision_function(x)) > 0.8
    # By another laboratory's numbers every sample lies to one side.
    assert np.abs(fitted.decision_function(x, site="north") - logits).min() > 0
    with pytest.warns(UserWarning, match="3 samples alone"):
        fitted.predict(x[:3])


def test_columns_are_matched_by_name(fitted):
    x = pd.DataFrame(SITES["south"][0], columns=FEATURES)
    turned = x[sorted(FEATURES)]
    assert fitted.decision_function(turned).tolist() == fitted.decision_function(x).tolist()
    with pytest.raises(FeatureError, match="GENE0"):
        fitted.predict(x.drop(columns="GENE0"), site="south")
    with pytest.raises(ParameterError, match="X has 5 features, the model 6"):
        fitted.predict(x.to_numpy()[:, 1:])
    with pytest.raises(ParameterError, match="no hospital 'west'"):
        fitted.predict(x, site="west")


def test_arrays_class_weights_and_plain_numbers_fit_too():
    # y of numbers; values as they are.
    x, y = rows(4, 40)
    x, y = np.clip((x - 5) / 2, -2, 2), np.where(y == "malign", 2, 1)
    model = co.LogisticRegression(
        l2=np.float64(L2),
        iterations=np.int64(400),
        class_weight={2: 3.0},
        standardise="none",
        clip=2,
    ).fit({"a": (x[:20], y[:20]), "b": (x[20:], y[20:])})
    reference = PooledRegression(C=1 / (40 * L2), class_weight={1: 1, 2: 3}, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=5e-3)
    assert model.classes_.tolist() == [1, 2]
    assert not hasattr(model, "feature_names_in_")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.predict(x[:2]).tolist() == reference.predict(x[:2]).tolist()


def test_parameters_are_scikit_learns_manner(fitted):
    assert repr(fitted) == ("LogisticRegression(l2=0.1, class_weight='balanced', weight_bound=2.0)")
    assert repr(co.LogisticRegression()) == "LogisticRegression()"
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "coef_")
    assert copy.set_params(l2=3.0) is copy
    assert (copy.l2, fitted.l2) == (3.0, L2)
    with pytest.raises(ParameterError, match="no parameter 'C'"):
        copy.set_params(C=1.0)
    with pytest.raises(ParameterError, match="not fitted"):
        copy.predict([[1.0]])


@pytest.mark.parametrize(
    ("parameters", "sites", "kind", "words"),
    [
        ({"l2": -1}, SITES, ParameterError, "l2 = -1 is not a number from 0"),
        ({"iterations": 1.5}, SITES, ParameterError, "iterations = 1.5 is not a whole number"),
        ({"standardise": "all"}, SITES, ParameterError, "standardise is 'all'"),
        ({"class_weight": "equal"}, SITES, ParameterError, "class_weight = 'equal'"),
        ({"class_weight": {"mild": 1}}, SITES, ParameterError, "'mild', which is no class"),
        ({"class_weight": {"benign": 99}}, SITES, ParameterError, "weight_bound"),
        ({"sigmoid": "relu"}, SITES, CohortiumError, "relu"),
        ({}, SITES["north"], ParameterError, "two or more hospitals"),
        ({}, {"north": SITES["north"]}, ParameterError, "two or more hospitals"),
        ({}, {**SITES, "west": 3}, ParameterError, "west has no"),
        ({}, {**SITES, "West": SITES["north"]}, CohortiumError, "West"),
        ({}, {**SITES, "west": ([["x"]], ["benign"])}, DataValueError, "west: X is not"),
        ({}, {**SITES, "west": ([[1.0]], ["a", "b"])}, LabelError, "west has labels of shape"),
        ({}, {**SITES, "west": ([[1.0]], ["mild"])}, LabelError, "have 3 classes"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(parameters, sites, kind, words, monkeypatch):
    monkeypatch.setattr("cohortium.run.local.create_identity", lambda *_, **__: pytest.fail("ran"))
    with pytest.raises(kind, match=words):
        co.LogisticRegression(**parameters).fit(sites)
