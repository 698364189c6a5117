"""Arrays sent ahead: what arrives, in how many frames, and what is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from net_parties import run_meshes

from cohortium.errors import FrameError
from cohortium.net import memory_meshes
from cohortium.net.parcels import PARCEL, IncomingParcel, OutgoingParcel, fits

SIZES = st.lists(
    st.one_of(st.integers(0, 400), st.integers(PARCEL // 16 - 9, PARCEL // 16 + 9)), max_size=60
)


def arrays(sizes):
    """Return arrays of so many elements, of both types that are dealt."""
    rng = np.random.default_rng(len(sizes))
    dtypes = [np.int64 if place % 3 else np.uint8 for place in range(len(sizes))]
    return [
        rng.integers(0, 200, size).astype(dtype) for size, dtype in zip(sizes, dtypes, strict=True)
    ]


@given(SIZES)
def test_arrays_of_any_size_arrive_in_their_order(sizes):
    sent = arrays(sizes)

    def party(mesh):
        if mesh.name == "dealer":
            for place, array in enumerate(sent):
                mesh.send_ahead(f"{place} dealt", "south", array)
            return None
        if mesh.name == "north":
            return None
        return [
            mesh.receive_ahead(f"{place} dealt", "dealer", array.dtype, array.shape)
            for place, array in enumerate(sent)
        ]

    received = run_meshes(memory_meshes(["north", "south", "dealer"]), party)["south"]
    for mine, theirs in zip(sent, received, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_small_arrays_share_a_frame():
    def party(mesh):
        other = mesh.peers[0]
        if mesh.name == "a":
            for place in range(1000):
                mesh.send_ahead(f"{place} x", other, np.arange(10))
        else:
            for place in range(1000):
                mesh.receive_ahead(f"{place} x", other, np.int64, (2, 5))
        mesh.exchange("end", {other: np.zeros(1)}, {other: (np.float64, (1,))})
        return mesh._links[other].frames_sent

    sent = run_meshes(memory_meshes(["a", "b"]), party)["a"]
    # 96 bytes each, and "end".
    assert sent == -(-1000 * 96 // PARCEL) + 1


def test_what_waits_goes_out_before_anything_else():
    """A peer that asks for what was sent ahead never waits for the sender's next array."""

    def party(mesh):
        other = mesh.peers[0]
        if mesh.name == "a":
            mesh.send_ahead("x", other, np.arange(3))
            return mesh.exchange("y", {}, {other: (np.int64, (1,))})[other]
        got = mesh.receive_ahead("x", other, np.int64, (3,))
        mesh.exchange("y", {other: got[2:]}, {})
        return got

    found = run_meshes(memory_meshes(["a", "b"]), party)
    np.testing.assert_array_equal(found["a"], [2])


@pytest.mark.parametrize(
    ("label", "dtype", "shape"),
    [("2 y", np.int64, (3,)), ("1 x", np.int64, (2,)), ("1 x", np.int64, (4,))],
)
def test_another_label_or_size_than_asked_for_is_an_error(label, dtype, shape):
    outgoing, incoming = OutgoingParcel(), IncomingParcel("bob", "alice")
    outgoing.add("1 x", np.arange(3))
    incoming.put(outgoing.take())
    with pytest.raises(FrameError, match=f"bob sent something else where '{label}'") as caught:
        incoming.take(label, np.dtype(dtype), shape)
    assert caught.value.party == "alice"


@pytest.mark.parametrize("cut", [0, 8, 16, 39])
def test_a_parcel_that_ends_early_is_an_error(cut):
    outgoing, incoming = OutgoingParcel(), IncomingParcel("bob", "alice")
    outgoing.add("1 x", np.arange(3))
    incoming.put(outgoing.take()[:cut])
    with pytest.raises(FrameError, match="something else"):
        incoming.take("1 x", np.dtype(np.int64), (3,))


def test_parcels_stay_below_their_limit():
    outgoing = OutgoingParcel()
    largest = next(size for size in range(PARCEL, 0, -1) if fits(size))
    assert outgoing.has_room(largest)
    while outgoing.has_room(largest):
        outgoing.add("x", np.zeros(largest, np.uint8))
    assert len(outgoing.take()) == PARCEL
