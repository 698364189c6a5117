"""Three parties over TLS on this machine: who comes in, who does not, and what is said of it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from net_parties import AGREEMENT, Study, identity, run_all

from cohortium.errors import (
    AgreementError,
    CertificateError,
    ConnectError,
    DeadlineError,
    FrameError,
    ParameterError,
    PeerAbortedError,
    PeerLostError,
)
from cohortium.net import connect, hello, tls
from cohortium.net.frames import Kind
from cohortium.net.link import Link


def everyone(mesh, label, array, **options):
    incoming = dict.fromkeys(mesh.peers, (array.dtype, array.shape))
    return mesh.exchange(label, dict.fromkeys(mesh.peers, array), incoming, **options)


@pytest.fixture
def study(identities):
    made = Study(identities)
    yield made
    made.close()


@pytest.fixture
def pair(identities):
    made = Study(identities[:2])
    yield made
    made.close()


def check_stopped(results, name, origin, text):
    """``name`` ended for the reason that ``origin`` gave, or found the fault itself."""
    error = results[name]
    assert isinstance(error, PeerAbortedError), error
    assert f"{origin} stopped the run" in error.what
    assert text in error.what


def test_three_parties(study):
    def program(mesh):
        assert mesh.parties == ("alice", "bob", "carol")
        total = np.full(4, ord(mesh.name[0]))
        for i in range(10):
            got = everyone(mesh, f"round {i}", np.full(4, ord(mesh.name[0])))
        for array in got.values():
            total = total + array
        return total.tolist(), mesh.session_id, {li._sock.version() for li in mesh._links.values()}

    results = study.run(program)
    assert len({str(result) for result in results.values()}) == 1
    assert results["bob"][0] == [sum(map(ord, "abc"))] * 4
    assert len(results["bob"][1]) == 16
    assert results["bob"][2] == {"TLSv1.3"}


def test_both_send_50_mb_first(pair):
    array = np.random.default_rng(1).integers(0, 1 << 60, 50_000_000 // 8)

    def program(mesh):
        return np.array_equal(everyone(mesh, "big", array)[mesh.peers[0]], array)

    assert pair.run(program) == {"alice": True, "bob": True}


def test_starting_late_is_no_fault(identities):
    study = Study(identities)
    study.sites["alice"].listener.close()
    port = study.sites["alice"].port
    assert port

    def alice():
        time.sleep(0.5)
        with connect(
            study.sites["alice"].identity, study.peers["alice"], me="alice", agreement=AGREEMENT
        ):
            return "here"

    def other(name):
        with study.connect(name):
            return "here"

    results = run_all(
        {"alice": alice, "bob": lambda: other("bob"), "carol": lambda: other("carol")}
    )
    assert set(results.values()) == {"here"}


def test_nobody_there(study):
    study.sites["alice"].listener.close()
    start = time.monotonic()
    results = study.run(only=["bob"], options={"bob": {"connect_timeout": 0.5}})
    assert time.monotonic() - start < 2
    port = study.sites["alice"].port
    assert isinstance(results["bob"], ConnectError)
    assert results["bob"].party == "bob"
    assert f"alice could not be reached at 127.0.0.1:{port} (connection refused)" in str(
        results["bob"]
    )
    assert "carol never dialled us at 127.0.0.1" in str(results["bob"])


def test_others_learn_who_is_missing(study):
    results = study.run(
        only=["alice", "bob"],
        options={"alice": {"connect_timeout": 0.7}, "bob": {"connect_timeout": 20}},
    )
    assert isinstance(results["alice"], ConnectError)
    check_stopped(results, "bob", "alice", "carol never dialled us")


def test_a_stranger_answers(study, tmp_path):
    """At alice's address is a certificate that nobody listed."""
    false = identity(tmp_path, "alice")
    study.sites["alice"].identity, listed = false, study.sites["alice"].identity
    study.change("alice", "alice", certificate_pem=false.certificate_pem)
    start = time.monotonic()
    results = study.run()
    assert time.monotonic() - start < 4
    assert isinstance(results["bob"], CertificateError | PeerAbortedError)
    found = [e for e in results.values() if isinstance(e, CertificateError)]
    assert found
    texts = " ".join(map(str, found))
    assert "is not one that the study lists" in texts
    assert "It presented one that names alice." in texts
    assert "refused our certificate as unknown" in str(results["alice"])
    assert f"Ours has SHA-256 {false.fingerprint}" in str(results["alice"])
    assert listed.fingerprint not in texts


