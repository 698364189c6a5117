"""A signature holds for one study, by one party's key, and travels as a line of JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from run_sites import TWO_SITES, placed, study_text

from cohortium.errors import SignatureError
from cohortium.net import Identity, create_identity
from cohortium.study import (
    Signature,
    StudyFile,
    check_signatures,
    load_signatures,
    missing,
    parse_study,
    save_signatures,
    sign_study,
    signatures_path,
)


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("identities")
    return {name: create_identity(name, folder / name) for name in TWO_SITES}


@pytest.fixture(scope="module")
def study(identities: dict[str, Identity]) -> StudyFile:
    return parse_study(study_text(extra=placed(identities, [7001, 7002, 7003])))


def signed(study: StudyFile, identities: dict[str, Identity]) -> list[Signature]:
    return [sign_study(study.digest, name, identity) for name, identity in identities.items()]


def test_signatures_survive_the_file(
    study: StudyFile, identities: dict[str, Identity], tmp_path: Path
) -> None:
    path = signatures_path(tmp_path / "study.toml")
    assert load_signatures(path) == []
    made = signed(study, identities)
    save_signatures(path, made)
    assert path.name == "study.toml.signatures"
    assert load_signatures(path) == made
    assert list(check_signatures(study, made, "here")) == list(TWO_SITES)


def test_who_has_not_signed_is_named(study: StudyFile, identities: dict[str, Identity]) -> None:
    found = check_signatures(study, signed(study, identities)[:1], "here")
    assert missing(study.study, found) == ["south", "uni"]


def test_a_signature_of_another_version_of_the_file_is_refused(
    study: StudyFile, identities: dict[str, Identity]
) -> None:
    changed = parse_study(study.text.replace("iterations = 12", "iterations = 13"))
    with pytest.raises(SignatureError, match="north has signed another study file"):
        check_signatures(changed, signed(study, identities), "here")


@pytest.mark.parametrize("change", ["party", "signed", "signature", "study"])
def test_a_changed_line_is_no_signature(
    study: StudyFile, identities: dict[str, Identity], change: str
) -> None:
    first = signed(study, identities)[0]
    other = {
        "party": "south",
        "signed": "2020-01-01T00:00:00.000Z",
        "signature": "00" + first.signature[2:],
        "study": "0" * 64,
    }[change]
    with pytest.raises(SignatureError):
        check_signatures(study, [replace(first, **{change: other})], "here")


def test_a_signature_by_another_key_is_refused(
    study: StudyFile, identities: dict[str, Identity], tmp_path: Path
) -> None:
    thief = create_identity("north", tmp_path / "thief")
    with pytest.raises(SignatureError, match="signature of north in here is not by the key"):
        check_signatures(study, [sign_study(study.digest, "north", thief)], "here")


def test_a_party_that_the_study_does_not_list(
    study: StudyFile, identities: dict[str, Identity]
) -> None:
    stranger = sign_study(study.digest, "east", identities["north"])
    with pytest.raises(SignatureError, match="'east'"):
        check_signatures(study, [stranger], "here")


@pytest.mark.parametrize(
    "line",
    [
        "signed",
        "[]",
        "{}",
        "\xff",
        '{"format":"cohortium-signature/2","party":"north","study":"' + "0" * 64 + '"}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_signature_is_named(
    study: StudyFile, identities: dict[str, Identity], tmp_path: Path, line: str
) -> None:
    path = tmp_path / "study.toml.signatures"
    path.write_text(signed(study, identities)[0].line() + "\n" + line, encoding="latin-1")
    with pytest.raises(SignatureError, match=r"Line 2 of .*study.toml.signatures"):
        load_signatures(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(b"\n" * ((1 << 20) + 1))
    with pytest.raises(SignatureError, match="too large"):
        load_signatures(path)


def test_a_line_tells_what_it_is(study: StudyFile, identities: dict[str, Identity]) -> None:
    fields = json.loads(signed(study, identities)[0].line())
    assert fields.keys() == {"format", "party", "study", "signed", "signature"}
    assert fields["study"] == study.digest
