"""The record of a run: chained, countersigned, and no byte of it can change unnoticed."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from run_sites import TWO_SITES, parsed, placed, study_text, two_sites

from cohortium.errors import (
    AuditError,
    CohortiumError,
    ParameterError,
    PeerAbortedError,
    PeerLostError,
    SignatureError,
)
from cohortium.net import Identity, create_identity, memory_meshes, sign
from cohortium.run.audit import AUDIT_FILE, AuditLog, countersigned_message
from cohortium.run.clocks import check_clocks
from cohortium.run.consent import check_own, collect
from cohortium.run.local import simulate
from cohortium.run.results import make_output
from cohortium.run.software import program_digest, software
from cohortium.run.verifying import verify_run
from cohortium.study import Signature, StudyFile, parse_study, sign_study

FILES = ["events.jsonl", "model.json", "record.json", "study.toml", "study.toml.signatures"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited")
    study = parsed(study_text())
    simulate(study, two_sites(folder).data, folder / "out", lambda name, event: None)
    return folder / "out"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished / "north", tmp_path / "run"))


def test_the_record_of_a_finished_run_is_intact(finished: Path) -> None:
    for name, roles in TWO_SITES.items():
        verdict = verify_run(finished / name)
        assert verdict.party == name
        assert verdict.finished
        assert verdict.simulated
        assert set(verdict.fingerprints) == set(TWO_SITES)
        expected = [file for file in FILES[1:] if file != "model.json" or "receive" in roles]
        assert sorted(verdict.files) == expected
        assert [entry["what"] for entry in verdict.revealed] == ["bounds", "model"]
    told = [verify_run(finished / name).revealed[1]["sha256"] for name in TWO_SITES]
    assert told[0] == told[1] is not None
    assert told[2] is None


@pytest.mark.parametrize("file", FILES)
def test_one_changed_byte_is_found(run: Path, file: str) -> None:
    content = (run / file).read_bytes()
    places = range(len(content))
    chosen = np.random.default_rng(3).choice(places, min(150, len(content)), replace=False)
    for place in {0, len(content) - 1, len(content) - 2, *map(int, chosen)}:
        changed = bytearray(content)
        changed[place] ^= 1
        (run / file).write_bytes(changed)
        with pytest.raises(AuditError):
            verify_run(run)
    (run / file).write_bytes(content)
    verify_run(run)


def test_every_byte_of_the_last_line_counts(run: Path) -> None:
    content = (run / AUDIT_FILE).read_bytes()
    for place in range(content.rindex(b"\n", 0, len(content) - 1) + 1, len(content)):
        for bit in (1, 32):
            changed = bytearray(content)
            changed[place] ^= bit
            (run / AUDIT_FILE).write_bytes(changed)
            with pytest.raises(AuditError):
                verify_run(run)


def test_what_a_reader_would_not_see_is_found(run: Path) -> None:
    content = (run / AUDIT_FILE).read_bytes()
    for change in (b" \n", b"\r\n", b"\n\n", b"\n{}\n"):
        (run / AUDIT_FILE).write_bytes(content[:-1] + change)
        with pytest.raises(AuditError):
            verify_run(run)


def rewritten(lines: list[bytes], change: Callable[[list[dict]], None]) -> bytes:  # type: ignore[type-arg]
    """Return the log after a change by somebody who chains the lines anew."""
    from cohortium.run.audit import encode_line, line_digest

    events = [json.loads(line) for line in lines]
    change(events)
    previous, made = "0" * 64, []
    for number, event in enumerate(events):
        made.append(encode_line({**event, "seq": number, "previous": previous}))
        previous = line_digest(made[-1])
    return b"\n".join(made) + b"\n"


def test_a_log_that_is_chained_anew_lacks_the_peers_signatures(run: Path) -> None:
    lines = (run / AUDIT_FILE).read_bytes().splitlines()

    def lie(events: list[dict]) -> None:  # type: ignore[type-arg]
        (agreed,) = [event for event in events if event["event"] == "agreed"]
        agreed["samples"]["north"] = 2000

    (run / AUDIT_FILE).write_bytes(rewritten(lines, lie))
    with pytest.raises(AuditError, match=r"countersignature of (south|uni) does not hold"):
        verify_run(run)


def test_a_missing_countersignature_is_found(run: Path) -> None:
    lines = (run / AUDIT_FILE).read_bytes().splitlines()
    (run / AUDIT_FILE).write_bytes(rewritten(lines, lambda events: events[-1]["by"].pop("uni")))
    with pytest.raises(AuditError, match="not countersigned by all of south, uni"):
        verify_run(run)


def test_a_log_without_its_end_is_told_as_unfinished(run: Path) -> None:
    lines = (run / AUDIT_FILE).read_bytes().splitlines(keepends=True)
    (run / AUDIT_FILE).write_bytes(b"".join(lines[:-2]))
    assert not verify_run(run).finished
    (run / AUDIT_FILE).write_bytes(b"".join(lines[1:]))
    with pytest.raises(AuditError, match="Line 1 of"):
        verify_run(run)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{}\n", b"[]\n", b'"a"\n', b"1\n", b"[" * 100_000 + b"\n"]
)
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / AUDIT_FILE).write_bytes(content)
    with pytest.raises(AuditError):
        verify_run(tmp_path)


def test_a_directory_without_a_log(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="can not be read"):
        verify_run(tmp_path)


def test_no_value_of_the_data_is_in_a_log(finished: Path) -> None:
    weights = json.loads((finished / "north" / "model.json").read_text())["weights"]
    for name in TWO_SITES:
        text = (finished / name / AUDIT_FILE).read_text()
        assert not [value for value in weights[:5] if str(value)[:8] in text]
        assert "north-1" not in text


def test_the_log_of_a_run_that_stopped_goes_on_in_the_next(tmp_path: Path) -> None:
    AuditLog(tmp_path).add("started", party="a")
    AuditLog(tmp_path).add("stopped")
    lines = (tmp_path / AUDIT_FILE).read_bytes().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [0, 1]
    (tmp_path / AUDIT_FILE).write_bytes(b"".join(line + b"\n" for line in lines))


def test_where_a_run_went_on_after_a_crash(tmp_path: Path) -> None:
    def verified(*events: tuple[str, dict[str, object]]) -> list[int]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for kind, facts in events:
            AuditLog(folder).add(kind, **facts)
        return verify_run(folder).went_on

    start = ("started", {"party": "a", "study": "s", "study_digest": "0", "simulated": False})
    shared = ("checkpoint", {"name": "before sharing", "session": "0"})

    def goes_on(done: object, run: str = "r") -> tuple[str, dict[str, object]]:
        return "goes on", {"iterations": done, "run": run}

    begun = [start, shared, ("stopped", {})]
    assert verified(*begun) == []
    # A session that did not come to the sharing in between changes nothing.
    twice = [*begun, start, goes_on(200), shared, start, start, goes_on(600), shared]
    assert verified(*twice) == [200, 600]
    anew = [*twice, *begun]
    assert verified(*anew) == []
    assert verified(*anew, start, goes_on(50, "another")) == [50]
    assert verified(*twice, start, goes_on(50, "another"), shared) == [50]
    with pytest.raises(AuditError, match="form of an audit log"):
        verified(start, goes_on("6"))


def test_a_line_that_a_power_failure_left_incomplete_is_cut(run: Path) -> None:
    path = run / AUDIT_FILE
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    (session,) = {
        event["session"] for event in map(json.loads, whole.splitlines()) if "session" in event
    }
    for size in (1, len(last) // 2, len(last) - 1):
        path.write_bytes(whole[: -len(last)] + last[:size])
        with pytest.raises(AuditError, match="incomplete"):
            verify_run(run)
        log = AuditLog(run)
        # What had been written to its end is as it was, and the log goes on from there.
        assert log.cut == size
        assert path.read_bytes() == whole[: -len(last)]
        assert log.authorised_since(session) == ["bounds", "model"]
        log.add("cut", bytes=log.cut)
        assert not verify_run(run).finished
    path.write_bytes(whole)
    assert AuditLog(run).cut == 0
    assert path.read_bytes() == whole


def test_the_directory_of_a_finished_run_is_not_used_again(run: Path) -> None:
    with pytest.raises(ParameterError, match="holds the record of a finished run"):
        make_output(run, fresh=False)
    (run / "model-l2=3.json").touch()
    make_output(run, fresh=True)
    assert not (run / AUDIT_FILE).exists()
    assert not list(run.glob("model*.json"))


# -- between the parties -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("identities")
    return {name: create_identity(name, folder / name) for name in TWO_SITES}


@pytest.fixture(scope="module")
def study(identities: dict[str, Identity]) -> StudyFile:
    return parse_study(study_text(extra=placed(identities, [7001, 7002, 7003])))


def at_all(program: Callable) -> dict[str, object]:  # type: ignore[type-arg]
    """Run a program at three parties that are threads; return results or errors by party."""
    results: dict[str, object] = {}

    def one(name: str, mesh) -> None:  # type: ignore[no-untyped-def]
        try:
            with mesh:
                results[name] = program(name, mesh)
        except CohortiumError as error:
            results[name] = error

    meshes = memory_meshes(list(TWO_SITES))
    threads = [threading.Thread(target=one, args=item) for item in meshes.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def causes(found: dict[str, object]) -> str:
    """Return what those say who noticed it themselves; the first of them stops the others."""
    errors = [error for error in found.values() if isinstance(error, CohortiumError)]
    assert len(errors) == len(found)
    return "\n".join(str(e) for e in errors if not isinstance(e, PeerAbortedError | PeerLostError))


def own(study: StudyFile, identities: dict[str, Identity], name: str) -> dict[str, Signature]:
    return check_own(study, name, [sign_study(study.digest, name, identities[name])])


def test_all_come_to_have_all_signatures(study: StudyFile, identities: dict[str, Identity]) -> None:
    found = at_all(lambda name, mesh: collect(mesh, study, own(study, identities, name)))
    assert all(list(signatures) == list(TWO_SITES) for signatures in found.values())  # type: ignore[call-overload]
    assert found["north"] == found["uni"]


def test_clocks_of_this_machine_agree() -> None:
    found = at_all(lambda _name, mesh: check_clocks(mesh))
    for ahead in found.values():
        assert all(abs(seconds) < 5 for seconds in ahead.values())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("hours", "direction"), [(1, "ahead of"), (-1, "behind")])
def test_a_clock_an_hour_off_is_named(hours: int, direction: str) -> None:
    def program(name: str, mesh) -> object:  # type: ignore[no-untyped-def]
        off = 3600.0 * hours if name == "south" else 0.0
        return check_clocks(mesh, lambda: time.time() + off)

    found = at_all(program)
    other = "behind" if hours > 0 else "ahead of"
    told = causes(found)
    assert f"The clock of south is 60 minutes {direction}" in told or f"{other} the one" in told


def test_a_time_that_is_none(study: StudyFile) -> None:
    def program(name: str, mesh) -> object:  # type: ignore[no-untyped-def]
        if name != "south":
            return check_clocks(mesh)
        everybody = mesh.peers
        told = dict.fromkeys(everybody, b"\xff" * 8)
        return mesh.exchange_messages("clock", told, dict.fromkeys(everybody, 8))

    assert "a time that can not be one" in causes(at_all(program))


def test_who_has_not_signed_can_not_start(
    study: StudyFile, identities: dict[str, Identity]
) -> None:
    others = [sign_study(study.digest, "south", identities["south"])]
    with pytest.raises(SignatureError, match="north has not signed this study") as caught:
        check_own(study, "north", others)
    assert "study sign" in caught.value.remedy


def test_a_party_whose_program_does_not_sign_is_named(
    study: StudyFile, identities: dict[str, Identity]
) -> None:
    def program(name: str, mesh) -> object:  # type: ignore[no-untyped-def]
        mine = {} if name == "south" else own(study, identities, name)
        return collect(mesh, study, mine)

    found = at_all(program)
    assert "south did not sign this study" in causes(found)


def test_a_forged_signature_is_named_with_its_source(
    study: StudyFile, identities: dict[str, Identity]
) -> None:
    def program(name: str, mesh) -> object:  # type: ignore[no-untyped-def]
        mine = own(study, identities, name)
        if name == "south":
            mine["uni"] = sign_study(study.digest, "uni", identities["south"])
        return collect(mesh, study, mine)

    found = at_all(program)
    assert "signature of uni in what south sent is not by the key" in causes(found)


@pytest.mark.parametrize("lie", ["head", "owner", "key", "the link's key"])
def test_a_peer_that_signs_something_else_is_named(
    identities: dict[str, Identity], tmp_path: Path, lie: str
) -> None:
    certificates = {name: each.certificate_pem for name, each in identities.items()}

    def program(name: str, mesh) -> None:  # type: ignore[no-untyped-def]
        (tmp_path / name).mkdir()
        log = AuditLog(tmp_path / name)
        log.add("started")
        if name != "south":
            log.checkpoint("test", mesh, identities[name], certificates)
            return
        peers = mesh.peers
        heads = mesh.exchange_messages(
            "audit log, test", dict.fromkeys(peers, bytes(32)), dict.fromkeys(peers, 32)
        )
        time, session = "2026-01-01T00:00:00.000Z", mesh.session_id.hex()
        answers = {}
        for peer, head in heads.items():
            message = countersigned_message(
                session,
                "south" if lie == "owner" else peer,
                "0" * 64 if lie == "head" else head.hex(),
                "south",
                time,
            )
            signature = sign(identities["uni" if lie == "key" else "south"], message)
            if lie == "the link's key":
                # All that a thief of link.pem has.
                stolen = identities["south"].link_path.read_bytes()
                signature = load_pem_private_key(stolen, None).sign(message)  # type: ignore[union-attr]
            answers[peer] = time.encode() + signature
        mesh.exchange_messages("countersignature, test", answers, dict.fromkeys(peers, 88))

    found = at_all(program)
    assert "south did not countersign the audit log of" in causes(found)


def test_a_checkpoint_of_honest_parties_verifies(
    identities: dict[str, Identity], tmp_path: Path
) -> None:
    certificates = {name: each.certificate_pem for name, each in identities.items()}

    def program(name: str, mesh) -> int:  # type: ignore[no-untyped-def]
        (tmp_path / name).mkdir()
        log = AuditLog(tmp_path / name)
        log.checkpoint("test", mesh, identities[name], certificates)
        last = json.loads((tmp_path / name / AUDIT_FILE).read_bytes().splitlines()[-1])
        return len(last["by"])

    assert set(at_all(program).values()) == {2}


def test_what_must_be_equal_of_the_software() -> None:
    told = software("numpy")
    assert told["program"] == program_digest()
    assert told["packages"].startswith("cryptography ")
    assert "tensorflow" in software("tensorflow")["packages"]
