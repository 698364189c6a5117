from __future__ import annotations

import datetime
import hashlib
import ssl
import stat

import pytest

from cohortium.errors import CertificateError, IdentityFileError, ParameterError
from cohortium.net import (
    certificate_expiry,
    certificate_name,
    create_identity,
    expiry_warning,
    fingerprint,
    fingerprint_words,
    load_identity,
    sign,
    verify,
)

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def test_what_is_created_is_loaded(tmp_path):
    made = create_identity("hospital-1", tmp_path / "a" / "b")
    assert load_identity(tmp_path / "a" / "b") == made
    assert made.name == certificate_name(made.certificate_pem) == "hospital-1"
    der = ssl.PEM_cert_to_DER_cert(made.certificate_pem)
    digest = hashlib.sha256(der).hexdigest().upper()
    pairs = [digest[i : i + 2] for i in range(0, 64, 2)]
    assert made.fingerprint == fingerprint(made.certificate_pem) == ":".join(pairs)
    assert abs(certificate_expiry(made.certificate_pem) - now() - 3650 * DAY) < DAY
    assert abs(certificate_expiry(made.link_pem) - now() - 365 * DAY) < DAY


def test_only_the_owner_can_read_the_key(tmp_path):
    made = create_identity("alice", tmp_path / "id")
    assert stat.S_IMODE(made.key_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.link_path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "id").stat().st_mode) == 0o700
    secret = made.key_path.read_text().splitlines()[1]
    assert secret not in repr(made)
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
@pytest.mark.parametrize("which", ["key_path", "link_path"])
def test_a_key_that_others_can_read_is_refused(tmp_path, which, mode):
    getattr(create_identity("alice", tmp_path), which).chmod(mode)
    with pytest.raises(IdentityFileError, match="chmod 600"):
        load_identity(tmp_path)


def test_an_identity_is_not_overwritten_by_accident(tmp_path):
    first = create_identity("alice", tmp_path)
    with pytest.raises(IdentityFileError, match="already"):
        create_identity("alice", tmp_path)
    assert load_identity(tmp_path) == first
    second = create_identity("alice", tmp_path, overwrite=True)
    assert load_identity(tmp_path) == second != first
    assert len(list(tmp_path.iterdir())) == 3
    assert stat.S_IMODE(second.key_path.stat().st_mode) == 0o600


def test_a_key_of_another_certificate_is_refused(tmp_path):
    one = create_identity("alice", tmp_path / "1")
    other = create_identity("alice", tmp_path / "2")
    one.cert_path.write_bytes(other.cert_path.read_bytes())
    with pytest.raises(IdentityFileError, match="is not the Ed25519 key of"):
        load_identity(tmp_path / "1")


@pytest.mark.parametrize("which", ["key_path", "cert_path"])
@pytest.mark.parametrize("content", ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n", "\x00\xff"])
def test_damaged_files_are_refused(tmp_path, which, content):
    path = getattr(create_identity("alice", tmp_path), which)
    path.write_text(content)
    with pytest.raises(IdentityFileError, match="PEM"):
        load_identity(tmp_path)


@pytest.mark.parametrize("which", ["key_path", "cert_path"])
def test_missing_files_are_refused(tmp_path, which):
    getattr(create_identity("alice", tmp_path), which).unlink()
    with pytest.raises(IdentityFileError, match="identity new"):
        load_identity(tmp_path)


def test_an_expired_certificate_is_refused(tmp_path):
    create_identity("alice", tmp_path, 5, valid_from=now() - 6 * DAY)
    with pytest.raises(CertificateError, match=r"alice .*expired on"):
        load_identity(tmp_path)


def test_a_certificate_of_the_future_is_refused(tmp_path):
    create_identity("alice", tmp_path, 5, valid_from=now() + DAY)
    with pytest.raises(CertificateError, match=r"not valid before .*clock"):
        load_identity(tmp_path)


@pytest.mark.parametrize("name", ["", "A", "1a", "a b", "a\n", "-a", "é", "a" * 33, "a_b"])
def test_names_that_can_not_name_a_party(tmp_path, name):
    with pytest.raises(ParameterError, match="can not name a party"):
        create_identity(name, tmp_path)


def test_a_directory_that_can_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IdentityFileError, match="could not be written"):
        create_identity("alice", tmp_path / "file" / "id")


def test_days_must_be_positive(tmp_path):
    with pytest.raises(ParameterError, match="0 days"):
        create_identity("alice", tmp_path, 0)


def test_an_encrypted_key_needs_its_passphrase(tmp_path):
    made = create_identity("alice", tmp_path, passphrase=b"open sesame")
    text = made.key_path.read_text()
    assert text.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert "sesame" not in repr(made)
    loaded = load_identity(tmp_path, lambda: "open sesame")
    assert loaded == made
    assert verify(made.certificate_pem, b"text", sign(loaded, b"text"))
    for wrong in ("", "open", "Open sesame"):
        with pytest.raises(IdentityFileError, match="does not open the key") as caught:
            load_identity(tmp_path, lambda wrong=wrong: wrong)
        assert "sesame" not in str(caught.value)
    with pytest.raises(IdentityFileError, match="does not open the key"):
        load_identity(tmp_path)


def test_nobody_is_asked_for_the_passphrase_of_a_key_without_one(tmp_path):
    made = create_identity("alice", tmp_path)
    assert load_identity(tmp_path, lambda: pytest.fail("asked")) == made


def test_a_signature_is_of_one_message_by_one_key(tmp_path):
    alice = create_identity("alice", tmp_path / "a")
    again = create_identity("alice", tmp_path / "b")
    signature = sign(alice, b"text")
    assert len(signature) == 64
    assert verify(alice.certificate_pem, b"text", signature)
    assert not verify(alice.certificate_pem, b"texts", signature)
    assert not verify(again.certificate_pem, b"text", signature)
    assert not verify(alice.certificate_pem, b"text", signature[:-1])
    assert not verify(alice.certificate_pem, b"text", b"")


def test_the_words_are_the_whole_fingerprint(tmp_path):
    from mnemonic import Mnemonic

    made = create_identity("alice", tmp_path)
    words = fingerprint_words(made.certificate_pem)
    assert len(words) == 24
    digest = bytes(Mnemonic("english").to_entropy(words))
    assert digest.hex(":").upper() == made.fingerprint


@pytest.mark.parametrize(("left", "warned"), [(31, False), (29, True), (1, True)])
def test_a_warning_a_month_before_the_end(tmp_path, left, warned):
    made = create_identity("alice", tmp_path, days=100)
    end = certificate_expiry(made.certificate_pem)
    warning = expiry_warning(made.certificate_pem, end - left * DAY)
    assert (warning is not None) == warned
    if warning is not None:
        assert f"alice expires in {left} days" in warning


def test_another_party_changes_nobodys_identity(tmp_path):
    """A party that is added to a study needs an identity of its own, and no other a new one."""
    first = create_identity("alice", tmp_path / "alice")
    files = {path: path.read_bytes() for path in (tmp_path / "alice").iterdir()}
    create_identity("bob", tmp_path / "bob")
    assert {path: path.read_bytes() for path in (tmp_path / "alice").iterdir()} == files
    assert load_identity(tmp_path / "alice") == first
