"""The mesh over socket pairs: exchanges, deadlines, hang-ups, aborts."""

from __future__ import annotations

import pickle
import socket
import threading
import time

import numpy as np
import pytest
from net_parties import run_all, run_meshes

from cohortium.errors import (
    AgreementError,
    CohortiumError,
    ConnectError,
    DataValueError,
    DeadlineError,
    FrameError,
    ParameterError,
    PeerAbortedError,
    PeerLostError,
)
from cohortium.net import frames, memory_meshes
from cohortium.net.abort import Abort
from cohortium.net.frames import Kind
from cohortium.net.link import Link
from cohortium.net.mesh import Mesh

ABC = ("alice", "bob", "carol")


def everyone(mesh, label, array, **options):
    """Send one array to all peers and return theirs."""
    incoming = dict.fromkeys(mesh.peers, (array.dtype, array.shape))
    return mesh.exchange(label, dict.fromkeys(mesh.peers, array), incoming, **options)


@pytest.fixture
def raw():
    """alice's mesh with bob, and the bare socket that plays bob."""
    here, there = socket.socketpair()
    session = bytes(range(16))
    link = Link(here, me="alice", peer="bob", session=session)
    mesh = Mesh("alice", ("alice", "bob"), {"bob": link}, session_id=session, deadline=0.3)
    yield mesh, there
    mesh._shut()
    there.close()


def tensor(label="x", array=None, sequence=0, session=bytes(range(16))):
    array = np.arange(4) if array is None else array
    return b"".join(frames.encode_tensor(session, sequence, label, array))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_all_to_all(count):
    names = [f"p{i}" for i in range(count)]

    def program(mesh):
        me = names.index(mesh.name)
        for turn in range(20):
            got = everyone(mesh, f"turn {turn}", np.full((3, turn), me * 100 + turn))
            for peer, array in got.items():
                assert array.shape == (3, turn)
                assert array.flags.writeable
                assert (array == names.index(peer) * 100 + turn).all()
        return list(got)

    results = run_meshes(memory_meshes(names), program)
    assert results == {n: [m for m in names if m != n] for n in names}


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.uint8, np.float64, np.bool_])
@pytest.mark.parametrize("shape", [(), (0,), (5, 7), (9000,), (3, 100_001)])
def test_arrays_arrive_as_they_were(dtype, shape):
    arrays = {n: np.random.default_rng(i).integers(0, 2, shape) for i, n in enumerate("ab")}

    def program(mesh):
        return everyone(mesh, "x", arrays[mesh.name].astype(dtype))

    results = run_meshes(memory_meshes("ab"), program)
    received = results["a"]["b"]
    assert received.dtype == dtype
    np.testing.assert_array_equal(received, arrays["b"].astype(dtype))