def test_a_caller_with_an_unlisted_certificate(pair, tmp_path):
    """bob's certificate is not the listed one: bob learns it at once, alice in the end."""
    false = identity(tmp_path, "bob")
    pair.sites["bob"].identity = false
    pair.change("bob", "bob", certificate_pem=false.certificate_pem)
    results = pair.run(options={"alice": {"connect_timeout": 0.5}, "bob": {"connect_timeout": 60}})
    assert isinstance(results["bob"], CertificateError)
    assert "alice refused our certificate as unknown" in str(results["bob"])
    assert f"Ours has SHA-256 {false.fingerprint}" in str(results["bob"])
    assert isinstance(results["alice"], ConnectError)
    assert "bob never dialled us" in str(results["alice"])
    assert "turned away: 127.0.0.1:" in str(results["alice"])
    assert "its certificate is not one that the study lists" in str(results["alice"])


def test_another_partys_certificate_at_an_address(study):
    """carol dials alice at bob's address: a valid certificate, but under another's name."""
    study.change("carol", "alice", port=study.sites["bob"].port)
    start = time.monotonic()
    results = study.run()
    assert time.monotonic() - start < 4
    error = results["carol"]
    assert isinstance(error, CertificateError)
    fingerprint = study.sites["bob"].identity.fingerprint
    assert "At the address of alice is bob" in error.what
    assert f"is bob's (SHA-256 {fingerprint})" in error.what
    check_stopped(results, "bob", "carol", "At the address of alice is bob")
    check_stopped(results, "alice", "carol", "At the address of alice is bob")


@pytest.mark.parametrize(
    ("start_days", "days", "ours", "theirs"),
    [
        (-5, 3, "expired on", "as expired"),
        (2, 9, "is not valid before", "as not valid yet"),
    ],
)
@pytest.mark.parametrize("wrong", ["alice", "bob"])
@pytest.mark.parametrize("which", ["identity", "link"])
def test_dates_count_at_both_ends(
    identities, tmp_path, which, wrong, start_days, days, ours, theirs
):
    """alice accepts, bob dials; one has a certificate whose dates are wrong."""
    false = identity(tmp_path, wrong, start_days, days)
    if which == "link":
        false = identity(tmp_path, wrong, days=30, link=(start_days, days))
    right = [i for i in identities[:2] if i.name != wrong]
    study = Study(sorted([false, *right], key=lambda i: i.name))
    start = time.monotonic()
    results = study.run(options={n: {"connect_timeout": 20.0} for n in ("alice", "bob")})
    assert time.monotonic() - start < 4
    refusing = "bob" if wrong == "alice" else "alice"
    assert isinstance(results[refusing], CertificateError)
    if (which, wrong) == ("link", "bob"):
        # The accepting side does not see the certificate that it refuses.
        fault = "expired" if start_days < 0 else "not valid yet"
        assert f"bob (calling from 127.0.0.1) presented a link certificate that is {fault}" in str(
            results["alice"]
        )
    else:
        kind = "certificate" if which == "identity" else "link certificate"
        assert f"The {kind} of {wrong} " in str(results[refusing])
        assert ours in str(results[refusing])
    if which == "link" and start_days < 0:
        assert "cohortium identity renew" in str(results[refusing])
    assert isinstance(results[wrong], CertificateError)
    assert ours in str(results[wrong]) or theirs in str(results[wrong])


def test_dates_of_one_stop_all(identities, tmp_path):
    false = identity(tmp_path, "carol", -5, 3)
    results = Study([*identities[:2], false]).run()
    for name in ("alice", "bob"):
        assert "The certificate of carol (calling from 127.0.0.1) expired on" in str(results[name])
    assert "refused our certificate as expired" in str(results["carol"])


