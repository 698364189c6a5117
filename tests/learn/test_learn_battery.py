"""One battery for every estimator: the model of scikit-learn, in the clear and on shares.

An estimator is a line of ESTIMATORS. It is trained once in the clear, with two and with three
computing parties, on 79 leukaemias of the bundled data and 24 of their probes; all tests look at
these trainings. Parameters are tested by their rules, which the study file must have alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
import pytest
from mpc_parties import DEALER, names_of, run_parties
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression, Ridge

from cohortium.data import Preparation, concatenate, prepare, read_cohort
from cohortium.errors import BoundError, EncodingError, ParameterError
from cohortium.learn import (
    DualParameters,
    PrimalParameters,
    plan_dual,
    plan_primal,
    revealed_shapes,
    train,
    train_primal,
)
from cohortium.learn.parameters import DUAL_RULES, PRIMAL_RULES, Interval
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.study.schema import ModelSection

L2 = 2.0
PROBES = 24
TOLD = {"bounds": ("p0", "p1"), "model": ("p0", "p1")}
DUAL = {"l2": (L2,), "iterations": 150}
PRIMAL = {"l2": L2, "steps": 150, "momentum": 0.5}
# What a step of the primal is for these rows: 1/L, as in the dual.
LOGISTIC_RATE, LINEAR_RATE = 0.1, 0.035


@dataclass(frozen=True)
class Rows:
    """Real samples: prepared values, classes, a number (a further probe), weights."""

    values: np.ndarray[Any, Any]
    classes: np.ndarray[Any, Any]
    numbers: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any]

    def balanced(self) -> np.ndarray[Any, Any]:
        counts = np.bincount(self.classes)
        return len(self.classes) / (2 * counts[self.classes])


@dataclass(frozen=True)
class Estimator:
    """How one is trained, and scikit-learn's weights of the samples (None: all 1)."""

    kind: str
    parameters: DualParameters | PrimalParameters
    weights: Callable[[Rows], Any] = field(default=lambda _rows: None)

    @property
    def dual(self) -> bool:
        return isinstance(self.parameters, DualParameters)

    @property
    def weighted(self) -> bool:
        return self.dual and self.parameters.sample_weights

    def plan(self, rows: Rows, **changes: Any) -> Any:
        parameters = type(self.parameters)(**{**vars(self.parameters), **changes})
        plan = plan_dual if self.dual else plan_primal
        return plan(*rows.values.shape, 8.0, parameters)

    def owned(self, rows: Rows, *cuts: int) -> dict[str, tuple[Any, ...]]:
        """Return the rows of consecutive owners."""
        labels = rows.classes if self.kind == "logistic" else rows.numbers
        columns = (rows.values, labels, *([rows.weights] if self.weighted else []))
        parts = zip(*(np.split(column, cuts) for column in columns), strict=True)
        return {f"p{place}": part for place, part in enumerate(parts)}

    def trained(self, protocol: Any, plan: Any, owned: Mapping[str, Any], me: str | None = None):
        sizes = {name: len(part[1]) for name, part in owned.items()}
        mine = owned if me is None else {me: owned[me]} if me in owned else {}
        return (train if self.dual else train_primal)(protocol, plan, sizes, mine, TOLD)

    def expected(self, rows: Rows) -> np.ndarray[Any, Any]:
        """Return scikit-learn's weights, the intercept last."""
        count, weights = len(rows.classes), self.weights(rows)
        if self.kind == "linear":
            model = Ridge(alpha=count * L2).fit(rows.values, rows.numbers, weights)
            return np.append(model.coef_, model.intercept_)
        model = LogisticRegression(C=1 / (count * L2), max_iter=10_000, tol=1e-10)
        model.fit(rows.values, rows.classes, weights)
        return np.append(model.coef_[0], model.intercept_[0])


def linear(parameters: type, **given: Any) -> Any:
    return parameters(kind="linear", **given)


ESTIMATORS = {
    "logistic dual": Estimator("logistic", DualParameters(**DUAL)),
    "logistic dual, balanced": Estimator(
        "logistic", DualParameters(**DUAL, class_weight="balanced"), Rows.balanced
    ),
    "logistic dual, given class weights": Estimator(
        "logistic",
        DualParameters(**DUAL, class_weight=(0.5, 2.0), weight_bound=2.0),
        lambda rows: np.where(rows.classes == 1, 2.0, 0.5),
    ),
    "logistic dual, sample weights": Estimator(
        "logistic",
        DualParameters(**DUAL, sample_weights=True, weight_bound=2.0),
        lambda rows: rows.weights,
    ),
    "logistic dual, both weights": Estimator(
        "logistic",
        DualParameters(**DUAL, class_weight="balanced", sample_weights=True, weight_bound=2.0),
        lambda rows: rows.balanced() * rows.weights,
    ),
    "logistic dual, several pieces": Estimator("logistic", DualParameters(**DUAL, sigmoid="tfe5")),
    "linear dual": Estimator("linear", linear(DualParameters, **DUAL)),
    "linear dual, sample weights": Estimator(
        "linear",
        linear(DualParameters, **DUAL, sample_weights=True, weight_bound=2.0),
        lambda rows: rows.weights,
    ),
    "logistic primal": Estimator(
        "logistic", PrimalParameters(**PRIMAL, learning_rate=LOGISTIC_RATE)
    ),
    "linear primal": Estimator(
        "linear", linear(PrimalParameters, **PRIMAL, learning_rate=LINEAR_RATE)
    ),
}
# Of a sigmoid of five pieces the model is near that of the exact one, no more.
TOLERANCES = {"logistic dual, several pieces": 0.06}


