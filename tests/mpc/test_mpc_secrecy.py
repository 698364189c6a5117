"""What each party gets to see: uniform numbers, fresh in every run, and nothing at the dealer."""

from __future__ import annotations

import collections
import itertools

import numpy as np
import pytest
from mpc_parties import (
    DEALER,
    GUEST,
    Recorder,
    assert_uniform,
    bring,
    revealing,
    run_parties,
    undecoded,
    uniform_bytes,
)

from cohortium.errors import CohortiumError
from cohortium.learn import DualParameters, plan_dual, train
from cohortium.mpc import InputRequest, concatenate
from cohortium.mpc.dealer.randomness import Stream, derive_key
from cohortium.mpc.functions import gram, sigmoid

# What is not meant to be uniform for a receiver: results, and digests.
NOT_MASKED = ("reveal", "transcript")


def every_gate(values):
    """A program through all gates on tensors of every owner, all filled with one number."""

    def build(protocol, me):
        tensors = bring(
            protocol,
            me,
            {
                name: (owner, np.full((6, 6), values))
                for name, owner in zip("abcde", ["p0", "p1", DEALER, GUEST, "p0"], strict=True)
            },
            bits=8,
        )
        a, b, c, d, e = tensors
        secret = (a * b).rescale(8)
        own = a * e
        products = [a @ b, b * c, c @ d, secret @ secret, own @ secret, own * b, (a + b) @ c[:, :3]]
        rescaled = concatenate([product.reshape(-1) for product in products]).rescale(8)
        kernel = gram([[a, b, c]], fraction_bits=8, exponent=-4)
        wave = sigmoid(a.with_bound(8) * 1, error=0.05) + 0
        return [rescaled, kernel, wave.rescale(8), own, a + b + c + d]

    return build


def train_on_constants(protocol, me):
    sizes = {"p0": 5, "p1": 4}
    plan = plan_dual(9, 6, 4.0, DualParameters(l2=(0.1, 1.0), iterations=3))
    owned = {n: (np.zeros((k, 6)), np.ones(k, np.int64)) for n, k in sizes.items()}
    told = {"bounds": ["p0"], "model": ["p0"]}
    return train(protocol, plan, sizes, {me: owned[me]} if me in owned else {}, told)


PROGRAMS = {
    "gates on zeros": revealing(every_gate(0.0), "p0"),
    "gates on ones": revealing(every_gate(1.0), "p0"),
    "training": train_on_constants,
}


def transcript(program, computing, runs):
    """All that was received in several sessions, one recorder each."""
    recorders = []
    for _ in range(runs):
        recorders.append(Recorder())
        run_parties(program, computing, outsiders=[GUEST], on_mesh=recorders[-1].watch)
    return recorders


