from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, roc_auc_score

from cohortium.errors import ModelFileError, ParameterError
from cohortium.learn import Model, ModelCovariate, accuracy, auc

# -- metrics -----------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([-1.5, -0.5, 0.0, 0.25, 3.0])), min_size=2
    )
)
def test_metrics_with_ties_against_scikit_learn(pairs):
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs])
    assert accuracy(labels, scores) == pytest.approx(accuracy_score(labels, scores > 0))
    if labels.min() == labels.max():
        assert math.isnan(auc(labels, scores))
    else:
        assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_auc_of_many_scores():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 5000)
    scores = rng.normal(size=5000) + labels
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


# -- models ------------------------------------------------------------------------------------


def a_model(features=("TP53", "β-actin", "a b")):
    return Model(
        features=features,
        weights=np.array([0.1, -2.5, 1e-17]),
        intercept=-0.3,
        positive="tumour",
        negative="normal",
        preparation={"clip": 8.0, "standardise": "site"},
        training={"l2": [1.0]},
    )


numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.text(st.characters(codec="utf-8")), max_size=6, unique=True), data=st.data()
)
def test_a_model_comes_back_as_it_was_saved(tmp_path, names, data):
    weights = data.draw(st.lists(numbers, min_size=len(names), max_size=len(names)))
    text = st.text(st.characters(codec="utf-8"))
    model = Model(
        tuple(names), np.array(weights), data.draw(numbers), data.draw(text), data.draw(text),
        {"clip": 8.0}, {"iterations": 3},
    )  # fmt: skip
    path = tmp_path / "model.json"
    model.save(path)
    again = Model.load(path)
    np.testing.assert_array_equal(again.weights, model.weights)
    for name in ("features", "intercept", "positive", "negative", "preparation", "training"):
        assert getattr(again, name) == getattr(model, name)


def test_predictions():
    model = a_model()
    values = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 5.0]])
    logits = values @ model.weights - 0.3
    np.testing.assert_allclose(model.logits(values), logits)
    np.testing.assert_allclose(model.predict_probability(values), 1 / (1 + np.exp(-logits)))
    assert model.predict(values).tolist() == [0, 1]
    shuffled = ["other", "a b", "TP53", "β-actin"]
    columns = np.column_stack([[9, 9], values[:, 2], values[:, 0], values[:, 1]])
    np.testing.assert_allclose(model.logits(columns, shuffled), logits)
    assert model.predict_probability(np.full((1, 3), 1e6)).tolist() == [0.0]


def test_data_that_do_not_fit():
    model = a_model()
    with pytest.raises(ModelFileError, match=r"lack 1 of the model's 3 features .a b."):
        model.logits(np.ones((2, 2)), ["TP53", "β-actin"])
    for shape in ((2, 4), (3,), (2, 3, 1)):
        with pytest.raises(ModelFileError, match="shape"):
            model.logits(np.ones(shape))
    with pytest.raises(ParameterError, match="weights"):
        Model(("a",), np.ones(2), 0.0, "y", "n")
    assert repr(model) == "Model(3 features, 'tumour' against 'normal')"


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    model = Model(("a",), np.array([math.nan]), 0.0, "y", "n")
    with pytest.raises(ValueError, match="JSON"):
        model.save(tmp_path / "model.json")
    assert not (tmp_path / "model.json").exists()


def document(tmp_path):
    a_model().save(tmp_path / "good.json")
    return json.loads((tmp_path / "good.json").read_text())


def load(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return Model.load(path)


CHANGES = {
    "format": ["cohortium-model/2", None, 1, {}, "x" * 10_000],
    "features": [None, 3, "abc", ["a", "b"], ["a", "b", 3], ["a", "b", ["c"]], {}, [],
                 ["a", "a", "b"]],
    "weights": [None, "abc", [1, 2], [1, 2, "x"], [1, 2, None], [[1], [2], [3]], {}, [1, 2, [3]], 1,
                [1, 2, 1e999], [1, 2, 10**400]],
    "intercept": [None, "x", [1.0], {}, 1e999, 10**400],
    "preparation": [None, 3, "abc", [1, 2], [["a"]]],
    "training": [None, 3, "abc", [1, 2]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key, values in CHANGES.items() for value in values],
    ids=lambda value: repr(value)[:30],
)
def test_a_changed_entry_is_a_model_file_error(tmp_path, key, value):
    with pytest.raises(ModelFileError) as caught:
        load(tmp_path, {**document(tmp_path), key: value})
    assert len(str(caught.value)) < 400
    assert caught.value.remedy


@pytest.mark.parametrize(
    "key", ["format", "features", "weights", "intercept", "positive", "negative", "preparation"]
)
def test_a_missing_entry_is_a_model_file_error(tmp_path, key):
    content = document(tmp_path)
    del content[key]
    with pytest.raises(ModelFileError):
        load(tmp_path, content)


NO_MODELS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"3",
    b'"text"',
    b"\xff\xfe\x00",
    b"\x80\x04\x95",
    b"PK\x03\x04",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"1" * 10_000,
    b'{"format": NaN}',
]