def test_agreements_that_differ(study):
    other = {**AGREEMENT, "version": "0.2.0", "extra": "1"}
    start = time.monotonic()
    results = study.run(options={"carol": {"agreement": other}})
    assert time.monotonic() - start < 4
    seen = [e for e in results.values() if isinstance(e, AgreementError)]
    assert len(seen) >= 2
    error = str(results["carol"])
    assert "does not run what we run" in error
    for name, error in results.items():
        assert isinstance(error, AgreementError | PeerAbortedError)
        assert "version is" in error.what, name
        assert "'0.2.0'" in error.what
        assert "'0.1.0'" in error.what
        assert "extra is" in error.what
        assert "study digest" not in error.what


def test_who_is_patient_names_all_that_are_wrong(study, tmp_path):
    """carol dials both: alice runs another version, bob has a certificate not listed."""
    false = identity(tmp_path, "bob", 0, 3)
    study.change("carol", "bob", certificate_pem=false.certificate_pem)
    changed = {"agreement": {**AGREEMENT, "version": "0.2.0"}, "patient": True}
    same = {"patient": True, "connect_timeout": 2.0}
    results = study.run(options={"alice": changed | same, "bob": same, "carol": same})
    found = str(results["carol"])
    assert "'0.2.0'" in found
    assert "bob" in found
    assert "certificate" in found
    assert "could not be reached" not in found
    # Who is not patient stops at the first.
    study = Study([site.identity for site in study.sites.values()])
    study.change("carol", "bob", certificate_pem=false.certificate_pem)
    other = {"agreement": {**AGREEMENT, "version": "0.2.0"}}
    hasty = str(study.run(options={"alice": other})["carol"])
    assert ("'0.2.0'" in hasty) != ("certificate at the address" in hasty)


def test_everybody_who_is_patient_hears_of_all_that_is_wrong(identities, tmp_path):
    """bob has a false certificate of alice, and dave, who comes late, one of carol."""
    dave = identity(tmp_path, "dave", days=30)
    study = Study([*identities[:3], dave])
    for who, whose in (("bob", "alice"), ("dave", "carol")):
        false = identity(tmp_path, whose, 0, 3)
        study.change(who, whose, certificate_pem=false.certificate_pem)

    def late():
        time.sleep(0.5)
        return study.connect("dave", patient=True, connect_timeout=1.5)

    parties = {
        name: lambda name=name: study.connect(name, patient=True, connect_timeout=2.0)
        for name in ("alice", "bob", "carol")
    }
    found = {name: str(error) for name, error in run_all({**parties, "dave": late}).items()}
    study.close()
    # A refused certificate is told by both: who presented it can not tell which party refused it
    # where all call from one computer.
    for name in ("bob", "dave"):
        assert "address of alice" in found[name], name
        assert "address of carol" in found[name], name
    assert "refused our certificate" in found["alice"]
    assert "dave found: [COH-402] The certificate at the address of carol" in found["alice"]
    assert "refused our certificate" in found["carol"]
    assert "bob found: [COH-402] The certificate at the address of alice" in found["carol"]
    assert "stopped the run" not in "".join(found.values())


def test_who_is_patient_goes_on_when_a_party_hangs_up(identities):
    """bob stops once he has met alice; carol comes later, with another version."""
    study = Study(identities[:3])
    other = {"agreement": {**AGREEMENT, "version": "0.2.0"}}

    def bob():
        try:
            study.connect("bob", connect_timeout=0.4)
        except ConnectError as error:
            return error

    def late():
        time.sleep(1.0)
        return study.connect("carol", patient=True, connect_timeout=1.0, **other)

    found = run_all(
        {
            "alice": lambda: study.connect("alice", patient=True, connect_timeout=2.0),
            "bob": bob,
            "carol": late,
        }
    )
    study.close()
    assert "bob stopped the run" in str(found["alice"])
    assert "'0.2.0'" in str(found["alice"])


