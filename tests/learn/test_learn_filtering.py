"""Quality filters on shares, against whole numbers and fractions; rounds and bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpc_parties import CLEAR, GUEST, run_clear, run_parties
from scipy.stats import chi2

from cohortium.errors import EncodingError, FixedPointOverflowError
from cohortium.learn import KEPT_FEATURES, FilterPlan, filtering, kept_features, plan_filter
from cohortium.mpc.clear import EXACT, ClearProtocol
from cohortium.ring import TensorFlowEngine

RULES: dict[str, Any] = {
    "max_missing": Fraction(1, 20),
    "min_maf": Fraction(5, 100),
    "hwe_p": 1e-3,
}
ROWS = {"missing": 0, "alleles": 1, "heterozygotes": 2}


def counts(random: np.random.Generator, samples: int, width: int) -> np.ndarray[Any, Any]:
    """Calls of a site, counted: of all frequencies, more or fewer heterozygotes than chance."""
    missing = random.binomial(samples, random.choice([0.0, 0.02, 0.05, 0.1], width))
    frequency, inbred = random.uniform(0, 1, width), random.choice([-0.2, 0.0, 0.1, 0.3], width)
    frequency[::7] = random.choice([0.0, 1.0, 0.05, 0.95], len(frequency[::7]))
    het = np.clip(2 * frequency * (1 - frequency) * (1 - inbred), 0, 1)
    rare = np.clip(frequency - het / 2, 0, 1 - het)
    found = np.array(
        [
            random.multinomial(samples - gone, [1 - h - r, h, r])
            for gone, h, r in zip(missing, het, rare, strict=True)
        ]
    )
    missing[-1], found[-1] = samples, 0
    return np.stack([missing, found[:, 1] + 2 * found[:, 2], found[:, 1]]).astype(np.float64)


def passes(totals: np.ndarray[Any, Any], samples: int, rules: dict[str, Any]) -> np.ndarray:
    """Return the same in Python's whole numbers and fractions, a feature after the other."""
    kept = []
    for missing, alleles, heterozygotes in totals.T.tolist():
        gone, a, h = int(missing), Fraction(alleles), int(heterozygotes)
        n = samples - gone
        held = True
        if "max_missing" in rules:
            held &= Fraction(gone, samples) <= rules["max_missing"]
        if "min_maf" in rules and n:
            held &= min(a, 2 * n - a) / (2 * n) >= rules["min_maf"]
        if "hwe_p" in rules and 0 < a < 2 * n:
            expected = a * (2 * n - a)
            squared = n * (1 - Fraction(2 * n * h) / expected) ** 2
            held &= squared <= Fraction(float(chi2.isf(rules["hwe_p"], 1)))
        kept.append(held)
    return np.array(kept)


def secure(
    plan: FilterPlan, owned: dict[str, Any], sizes: dict[str, int], computing: int, **options: Any
) -> tuple[np.ndarray[Any, Any], int, dict[str, int]]:
    """Return the bits, and rounds and bytes by gate of p0.

    The clear protocol's bits are equal, where nothing is rounded.
    """
    rows = [ROWS[kind] for kind in plan.counted]

    def program(protocol: Any, me: str) -> Any:
        mine = {name: own[rows] for name, own in owned.items() if me in (name, CLEAR)}
        kept = kept_features(protocol, plan, sizes, mine)
        rounds = protocol.counters.rounds
        sent = {name: gate.bytes_sent for name, gate in protocol.counters.gates.items()}
        return kept.reveal(KEPT_FEATURES, ["p0"]), rounds, sent

    outsiders = [name for name in owned if name == GUEST]
    found = run_parties(program, computing, outsiders=outsiders, **options)["p0"]
    assert plan.dropped or np.array_equal(found[0], run_clear(program)[0])
    return found


@pytest.mark.parametrize("owners", [("p0", "p1"), ("p1", GUEST, "p0")])
@pytest.mark.parametrize(
    "names",
    [
        ("max_missing",),
        ("min_maf",),
        ("hwe_p",),
        ("max_missing", "min_maf"),
        ("max_missing", "min_maf", "hwe_p"),
    ],
)
def test_features_pass_as_whole_numbers_say(computing, owners, names) -> None:
    random, rules = np.random.default_rng(len(names)), {name: RULES[name] for name in names}
    sizes = {name: 101 + 20 * place for place, name in enumerate(owners)}
    owned = {name: counts(random, size, 150) for name, size in sizes.items()}
    total, samples = sum(owned.values()), sum(sizes.values())
    plan = plan_filter(samples, 150, **rules)
    kept, _, _ = secure(plan, owned, sizes, computing)
    expected = passes(total, samples, rules)
    assert np.array_equal(kept, expected)
    assert 3 < expected.sum() < 147