@pytest.fixture(scope="module")
def rows() -> Rows:
    folder = resources.files("cohortium") / "demo_data"
    parts = []
    for name in ("north", "south"):
        with resources.as_file(folder / f"{name}.csv.gz") as path:
            parts.append(
                read_cohort(path, label="bcrabl_vs_neg", positive="BCR/ABL", negative="NEG")
            )
    cohort = concatenate(parts, source="bundled")
    # The most variable probes; the first of them is the number to be predicted.
    order = np.argsort(-cohort.values.std(0), kind="stable")[: PROBES + 1]
    chosen = cohort.select_features([cohort.features[place] for place in order])
    values = prepare(chosen, Preparation())[0].values[:, 1:]
    weights = np.random.default_rng(0).uniform(0.25, 1.75, len(values))
    return Rows(values, np.asarray(cohort.labels), chosen.values[:, 0], weights)


@dataclass(frozen=True)
class Training:
    """What every party learned of one training, and the rounds that it took."""

    found: Mapping[str, Mapping[str, Any]]
    rounds: int = 0


Trainings = Callable[[int, str], Training]


@pytest.fixture(scope="module")
def trainings(rows: Rows) -> Trainings:
    """Trains an estimator once: in the clear (0), or with two or three computing parties."""
    done: dict[tuple[int, str], Training] = {}

    def training(computing: int, name: str) -> Training:
        if (computing, name) not in done:
            done[computing, name] = trained(computing, ESTIMATORS[name])
        return done[computing, name]

    def trained(computing: int, each: Estimator) -> Training:
        plan = each.plan(rows)
        if not computing:
            model = each.trained(ClearProtocol(exact=EXACT), plan, each.owned(rows, 30))
            return Training({"p0": model, "p1": model})
        # The third owner has no share where two compute.
        owned = each.owned(rows, 20, 45)
        out = run_parties(
            lambda protocol, me: each.trained(protocol, plan, owned, me),
            computing,
            outsiders=["p2"] if computing == 2 else [],
            deadline=60.0,
        )
        return Training(out, out.protocols["p0"].counters.rounds)

    return training


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("computing", [0, 2, 3])
def test_the_model_is_scikit_learns(
    trainings: Trainings, rows: Rows, name: str, computing: int
) -> None:
    expected = ESTIMATORS[name].expected(rows)
    for party in ("p0", "p1"):
        found = trainings(computing, name).found[party]["model"][:, 0]
        apart = np.abs(found - expected)
        allowed = TOLERANCES.get(name, 0.01)
        assert apart[:-1].max() <= allowed * np.abs(expected[:-1]).max()
        assert apart[-1] <= allowed * max(1.0, abs(expected[-1]))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_shares_are_near_the_clear_and_told_to_receivers_alone(
    trainings: Trainings, rows: Rows, name: str
) -> None:
    clear = trainings(0, name).found["p0"]["model"]
    for computing in (2, 3):
        found = trainings(computing, name).found
        np.testing.assert_array_equal(found["p0"]["model"], found["p1"]["model"])
        # A twin has the exact sigmoid; two trainings differ by their rounding besides.
        allowed = TOLERANCES.get(name, 0.005) * np.abs(clear).max()
        assert np.abs(found["p0"]["model"] - clear).max() <= allowed
        for party in set(found) - {"p0", "p1"}:
            assert found[party] == {}
        assert found["p0"]["bounds"].all()
        shapes = revealed_shapes(ESTIMATORS[name].plan(rows), list(TOLD))
        assert {what: values.shape for what, values in found["p0"].items()} == shapes
    assert trainings(2, name).rounds == trainings(3, name).rounds > 0
    assert set(trainings(3, name).found) == {*names_of(3), DEALER}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_who_owns_the_samples_does_not_matter(trainings: Trainings, rows: Rows, name: str) -> None:
    each = ESTIMATORS[name]
    if not each.dual:
        # Batches of the primal mix the owners' rows: full batches only differ in their order.
        assert each.parameters.batch is None
    other = each.trained(ClearProtocol(exact=EXACT), each.plan(rows), each.owned(rows, 7, 8, 60))
    np.testing.assert_allclose(other["model"], trainings(0, name).found["p0"]["model"], atol=1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_stated_bound_that_does_not_hold_ends_it(rows: Rows, name: str) -> None:
    """λ = 0 and many steps: logits of a few, where 1 is stated; or labels beyond it."""
    each = ESTIMATORS[name]
    changes: dict[str, Any] = {"l2": (0.0,) if each.dual else 0.0, "logit_bound": 1.0}
    if each.kind == "linear":
        # The numbers are of 2 to 14: an owner whose label exceeds the bound does not share it.
        with pytest.raises(EncodingError):
            run_parties(
                lambda protocol, me: each.trained(
                    protocol, each.plan(rows, **changes), each.owned(rows, 40), me
                )
            )
        return
    if not each.dual:
        changes["steps"] = 400
    plan, owned = each.plan(rows, **changes), each.owned(rows, 40)
    with pytest.raises(BoundError, match="logit_bound = 1"):
        each.trained(ClearProtocol(exact=EXACT), plan, owned)


@pytest.mark.parametrize("name", ["logistic dual, sample weights", "linear dual, sample weights"])
def test_a_weight_of_two_is_the_row_twice(rows: Rows, name: str) -> None:
    each = ESTIMATORS[name]
    ones = Rows(rows.values, rows.classes, rows.numbers, np.ones(len(rows.classes)))
    twice = Rows(rows.values, rows.classes, rows.numbers, 1.0 + (np.arange(79) < 10))
    again = np.append(np.arange(79), np.arange(10))
    copied = Rows(*(column[again] for column in vars(ones).values()))

    def model(of: Rows, strength: float) -> Any:
        plan = each.plan(of, l2=(strength,), iterations=400)
        return each.trained(ClearProtocol(exact=EXACT), plan, each.owned(of, 30))["model"]

    # The loss is the mean over rows: of 79 in the one, of 89 in the other.
    np.testing.assert_allclose(model(twice, L2), model(copied, L2 * 79 / 89), atol=1e-4)


# -- parameters by their rules -----------------------------------------------------------------

RULES = [(DualParameters, name, rule) for name, rule in DUAL_RULES.items()] + [
    (PrimalParameters, name, rule) for name, rule in PRIMAL_RULES.items()
]
IDS = [f"{kind.__name__}-{name}" for kind, name, _ in RULES]


def outside(rule: Interval) -> tuple[float, float]:
    if rule.whole:
        return int(rule.low) - 1, int(rule.high) + 1
    return np.nextafter(rule.low, -np.inf), np.nextafter(rule.high, np.inf)


def made(kind: type, name: str, value: float) -> Any:
    given: dict[str, Any] = {name: value}
    if name == "class_weight":
        given = {name: (value, 1.0), "weight_bound": 1000.0}
    elif kind is DualParameters and name == "l2":
        given = {name: (value,)}
    elif name == "l2":
        # learning_rate · l2 has to be below 1.
        given = {name: value, "learning_rate": 1e-9}
    return kind(**given)


@pytest.mark.parametrize(("kind", "name", "rule"), RULES, ids=IDS)
def test_the_ends_of_a_range_are_allowed_and_no_more(kind: type, name: str, rule: Interval) -> None:
    for value in (rule.low, rule.high):
        if (kind, name) == (PrimalParameters, "l2") and value == rule.high:
            # The smallest learning rate times the largest λ is 1.
            with pytest.raises(ParameterError, match="not below 1"):
                kind(l2=value, learning_rate=PRIMAL_RULES["learning_rate"].low)
            continue
        made(kind, name, int(value) if rule.whole else value)
    wrong = (*outside(rule), float("nan"), float("inf"), "1", None if name != "batch" else "", True)
    for value in wrong:
        with pytest.raises(ParameterError) as caught:
            made(kind, name, value)
        assert caught.value.what == f"{name} = {value!r} is not {rule}."
        assert caught.value.remedy


# What a study names as the estimators do; "iterations" are the steps of the primal.
OF_THE_STUDY = {
    **{name: rule for name, rule in PRIMAL_RULES.items() if name not in ("steps", "weight_bound")},
    **DUAL_RULES,
}


@pytest.mark.parametrize("name", OF_THE_STUDY)
def test_the_study_has_the_same_ranges(name: str) -> None:
    rule = OF_THE_STUDY[name]

    def read(value: float) -> None:
        ModelSection(**{name: [value, value] if name == "class_weight" else value})

    for value in (rule.low, rule.high):
        read(int(value) if rule.whole else value)
    for value in outside(rule):
        with pytest.raises(ValidationError):
            read(value)


def test_no_rule_is_left_out() -> None:
    for rules, kind in ((DUAL_RULES, DualParameters), (PRIMAL_RULES, PrimalParameters)):
        numbers = {
            name
            for name, value in vars(kind(batch=3) if kind is PrimalParameters else kind()).items()
            if not isinstance(value, (bool, str)) and value is not None
        }
        # What follows from how the data are prepared is not the study's to choose.
        assert numbers - set(rules) <= {"mean_square"}
    for name in ("l2", "logit_bound", "sigmoid_error"):
        assert DUAL_RULES[name] == PRIMAL_RULES[name]
