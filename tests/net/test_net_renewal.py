"""What links use is renewed at one site alone; what it must not be usable for, it is not."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import stat
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from net_parties import (
    Study,
    from_now,
    identity,
    identity_key,
    relinked,
    run_all,
    with_link,
)

from cohortium.errors import (
    AgreementError,
    CertificateError,
    ConnectError,
    IdentityFileError,
    ParameterError,
    PeerAbortedError,
)
from cohortium.net import (
    certificate_expiry,
    check_identity_certificate,
    create_identity,
    expiry_warning,
    load_identity,
    renew_identity,
    tls,
    verify,
)
from cohortium.net.issuing import identity_certificate

DAY = datetime.timedelta(days=1)


@pytest.fixture
def pair(tmp_path):
    made = Study([identity(tmp_path, "alice"), identity(tmp_path, "bob")])
    yield made
    made.close()


def parsed(pem):
    return x509.load_pem_x509_certificate(pem.encode())


def signed_by(key, issuer, *, authority, subject="bob", issued=None):
    """Return a certificate that ``issuer`` (a certificate's subject) is to have signed."""
    issued = issued or Ed25519PrivateKey.generate()
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer)
        .public_key(issued.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(from_now(-1))
        .not_valid_after(from_now(5))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, authority, False, False, False), True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(issued.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
        .sign(key, None)
    )
    return made, issued


def link_key(owner):
    return load_pem_private_key(owner.link_path.read_bytes(), None)


def test_a_renewed_site_meets_peers_whose_study_is_unchanged(pair):
    """bob's link certificate is over; he renews it, and alice, who changed nothing, takes him."""
    bob = pair.sites["bob"]
    bob.identity = relinked(bob.identity, -5, 3)
    directory = bob.identity.directory
    with pytest.raises(CertificateError, match=r"link certificate of bob .*expired on") as caught:
        load_identity(directory)
    assert "cohortium identity renew" in caught.value.remedy
    kept = {p.name: p.read_bytes() for p in directory.iterdir() if p.name != "link.pem"}
    old = link_key(bob.identity)
    renewed = renew_identity(directory)
    assert load_identity(directory) == renewed
    assert {p.name: p.read_bytes() for p in directory.iterdir() if p.name != "link.pem"} == kept
    assert renewed.fingerprint == bob.identity.fingerprint
    assert link_key(renewed).public_key() != old.public_key()
    assert stat.S_IMODE(renewed.link_path.stat().st_mode) == 0o600
    bob.identity = renewed
    assert pair.run(lambda mesh: mesh.peers) == {"alice": ("bob",), "bob": ("alice",)}


def test_a_renewed_certificate_of_another_identity_is_refused(pair, tmp_path):
    """Somebody makes an identity of bob's name, and renews it as often as he likes."""
    false = identity(tmp_path, "bob")
    false = renew_identity(false.directory)
    pair.sites["bob"].identity = false
    pair.change("bob", "bob", certificate_pem=false.certificate_pem)
    results = pair.run(options={"alice": {"connect_timeout": 0.5}})
    assert "alice refused our certificate as unknown" in str(results["bob"])
    assert isinstance(results["alice"], ConnectError)


def test_a_link_belongs_to_its_issuer_whatever_name_it_bears(tmp_path):
    """carol issues a certificate that names bob: alice takes the caller for carol."""
    three = [identity(tmp_path, name) for name in ("alice", "bob", "carol")]
    false = relinked(three[2], name="bob")
    assert "CN=bob" in parsed(false.link_pem).subject.rfc4514_string()
    der = parsed(false.link_pem).public_bytes(Encoding.DER)
    pinned = {each.name: each.certificate_pem for each in three}
    assert tls.issuer_of(der, pinned) is None
    study = Study(three)
    # bob's place is taken by carol's key, under his name.
    key = link_key(false)
    issued = link_certificate_named(three[2], "bob", key)
    study.sites["bob"].identity = with_link(three[1], [issued], key)
    assert tls.issuer_of(issued.public_bytes(Encoding.DER), pinned) == "carol"
    results = study.run(options={name: {"connect_timeout": 1.0} for name in study.sites})
    assert all(isinstance(error, Exception) for error in results.values())
    assert any(isinstance(error, AgreementError) for error in results.values())
    told = " ".join(str(error) for error in results.values())
    assert "carol says it is 'bob'" in told or "holds alice's certificate and talks to bob" in told


def link_certificate_named(owner, name, key):
    """Return a certificate of ``key`` by an identity's key that names another party."""
    issuer = parsed(owner.certificate_pem).subject
    return signed_by(identity_key(owner), issuer, authority=False, subject=name, issued=key)[0]


