"""What outlives a session: shares made anew, by keys that the dealer does not know."""

from __future__ import annotations

import itertools
import secrets
import threading
from dataclasses import replace

import numpy as np
import pytest
from mpc_parties import (
    DEALER,
    GUEST,
    assert_uniform,
    bring,
    dyadic,
    names_of,
    run_clear,
    run_parties,
)

from cohortium.errors import AgreementError, ParameterError
from cohortium.mpc import SecretTensor
from cohortium.mpc.dealer import session

VALUES = dyadic(np.random.default_rng(0), (40, 60))
OWNERS = {"a": ("p0", VALUES), "b": ("p1", VALUES), "c": (GUEST, VALUES), "d": (DEALER, VALUES)}
BITS, BOUND = 10, 8.0


def keep(protocol, me):
    tensors = bring(protocol, me, OWNERS)
    product = (tensors[0] * tensors[1]).rescale(BITS)
    return protocol.keep([tensor.value for tensor in [*tensors, product]])


def kept_by_all(computing):
    out = run_parties(keep, computing, outsiders=[GUEST])
    assert out[DEALER] is out[GUEST] is None
    return {name: out[name] for name in names_of(computing)}


def taking_up(kept):
    def program(protocol, me):
        shapes = [VALUES.shape] * 5
        values = protocol.take_up(kept.get(me), shapes, [BITS] * 5)
        tensors = [SecretTensor(protocol, value, VALUES.shape, BITS, 64.0) for value in values]
        # What is taken up can be computed with, by masks of this session.
        squares = [(tensor * tensor).rescale(BITS) for tensor in tensors[:2]]
        return [
            tensor.reveal(f"result {index}", ["p0"])
            for index, tensor in enumerate([*tensors, *squares])
        ]

    return program


def test_what_was_kept_is_there_in_a_later_session(computing):
    kept = kept_by_all(computing)
    assert len({part.tag for part in kept.values()}) == 1
    results = run_parties(taking_up(kept), computing, outsiders=[GUEST])["p0"]
    for result in results[:4]:
        np.testing.assert_array_equal(result, VALUES)
    for result in results[4:]:
        np.testing.assert_allclose(result, VALUES**2, atol=2.0**-BITS)
    clear = run_clear(keep)
    np.testing.assert_array_equal(run_clear(taking_up({"clear": clear}))[0], VALUES)


def test_it_takes_no_round_and_no_byte(computing):
    def program(protocol, me):
        tensors = bring(protocol, me, OWNERS)
        before = protocol.counters.rounds, protocol.counters.bytes_sent
        kept = protocol.keep([tensor.value for tensor in tensors])
        protocol.take_up(kept, [VALUES.shape] * 4, [BITS] * 4)
        return before == (protocol.counters.rounds, protocol.counters.bytes_sent)

    assert all(run_parties(program, computing, outsiders=[GUEST]).values())


def test_all_but_one_partys_parts_and_the_dealers_keys_tell_nothing(computing, streams):
    """What each part differs by from the party's share comes from keys that the dealer lacks."""
    kept = kept_by_all(computing)
    dealers = {key for party, key in streams.made if party == DEALER}
    names = names_of(computing)
    hidden = {
        (drawn.party, drawn.key): drawn.values
        for drawn in streams.drawn
        if drawn.key not in dealers and drawn.values.size == VALUES.size and drawn.start == 0
    }
    for place, name in enumerate(names):
        # Its owner is p0, so at p1 and the others the share itself is nothing.
        share = np.rint(VALUES * 2.0**BITS).astype(np.int64) if place == 0 else 0
        mine = {key: values for (party, key), values in hidden.items() if party == name}
        assert len(mine) == computing - 1
        shared_with = [
            other for key in mine for other in names if other != name and (other, key) in hidden
        ]
        assert sorted(shared_with) == [other for other in names if other != name]
        total = np.zeros(VALUES.size, np.int64)
        for key, values in mine.items():
            (other,) = [it for it in names if it != name and (it, key) in hidden]
            total += values if names.index(other) > place else -values
        np.testing.assert_array_equal(kept[name].parts[0] - share, total.reshape(VALUES.shape))
        for part in kept[name].parts:
            assert_uniform(part.tobytes())


class Drawn:
    """Key material by party: the dealer's is the same in every run, others' where ``repeated``."""

    def __init__(self, monkeypatch):
        self.by_party, self.before, self.repeated = {}, {}, {DEALER}
        self.draw = secrets.token_bytes
        monkeypatch.setattr(session.secrets, "token_bytes", self)

    def __call__(self, size):
        party = threading.current_thread().name
        number = next(self.by_party.setdefault(party, itertools.count()))
        key = (party, number)
        if party not in self.repeated or key not in self.before:
            self.before[key] = self.draw(size)
        return self.before[key]

    def tag_of_a_run(self, computing, watch=None):
        self.by_party.clear()

        def on_mesh(mesh):
            mesh.session_id = bytes(16)
            if watch is not None:
                watch(mesh)

        out = run_parties(keep, computing, outsiders=[GUEST], on_mesh=on_mesh)
        return out["p0"].tag


def test_the_dealer_can_not_test_guesses_of_the_data_by_the_tag(computing, monkeypatch):
    """It can run the program again for a guess, with the keys it had; not with the others'."""
    drawn = Drawn(monkeypatch)
    first = drawn.tag_of_a_run(computing)
    assert drawn.tag_of_a_run(computing) != first
    # Nothing else differs between two runs: with all keys of a run its tag follows.
    drawn.repeated.update(names_of(computing))
    assert drawn.tag_of_a_run(computing) == drawn.tag_of_a_run(computing)


def test_no_key_of_the_computing_parties_nor_a_tag_reaches_anybody_else(
    computing, recorder, monkeypatch
):
    drawn = Drawn(monkeypatch)
    tag, names = drawn.tag_of_a_run(computing, recorder.watch), names_of(computing)
    theirs = [key for (party, _), key in drawn.before.items() if party in names]
    assert len(theirs) == computing * (computing - 1) // 2 + 1
    for party in (*names, DEALER, GUEST):
        seen = [bytes(item.data) for item in recorder.of(party)]
        assert not any(tag in data for data in seen)
        told = [key for key in theirs if any(key in data for data in seen)]
        # Each later party is told the common key, and of its pairs those that the others draw.
        place = int(party[1:]) if party.startswith("p") else 0
        assert len(told) == (place + 1 if place else 0)


def test_parties_that_come_from_different_sessions_reveal_nothing():
    first, second = kept_by_all(2), kept_by_all(2)
    assert first["p0"].tag != second["p0"].tag
    for mixed in (
        {"p0": first["p0"], "p1": second["p1"]},
        {"p0": first["p0"], "p1": replace(first["p1"], tag=bytes(32))},
    ):
        with pytest.raises(AgreementError, match="run different programs"):
            run_parties(taking_up(mixed), 2, outsiders=[GUEST])
    short = replace(first["p1"], parts=first["p1"].parts[:4])
    with pytest.raises(ParameterError, match="shapes"):
        run_parties(taking_up({**first, "p1": short}), 2, outsiders=[GUEST])