def all_counts(samples: int) -> np.ndarray[Any, Any]:
    """Every way in which the calls of a feature can be divided, missing ones included."""
    ways = [
        (samples - hom - het - alt, 2 * alt + het, het)
        for alt in range(samples + 1)
        for het in range(samples + 1 - alt)
        for hom in range(samples + 1 - alt - het)
    ]
    return np.array(ways, np.float64).T


@settings(parent=settings.get_profile("untimed"), max_examples=15)
@given(
    st.sampled_from([2, 3, 4]),
    st.fractions(0, 1, max_denominator=1000),
    st.fractions(0, Fraction(1, 2), max_denominator=1000),
    st.floats(1e-12, 0.5),
    st.data(),
)
def test_every_division_of_few_samples(computing, max_missing, min_maf, hwe_p, data) -> None:
    """Monomorphic and wholly missing features, equality with a limit, any share of the sites."""
    samples = data.draw(st.integers(2, 12))
    total = all_counts(samples)
    # What a site has is anything up to all of it; how many samples it has is not looked at.
    one = np.floor(total * np.random.default_rng(samples).uniform(0, 1, total.shape[1]))
    wanted = data.draw(st.sets(st.sampled_from(sorted(RULES)), min_size=1))
    limits = {"max_missing": max_missing, "min_maf": min_maf, "hwe_p": hwe_p}
    rules = {name: limits[name] for name in RULES if name in wanted}
    plan = plan_filter(samples, total.shape[1], **rules)
    sizes = {"p0": samples, "p1": samples}
    kept, _, _ = secure(plan, {"p0": one, "p1": total - one}, sizes, computing)
    assert np.array_equal(kept, passes(total, samples, rules))


def test_a_feature_at_the_limit_passes() -> None:
    """As in PLINK: of 20 samples 2 missing at 0.1, 2 of 40 alleles at 0.05, not one less."""
    missing = np.array([[2.0, 3.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 1.0, 38.0, 39.0]])
    missing[1, :2] = 10.0
    plan = plan_filter(20, 6, max_missing=Fraction("0.1"), min_maf=Fraction("0.05"))
    kept, _, _ = secure(plan, {"p0": missing}, {"p0": 20}, 2)
    assert kept.tolist() == [1, 0, 1, 0, 1, 0]


def test_dosages_are_counted_to_a_thousandth() -> None:
    alleles = np.array([[0.0, 0.0, 0.0], [5.0, 4.998, 19.9995]])
    plan = plan_filter(50, 3, min_maf=Fraction("0.05"))
    kept, _, _ = secure(plan, {"p0": alleles, "p1": 0 * alleles}, {"p0": 20, "p1": 30}, 2)
    assert kept.tolist() == [1, 0, 1]