@pytest.mark.parametrize("misuse", ["issues", "poses as its issuer", "authority below"])
@pytest.mark.parametrize("thief", ["alice", "bob"])
def test_what_no_link_certificate_can_do(pair, thief, misuse):
    """A certificate that was issued with a link's key is none, whoever dials."""
    owner = pair.sites[thief].identity
    link = parsed(owner.link_pem)
    if misuse == "issues":
        leaf, key = signed_by(link_key(owner), link.subject, authority=False)
        chain = [leaf, link]
    elif misuse == "poses as its issuer":
        issuer = parsed(owner.certificate_pem).subject
        leaf, key = signed_by(link_key(owner), issuer, authority=False)
        chain = [leaf]
    else:
        # Even the identity's own key can not make authorities.
        issuer = parsed(owner.certificate_pem).subject
        below, below_key = signed_by(
            identity_key(owner), issuer, authority=True, subject="below", issued=link_key(owner)
        )
        leaf, key = signed_by(below_key, below.subject, authority=False)
        chain = [leaf, below]
    pair.sites[thief].identity = with_link(owner, chain, key)
    results = pair.run(options={name: {"connect_timeout": 1.0} for name in pair.sites})
    errors = (CertificateError, ConnectError, PeerAbortedError)
    assert all(isinstance(error, errors) for error in results.values()), results
    told = " ".join(str(error) for error in results.values())
    assert "is not one that the study lists" in told