def test_both_send_50_mb_first():
    array = np.arange(50_000_000 // 8)

    def program(mesh):
        return int(everyone(mesh, "big", array)[mesh.peers[0]].sum())

    results = run_meshes(memory_meshes("ab"), program)
    assert set(results.values()) == {int(array.sum())}


def test_messages():
    def program(mesh):
        out = {peer: f"{mesh.name} to {peer}".encode() for peer in mesh.peers}
        return mesh.exchange_messages("m", out, dict.fromkeys(mesh.peers, 100))

    results = run_meshes(memory_meshes(ABC), program)
    assert results["bob"] == {"alice": b"alice to bob", "carol": b"carol to bob"}


def test_one_way_frames_of_a_faster_peer_are_not_lost():
    """The sender is many frames ahead before the receivers, busy with each other, read one."""
    sent = threading.Event()

    def program(mesh):
        if mesh.name == "alice":
            for i in range(50):
                mesh.exchange(f"ahead {i}", dict.fromkeys(mesh.peers, np.full(100, i)), {})
            sent.set()
            return None
        sent.wait(10)
        other = mesh.peers[1]
        spec = {other: (np.int64, (8,))}
        for i in range(20):
            mesh.exchange(f"between {i}", {other: np.arange(8)}, spec)
        return [
            int(mesh.exchange(f"ahead {i}", {}, {"alice": ("i8", (100,))})["alice"][99])
            for i in range(50)
        ]

    results = run_meshes(memory_meshes(ABC), program)
    assert results["bob"] == results["carol"] == list(range(50))


def test_counters():
    def program(mesh):
        everyone(mesh, "x", np.zeros(100, np.int64))
        return mesh.sent_to, mesh.received_from, mesh.bytes_sent, mesh.bytes_received

    frame = frames.FIXED_SIZE + 8 + 1 + 800
    for sent, received, total_sent, total_received in run_meshes(
        memory_meshes(ABC), program
    ).values():
        assert set(sent.values()) == set(received.values()) == {frame}
        assert total_sent == total_received == 2 * frame


def test_wrong_arguments_are_refused_before_anything_is_sent():
    def program(mesh):
        if mesh.name == "alice":
            for outgoing, incoming in [
                ({"dave": np.arange(3)}, {}),
                ({"bob": np.arange(3), "carol": np.zeros(3, np.float32)}, {}),
                ({"bob": np.arange(3)}, {"alice": ("i8", (3,))}),
            ]:
                with pytest.raises(ParameterError):
                    mesh.exchange("x", outgoing, incoming)
            assert mesh.bytes_sent == 0
        return everyone(mesh, "x", np.arange(3)).keys()

    run_meshes(memory_meshes(ABC), program)


def test_parties_out_of_step_are_told_what_differs():
    def program(mesh):
        label = "share/mask" if mesh.name == "alice" else "share/open"
        everyone(mesh, label, np.arange(3))

    results = run_meshes(memory_meshes(("alice", "bob")), program)
    errors = {type(e) for e in results.values()}
    assert FrameError in errors
    assert errors <= {FrameError, PeerAbortedError}
    text = str(results["alice"])
    assert "share/open" in text
    assert "share/mask" in text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "not a frame"),
        (tensor(session=bytes(16)), "another session"),
        (tensor(sequence=1), "frame number 1 where number 0"),
        (tensor(label="y"), "'y'"),
        (tensor(array=np.arange(5)), r"\[5\]"),
        (tensor(array=np.arange(4).astype(np.uint64)), "uint64"),
        (tensor(array=np.zeros(1 << 17)), r"\[131072\]"),
    ],
)
def test_frames_that_do_not_fit_are_refused(raw, data, text):
    mesh, bob = raw
    bob.sendall(data[:50_000])
    with pytest.raises(FrameError, match=text) as caught:
        mesh.exchange("x", {}, {"bob": ("i8", (4,))})
    assert caught.value.party == "alice"
    assert "bob" in caught.value.what
    with pytest.raises(ConnectError, match="can not be used any more"):
        mesh.exchange("x", {}, {})


def test_truth_values_are_0_or_1(raw):
    mesh, bob = raw
    bob.sendall(tensor(array=np.ones(4, bool))[:-1] + b"\x02")
    with pytest.raises(FrameError, match="truth values"):
        mesh.exchange("x", {}, {"bob": ("?", (4,))})


def test_a_frame_may_come_byte_by_byte(raw):
    mesh, bob = raw
    data = tensor() + tensor(label="y", sequence=1)

    def drip():
        for byte in data:
            bob.sendall(bytes([byte]))

    thread = threading.Thread(target=drip)
    thread.start()
    for label in "xy":
        got = mesh.exchange(label, {}, {"bob": ("i8", (4,))})
        np.testing.assert_array_equal(got["bob"], np.arange(4))
    thread.join()


@pytest.mark.parametrize("sent", [0, 10, 60])
def test_a_peer_that_stalls(raw, sent):
    mesh, bob = raw
    bob.sendall(tensor()[:sent])
    start = time.monotonic()
    with pytest.raises(DeadlineError, match=r"bob sent nothing for 0\.3 s, awaited for 'x'"):
        mesh.exchange("x", {}, {"bob": ("i8", (4,))})
    assert 0.25 < time.monotonic() - start < 1


def test_a_peer_that_takes_nothing(raw):
    mesh, _ = raw
    with pytest.raises(DeadlineError, match="bob took nothing"):
        mesh.exchange("x", {"bob": np.zeros(1 << 20)}, {})


def test_progress_moves_the_deadline(raw):
    mesh, bob = raw
    data = tensor()

    def slowly():
        for i in range(0, len(data), 10):
            bob.sendall(data[i : i + 10])
            time.sleep(0.1)

    thread = threading.Thread(target=slowly)
    thread.start()
    start = time.monotonic()
    mesh.exchange("x", {}, {"bob": ("i8", (4,))})
    assert time.monotonic() - start > 0.5
    thread.join()


def test_a_deadline_of_one_call(raw):
    mesh, bob = raw
    timer = threading.Timer(0.6, lambda: bob.sendall(tensor()))
    timer.start()
    mesh.exchange("x", {}, {"bob": ("i8", (4,))}, deadline=None)
    with pytest.raises(DeadlineError, match=r"0\.1 s"):
        mesh.exchange("y", {}, {"bob": ("i8", (4,))}, deadline=0.1)
    timer.join()


