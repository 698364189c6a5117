"""Features in blocks: the same training, what it costs, and that blocks come and go."""

from __future__ import annotations

import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from learn_trainings import DISCLOSURES, made_up, train_clear, train_secure
from mpc_parties import Recorder, Streams, assert_uniform, run_parties, uniform_bytes

from cohortium.learn import DualParameters, plan_dual, train
from cohortium.learn.form import dual_cost
from cohortium.mpc.clear import EXACT, ClearProtocol

# Of 60 features: one block; four, the last smaller; sixty.
WHOLE, KEPT, TWICE = 60, 17, 1


def in_blocks(samples, size, **parameters):
    plan = replace(samples.plan(**{"iterations": 12, **parameters}), block_features=size)
    assert plan.keeps_blocks == (size != TWICE)
    return plan


@pytest.mark.parametrize("size", [KEPT, TWICE, 13])
@pytest.mark.parametrize("computing", [2, 3, 4])
def test_a_training_in_blocks_is_that_of_the_whole(size, computing):
    """Also where owners do not compute, and where one is the dealer."""
    samples = made_up(30, 60, seed=3)
    plan = replace(samples.plan(iterations=12, l2=(0.1, 1.0)), block_features=size)
    expected = train_clear(samples.plan(iterations=12, l2=(0.1, 1.0)), samples.divided(3))
    parts = list(samples.divided(3).values())
    for owners in (("p0", "p1", "guest"), ("dealer", "north", "p1")):
        owned = dict(zip(owners, parts, strict=True))
        np.testing.assert_allclose(train_clear(plan, owned), expected, rtol=0, atol=1e-12)
        got = train_secure(plan, owned, computing)
        assert np.abs(got - expected).max() <= 0.005 * np.abs(expected).max()


def test_balanced_classes_in_blocks():
    samples = made_up(40, 60, seed=4)
    whole = samples.plan(iterations=12, class_weight="balanced")
    expected = train_clear(whole, samples.divided(2))
    got = train_secure(replace(whole, block_features=TWICE), samples.divided(2))
    assert np.abs(got - expected).max() <= 0.005 * np.abs(expected).max()


def costs(samples, plan, computing, **options):
    """Return each party's rounds, bytes sent to equals by gate, and dealt bytes."""
    owned = samples.divided(2)
    sizes = {name: len(labels) for name, (_, labels) in owned.items()}

    def program(protocol, me):
        train(protocol, plan, sizes, {me: owned[me]} if me in owned else {}, DISCLOSURES)
        counters = protocol.counters
        sent = {name: gate.bytes_sent for name, gate in counters.gates.items()}
        return counters.rounds, sent, counters.dealt_bytes

    return run_parties(program, computing, **options)


def test_what_blocks_cost(computing):
    """A round for each block that is shared, the values' bytes once more where they are so twice;
    from the dealer, for each block, the products between two owners' rows.
    """
    samples = made_up(21, 60)
    (_, north), (_, south) = samples.divided(2).values()
    whole = costs(samples, in_blocks(samples, WHOLE), computing)
    for size, blocks, times in ((KEPT, 4, 1), (TWICE, 60, 2)):
        divided = costs(samples, in_blocks(samples, size), computing)
        for name, rows in (("p0", len(north)), ("p1", len(south))):
            assert divided[name][0] - whole[name][0] == times * blocks - 1
            expected = dict(whole[name][1])
            expected["input"] += (times - 1) * 8 * rows * 60 * (computing - 1)
            assert divided[name][1] == expected
        dealt = divided["dealer"][2] - whole["dealer"][2]
        assert dealt == (blocks - 1) * 8 * len(north) * len(south)


def test_the_predicted_cost_grows_by_what_blocks_cost():
    samples = made_up(20, 60)
    whole, kept, twice = (dual_cost(in_blocks(samples, size)) for size in (WHOLE, KEPT, TWICE))
    assert kept.rounds - whole.rounds == 3
    assert kept.sent == whole.sent
    assert twice.rounds - whole.rounds == 2 * 60 - 1
    assert twice.sent - whole.sent == 8 * 20 * 60 / 2


def test_values_shared_twice_are_masked_anew(monkeypatch):
    """No position of a stream serves two blocks; what comes over the links looks uniform."""
    recorder, streams = Recorder(), Streams().patch(monkeypatch)
    samples = made_up(40, 60)
    costs(samples, in_blocks(samples, TWICE, iterations=2), 2, on_mesh=recorder.watch)
    inputs = [item for item in recorder.arrays("p1") if item.label.startswith("input values")]
    assert len(inputs) == 2 * 60
    # Labels come with the first block.
    first, again = ([item.data[:13] for item in part] for part in (inputs[:60], inputs[60:]))
    assert not np.isin(first, again).any()
    assert_uniform(uniform_bytes(inputs))
    for name in ("p0", "p1"):
        spans = sorted(
            (drawn.stream, drawn.start, drawn.start + drawn.values.size)
            for drawn in streams.drawn
            if drawn.party == name
        )
        for (one, _, end), (other, start, _) in pairwise(spans):
            assert one != other or end <= start


class Columns:
    """Values made as they are asked for; takes note of how many blocks are in use then."""

    def __init__(self, values):
        self.values = values
        self.alive = 0
        self.most = 0

    def __getitem__(self, index):
        self.most = max(self.most, self.alive)
        self.alive += 1
        wanted = self.values[index]
        block = Tracked(wanted.shape)
        block[:] = wanted
        weakref.finalize(block, self.drop)
        return block

    def drop(self):
        self.alive -= 1


class Tracked(np.ndarray):
    """An array of its own memory that a weak reference may name: a view keeps it alive."""


@pytest.mark.parametrize(("size", "most"), [(TWICE, 0), (KEPT, 3)])
def test_a_block_is_dropped_before_the_next_is_made(size, most):
    samples = made_up(20, 60)
    plan = in_blocks(samples, size, iterations=3)
    columns = Columns(samples.values)
    owned = {"p0": (columns, samples.labels)}
    got = train(ClearProtocol(exact=EXACT), plan, {"p0": 20}, owned, DISCLOSURES)["model"]
    expected = train_clear(plan, {"p0": (samples.values, samples.labels)})
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert columns.most == most


@pytest.mark.parametrize(
    ("samples", "features", "count", "kept"),
    [
        (470, 17_814, 1, True),
        (79, 12_625, 1, True),
        (400, 160_000, 4, True),
        (1000, 67_108, 4, True),
        (1000, 67_109, 5, False),
        (1000, 500_000, 30, False),
    ],
)
def test_blocks_are_of_a_public_size(samples, features, count, kept):
    plan = plan_dual(samples, features, 8.0, DualParameters(iterations=20))
    assert (len(plan.blocks), plan.keeps_blocks) == (count, kept)
    assert [b.start for b in plan.blocks] == [0, *(b.stop for b in plan.blocks[:-1])]
    assert plan.blocks[-1].stop == features
    assert all(samples * (b.stop - b.start) <= 1 << 24 for b in plan.blocks)
    lines = [line for line in plan.lines() if "blocks" in line]
    assert lines == [] if count == 1 else ("once" if kept else "twice") in lines[0]