@pytest.mark.parametrize("samples", [600, 5_000, 46_000])
def test_equilibrium_of_many_samples(samples) -> None:
    """Bits are dropped of squares; what that decides otherwise is as near as is stated."""
    random = np.random.default_rng(samples)
    # A rare allele, homozygous in some: there the dropped bits count most.
    alleles = np.concatenate([random.integers(3, 400, 300), random.integers(3, samples, 300)])
    limit = chi2.isf(1e-3, 1)
    far = np.sqrt(limit / samples) * random.normal(1.0, 0.02, len(alleles))
    expected = alleles * (2.0 * samples - alleles)
    het = np.rint(np.maximum(0, (1 - far) * expected / (2 * samples)))
    het -= (het - alleles) % 2
    total = np.stack([0 * alleles, alleles, np.maximum(het, alleles % 2)]).astype(float)
    plan = plan_filter(samples, len(alleles), hwe_p=1e-3)
    assert plan.dropped == {600: 0, 5_000: 14, 46_000: 30}[samples]
    one, sizes = np.floor(total / 3), {"p0": samples // 2, "p1": samples // 2}
    kept, rounds, _ = secure(plan, {"p0": one, "p1": total - one}, sizes, 2)
    assert rounds == 7 + (plan.dropped > 0)
    squared = samples * (1 - 2 * samples * total[2] / expected) ** 2
    stated = 2.0**-17 * limit + (samples + limit) * 2.0**plan.dropped / expected**2
    certain = np.abs(squared - limit) > stated
    assert np.array_equal(kept[certain], squared[certain] <= limit)
    assert 50 < kept.sum() < 550
    assert certain.mean() > 0.95


@pytest.mark.parametrize(
    ("names", "samples", "rounds", "opened", "rescaled", "wide"),
    [
        (("max_missing",), 200, 1 + 2, 0, 0, False),
        (("min_maf",), 200, 1 + 3, 0, 0, True),
        (("hwe_p",), 200, 1 + 3 + 3, 4, 0, True),
        (("max_missing", "min_maf"), 200, 1 + 3 + 1, 2, 0, True),
        (("max_missing", "min_maf", "hwe_p"), 200, 1 + 3 + 3 + 2, 8, 0, True),
        (("max_missing", "min_maf", "hwe_p"), 5000, 1 + 4 + 3 + 2, 8, 2, True),
    ],
)
@pytest.mark.parametrize("parties", [2, 3, 4])
def test_rounds_and_bytes(parties, names, samples, rounds, opened, rescaled, wide) -> None:
    width, random = 150, np.random.default_rng(1)
    plan = plan_filter(samples, width, **{name: RULES[name] for name in names})
    half = {"p0": samples // 2, "p1": samples // 2}
    owned = {name: counts(random, size, width) for name, size in half.items()}
    _, taken, sent = secure(plan, owned, half, parties)
    parts = sum({"max_missing": 1, "min_maf": 2, "hwe_p": 1}[name] for name in names)
    assert taken == rounds
    assert {name: count for name, count in sent.items() if count} == {
        name: count * (parties - 1)
        for name, count in {
            "input": 8 * len(plan.counted) * width,
            "open": 8 * opened * width,
            "rescale": 8 * rescaled * width,
            "compare": (36 if wide else 8) * -(-parts * width // 8),
        }.items()
        if count
    }


def test_features_go_through_in_blocks(monkeypatch) -> None:
    random, sizes = np.random.default_rng(3), {"p0": 60, "p1": 70}
    owned = {name: counts(random, size, 150) for name, size in sizes.items()}
    plan = plan_filter(130, 150, **RULES)
    whole, rounds, sent = secure(plan, owned, sizes, 2)
    monkeypatch.setattr(filtering, "_BLOCK_FEATURES", 64)
    assert [block.stop for block in plan.blocks] == [64, 128, 150]
    divided, taken, again = secure(plan, owned, sizes, 2)
    assert np.array_equal(divided, whole)
    assert np.array_equal(divided, passes(sum(owned.values()), 130, RULES))
    assert taken == 3 * rounds
    assert again == sent


def test_tensors_decide_alike(monkeypatch) -> None:
    """Eagerly, in blocks, and with bits that are dropped."""
    pytest.importorskip("tensorflow")
    monkeypatch.setattr(filtering, "_BLOCK_FEATURES", 40)
    random, sizes = np.random.default_rng(5), {"p0": 1500, "p1": 900, GUEST: 60}
    owned = {name: counts(random, size, 60) for name, size in sizes.items()}
    plan = plan_filter(2460, 60, **RULES)
    assert plan.dropped > 0
    on_numpy = secure(plan, owned, sizes, 2)
    on_tensors = secure(plan, owned, sizes, 2, engine=lambda: TensorFlowEngine(traced=False))
    assert np.array_equal(on_numpy[0], passes(sum(owned.values()), 2460, RULES))
    assert np.array_equal(on_tensors[0], on_numpy[0])
    assert on_tensors[1:] == on_numpy[1:]


@pytest.mark.parametrize(("least", "first"), [(1e-3, 774), (1e-6, 887)])
def test_up_to_how_many_samples_nothing_is_dropped(least, first) -> None:
    """The numbers of docs/protocol.md."""
    assert plan_filter(first - 1, 1, hwe_p=least).dropped == 0
    assert plan_filter(first, 1, hwe_p=least).dropped == 1


def test_half_a_million_features_are_eight_blocks() -> None:
    assert len(plan_filter(1000, 500_000, max_missing=Fraction(1, 10)).blocks) == 8


def test_counts_that_can_not_be_are_refused_at_their_owner() -> None:
    plan = plan_filter(20, 3, min_maf=Fraction("0.05"))

    def program(protocol: Any, me: str) -> Any:
        own = {me: np.array([[0, 0, 0], [3, 3, 41]], float)} if me == "p0" else {}
        return kept_features(protocol, plan, {"p0": 20}, own)

    assert isinstance(run_parties(program, fail=True).errors["p0"], EncodingError)


@pytest.mark.parametrize("least", [5e-324, 1e-50, 1e-6, 0.5])
def test_what_is_planned_fits_the_ring(least) -> None:
    """Or an operator would refuse it, when counts are shared already."""
    rules = {"max_missing": Fraction(1), "min_maf": Fraction(499_999, 10**6)}
    plans = [
        plan_filter(samples, 1, **rules, hwe_p=least)
        for samples in (2, *np.geomspace(3, 46_340, 60).astype(int).tolist(), 46_340)
    ]
    for plan in (*plans, plan_filter(281_000_000, 1, **rules)):
        none = np.zeros((len(plan.counted), 1))
        kept = kept_features(ClearProtocol(exact=EXACT), plan, {CLEAR: plan.samples}, {CLEAR: none})
        assert kept.shape == (1,)


def test_more_samples_than_fit_are_refused_beforehand() -> None:
    plan_filter(46_340, 5, hwe_p=1e-6)
    with pytest.raises(FixedPointOverflowError, match="equilibrium does not fit in 62 bits"):
        plan_filter(46_341, 5, hwe_p=1e-6)
    with pytest.raises(FixedPointOverflowError, match="frequency does not fit in 62 bits"):
        plan_filter(1 << 29, 5, min_maf=Fraction("0.01"))