def test_a_caller_that_comes_again_and_again_does_not_end_a_patient_meeting(identities, tmp_path):
    """bob's link has expired and he calls alice three times; carol does not come."""
    false = identity(tmp_path, "bob", days=30, link=(-5, 3))
    study = Study([identities[0], false, identities[2]])

    def alice():
        start = time.monotonic()
        try:
            study.connect("alice", patient=True, connect_timeout=1.5)
        except CertificateError as error:
            return time.monotonic() - start, str(error)

    def bob():
        for _ in range(3):
            with contextlib.suppress(CertificateError, PeerAbortedError, ConnectError):
                study.sites["bob"].listener.close()
                study.sites["bob"].listener = socket.create_server(("127.0.0.1", 0))
                study.connect("bob", connect_timeout=0.3)

    seconds, found = run_all({"alice": alice, "bob": bob})["alice"]
    study.close()
    assert seconds > 1.2
    assert "presented a link certificate that is expired" in found
    assert "carol never dialled us" in found


def test_the_order_of_parties_must_be_the_same(study):
    study.peers["carol"] = study.peers["carol"][::-1]
    results = study.run(options={n: {"connect_timeout": 0.6} for n in study.sites})
    assert all(
        isinstance(e, AgreementError | PeerAbortedError | ConnectError) for e in results.values()
    )


@pytest.mark.parametrize(
    "garbage", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" * 9, bytes(5000)]
)
def test_strangers_do_not_disturb(study, garbage):
    """They come first, many, and stay."""
    address = ("127.0.0.1", study.sites["alice"].port)
    strangers = [socket.create_connection(address) for _ in range(80)]
    try:
        for stranger in strangers:
            stranger.sendall(garbage)
        start = time.monotonic()
        results = study.run(lambda mesh: everyone(mesh, "x", np.arange(3)).keys())
        assert time.monotonic() - start < 4
        assert not [r for r in results.values() if isinstance(r, Exception)]
    finally:
        for stranger in strangers:
            stranger.close()


def test_silent_strangers_are_bounded(pair):
    """Of 80 callers that say nothing the oldest are dropped, long before their time is over."""
    address = ("127.0.0.1", pair.sites["alice"].port)
    strangers = [socket.create_connection(address) for _ in range(80)]
    open_ones = []

    def count():
        time.sleep(0.3)
        for stranger in strangers:
            stranger.setblocking(False)
            try:
                stranger.recv(1)
            except BlockingIOError:
                open_ones.append(stranger)
            except OSError:
                continue

    try:
        options = {"connect_timeout": 0.6}
        run_all({"alice": lambda: pair.connect("alice", **options), "count": lambda: count() or 1})
        assert len(open_ones) == 64
    finally:
        for stranger in strangers:
            stranger.close()


def test_strangers_are_mentioned_when_somebody_is_missing(pair):
    def stranger():
        time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", pair.sites["alice"].port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            sock.settimeout(2)
            while sock.recv(1000):
                pass

    thread = threading.Thread(target=stranger)
    thread.start()
    results = pair.run(only=["alice"], options={"alice": {"connect_timeout": 0.5}})
    thread.join()
    assert "turned away: 127.0.0.1:" in str(results["alice"])
    assert "does not speak TLS 1.3" in str(results["alice"])


def test_a_tls_client_without_certificate_or_with_old_tls(pair):
    port = pair.sites["alice"].port

    def stranger(version):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = version
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            try:
                with context.wrap_socket(plain) as sock:
                    return sock.recv(1)
            except OSError as error:
                return error

    def alice():
        with pytest.raises(ConnectError) as caught:
            pair.connect("alice", connect_timeout=0.6)
        return str(caught.value)

    results = run_all(
        {
            "alice": alice,
            "new": lambda: stranger(ssl.TLSVersion.TLSv1_3),
            "old": lambda: stranger(ssl.TLSVersion.TLSv1_2),
        }
    )
    assert "presented no certificate" in results["alice"]
    assert "does not speak TLS 1.3" in results["alice"]
    assert isinstance(results["new"], ssl.SSLError)
    assert isinstance(results["old"], ssl.SSLError)