@pytest.mark.parametrize("sent", [0, 10, 60])
@pytest.mark.parametrize("unread", [False, True])
def test_a_peer_that_hangs_up(raw, sent, unread):
    mesh, bob = raw
    if unread:
        mesh.exchange("y", {"bob": np.arange(3)}, {})
    bob.sendall(tensor()[:sent])
    bob.close()
    with pytest.raises(PeerLostError, match="bob closed its connection") as caught:
        mesh.exchange("x", {}, {"bob": ("i8", (4,))}, deadline=None)
    assert caught.value.party == "alice"


def test_a_peer_that_hangs_up_while_we_send(raw):
    mesh, bob = raw
    bob.close()
    with pytest.raises(PeerLostError, match="bob closed"):
        mesh.exchange("x", {"bob": np.zeros(1 << 20)}, {}, deadline=None)


@pytest.mark.parametrize("early", [0, 3, 20_000])
@pytest.mark.parametrize("sending", [False, True])
def test_the_reason_is_found_behind_early_frames(raw, early, sending):
    mesh, bob = raw
    if early:
        bob.sendall(tensor("early", np.arange(early)))
    reason = Abort("carol", "COH-202", "row 3 is ragged").encode()
    bob.sendall(b"".join(frames.encode_message(bytes(16), 9, "abort", reason, Kind.ABORT)))
    bob.close()
    outgoing = {"bob": np.zeros(1 << 20)} if sending else {}
    with pytest.raises(PeerAbortedError, match=r"carol .*told by bob.*COH-202\] row 3 is ragged"):
        mesh.exchange("x", outgoing, {}, deadline=None) if sending else mesh._links["bob"].lost()


def test_waiting_on_one_peer_notices_that_another_hangs_up():
    """bob waits for alice, for ever; carol, whose early frame nobody reads, dies."""
    meshes = memory_meshes(ABC)
    carol = meshes.pop("carol")
    carol.exchange("early", {"bob": np.arange(10)}, {})
    released = threading.Event()

    def bob():
        with meshes["bob"] as mesh:
            mesh.exchange("x", {}, {"alice": ("i8", (3,))}, deadline=None)

    def alice():
        released.wait(10)
        with meshes["alice"] as mesh:
            mesh.exchange("x", {}, {"bob": ("i8", (3,))}, deadline=None)

    timer = threading.Timer(0.2, carol._shut)
    start = time.monotonic()
    timer.start()
    threading.Timer(1.0, released.set).start()
    results = run_all({"alice": alice, "bob": bob})
    timer.join()
    assert isinstance(results["bob"], PeerLostError)
    assert "carol" in results["bob"].what
    assert isinstance(results["alice"], PeerAbortedError | PeerLostError)
    assert "carol" in results["alice"].what
    assert time.monotonic() - start < 5


def test_abort_reaches_all_with_the_first_cause():
    """carol fails while alice waits for bob and bob for alice: nobody waits for carol."""

    def program(mesh):
        if mesh.name == "carol":
            time.sleep(0.2)
            raise AgreementError("Row counts differ.", remedy="Look at them.")
        other = "bob" if mesh.name == "alice" else "alice"
        mesh.exchange("never", {}, {other: ("i8", (1,))}, deadline=None)

    start = time.monotonic()
    results = run_meshes(memory_meshes(ABC), program)
    assert time.monotonic() - start < 1.5
    assert isinstance(results["carol"], AgreementError)
    for name in ("alice", "bob"):
        error = results[name]
        assert isinstance(error, PeerAbortedError)
        assert error.party == name
        assert "carol stopped the run" in error.what
        assert "[COH-501] Row counts differ." in error.what


def test_abort_is_passed_on_with_its_origin():
    """bob has no link to carol's abort but through alice: it still names carol."""
    meshes = memory_meshes(ABC)
    with pytest.raises(PeerAbortedError) as caught:
        _relay(meshes)
    assert "carol stopped the run (told by alice): [COH-501] bad" in caught.value.what
    for mesh in meshes.values():
        mesh._shut()


@pytest.mark.parametrize("kind", [PeerLostError, DeadlineError])
def test_who_noticed_that_another_was_lost_says_where_to_look(kind):
    lost = Abort.of(kind("bob is gone.", remedy="See what bob printed."), "alice")
    for sender in ("alice", "dave"):
        error = Abort.decode(lost.encode(), sender).error(sender, "carol")
        assert error.remedy == "alice says: See what bob printed. Then start again at every party."
    # What other errors advise is for the party's own screen.
    own = Abort.of(AgreementError("bad", remedy="Look at /home/alice."), "alice")
    assert "/home" not in own.encode().decode()
    remedy = Abort.decode(own.encode(), "alice").error("alice", "carol").remedy
    assert remedy == "Solve it at alice. Then start again at every party."


