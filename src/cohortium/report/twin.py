"""The cleartext twin: the study's training on made-up samples, on shares and in float64.

It says how far secure arithmetic moves the weights at a shape like the run's. All parties are
threads of this process; no real sample is used, nor could it be: a party has its own only. Large
shapes are cut down, and the result says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import CohortiumError
from cohortium.learn import FEATURE_STATISTICS, WeightedCohort, auc, revealed_shapes
from cohortium.mpc import Protocol
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.mpc.dealer import Roles
from cohortium.mpc.dealer.threads import run_in_threads
from cohortium.run.planning import Plan, make_plan, run_training
from cohortium.study import DisclosureLedger, Study

# So that it takes seconds: the most samples, features, iterations and values of λ.
_MOST_SAMPLES, _MOST_FEATURES, _MOST_ITERATIONS = 400, 15_000, 300
_WAIT_SECONDS = 120.0
# By how many deviations the classes differ in a tenth of the features; how many samples are tested.
_SHIFT, _TESTED = 0.25, 200
_Rows = tuple[NDArray[np.float64], NDArray[np.int64]]


@dataclass(frozen=True)
class TwinResult:
    """How the two trainings differ, or why there is no comparison (``refusal``).

    ``whole``: its shape is the run's. ``left_out`` are steps of the study that it does without.
    ``difference`` is the largest of a weight, relative to the largest weight of the same λ;
    ``intercept`` the largest of an intercept; AUCs are on 200 other made-up samples.
    """

    samples: int
    features: int
    iterations: int
    l2: tuple[float, ...]
    whole: bool
    left_out: tuple[str, ...] = ()
    difference: float = 0.0
    intercept: float = 0.0
    secure_auc: float = 0.0
    clear_auc: float = 0.0
    refusal: str = ""


def compare_with_twin(study: Study, samples: int, features: int) -> TwinResult:
    """Return how a training of the study on made-up samples differs from its cleartext twin.

    Samples are standard normal, cut at the study's clip; in a tenth of the features the classes
    differ by a quarter of a deviation. Of several λ the smallest and the largest are trained,
    without folds and covariates. Where features are selected, on as many as are selected.
    """
    model = study.model
    top = features if study.selection is None else study.selection.top
    rows, width = min(samples, _MOST_SAMPLES), min(features, top, _MOST_FEATURES)
    steps = min(model.iterations, _MOST_ITERATIONS)
    strengths = sorted({min(model.l2), max(model.l2)})
    made_up = study.model_copy(
        update={
            "data": study.data.model_copy(
                update={"covariates": [], "ranges": {}, "levels": {}, "fill": {}}
            ),
            "model": model.model_copy(
                update={"iterations": steps, "l2": strengths, "site_indicators": False}
            ),
            "selection": None,
            "validation": None,
            # Without the statistics values would be standardised in secret.
            "reveal": [each for each in study.reveal if each.what in ("model", FEATURE_STATISTICS)],
        }
    )
    whole = (rows, width, steps) == (samples, features, model.iterations)
    whole = whole and strengths == sorted(model.l2)
    shape = TwinResult(rows, width, steps, tuple(strengths), whole, _left_out(study))
    owners = study.with_role("data")
    sizes = {name: len(part) for name, part in zip(owners, _split(rows, len(owners)), strict=True)}
    sizes = {name: size for name, size in sizes.items() if size}
    random = np.random.default_rng(0)
    clip = study.preparation.clip
    counts = study.secretly_pooled and study.preparation.by_frequency
    owned: dict[str, _Rows | WeightedCohort] = {
        name: _weighted(_rows(random, size, width, clip, counts), random, study)
        for name, size in sizes.items()
    }
    others = _rows(random, _TESTED, width, clip, counts)
    try:
        plan, _ = make_plan(made_up, sizes, width)
        clear = run_training(
            ClearProtocol(exact=EXACT), made_up, plan, sizes, owned, {"bounds": (), "model": ()}
        )["model"]
        secure = _on_shares(made_up, plan, sizes, owned)
    except CohortiumError as error:
        return replace(shape, refusal=error.what)
    apart = np.abs(secure - clear)
    largest = np.abs(clear[:-1]).max(0)
    relative = apart[:-1].max(0) / np.where(largest > 0, largest, 1.0)
    place = int(relative.argmax())
    return replace(
        shape,
        difference=float(relative[place]),
        intercept=float(apart[-1].max()),
        secure_auc=_auc(secure[:, place], others),
        clear_auc=_auc(clear[:, place], others),
    )


def _left_out(study: Study) -> tuple[str, ...]:
    """Return in words what the study does and its twin does not."""
    steps = {
        "the filter": study.filter is not None,
        "the selection of features": study.selection is not None,
        "covariates": bool(study.data.covariates),
        "site effects": study.model.site_indicators,
        "cross-validation": study.validation is not None,
    }
    return tuple(step for step, there in steps.items() if there)


def _auc(weights: NDArray[np.float64], rows: _Rows) -> float:
    return float(auc(rows[1], rows[0] @ weights[:-1] + weights[-1]))


def _split(samples: int, parts: int) -> list[NDArray[np.int64]]:
    return np.array_split(np.arange(samples), parts)


def _rows(
    random: np.random.Generator, samples: int, width: int, clip: float, counts: bool
) -> _Rows:
    """Return rows that differ by class, standardised; as allele counts where these are shared."""
    labels = np.arange(samples, dtype=np.int64) % 2
    values = random.standard_normal((samples, width))
    values[:, : max(1, width // 10)] += _SHIFT * (labels - 0.5)[:, None]
    if counts:
        return np.clip(np.rint(values + 1), 0.0, 2.0), labels
    return np.clip(values, -clip, clip), labels


def _weighted(rows: _Rows, random: np.random.Generator, study: Study) -> _Rows | WeightedCohort:
    return rows if study.data.weight is None else (*rows, random.uniform(0.5, 1.0, len(rows[1])))


def _on_shares(
    study: Study, plan: Plan, sizes: Mapping[str, int], owned: Mapping[str, _Rows | WeightedCohort]
) -> NDArray[np.float64]:
    """Return the weights that the study's computing parties and dealer come to, as threads here."""
    roles = Roles(study.with_role("compute"), *study.with_role("deal"))
    reader = roles.computing[0]
    ledger = DisclosureLedger({"bounds": roles.computing, "model": (reader,)})
    ledger.fix_shapes(revealed_shapes(plan, list(ledger.allowed)))

    def body(protocol: Protocol, name: str) -> dict[str, NDArray[np.float64]]:
        own = {name: owned[name]} if name in owned else {}
        return run_training(protocol, study, plan, sizes, own, ledger.allowed)

    outsiders = [name for name in sizes if name not in (*roles.computing, roles.dealer)]
    outcome = run_in_threads(
        body, roles, outsiders=outsiders, ledger=ledger, deadline=_WAIT_SECONDS
    )
    if (error := outcome.first_error()) is not None:
        raise error
    weights: NDArray[np.float64] = outcome[reader]["model"]
    return weights