def caller(pair, name="bob"):
    """Dial alice as ``name`` by hand, with its true certificate."""
    site = pair.sites[name]
    pems = [peer.certificate_pem for peer in pair.peers[name]]
    context = tls.client_context(site.identity, pems)
    plain = socket.create_connection(("127.0.0.1", pair.sites["alice"].port), timeout=5)
    return context.wrap_socket(plain)


def greeting(**changes):
    fields = {"name": "bob", "to": "alice", "nonce": "0" * 32, "agreement": AGREEMENT, **changes}
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("payload", "error", "text"),
    [
        (greeting(name="carol"), AgreementError, "bob says it is 'carol'"),
        (greeting(to="carol"), AgreementError, "talking to 'carol'"),
        (greeting(nonce="0"), FrameError, "greeting"),
        (greeting(nonce=5), FrameError, "greeting"),
        (greeting(agreement=[]), FrameError, "greeting"),
        (greeting(agreement={"version": 1}), FrameError, "greeting"),
        (greeting(more=1), FrameError, "greeting"),
        (b"[" * 60_000, FrameError, "greeting"),
        (b"\xff", FrameError, "greeting"),
        (bytes(70_000), FrameError, "70000 bytes; at most 65536"),
    ],
)
def test_greetings_that_are_wrong(pair, payload, error, text):
    def bob():
        with caller(pair) as sock:
            link = Link(sock, me="bob", peer="alice")
            link.send_message("hello", payload, Kind.HELLO)
            link.flush()
            sock.settimeout(5)
            with contextlib.suppress(OSError):
                while sock.recv(1000):
                    pass

    results = run_all({"alice": lambda: pair.connect("alice"), "bob": bob})
    assert isinstance(results["alice"], error)
    assert text in results["alice"].what
    assert "bob" in results["alice"].what


def test_a_second_bob_is_turned_away(study):
    """bob is connected, carol is not yet there; another process runs as bob."""

    def second():
        time.sleep(0.5)
        with caller(study) as sock:
            link = Link(sock, me="bob", peer="alice")
            time.sleep(0.3)
            with pytest.raises(PeerAbortedError, match="bob is connected to alice already"):
                link.lost()
            link.close()
        return "turned away"

    def late_carol():
        time.sleep(1.5)
        with study.connect("carol"):
            return "done"

    def party(name):
        with study.connect(name):
            return "done"

    results = run_all(
        {
            "alice": lambda: party("alice"),
            "bob": lambda: party("bob"),
            "carol": late_carol,
            "second": second,
        }
    )
    assert results == {"alice": "done", "bob": "done", "carol": "done", "second": "turned away"}


def test_a_party_that_dies_while_others_connect(study):
    """bob connects to alice and hangs up while carol is still missing."""

    def bob():
        with caller(study) as sock:
            link = Link(sock, me="bob", peer="alice")
            link.send_message("hello", greeting(), Kind.HELLO)
            link.flush()
            time.sleep(0.3)

    start = time.monotonic()
    results = run_all({"alice": lambda: study.connect("alice"), "bob": bob})
    assert time.monotonic() - start < 3
    assert isinstance(results["alice"], PeerLostError)
    assert "bob" in results["alice"].what


def test_no_party_chooses_the_session():
    nonces = {"alice": "00" * 16, "bob": "11" * 16}
    first = hello.session_id(nonces)
    assert len(first) == 16
    assert first == hello.session_id(dict(reversed(nonces.items())))
    assert first != hello.session_id({**nonces, "bob": "12" * 16})
    assert first != hello.session_id({"alice": nonces["bob"], "bob": nonces["alice"]})


PARTY = """
import sys, time, pathlib, numpy
from cohortium.net import Peer, connect, load_identity
directory, me, other, mode = sys.argv[1], sys.argv[2], sys.argv[3:5], sys.argv[5]
peers = [Peer(n, "127.0.0.1", int(p), pathlib.Path(c).read_text())
         for n, p, c in (x.split("=") for x in sys.argv[3:5])]
with connect(load_identity(directory), peers, me=me, agreement={}) as mesh:
    print("up", flush=True)
    if mode == "late":
        mesh.exchange("early", {p: numpy.arange(1000) for p in mesh.peers}, {})
    time.sleep(60)
"""


