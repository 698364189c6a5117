"""The forecast of a rehearsal against the run it is of: rounds exactly, bytes to the labels."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from run_sites import OWNER, TWO_SITES, parsed, study_text

from cohortium.data import Cohort, class_sums
from cohortium.data.folds import fold_sizes
from cohortium.errors import CohortiumError, FrameError, PeerAbortedError
from cohortium.learn import KEPT_FEATURES, ClassSums, PrimalPlan
from cohortium.mpc import Protocol
from cohortium.mpc.dealer import Roles, start
from cohortium.net import Mesh, memory_meshes
from cohortium.run.filtering import filter_plan, run_filter
from cohortium.run.forecast import Forecast, Longer, Phase, of_all_parties
from cohortium.run.planning import fix_shapes, make_plan, run_training
from cohortium.run.preflight import OwnRows, Preflight, make_forecast
from cohortium.run.rehearsal import rehearse
from cohortium.run.stating import StatedSize, exchange_sizes, plan_rehearsal
from cohortium.run.together import run_preparation
from cohortium.study import DisclosureLedger, Study

ADJUSTED = (
    study_text(iterations=230)
    .replace(
        "[features]",
        'covariates = ["age", "sex"]\nranges = { age = [0, 100] }\n'
        'levels = { sex = ["female", "male", "other"] }\n[features]',
    )
    .replace("[model]", "[model]\nsite_indicators = true")
)
THREE: Mapping[str, Sequence[str]] = {
    "a": OWNER,
    "b": ("data", "compute"),
    "c": ("compute",),
    "d": ("deal",),
}
POOLED = """
[preparation]
standardise = "pooled"
impute = "pooled-mean"
value_bound = 8.0
[[reveal]]
what = "feature_statistics"
to = ["north", "south"]
"""
COUNTED = """
[preparation]
standardise = "allele-frequency"
"""
COUNTED_TOLD = COUNTED + POOLED[POOLED.index("impute") :].replace("value_bound = 8.0\n", "")
FILTERED = """
[filter]
max_missing = 0.05
hwe_p = 1e-6
[[reveal]]
what = "kept_features"
to = ["north", "south"]
"""
VALIDATED = """
[validation]
folds = 3
choose = "auc"
[[reveal]]
what = "auc"
to = ["north", "south"]
[[reveal]]
what = "log_loss"
to = ["north"]
"""
SELECTED = """
[preparation]
value_bound = 8.0
[selection]
by = "welch-t"
top = 20
[[reveal]]
what = "selected_features"
to = ["north", "south"]
"""
LINEAR = (
    study_text(iterations=240, l2="[0.5, 1.0]")
    .replace('positive = "BCR/ABL"\nnegative = "NEG"', 'weight = "w"')
    .replace("[model]", '[model]\nkind = "linear"')
) + VALIDATED.replace('"auc"', '"r2"').replace('"log_loss"', '"mse"')


def together(parties: Sequence[str], program: Any) -> dict[str, Any]:
    """Run a program as every party, each in a thread; return what it returned or raised."""
    outcomes: dict[str, Any] = {}

    def party(name: str, mesh: Mesh) -> None:
        try:
            with mesh, np.errstate(over="ignore"):
                outcomes[name] = program(mesh)
        except CohortiumError as error:
            outcomes[name] = error

    threads = [
        threading.Thread(target=party, args=item, daemon=True)
        for item in memory_meshes(parties, deadline=30.0).items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


def rehearsed(mesh: Mesh, study: Study, sizes: Mapping[str, StatedSize]) -> Forecast:
    return rehearse(mesh, study, plan_rehearsal(study, sizes, mesh.name))


def trained(mesh: Mesh, study: Study, sizes: Mapping[str, StatedSize]) -> tuple[int, dict]:
    """Train as a run does; return rounds, and bytes sent to each peer from the sharing on."""
    samples = {name: size.samples for name, size in sizes.items()}
    features = min(size.features for size in sizes.values())
    plan, _ = make_plan(study, samples, features)
    ledger = DisclosureLedger.of(study)
    fix_shapes(ledger, study, plan)
    roles = Roles(study.with_role("compute"), *study.with_role("deal"))
    protocol: Protocol = start(mesh, roles, ledger)
    before = mesh.sent_to
    rules = filter_plan(study, sum(samples.values()), features)
    if rules is not None:
        ledger.fix_shapes({KEPT_FEATURES: (features,)})
        random = np.random.default_rng(1)
        counts = {name: random.integers(0, 5, (3, features)) for name in samples}
        own = {name: each for name, each in counts.items() if name == mesh.name}
        run_filter(protocol, rules, samples, own, ledger.allowed)
    owned = {}
    if mesh.name in samples:
        random = np.random.default_rng([*mesh.name.encode()])
        values = random.uniform(-1.0, 1.0, (samples[mesh.name], features))
        values += study.preparation.by_frequency
        labels = random.permutation(np.arange(len(values)) % 2)
        weights = () if study.data.weight is None else (np.ones(len(values)),)
        owned[mesh.name] = (values, labels, *weights)
        if study.data.covariates:
            columns = random.uniform(-0.5, 0.5, (len(values), 3))
            owned[mesh.name] = (*owned[mesh.name], columns)
    parts = {name: (rows[0].mean(0), rows[0].var(0)) for name, rows in owned.items()}
    if study.preparation.by_frequency:
        parts = {name: (np.zeros(features), rows[0].sum(0)) for name, rows in owned.items()}
    run_preparation(protocol, study, samples, features, parts, ledger.allowed)
    sums = {}
    if study.selection is not None:
        sums = {name: sums_of(study, rows[0], rows[1]) for name, rows in owned.items()}
    run_training(protocol, study, plan, samples, owned, ledger.allowed, sums=sums)
    mesh.flush_ahead()
    sent = {peer: count - before[peer] for peer, count in mesh.sent_to.items()}
    return protocol.counters.rounds, sent


def sums_of(study: Study, values: Any, labels: Any) -> ClassSums:
    """Return what an owner of these rows brings to select features by."""
    size = len(values)
    folds = [size] if study.validation is None else fold_sizes(size, study.validation.folds)
    names = [f"{place}" for place in range(max(values.shape))]
    cohort = Cohort(
        values, names[:size], names[: values.shape[1]], labels.astype(np.int64), "yes", "no"
    )
    return ClassSums(*class_sums(cohort, folds, by_class=True))


@pytest.mark.parametrize(
    ("parties", "text", "features"),
    [
        (TWO_SITES, study_text(iterations=230), 200),
        (TWO_SITES, study_text(iterations=12), 40),
        (TWO_SITES, ADJUSTED, 60),
        (TWO_SITES, study_text(iterations=245, l2="[0.1, 1.0]") + VALIDATED, 60),
        (TWO_SITES, LINEAR, 30),
        (THREE, study_text(THREE, iterations=250), 100),
        (
            TWO_SITES,
            study_text(iterations=270).replace(
                "[model]", "[model]\nbatch = 16\nlogit_bound = 16.0"
            ),
            9,
        ),
        (TWO_SITES, study_text(iterations=12, features='mode = "same"') + POOLED, 40),
        (TWO_SITES, study_text(iterations=12) + COUNTED_TOLD, 40),
        (TWO_SITES, study_text(iterations=210) + COUNTED, 40),
        (TWO_SITES, study_text(iterations=12) + FILTERED, 40),
        (TWO_SITES, study_text(iterations=220, l2="[0.1, 1.0]") + SELECTED + VALIDATED, 60),
    ],
    ids=[
        "dual",
        "dual of few iterations",
        "covariates",
        "folds and metrics",
        "linear with weights",
        "three compute",
        "mini-batches",
        "pooled",
        "allele frequencies",
        "secret allele frequencies",
        "filtered",
        "selected, with folds",
    ],
)
def test_a_forecast_is_of_the_run(
    parties: Mapping[str, Sequence[str]], text: str, features: int
) -> None:
    study = parsed(text).study
    sizes = {name: StatedSize(30, features) for name in study.with_role("data")}
    forecasts: dict[str, Forecast] = together(
        list(parties), lambda mesh: rehearsed(mesh, study, sizes)
    )
    runs = together(list(parties), lambda mesh: trained(mesh, study, sizes))
    computing = study.with_role("compute")
    for forecast in forecasts.values():
        assert forecast.rehearsed == min(200, study.model.iterations)
        assert {runs[name][0] for name in computing} == {forecast.rounds}
        for sender, (_, sent) in runs.items():
            for receiver, count in sent.items():
                # Labels with the step's number are longer in a longer run.
                assert forecast.links[sender, receiver] == pytest.approx(count, rel=0.03)
        assert forecast.seconds > 0
        assert forecast.memory > 50e6
        assert forecast.phases.keys() == forecasts[computing[0]].phases.keys()
    first = forecasts[computing[0]]
    assert all(forecast.links == first.links for forecast in forecasts.values())
    assert all(forecast.seconds == first.seconds for forecast in forecasts.values())


@pytest.mark.parametrize(
    ("text", "sizes", "told"),
    [
        (study_text() + POOLED, ((30, 9), (9, 9)), "Too few samples of south (9)"),
        (study_text() + SELECTED, ((30, 20), (30, 40)), "20 of 20 features can not be selected"),
        (study_text(), ((1 << 31, 9), (1 << 31, 9)), "[COH-302]"),
    ],
    ids=["too few samples", "too few features", "too many samples"],
)
def test_a_training_that_can_not_be_planned_is_a_problem_at_every_party(
    text: str, sizes: Sequence[tuple[int, int]], told: str
) -> None:
    stated = dict(zip(("north", "south"), sizes, strict=True))
    for found in checked(text, {name: OwnRows(StatedSize(*stated[name]), {}) for name in stated}):
        assert found.forecast is None
        assert [told in problem for problem in found.problems] == [True], found.problems


def test_data_that_were_refused_are_told_apart_from_none() -> None:
    own = {"north": OwnRows(None, {}, refused=True), "south": OwnRows(StatedSize(3, 4), {})}
    told = "the data of north were refused there"
    for found in checked(study_text(), own):
        # Its own screen has said why.
        assert [told in line for line in found.problems] == [True] * (found.party != "north")
        assert found.warnings == []
    for found in checked(study_text(), {"south": own["south"]}):
        assert "north did not state how much data" in found.warnings[0]
        assert found.problems == []


def checked(text: str, own: Mapping[str, OwnRows]) -> list[Preflight]:
    """Return what all parties find once they have met."""
    study = parsed(text).study

    def party(mesh: Mesh) -> Preflight:
        found = Preflight(mesh.name)
        make_forecast(found, mesh, study, own.get(mesh.name, OwnRows(None, {})))
        return found

    outcomes = together(list(TWO_SITES), party)
    assert outcomes.keys() == TWO_SITES.keys()
    return list(outcomes.values())


def test_the_form_is_that_of_the_run() -> None:
    """With fewer iterations the other form could be the cheaper one."""
    study = parsed(study_text(iterations=4000)).study
    sizes = {"north": StatedSize(150, 20), "south": StatedSize(150, 20)}
    whole, form = make_plan(study, {"north": 150, "south": 150}, 20)
    forecasts = together(list(TWO_SITES), lambda mesh: rehearsed(mesh, study, sizes))
    for forecast in forecasts.values():
        assert forecast.form == form
    a_step = 3 if isinstance(whole, PrimalPlan) else 2
    assert forecasts["north"].phases["iterations"].rounds >= a_step * 3900


def test_who_states_nothing_is_left_out() -> None:
    study = parsed(study_text()).study
    own = {"north": StatedSize(3, 4)}
    stated = together(list(TWO_SITES), lambda mesh: exchange_sizes(mesh, study, own.get(mesh.name)))
    assert all(found == (own, []) for found in stated.values())


@pytest.mark.parametrize("text", [b"{}", b"[]", b'{"samples": 0, "features": 1}', b"\xff"])
def test_a_size_that_is_none_is_refused(text: bytes) -> None:
    study = parsed(study_text()).study

    def party(mesh: Mesh) -> Any:
        if mesh.name == "south":
            everyone = dict.fromkeys(mesh.peers, text)
            return mesh.exchange_messages("stated size", everyone, {"north": 1 << 16})
        return exchange_sizes(mesh, study, None)

    outcomes = together(list(TWO_SITES), party)
    assert isinstance(outcomes["north"], (FrameError, PeerAbortedError))
    assert "south sent a message for the forecast that can not be read" in outcomes["north"].what


def test_seconds_are_those_of_the_slowest_party_not_of_each_phases() -> None:
    # Who is quick to share waits for the other in the next phase: the run takes 4 seconds, not 6.
    def party(share: float, gram: float) -> dict[str, Phase]:
        return {
            "share": Phase(seconds=share, rounds=1, sent={}),
            "Gram matrix": Phase(seconds=gram, rounds=2, sent={}),
        }

    taken = {"north": party(1.0, 3.0), "south": party(3.0, 0.5), "dealer": party(9.0, 9.0)}
    phases, _ = of_all_parties(taken, ("north", "south"), Longer(1, 1, 1.0, grows=True))
    assert {name: phase.seconds for name, phase in phases.items()} == {
        "share": 1.0,
        "Gram matrix": 3.0,
    }