@pytest.mark.parametrize("name", PROGRAMS)
def test_everything_received_by_a_computing_party_looks_uniform(name, computing):
    recorders = transcript(PROGRAMS[name], computing, 12)
    gates = collections.defaultdict(list)
    for recorder in recorders:
        for party in (f"p{index}" for index in range(computing)):
            for item in recorder.arrays(party, *NOT_MASKED):
                gates[party].append(item)
                # A share goes to all others alike; once is enough, twice would not be random.
                # What the dealer sends, it sends to the last party alone.
                first = "p1" if item.sender == "p0" else "p0"
                if party == first or item.gate.endswith("dealt"):
                    gates[item.gate.split()[0]].append(item)
    last = f"p{computing - 1}"
    assert {"input", "rescale", "periodic", "open", last} <= set(gates)
    for items in gates.values():
        if sum(item.data.nbytes for item in items) >= 256 * 20:
            assert_uniform(uniform_bytes(items))


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_element_differs_from_run_to_run(name, computing):
    """Position by position: no value, however placed, is sent unmasked or under a fixed mask."""
    one, two, three = transcript(PROGRAMS[name], computing, 3)
    for party in (f"p{index}" for index in range(computing)):
        together = [recorder.arrays(party, *NOT_MASKED) for recorder in (one, two, three)]
        assert len({len(items) for items in together}) == 1
        for items in zip(*together, strict=True):
            assert len({(item.label, item.sender, item.data.shape) for item in items}) == 1
            if items[0].data.dtype == np.int64:
                for a, b in itertools.combinations(items, 2):
                    assert not (a.data == b.data).any(), items[0].label
            elif items[0].data[0].nbytes >= 4:
                rows = [{row.tobytes() for row in item.data} for item in items]
                same = sum(len(a & b) for a, b in itertools.combinations(rows, 2))
                assert same <= 2, items[0].label


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_number_crosses_the_network_twice(name, computing):
    """On constant data a mask used twice would show as equal numbers, or equal differences."""
    (recorder,) = transcript(PROGRAMS[name], computing, 1)
    sent = {}
    for party in (f"p{index}" for index in range(computing)):
        for item in recorder.arrays(party, *NOT_MASKED):
            if item.data.dtype == np.int64:
                sent[item.sender, item.label, item.label.endswith("dealt") or party] = item.data
    broadcast = {}
    for (sender, label, _), data in sent.items():
        broadcast.setdefault((sender, label), data)
    words = np.concatenate([data.ravel() for data in broadcast.values()])
    assert len(np.unique(words)) == len(words)


def test_the_dealer_hears_nothing(computing):
    recorder = Recorder()
    for program in PROGRAMS.values():
        run_parties(program, computing, outsiders=[GUEST], on_mesh=recorder.watch)
    assert recorder.received
    assert not recorder.of(DEALER)


def test_the_dealer_hears_what_is_revealed_to_it_and_no_more(computing):
    recorder = Recorder()
    out = run_parties(
        revealing(every_gate(1.0), DEALER), computing, outsiders=[GUEST], on_mesh=recorder.watch
    )
    heard = recorder.of(DEALER)
    assert {item.label for item in heard} == {f"reveal result {i}" for i in range(5)}
    assert len(heard) == 5 * computing
    np.testing.assert_array_equal(out[DEALER][4], np.full((6, 6), 4.0))


def test_nobody_but_the_receivers_hears_of_a_reveal(computing):
    recorder = Recorder()
    run_parties(
        revealing(every_gate(1.0), "p1", GUEST),
        computing,
        outsiders=[GUEST, "other"],
        on_mesh=recorder.watch,
    )
    hearing = {item.party for item in recorder.received if item.label.startswith("reveal")}
    assert hearing == {"p1", GUEST}
    assert not recorder.of("other")


# -- reveals -----------------------------------------------------------------------------------

SECRETS = {"p0": 3.0, "p1": -5.0, "p2": 7.0}


@pytest.mark.parametrize("receiver", ["p0", DEALER, GUEST])
def test_a_revealed_sum_does_not_tell_the_summands(receiver, streams):
    """Not even to the dealer, which knows every stream that it shares with a computing party."""
    recorder, size, received = Recorder(), 1000, []

    def build(protocol, me):
        tensors = bring(
            protocol, me, {n: (n, np.full(size, v)) for n, v in SECRETS.items()}, bits=0
        )
        return [tensors[0] + tensors[1] + tensors[2]]

    out = run_parties(revealing(build, receiver), 3, outsiders=[GUEST], on_mesh=recorder.watch)
    assert (out[receiver][0] == 5.0).all()
    known = [d.values for d in streams.drawn if d.party == receiver and d.values.size == size]
    known.append(np.zeros(size, np.int64))
    known.append(-sum(known))
    for item in recorder.of(receiver):
        if item.label.startswith("reveal"):
            received.append(item)
            with np.errstate(over="ignore"):
                for mask in known:
                    for candidate in (item.data - mask, item.data + mask):
                        assert not np.isin(candidate, list(SECRETS.values())).any()
            assert len(np.unique(item.data)) == size
    assert len(received) == 3 - (receiver == "p0")
    assert_uniform(uniform_bytes(received))