def wait_for_bob(mesh, mode):
    with mesh:
        if mode == "late":
            mesh.exchange("early", {}, {"bob": ("i8", (1000,))})
        mesh.exchange("x", {}, {"bob": ("i8", (4,))}, deadline=None)


@pytest.mark.parametrize("mode", ["plain", "late"])
def test_a_killed_process_is_noticed_within_a_second(pair, mode):
    sites = pair.sites.values()
    listed = [f"{s.identity.name}={s.port}={s.identity.cert_path}" for s in sites]
    directory = str(pair.sites["bob"].identity.key_path.parent)
    with subprocess.Popen(
        [sys.executable, "-c", PARTY, directory, "bob", *listed, mode], stdout=subprocess.PIPE
    ) as process:
        try:
            mesh = pair.connect("alice", agreement={})
            process.stdout.readline()
            timer = threading.Timer(0.3, process.kill)
            timer.start()
            start = time.monotonic()
            with pytest.raises(PeerLostError, match="bob"):
                wait_for_bob(mesh, mode)
            assert time.monotonic() - start < 1.3
            timer.join()
        finally:
            process.kill()


def test_a_stall_over_tls(pair):
    def program(mesh):
        if mesh.name == "alice":
            mesh.exchange("x", {}, {"bob": ("i8", (4,))}, deadline=0.3)
        else:
            time.sleep(0.6)
            mesh.exchange("y", {}, {"alice": ("i8", (4,))})

    results = pair.run(program)
    assert isinstance(results["alice"], DeadlineError)
    check_stopped(results, "bob", "alice", "[COH-405] bob sent nothing for 0.3 s")


def test_abort_reaches_all_over_tls_even_in_mid_frame(study):
    """carol fails; alice sends it 30 MB at that moment, bob waits for alice."""

    def program(mesh):
        if mesh.name == "carol":
            time.sleep(0.3)
            raise ParameterError("The learning rate is negative.")
        if mesh.name == "alice":
            mesh.exchange("big", {"carol": np.zeros(30 << 17)}, {}, deadline=None)
        mesh.exchange("x", {}, {"alice" if mesh.name == "bob" else "bob": ("i8", ())})

    results = study.run(program)
    for name in ("alice", "bob"):
        check_stopped(results, name, "carol", "[COH-101] The learning rate is negative.")


def test_early_frames_over_tls(study):
    def program(mesh):
        if mesh.name == "alice":
            for i in range(100):
                mesh.exchange(f"ahead {i}", dict.fromkeys(mesh.peers, np.full(500, i)), {})
            return None
        time.sleep(0.3)
        other = mesh.peers[1]
        mesh.exchange("between", {other: np.arange(8)}, {other: ("i8", (8,))})
        return [
            int(mesh.exchange(f"ahead {i}", {}, {"alice": ("i8", (500,))})["alice"][499])
            for i in range(100)
        ]

    results = study.run(program)
    assert results["bob"] == results["carol"] == list(range(100))


def test_arguments_that_do_not_fit(study, identities, tmp_path):
    alice = identities[0]
    peers = study.peers["alice"]

    def refused(error, text, **changes):
        arguments = {"identity": alice, "peers": peers, "me": "alice", **changes}
        with pytest.raises(error, match=text):
            connect(agreement={}, connect_timeout=0.1, **arguments)

    refused(ParameterError, "own name", me="bob")
    refused(ParameterError, "own name", peers=peers[1:])
    refused(ParameterError, "listed twice", peers=[*peers, peers[0]])
    swapped = [peers[0], study.sites["bob"].peer(certificate_pem=identities[2].certificate_pem)]
    refused(CertificateError, "certificate listed for bob is carol's", peers=swapped)
    mine = study.sites["alice"].peer(certificate_pem=identity(tmp_path, "alice").certificate_pem)
    refused(CertificateError, "lists another certificate for alice", peers=[mine, peers[1]])
    study.change("alice", "alice", port=study.sites["bob"].port)
    refused(ConnectError, "Can not listen at 127.0.0.1", peers=study.peers["alice"])
