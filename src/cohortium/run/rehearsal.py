"""A rehearsal: the study's own program on made-up rows over the real links, a few iterations.

All parties do it together, with keys and masks of its own. Iterations that are not rehearsed are
taken to be like those that were, in the dual a little dearer each time; everything else is done as
often as in the run. So the forecast knows these machines, these links, and this study's rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from cohortium.data import Cohort
from cohortium.data.folds import fold_sizes
from cohortium.data.values import Array, Features, Values
from cohortium.learn import KEPT_FEATURES, AdjustedCohort, ClassSums
from cohortium.learn import Cohort as TrainingRows
from cohortium.mpc import Protocol
from cohortium.mpc.dealer import Roles, start
from cohortium.net import Mesh
from cohortium.ring import NumpyEngine
from cohortium.run.adjusting import adjustment_of, training_rows
from cohortium.run.filtering import run_filter
from cohortium.run.forecast import (
    EARLY,
    LATE,
    Forecast,
    Longer,
    Phase,
    Seconds,
    before_meeting,
    of_all_parties,
)
from cohortium.run.memory import peak_memory
from cohortium.run.messages import parsed
from cohortium.run.planning import fix_shapes, run_training
from cohortium.run.stating import FOR_FORECAST, MESSAGE_BYTES, Planned, StatedSize
from cohortium.run.together import run_preparation
from cohortium.study import DisclosureLedger, Study

_MOST_ITERATIONS = 200
# Made-up features that differ from each other.
_DIFFERENT = 4096
# A weight in model.json with its feature's name; the study, the record and the log of a run.
_BYTES_A_WEIGHT, _OTHER_BYTES = 42, 64 << 10


class _Taken(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    alone: dict[str, Seconds]
    phases: dict[str, Phase]


_Moment: TypeAlias = tuple[float, int, dict[str, int]]


class _Meter:
    """Takes note of seconds, rounds and bytes by phase, and of an iteration."""

    def __init__(self, mesh: Mesh, protocol: Protocol, iterations: int) -> None:
        self.phases: dict[str, Phase] = {}
        self._mesh = mesh
        self._protocol = protocol
        self._iterations = iterations
        self._name: str | None = None
        self._before = self._start = self._middle = self._now()
        # When the iterations of the half that is under way have ended.
        self._ends = [self._start[0]]

    def phase(self, name: str) -> None:
        """Take note that a phase begins, and the one before has ended."""
        now = self._now()
        if self._name is not None:
            self.phases[self._name] = _between(self._before, now, 1)
        self._name, self._before = name, now

    def iteration(self, done: int) -> None:
        """Take note of either half of the iterations; the very first is not like the others."""
        half = self._iterations // 2
        self._ends.append(time.perf_counter())
        if done == 1:
            self._start = self._now()
            self._ends = [self._start[0]]
        if done == half:
            self._middle = self._now()
            self.phases[EARLY] = self._half(self._start, self._middle, max(1, half - 1))
        if done == self._iterations:
            self.phases[LATE] = self._half(self._middle, self._now(), done - half)

    def _half(self, first: _Moment, last: _Moment, iterations: int) -> Phase:
        """Return an iteration of one half: the median of its seconds, as one may be held up."""
        phase = _between(first, last, iterations)
        # Not NumPy's median: it loads a module at its first call, on the clock.
        each = [end - start for start, end in pairwise(self._ends)]
        seconds = statistics.median(each) if each else phase.seconds
        self._ends = [last[0]]
        return phase.model_copy(update={"seconds": seconds})

    def _now(self) -> _Moment:
        # What a dealer keeps back to send it together belongs to this phase.
        self._mesh.flush_ahead()
        return time.perf_counter(), self._protocol.counters.rounds, self._mesh.sent_to


def _between(first: _Moment, last: _Moment, parts: int) -> Phase:
    """Return what came between two moments, as one of so many equal parts."""
    return Phase(
        seconds=(last[0] - first[0]) / parts,
        rounds=(last[1] - first[1]) / parts,
        sent={peer: (count - first[2][peer]) / parts for peer, count in last[2].items()},
    )


def rehearse(
    mesh: Mesh, study: Study, planned: Planned, alone: Mapping[str, float] | None = None
) -> Forecast:
    """Return the forecast that all parties come to; all call it at the same point.

    ``alone`` are the seconds by phase of what this party did before. Raises what a run's links
    raise.
    """
    samples, features, filtering, whole, form = planned
    iterations = study.model.iterations
    few = min(iterations, _MOST_ITERATIONS)
    plan = whole.shortened(few)
    choose = study.validation.choose if study.validation is not None else None
    ledger = DisclosureLedger.of(study)
    fix_shapes(ledger, study, plan)
    roles = Roles(study.with_role("compute"), *study.with_role("deal"))
    engine = NumpyEngine()
    # Before the parties exchange keys: time to make rows up must not count as waiting for a peer.
    owned = {}
    if mesh.name in samples:
        owned[mesh.name] = _training_rows(study, samples[mesh.name], features)
    sums = {name: _made_up_sums(study, samples[name], features) for name in owned}
    protocol = start(mesh, roles, ledger, engine)
    meter = _Meter(mesh, protocol, few)
    if filtering is not None:
        ledger.fix_shapes({KEPT_FEATURES: (features,)})
        none = {name: np.zeros((len(filtering.counted), features)) for name in owned}
        engine.run(lambda: run_filter(protocol, filtering, samples, none, ledger.allowed, meter))
    zeros = np.zeros(features)
    moments = {mesh.name: (zeros, zeros)} if mesh.name in samples else {}
    engine.run(
        lambda: run_preparation(protocol, study, samples, features, moments, ledger.allowed, meter)
    )
    engine.run(
        lambda: run_training(protocol, study, plan, samples, owned, ledger.allowed, meter, sums)
    )
    meter.phase("")
    taken = _exchange_taken(mesh, _Taken(alone=dict(alone or {}), phases=meter.phases))
    received = mesh.name in ledger.receivers("model")
    models = (1 if choose else len(study.model.l2)) if received else 0
    weights = features if study.selection is None else study.selection.top
    ready = before_meeting([party.alone for party in taken.values()])
    phases, links = of_all_parties(
        {name: party.phases for name, party in taken.items()},
        roles.computing,
        Longer.of(whole, plan),
    )
    return Forecast(
        form=form,
        rehearsed=few,
        iterations=iterations,
        phases={**ready, **phases},
        links=links,
        memory=peak_memory(),
        disk=_BYTES_A_WEIGHT * weights * models + _OTHER_BYTES,
    )


def made_up_cohort(study: Study, size: StatedSize) -> Cohort:
    """Return a cohort of a site that has no file yet."""
    values, labels = _made_up_rows(study, size.samples, size.features)
    return Cohort(
        values,
        tuple(f"sample {place}" for place in range(size.samples)),
        tuple(f"feature {place}" for place in range(size.features)),
        labels,
        "positive",
        "negative",
        "made-up rows",
    )


class _MadeUp(Values):
    """Random numbers around a centre; where there are many features they come again."""

    def __init__(self, samples: int, features: int, centre: float) -> None:
        self.shape = (samples, features)
        different = min(features, _DIFFERENT)
        # Small, so that no logit exceeds a stated bound; what they are changes no cost.
        numbers = np.random.default_rng(0).standard_normal((samples, different))
        self._numbers = np.clip(numbers, -1.0, 1.0, out=numbers) + centre

    def made(self, features: Features) -> Array:
        if isinstance(features, slice) and self._numbers.shape == self.shape:
            return self._numbers[:, features].copy()
        places = np.arange(self.shape[1])[features]
        return self._numbers[:, places % self._numbers.shape[1]]


def _made_up_rows(
    study: Study, samples: int, features: int
) -> tuple[Values, npt.NDArray[np.int64]]:
    """Return rows and labels that tell nothing of anybody; from 0 to 2 where counts are needed."""
    centre = 1.0 if study.preparation.by_frequency else 0.0
    return _MadeUp(samples, features, centre), np.arange(samples, dtype=np.int64) % 2


def _training_rows(study: Study, samples: int, features: int) -> TrainingRows | AdjustedCohort:
    """Return what an owner brings to a training of the study, made up."""
    values, labels = _made_up_rows(study, samples, features)
    # Numbers that vary enough for R², and as far from the bound as can be.
    targets = labels if study.model.kind == "logistic" else labels / 2
    adjustment, covariates = adjustment_of(study), None
    if adjustment is not None and adjustment.covariates:
        # A row's squares add up to 1 at most, as those of one covariate.
        most = adjustment.covariates**-0.5
        covariates = np.random.default_rng(1).uniform(-most, most, (samples, adjustment.covariates))
    weights = None if study.data.weight is None else np.ones(samples)
    return training_rows(values, targets, weights, covariates)


def _made_up_sums(study: Study, samples: int, features: int) -> ClassSums:
    """Return what an owner brings to select features by, made up: all are constant."""
    folds = [samples] if study.validation is None else fold_sizes(samples, study.validation.folds)
    classes = 2 if study.selection is not None and study.selection.by == "welch-t" else 1
    counts = np.zeros((len(folds), classes))
    fold, label = np.repeat(np.arange(len(folds)), folds), np.arange(samples) % classes
    np.add.at(counts, (fold, label), 1.0)
    sums = np.zeros((len(folds), classes, features))
    return ClassSums(np.zeros(features), counts, sums, sums)


def _exchange_taken(mesh: Mesh, own: _Taken) -> dict[str, _Taken]:
    received = mesh.exchange_messages(
        "rehearsed",
        dict.fromkeys(mesh.peers, own.model_dump_json().encode()),
        dict.fromkeys(mesh.peers, MESSAGE_BYTES),
        deadline=None,
    )
    taken = {
        name: parsed(_Taken, text, mesh, name, FOR_FORECAST) for name, text in received.items()
    }
    return {name: own if name == mesh.name else taken[name] for name in mesh.parties}
