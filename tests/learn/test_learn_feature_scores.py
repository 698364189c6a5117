"""Scores and selections on shares, against NumPy and SciPy on the pooled table; what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpc_parties import CLEAR, DEALER, names_of, run_clear, run_parties
from selection_sites import Sites, pooled_scores, sites, stated_error

from cohortium.data import read_cohort
from cohortium.errors import EncodingError
from cohortium.learn import SelectionRule
from cohortium.learn.feature_scores import feature_scores
from cohortium.learn.feature_selection import select_features

BOUND, WIDTH = 64.0, 60
KINDS = ["variance", "welch-t"]


def uneven(owners: list[str], folds: int) -> Sites:
    """Sites on different levels, of scales from 0.02 to 8; constant features, one at the bound."""
    rng = np.random.default_rng(5)
    count = 18 * len(owners) * (len(owners) + 1)
    labels = (np.arange(count) % 5 < 2).astype(np.int64)
    values = rng.normal(size=(count, WIDTH)) * np.geomspace(0.02, 8, WIDTH) + 5
    values += (np.arange(count)[:, None] > 30) * np.arange(WIDTH) * 0.05
    values[:, 20:30] += labels[:, None] * np.geomspace(0.02, 8, WIDTH)[20:30]
    values[:, 0], values[:, 1] = 7.3, BOUND
    # A feature that tells the classes apart without any spread within them.
    values[:, 2] = labels
    return sites(owners, np.clip(values, -BOUND, BOUND), labels, folds)


def scored(given: Sites, rule: SelectionRule, computing: int) -> tuple[Any, Any]:
    """Return all parts' scores on shares and in the clear, and what p0 counted."""
    plan, sums = given.plan(rule), given.sums(rule)

    def program(protocol: Any, me: str) -> Any:
        mine = sums if me == CLEAR else {name: sums[name] for name in sums if name == me}
        found, _ = feature_scores(protocol, plan, rule, given.sizes, mine)
        rounds = protocol.counters.rounds
        sent = {name: gate.bytes_sent for name, gate in protocol.counters.gates.items()}
        return found.reveal("scores", ["p0"]), rounds, sent

    outsiders = [name for name in sums if name not in (*names_of(computing), DEALER)]
    return run_parties(program, computing, outsiders=outsiders)["p0"], run_clear(program)


@pytest.mark.parametrize(
    ("owners", "computing", "folds"),
    [
        (["p0"], 2, 1),
        (["p0", "p1"], 2, 4),
        (["p0", "p1", "p2"], 3, 3),
        (["p0", "guest"], 2, 3),
        (["dealer", "p1", "p2", "p3"], 4, 2),
    ],
)
@pytest.mark.parametrize("by", KINDS)
def test_scores_are_those_of_the_pooled_table(
    by: Any, owners: list[str], computing: int, folds: int
) -> None:
    given, rule = uneven(owners, folds), SelectionRule(by, 5, BOUND)
    (found, rounds, sent), (clear, _, _) = scored(given, rule, computing)
    assert len(found) == len(given.parts)
    for scores, exact, kept in zip(found, clear, given.parts, strict=True):
        expected = pooled_scores(given.values[kept], given.labels[kept], by)
        share = 0.5
        if by == "variance":
            # Scores of variance are times the part's share of the samples' power of two.
            share = BOUND**2 / 2
            expected = expected * kept.sum() / 2.0 ** np.ceil(np.log2(len(kept)))
        error = stated_error(given, rule, kept)
        assert (np.abs(scores + share - expected) <= error).all()
        assert (np.abs(exact + share - expected) <= 2.0**-12 * error + 2.0**-40).all()
        assert (np.abs(scores[:2] + share) <= error[:2]).all()
    # A single owner's sums are about its own means alone, and known to it.
    assert rounds == {"variance": (3, 7), "welch-t": (31, 34)}[by][len(owners) > 1]
    groups = folds * (2 if by == "welch-t" else 1)
    per_owner = 8 * (WIDTH + groups + 2 * groups * WIDTH)
    assert sent["input"] == (per_owner * (computing - 1) if owners[0] == "p0" else 0)


def test_sums_beyond_the_bound_are_refused_at_their_owner() -> None:
    given = uneven(["p0", "p1"], 2)
    rule = SelectionRule("variance", 5, 4.0)
    plan, sums = given.plan(rule), given.sums(rule)

    def program(protocol: Any, me: str) -> Any:
        mine = {me: sums[me]} if me == "p0" else {}
        return feature_scores(protocol, plan, rule, {"p0": given.sizes["p0"]}, mine)

    assert isinstance(run_parties(program, fail=True).errors["p0"], EncodingError)


@pytest.mark.parametrize("bound", [1.0, 1.5, 1000.0, 1024.0])
@pytest.mark.parametrize(("count", "owners"), [(4, 1), (60, 5), (4095, 1), (4095, 3)])
@pytest.mark.parametrize("folds", [1, 10])
@pytest.mark.parametrize("by", KINDS)
def test_every_shape_fits_the_ring(
    by: Any, folds: int, count: int, owners: int, bound: float
) -> None:
    """An overflow would be an error in the middle of a run: bounds depend on shapes alone."""
    labels = np.arange(count) % 2
    values = np.where(np.arange(4) % 2 == labels[:, None], bound, -bound)
    given = sites([f"p{place}" for place in range(owners)], values, labels, min(folds, count))
    rule = SelectionRule(by, 2, bound)
    plan, sums = given.plan(rule, sigmoid_error=0.05), given.sums(rule)
    masks = run_clear(lambda protocol, _: select_features(protocol, plan, rule, given.sizes, sums))
    assert masks.masks.shape == (len(given.parts), 4)


def check_selection(given: Sites, rule: SelectionRule, computing: int) -> None:
    """The chosen are the best of the pooled table, but for scores as close as the stated error."""
    plan, sums = given.plan(rule), given.sums(rule)

    def program(protocol: Any, me: str) -> Any:
        mine = {name: sums[name] for name in sums if name == me}
        masks = select_features(protocol, plan, rule, given.sizes, mine).masks
        return masks.reveal("masks", ["p0"])

    masks = run_parties(program, computing, deadline=60.0)["p0"]
    assert set(np.unique(masks)) == {0.0, 1.0}
    for mask, kept in zip(masks, given.parts, strict=True):
        assert mask.sum() == rule.top
        scores = pooled_scores(given.values[kept], given.labels[kept], rule.by)
        error = 2 * stated_error(given, rule, kept)
        least = np.sort(scores)[-rule.top]
        close = np.abs(scores - least) <= error
        # The threshold itself is one of them; few others may be.
        assert close.sum() <= 3
        np.testing.assert_array_equal(mask[~close] > 0, scores[~close] > least)


@pytest.mark.parametrize("by", KINDS)
@pytest.mark.parametrize(
    ("name", "label", "positive", "genes"),
    [("gse2034_probes300", "label", "relapse", 300), ("scanb_gse96058", "er", "pos", 2500)],
)
def test_real_genes(shared, name: str, label: str, positive: str, genes: int, by: Any) -> None:
    folder = shared(name)
    cohort = read_cohort(
        folder / "X.csv.gz",
        label=label,
        label_file=folder / "labels.tsv",
        positive=positive,
        missing_label="drop",
    )
    values = np.asarray(cohort.values)[:, :genes]
    order = np.random.default_rng(0).permutation(len(values))
    given = sites(["p0", "p1", "p2"], values[order], cohort.labels[order], 4)
    check_selection(given, SelectionRule(by, 60, float(np.abs(values).max())), 3)