def test_what_is_written_in_the_certificates(tmp_path):
    made = create_identity("alice", tmp_path)
    own, link = parsed(made.certificate_pem), parsed(made.link_pem)

    def found(certificate, kind):
        return certificate.extensions.get_extension_for_class(kind)

    basic = found(own, x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert found(own, x509.KeyUsage).value.key_cert_sign
    basic = found(link, x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    usage = found(link, x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign) == (True, False)
    purposes = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert set(found(link, x509.ExtendedKeyUsage).value) == purposes
    assert link.subject.rfc4514_string() == "OU=link,CN=alice"
    assert link.issuer == own.subject
    link.verify_directly_issued_by(own)


def test_why_a_certificate_is_not_made_anew_over_the_same_key(pair):
    """OpenSSL takes none but the very one that is trusted: 18 is "self-signed certificate"."""
    alice = pair.sites["alice"].identity
    assert refusal(alice, alice.certificate_pem) is None
    key = identity_key(alice)
    again = identity_certificate("alice", key, from_now(-1), from_now(99))
    assert again.public_key() == parsed(alice.certificate_pem).public_key()
    assert refusal(with_link(alice, [again], key), alice.certificate_pem) == 18


def test_why_an_identity_lasts_longer_than_its_links(tmp_path):
    """OpenSSL takes nothing that an expired one has issued: 10 is "certificate has expired"."""
    over = relinked(identity(tmp_path, "alice", -9, 5))
    assert refusal(over, over.certificate_pem) == 10


def refusal(server, trusted):
    """Return OpenSSL's reason to refuse what a party presents, where one certificate is trusted."""
    client = tls.client_context(server, [trusted])
    here, there = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    dialling = client.wrap_bio(*here)
    answering = tls.server_context(server, [trusted]).wrap_bio(*there, server_side=True)
    for _ in range(3):
        try:
            with contextlib.suppress(ssl.SSLWantReadError):
                dialling.do_handshake()
        except ssl.SSLCertVerificationError as error:
            return error.verify_code
        there[0].write(here[1].read())
        with contextlib.suppress(ssl.SSLWantReadError):
            answering.do_handshake()
        here[0].write(there[1].read())
    return None


def test_a_links_key_signs_no_study(tmp_path):
    made = create_identity("alice", tmp_path)
    signature = link_key(made).sign(b"cohortium: I agree to this study")
    assert not verify(made.certificate_pem, b"cohortium: I agree to this study", signature)
    link_path = made.link_path
    made.key_path.write_bytes(link_path.read_bytes())
    with pytest.raises(IdentityFileError, match="is not the Ed25519 key of"):
        load_identity(tmp_path)


def test_an_old_certificate_in_a_strangers_hands_stops_nobody(pair, tmp_path):
    """bob's expired link certificate is public. Who shows it from elsewhere does not end a run."""
    old = relinked(pair.sites["bob"].identity, -5, 3)
    context = tls.client_context(old, [peer.certificate_pem for peer in pair.peers["bob"]])
    pair.sites["bob"].identity = renew_identity(old.directory)
    pair.change("alice", "bob", host="203.0.113.9")

    def stranger():
        with socket.create_connection(("127.0.0.1", pair.sites["alice"].port), timeout=5) as plain:
            try:
                with context.wrap_socket(plain) as sock:
                    return sock.recv(1)
            except ssl.SSLError as error:
                return str(error)

    def late_bob():
        time.sleep(0.5)
        with pair.connect("bob"):
            return "met"

    def alice():
        with pair.connect("alice"):
            return "met"

    results = run_all({"alice": alice, "bob": late_bob, "stranger": stranger})
    assert "expired" in results.pop("stranger").lower()
    assert results == {"alice": "met", "bob": "met"}


def test_a_link_does_not_outlive_its_identity(tmp_path):
    made = create_identity("alice", tmp_path, 100)
    assert certificate_expiry(made.link_pem) == certificate_expiry(made.certificate_pem)
    made = renew_identity(tmp_path, 90)
    assert certificate_expiry(made.link_pem) < certificate_expiry(made.certificate_pem)
    made = renew_identity(tmp_path, 101)
    assert certificate_expiry(made.link_pem) == certificate_expiry(made.certificate_pem)


def test_an_identity_that_is_over_can_not_be_renewed(tmp_path):
    create_identity("alice", tmp_path, 5, valid_from=from_now(-6))
    with pytest.raises(CertificateError, match="The certificate of alice") as caught:
        renew_identity(tmp_path)
    assert "new identity" in caught.value.remedy


@pytest.mark.parametrize("days", [0, -3, 10**6])
def test_how_long_a_link_may_last(tmp_path, days):
    create_identity("alice", tmp_path)
    with pytest.raises(ParameterError, match=f"{days} days"):
        renew_identity(tmp_path, days)


def test_a_renewed_key_is_encrypted_as_the_old_one(tmp_path):
    made = create_identity("alice", tmp_path, passphrase=b"open sesame")
    assert made.link_path.read_text().count("BEGIN ENCRYPTED PRIVATE KEY") == 1
    renewed = renew_identity(tmp_path, ask=lambda: "open sesame")
    assert renewed.link_path.read_text().count("BEGIN ENCRYPTED PRIVATE KEY") == 1
    assert load_identity(tmp_path, lambda: "open sesame") == renewed != made
    with pytest.raises(IdentityFileError, match="does not open the key"):
        renew_identity(tmp_path, ask=lambda: "open")


@pytest.mark.parametrize("damage", ["missing", "empty", "no key", "another's", "another key"])
def test_a_wrong_link_file_is_made_anew(tmp_path, damage):
    made = create_identity("alice", tmp_path / "a")
    other = create_identity("alice", tmp_path / "b")
    texts = {
        "empty": "",
        "no key": made.link_pem,
        "another's": other.link_path.read_text(),
        "another key": made.link_pem + other.link_path.read_text().removeprefix(other.link_pem),
    }
    made.link_path.unlink()
    if damage in texts:
        made.link_path.touch(0o600)
        made.link_path.write_text(texts[damage])
    with pytest.raises(IdentityFileError) as caught:
        load_identity(tmp_path / "a")
    assert "cohortium identity renew" in caught.value.remedy
    assert "PRIVATE" not in str(caught.value)
    assert load_identity(tmp_path / "a") if renew_identity(tmp_path / "a") else None


@pytest.mark.parametrize("kind", ["link", "leaf", "deeper", "not its own"])
def test_a_certificate_that_is_no_identitys(tmp_path, kind):
    """A link certificate in the study, or one of an earlier version, is told from the right one."""
    made = create_identity("alice", tmp_path)
    key, subject = identity_key(made), parsed(made.certificate_pem).subject
    pem = made.link_pem
    if kind != "link":
        signing = Ed25519PrivateKey.generate() if kind == "not its own" else key
        certificate, _ = signed_by(
            signing, subject, authority=kind != "leaf", subject="alice", issued=key
        )
        if kind == "not its own":
            start, end = from_now(-1), from_now(5)
            certificate = identity_certificate("alice", key, start, end)
            broken = bytearray(certificate.public_bytes(Encoding.DER))
            broken[-1] ^= 1
            certificate = x509.load_der_x509_certificate(bytes(broken))
        pem = certificate.public_bytes(Encoding.PEM).decode()
    check_identity_certificate(made.certificate_pem)
    with pytest.raises(IdentityFileError, match="can not vouch for link certificates"):
        check_identity_certificate(pem)
    made.cert_path.write_text(pem)
    if kind != "link":
        with pytest.raises(IdentityFileError, match="earlier version") as caught:
            load_identity(tmp_path)
        assert "cohortium identity new" in caught.value.remedy


def test_both_expiries_are_warned_of_with_what_to_do(tmp_path):
    made = create_identity("alice", tmp_path, 1000)
    for pem, told in (
        (made.certificate_pem, ("The certificate of alice expires in 20 days", "new identity")),
        (made.link_pem, ("The link certificate of alice expires in 20 days", "identity renew")),
    ):
        end = certificate_expiry(pem)
        warning = expiry_warning(pem, end - 20 * DAY)
        assert all(text in warning for text in told)
        assert expiry_warning(pem, end - 31 * DAY) is None