def inverse(odd):
    """1 / odd mod 2^64 by Newton's iteration."""
    x = odd.copy()
    for _ in range(6):
        x = x * (2 - odd * x)
    return x


def test_a_product_revealed_to_the_dealer_does_not_tell_its_factors(streams):
    """The dealer knows r_x, r_y and each party's share of what it dealt.

    If a party's share of x·y went to it behind dealt masks only, it could take them off: p1's
    share is c_1 − Δx·r_y, so Δx = (c_1 − share) / r_y and x = Δx − r_x wherever r_y is odd.
    """
    recorder, size = Recorder(), 200
    secret = np.random.default_rng(0).integers(-1000, 1000, size)

    def build(protocol, me):
        pair = {"x": ("p0", secret * 1.0), "y": ("p1", np.ones(size))}
        x, y = bring(protocol, me, pair, bits=0, bound=1000.0)
        return [x * y]

    out = run_parties(revealing(build, DEALER), 2, on_mesh=recorder.watch)
    np.testing.assert_array_equal(out[DEALER][0], secret)
    keys = [key for party, key in streams.made if party == DEALER]
    first, second = Stream(keys[0]), Stream(keys[1])
    r_x, r_y, c_0, zero_0 = first.take(size), second.take(size), first.take(size), first.take(size)
    shares = {item.sender: item.data for item in recorder.of(DEALER) if "reveal" in item.label}
    with np.errstate(over="ignore"):
        c_1 = r_x * r_y - c_0
        for zero_1 in (-zero_0, 0):
            guess = (c_1 - (shares["p1"] - zero_1)) * inverse(r_y | 1) - r_x
            assert not (guess == secret).any()


def test_shares_revealed_to_several_receivers_are_fresh_for_each_reveal(computing):
    recorder = Recorder()

    def program(protocol, me):
        (x,) = bring(protocol, me, {"x": ("p0", np.zeros(500))})
        for index in range(4):
            x.reveal(f"x{index}", ["p0", "p1", DEALER])

    run_parties(program, computing, on_mesh=recorder.watch)
    shares = collections.defaultdict(set)
    for item in recorder.received:
        if item.label.startswith("reveal"):
            shares[item.sender].add(item.data.tobytes())
    assert {sender: len(different) for sender, different in shares.items()} == {
        f"p{index}": 4 for index in range(computing)
    }
    words = np.frombuffer(b"".join(b"".join(s) for s in shares.values()), np.int64)
    if computing > 2:
        assert len(np.unique(words)) == len(words)
    assert_uniform(words.tobytes())


# -- streams -----------------------------------------------------------------------------------


def test_no_key_and_no_position_is_used_twice(computing, streams):
    for program in PROGRAMS.values():
        run_parties(program, computing, outsiders=[GUEST])
    by_party = collections.Counter(streams.made)
    # A party makes one stream of a key, in all sessions together.
    assert set(by_party.values()) == {1}
    positions = collections.defaultdict(int)
    for drawn in streams.drawn:
        assert drawn.start == positions[drawn.party, drawn.key]
        positions[drawn.party, drawn.key] += drawn.values.size
    # Masks are known to the dealer and one computing party (or the owner of the input), and both
    # are at the same position of the same stream in the end.
    for party, key in positions:
        if party != DEALER and (DEALER, key) in positions:
            assert positions[party, key] == positions[DEALER, key]
    holders = collections.defaultdict(set)
    for party, key in by_party:
        holders[key].add(party)
    for parties in holders.values():
        assert len(parties - {GUEST}) == 2


def test_all_drawn_numbers_are_different(streams):
    run_parties(PROGRAMS["training"], 2)
    for party in ("p0", "p1", DEALER):
        words = np.concatenate([d.values.ravel() for d in streams.drawn if d.party == party])
        assert len(np.unique(words)) == len(words)