def _relay(meshes):
    meshes["carol"]._links["alice"].part(Abort.of(AgreementError("bad"), "carol"))
    try:
        meshes["alice"].exchange("x", {}, {"carol": ("i8", ())})
    except PeerAbortedError as error:
        thread = threading.Thread(target=meshes["alice"].abort, args=(error,))
        thread.start()
    try:
        meshes["bob"].exchange("x", {}, {"alice": ("i8", ())}, deadline=None)
    finally:
        meshes["bob"]._shut()
        meshes["carol"]._shut()
        thread.join()


def test_the_text_of_a_foreign_exception_stays_here():
    def program(mesh):
        if mesh.name == "alice":
            raise KeyError("patient 4711")
        everyone(mesh, "x", np.arange(3))

    def guarded(mesh):
        try:
            with mesh:
                program(mesh)
        except KeyError as error:
            return error

    meshes = memory_meshes(("alice", "bob"))
    results = run_all({n: lambda m=m: guarded(m) for n, m in meshes.items()})
    assert "KeyError" in results["bob"].what
    assert "4711" not in str(results["bob"])


def test_the_text_of_an_error_about_own_data_stays_here():
    def program(mesh):
        if mesh.name == "alice":
            raise DataValueError("Row 7 is 'patient 4711'.")
        everyone(mesh, "x", np.arange(3))

    results = run_meshes(memory_meshes(("alice", "bob")), program)
    assert isinstance(results["bob"], PeerAbortedError)
    assert "[COH-202]" in results["bob"].what
    assert "4711" not in str(results["bob"])


def test_abort_in_the_middle_of_a_large_frame():
    """bob reads on when alice, whose frame is half written, stops: it gets the reason."""

    def program(mesh):
        if mesh.name == "alice":
            with pytest.raises(DeadlineError):
                mesh.exchange("x", {"bob": np.zeros(1 << 20)}, {"bob": ("i8", ())}, deadline=0.2)
            raise AgreementError("enough")
        time.sleep(0.6)
        mesh.exchange("x", {}, {"alice": ("f8", (1 << 20,))})
        mesh.exchange("y", {}, {"alice": ("f8", ())})

    results = run_meshes(memory_meshes(("alice", "bob")), program)
    assert isinstance(results["bob"], PeerAbortedError)
    assert "[COH-501] enough" in results["bob"].what


def test_abort_takes_two_seconds_at_most():
    meshes = memory_meshes(("alice", "bob"))
    start = time.monotonic()
    meshes["alice"].abort(DataValueError("x"))
    assert 1.5 < time.monotonic() - start < 2.5
    with pytest.raises(PeerAbortedError):
        meshes["bob"].exchange("x", {}, {"alice": ("i8", ())})
    meshes["bob"]._shut()


def test_close_waits_for_slow_peers():
    def program(mesh):
        everyone(mesh, "x", np.arange(3))
        time.sleep({"alice": 0, "bob": 0.2, "carol": 0.4}[mesh.name])
        if mesh.name != "alice":
            other = "carol" if mesh.name == "bob" else "bob"
            mesh.exchange("late", {other: np.arange(9)}, {other: ("i8", (9,))})
        return time.monotonic()

    results = run_meshes(memory_meshes(ABC), program)
    assert not any(isinstance(result, CohortiumError) for result in results.values())


def test_a_closed_mesh_can_not_be_used():
    meshes = memory_meshes(("alice", "bob"))
    run_all({name: mesh.close for name, mesh in meshes.items()})
    for mesh in meshes.values():
        mesh.close()
        mesh.abort(DataValueError("x"))
        with pytest.raises(ConnectError, match="closed"):
            mesh.exchange("x", {}, {})


def test_reasons_are_made_printable_and_short():
    reason = Abort(
        "a\x1b[2J",
        "COH\n",
        "bad \x1b]0;title\x07 \u202etxt" + '\U0001f9ec"' * 9999,
        "\U0001f9ec" * 999,
    )
    data = reason.encode()
    assert len(data) <= frames.MAX_ABORT
    text = Abort.decode(data, "bob").error("bob", "alice").what
    assert text.isprintable()
    assert "bad ?]0;title? ?txt" in text


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b"[" * 4000, b'{"party": 1, "text": [], "code": null}']
)
def test_unreadable_reasons_still_stop_the_run(data):
    assert Abort.decode(data, "bob") == Abort(
        "bob", "COH-000", "it gave no reason that can be read"
    )


def test_errors_survive_the_way_to_a_parent_process():
    error = Abort("carol", "COH-202", "bad").error("bob", "alice")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again)) == (type(error), str(error))


def test_memory_meshes_have_distinct_names():
    with pytest.raises(ParameterError, match="twice"):
        memory_meshes(["alice", "alice"])