@pytest.mark.parametrize("content", NO_MODELS, ids=lambda content: repr(content[:12]))
def test_other_files_are_model_file_errors(tmp_path, content):
    with pytest.raises(ModelFileError):
        load(tmp_path, content)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ModelFileError):
            Model.load(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_any_json_in_place_of_an_entry_loads_or_is_a_model_file_error(tmp_path, data):
    content = document(tmp_path)
    key = data.draw(st.sampled_from([*content, "further"]))
    content[key] = data.draw(json_values)
    try:
        model = load(tmp_path, content)
    except ModelFileError:
        return
    assert model.weights.shape == (len(model.features),)
    assert np.isfinite(model.weights).all()
    assert math.isfinite(model.intercept)
    assert isinstance(model.predict(np.zeros((1, len(model.features)))), np.ndarray)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.data())
def test_damaged_bytes_load_or_are_a_model_file_error(tmp_path, data):
    a_model().save(tmp_path / "good.json")
    octets = bytearray((tmp_path / "good.json").read_bytes())
    start = data.draw(st.integers(0, len(octets) - 1))
    kind = data.draw(st.sampled_from(["cut", "change", "remove", "insert"]))
    if kind == "cut":
        del octets[start:]
    elif kind == "change":
        octets[start] = data.draw(st.integers(0, 255))
    elif kind == "remove":
        del octets[start : start + data.draw(st.integers(1, 20))]
    else:
        octets[start:start] = data.draw(st.binary(min_size=1, max_size=10))
    try:
        model = load(tmp_path, bytes(octets))
    except ModelFileError:
        return
    assert np.isfinite(model.weights).all()


# -- covariates and sites ------------------------------------------------------------------------


def adjusted() -> Model:
    return Model(
        ("g1", "g2"),
        np.array([0.5, -1.0]),
        -0.3,
        "tumour",
        "normal",
        covariates=(
            ModelCovariate("age", (0.02,), (0.0, 100.0), fill=50.0),
            ModelCovariate("sex", (0.4, -0.1), None, ("female", "male", "other"), "male"),
        ),
        sites={"north": 0.0, "south": 0.6},
    )


def test_covariates_and_the_effect_of_a_site_are_added():
    model, values = adjusted(), np.array([[1.0, 4.0], [0.0, 0.0]])
    columns = [[40.0, 1, 0], [60.0, 0, 1]]
    base = np.array([0.5 - 4.0 - 0.3 + 0.8 + 0.4, -0.3 + 1.2 - 0.1])
    for site, effect in (("north", 0.0), ("south", 0.6), (None, 0.3)):
        got = model.logits(values, covariates=columns, site=site)
        np.testing.assert_allclose(got, base + effect)
        probability = model.predict_probability(values, covariates=columns, site=site)
        np.testing.assert_allclose(probability, 1 / (1 + np.exp(-got)))
        assert model.predict(values, covariates=columns, site=site).tolist() == [0, 1]
    assert list(model.covariate_weights) == ["age", "sex = male", "sex = other"]
    with pytest.raises(ParameterError, match="no effect of a site 'east'"):
        model.logits(values, covariates=columns, site="east")
    with pytest.raises(ModelFileError, match="do not fit 2 samples"):
        model.logits(values)
    with pytest.raises(ModelFileError, match="do not fit 2 samples"):
        a_model(("a", "b", "c")).logits(np.zeros((2, 3)), covariates=columns)
    with pytest.raises(ParameterError, match="do not fit the covariate"):
        ModelCovariate("sex", (0.1,), None, ("a", "b", "c"))


def test_a_model_with_covariates_survives_its_file(tmp_path):
    model, path = adjusted(), tmp_path / "model.json"
    model.save(path)
    document = json.loads(path.read_text())
    # An older reader would leave the covariates out: it must refuse.
    assert document["format"] == "cohortium-model/2"
    assert document["covariates"][0] == {
        "name": "age",
        "range": [0.0, 100.0],
        "weight": 0.02,
        "fill": 50.0,
    }
    assert document["covariates"][1]["levels"] == {"female": 0.0, "male": 0.4, "other": -0.1}
    again = Model.load(path)
    assert (again.covariates, again.sites) == (model.covariates, model.sites)
    a_model().save(path)
    assert json.loads(path.read_text())["format"] == "cohortium-model/1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"covariates": None},
        {"covariates": [{"name": "age", "range": [0], "weight": 1}]},
        {"covariates": [{"name": "age", "range": [0, 1], "weight": "x"}]},
        {"covariates": [{"name": "sex", "levels": {"a": 1.0, "b": 2.0}}]},
        {"covariates": [{"name": "sex", "levels": {"a": 0.0}}]},
        {"covariates": [7]},
        {"sites": {"north": None}},
        {"sites": [1]},
    ],
)
def test_a_damaged_model_with_covariates_is_refused(tmp_path, wrong):
    path = tmp_path / "model.json"
    adjusted().save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **wrong}))
    with pytest.raises(ModelFileError):
        Model.load(path)