def test_keys_differ_between_sessions_parties_and_inputs(streams):
    def program(protocol, me):
        bring(protocol, me, {"x": (GUEST, np.ones(3))})
        bring(protocol, me, {"y": (DEALER, np.ones(3)), "z": (GUEST, np.ones(3))})

    for _ in range(2):
        run_parties(program, 3, outsiders=[GUEST])
    at_dealer = [key for party, key in streams.made if party == DEALER]
    # Three parties, their streams and one key for each input (or several at once) from outside.
    assert len(at_dealer) == len(set(at_dealer)) == 2 * (3 + 3 * 3)
    assert all(len(key) == 32 for key in at_dealer)


def test_a_dealt_key_is_bound_to_session_and_party(monkeypatch, streams):
    """Were the operating system to repeat itself, the streams would still differ."""
    monkeypatch.setattr("cohortium.mpc.dealer.session.secrets.token_bytes", lambda n: bytes(n))
    for session in (bytes(16), bytes(range(16))):
        run_parties(
            lambda protocol, me: None,
            2,
            on_mesh=lambda mesh, session=session: setattr(mesh, "session_id", session),
        )
    keys = [key for party, key in streams.made if party == DEALER]
    assert len(set(keys)) == 4
    assert bytes(32) not in keys


def test_derived_keys():
    key = bytes(range(32))
    purposes = [(), (b"",), (b"a",), (b"a", b""), (b"", b"a"), (b"ab", b"c"), (b"a", b"bc")]
    derived = [derive_key(key, *purpose) for purpose in purposes]
    assert len({*derived, key}) == len(purposes) + 1
    assert derive_key(key, b"a") == derive_key(key, b"a") != derive_key(key[::-1], b"a")


@pytest.mark.parametrize("cuts", [[1] * 50, [32768], [32767, 2, 40_000], [100_000, 0, 1], [0]])
def test_a_stream_is_aes_256_in_counter_mode_however_it_is_cut(cuts):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = bytes(range(32))
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    expected = np.frombuffer(encryptor.update(bytes(8 * sum(cuts))), "<i8")
    stream = Stream(key)
    got = [stream.take(count) for count in cuts]
    np.testing.assert_array_equal(np.concatenate(got), expected)
    assert all(array.dtype == np.int64 for array in got)


# -- texts -------------------------------------------------------------------------------------

TELLING = 6.5703125


def texts_of(thing):
    return [repr(thing), str(thing), f"{thing}"]


def test_no_text_holds_a_value_or_a_mask(computing, monkeypatch):
    undecoded(monkeypatch)
    values = np.full((4, 4), TELLING)

    def program(protocol, me):
        owners = {"x": ("p0", values), "y": ("p1", values), "d": (DEALER, values)}
        x, y, d = bring(protocol, me, owners, bits=8)
        things = [x, y, d, x * y, x * x, (x @ d).rescale(4), sigmoid(x), x.value, (x * y).value]
        things += [y.value, protocol, getattr(protocol, "_channel", None), Stream(bytes(32))]
        for attempt in (
            lambda: x.with_bound(2.0**60),
            lambda: x @ x[:2],
            lambda: x.lift(70),
            lambda: bring(protocol, me, {"x": ("p0", values)}),
            lambda: x.rescale(-3),
        ):
            with pytest.raises(CohortiumError) as caught:
                attempt()
            things.append(caught.value)
        return [text for thing in things for text in texts_of(thing)]

    out = run_parties(program, computing)
    scaled = int(TELLING * 256)
    for texts in out.values():
        for text in texts:
            assert "array" not in text
            assert "6.57" not in text
            assert str(scaled) not in text
            assert len(text) < 300


def test_a_request_shows_no_values():
    request = InputRequest("x", "p0", np.full((2, 2), TELLING), (2, 2), 10, 8)
    for text in texts_of(request):
        assert text == "InputRequest('x', owner='p0', shape=(2, 2))"
