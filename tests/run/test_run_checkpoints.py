"""What a party keeps of a run, between sessions: who goes on where, and what a full disk does."""

from __future__ import annotations

import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_sites import TWO_SITES, parsed, study_text

from cohortium.data import Cohort
from cohortium.errors import (
    AgreementError,
    CheckpointError,
    CohortiumError,
    IdentityFileError,
    ParameterError,
)
from cohortium.learn.checkpoints import Facts
from cohortium.mpc import InputRequest, secret_inputs
from cohortium.mpc.dealer import Roles, start
from cohortium.mpc.dealer.threads import OpenLedger
from cohortium.net import Identity, Mesh, create_identity, memory_meshes
from cohortium.run.agreeing import Agreed
from cohortium.run.audit import AuditLog
from cohortium.run.checkpoints import CheckpointStore
from cohortium.run.kept_files import KeptFolder
from cohortium.run.offers import Offer, Told, common_state
from cohortium.run.planning import make_plan
from cohortium.run.resuming import agree_to_go_on, discard, rows_digest

COMPUTING, OWNERS = ("north", "south"), ("north", "south", "west")
A, B = "aa", "bb"


def offer(run: str | None, *states: tuple[int, str]) -> Offer:
    return Offer(run=run, states=[Told(done=done, tag=tag) for done, tag in states])


FULL = offer(A, (0, "1"), (20, "2"), (40, "3"))


@pytest.mark.parametrize(
    ("north", "south", "west", "expected"),
    [
        (offer(None), offer(None), offer(None), None),
        (offer(A), offer(None), offer(B), None),
        (FULL, FULL, offer(A), 40),
        (FULL, offer(A, (0, "1"), (20, "2")), offer(A), 20),
        (offer(A, (0, "1")), FULL, offer(A), 0),
        (FULL, offer(A), offer(A), "south kept nothing of the run that north would go on"),
        (FULL, offer(A, (20, "2")), offer(A), "south kept nothing of the run that north would"),
        (FULL, offer(None), offer(A), "south kept nothing of the run that north would go on"),
        (FULL, FULL, offer(None), "west kept nothing of the run that north, south would"),
        (offer(None), FULL, offer(None), "north, west kept nothing of the run that south"),
        (FULL, offer(B, (0, "1")), offer(A), "south kept another run than north"),
        (FULL, FULL, offer(B), "west kept another run than north"),
        (FULL, offer(A, (0, "1"), (20, "f")), offer(A), "north and south kept different states"),
    ],
)
def test_where_a_run_goes_on(
    north: Offer, south: Offer, west: Offer, expected: int | str | None
) -> None:
    offers = {"north": north, "south": south, "west": west, "uni": offer(None)}
    for me in offers:
        told = offers
        if me not in COMPUTING:
            # It is told no tags, and so not that states differ: those who know end the run.
            told = {name: offer.without_tags() for name, offer in offers.items()}
            if expected == "north and south kept different states":
                assert common_state(told, COMPUTING, OWNERS, me) == (A, 20)
                continue
        if not isinstance(expected, str):
            found = None if expected is None else (A, expected)
            assert common_state(told, COMPUTING, OWNERS, me) == found
            continue
        with pytest.raises(AgreementError, match=expected) as caught:
            common_state(told, COMPUTING, OWNERS, me)
        assert "--fresh" in caught.value.remedy
        assert caught.value.party == me


# -- stores of three parties, session after session ------------------------------------------------

STUDY = parsed(study_text(checkpoint_every=20))
AGREED = Agreed({"north": 3, "south": 4}, None, 5, "yes", "no", None, {}, None)
PLAN, _ = make_plan(STUDY.study, AGREED.sizes, 5)
VALUES = np.arange(12.0).reshape(3, 4)
FACTS = Facts((3, 4), 8, 16.0)


class Parties:
    """What the parties of ``STUDY`` keep in a folder each, and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: dict[str, list[str]] = {name: [] for name in TWO_SITES}
        self.identities: dict[str, Identity] = {}
        for name in TWO_SITES:
            (folder / name).mkdir()
            (folder / f"{name}-log").mkdir()
            self.identities[name] = create_identity(name, folder / f"{name}-identity")

    def store(self, name: str, **changes: Any) -> CheckpointStore:
        settings: dict[str, Any] = {
            "output": self.folder / name,
            "identity": self.identities[name],
            "study": STUDY,
            "party": name,
            "software": {"version": "1"},
            "tell": lambda event: self.notes[name].append(event["text"]),
        }
        return CheckpointStore(**(settings | changes))

    def session(
        self, *then: int, agreed: Agreed = AGREED, fresh: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return at each party what ``kept`` of the last state is; keep more states ``then``."""
        meshes = memory_meshes(tuple(TWO_SITES))
        found: dict[str, Any] = {}

        def run(name: str) -> None:
            try:
                with meshes[name] as mesh:
                    store = self.store(name, fresh=name in fresh)
                    log = AuditLog(self.folder / f"{name}-log")
                    again = agree_to_go_on(
                        store, mesh, STUDY.study, PLAN, agreed, log, lambda event: None
                    )
                    assert again is store
                    protocol = start(mesh, Roles(COMPUTING, "uni"), OpenLedger())
                    found[name] = store.done, None
                    if store.done is not None:
                        (tensor,) = store.kept(protocol, store.done, [FACTS])
                        found[name] = store.done, tensor.reveal("kept", ["north"])
                    mine = VALUES if name == "north" else None
                    request = InputRequest("x", "north", mine, (3, 4), 8, 16.0)
                    (tensor,) = secret_inputs(protocol, [request])
                    for done in then:
                        store.keep(done, [tensor])
            except CohortiumError as error:
                found[name] = error

        threads = [threading.Thread(target=run, args=(name,)) for name in TWO_SITES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def states(self, name: str) -> list[str]:
        return sorted(path.name for path in (self.folder / name / "checkpoint").iterdir())


@pytest.fixture
def parties(tmp_path: Path) -> Parties:
    return Parties(tmp_path)


def check_went_on(found: dict[str, Any], done: int) -> None:
    assert {name: it[0] for name, it in found.items()} == dict.fromkeys(TWO_SITES, done)
    np.testing.assert_array_equal(found["north"][1], VALUES)


def test_all_go_on_from_the_last_state_that_all_have(parties: Parties) -> None:
    assert set(parties.session(0, 20, 40).values()) == {(None, None)}
    assert parties.states("north") == ["000000.state", "000020.state", "000040.state", "run.json"]
    assert not (parties.folder / "uni" / "checkpoint").exists()
    (parties.folder / "south" / "checkpoint" / "000040.state").unlink()
    check_went_on(parties.session(), 20)
    for name in COMPUTING:
        assert parties.states(name) == ["000000.state", "000020.state", "run.json"]
    # A run that went on once goes on again, and states of both sessions follow one another.
    check_went_on(parties.session(40, 60), 20)
    check_went_on(parties.session(), 60)


def test_tags_go_to_computing_parties_alone(
    parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    parties.session(0, 20)
    tags = [told.tag for name in COMPUTING for told in parties.store(name).offer().states]
    assert tags[:2] == tags[2:]
    sent: dict[str, list[bytes]] = {name: [] for name in TWO_SITES}
    for method in ("exchange_messages", "exchange"):
        original = getattr(Mesh, method)

        def sending(
            mesh: Mesh, label: str, outgoing: Any, *rest: Any, original: Any = original, **more: Any
        ) -> Any:
            for name, content in outgoing.items():
                sent[name].append(bytes(content))
            return original(mesh, label, outgoing, *rest, **more)

        monkeypatch.setattr(Mesh, method, sending)
    check_went_on(parties.session(40), 20)
    for tag in tags[:2]:
        assert tag is not None
        for form in (tag.encode(), bytes.fromhex(tag)):
            assert not any(form in content for content in sent["uni"])
        assert any(tag.encode() in content for content in sent["north"])
    # How far the run is, it is told.
    assert any(b'"done":20' in content for content in sent["uni"])


def test_nothing_is_discarded_until_all_start_anew(parties: Parties) -> None:
    parties.session(0, 20)
    for alone in (["north"], ["south"]):
        found = parties.session(fresh=alone)
        assert any(isinstance(error, AgreementError) for error in found.values())
        for error in found.values():
            assert f"{alone[0]} kept nothing of the run" in error.what
        for name in COMPUTING:
            assert parties.states(name) == ["000000.state", "000020.state", "run.json"]
    check_went_on(parties.session(), 20)
    # What is damaged, and so not even read, is no obstacle.
    (parties.folder / "north" / "checkpoint" / "run.json").write_bytes(b"{}")
    assert set(parties.session(0, fresh=list(TWO_SITES)).values()) == {(None, None)}
    assert parties.states("north") == parties.states("south") == ["000000.state", "run.json"]
    check_went_on(parties.session(), 0)


def test_only_what_a_run_has_kept_is_discarded(tmp_path: Path) -> None:
    for nowhere in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ParameterError, match=f"{nowhere} holds no run") as caught:
            discard(nowhere)
        assert "--out" in caught.value.remedy
    AuditLog(tmp_path).add("started")
    assert not discard(tmp_path)
    (tmp_path / "checkpoint").mkdir()
    assert discard(tmp_path)
    assert not discard(tmp_path)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may be larger than a few lines of a log."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_ends_no_run_and_hinders_no_restart(parties: Parties) -> None:
    parties.session(0, 20)
    with full_disk():
        # It goes on, keeps nothing further, and says so once.
        check_went_on(parties.session(40, 60), 20)
        check_went_on(parties.session(), 20)
    for name in COMPUTING:
        (told,) = parties.notes[name]
        assert told.startswith("The run's state can not be kept here (File too large). The run")
        assert parties.states(name) == ["000000.state", "000020.state", "run.json"]
    check_went_on(parties.session(40), 20)
    check_went_on(parties.session(), 40)


def test_what_is_there_already_has_no_say_in_who_may_read(parties: Parties) -> None:
    folder, elsewhere = parties.folder / "checkpoint", parties.folder / "elsewhere"
    folder.mkdir()
    folder.chmod(0o777)
    # Left by a crash, with other rights; and a link to where others read.
    (folder / "a.part").touch()
    (folder / "a.part").chmod(0o666)
    (folder / "b.part").symlink_to(elsewhere)
    files = KeptFolder(folder, parties.identities["north"])
    for name in "ab":
        files.write(name, {})
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.lstat().st_mode for path in folder.iterdir()} == dict.fromkeys(
        "ab", stat.S_IFREG | 0o600
    )
    assert not elsewhere.exists()


def test_nothing_is_written_into_a_folder_elsewhere(
    parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = parties.folder / "elsewhere"
    elsewhere.mkdir()
    files = KeptFolder(parties.folder / "checkpoint", parties.identities["north"])
    files.path.symlink_to(elsewhere)
    with pytest.raises(OSError, match="Not a directory"):
        files.write("run.json", {})
    files.path.unlink()
    files.path.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match="somebody else's"):
        files.write("run.json", {})
    assert list(files.path.iterdir()) == list(elsewhere.iterdir()) == []


def test_a_disk_that_is_full_from_the_start(parties: Parties) -> None:
    with full_disk():
        assert set(parties.session(0, 20).values()) == {(None, None)}
    assert all(len(parties.notes[name]) == 1 for name in COMPUTING)
    assert set(parties.session(0).values()) == {(None, None)}


def test_nothing_is_left_at_a_reveal_or_where_a_bound_did_not_hold(parties: Parties) -> None:
    parties.session(0, 20)
    parties.store("north").end()
    store = parties.store("south")
    store.stopped(in_vain=False)
    assert parties.notes["south"] == [
        "20 iterations are kept here: when all parties join again, with the same commands, the run "
        "goes on."
    ]
    store.stopped(in_vain=True)
    for name in COMPUTING:
        assert not (parties.folder / name / "checkpoint").exists()
        assert parties.store(name).begun is None


def test_a_training_in_the_primal_keeps_nothing_and_says_so(parties: Parties) -> None:
    text = study_text().replace("[model]", "[model]\nform = 'primal'")
    plan, _ = make_plan(parsed(text).study, AGREED.sizes, 5)
    told: list[Any] = []
    mesh = Mesh("north", tuple(TWO_SITES), {}, session_id=bytes(16))
    log = AuditLog(parties.folder)
    store = parties.store("north")
    assert agree_to_go_on(store, mesh, STUDY.study, plan, AGREED, log, told.append) is None
    assert [event["text"] for event in told] == [
        "The state of a training in the primal is not kept: a crash would end it."
    ]


def test_who_changes_in_size_is_named(parties: Parties) -> None:
    parties.session(0)
    for changed, says in (
        (replace(AGREED, sizes={"north": 3, "south": 5}), "south did not bring as many"),
        (replace(AGREED, feature_count=6), "The sites did not bring as many"),
    ):
        found = parties.session(agreed=changed)
        assert any(isinstance(it, AgreementError) and says in str(it) for it in found.values())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (lambda p: {"party": "south"}, "of another party"),
        (lambda p: {"study": parsed(study_text(checkpoint_every=30))}, "of another study file"),
        (lambda p: {"software": {"version": "2"}}, "of another version of the program"),
        (lambda p: {"identity": p.identities["south"]}, "is damaged, or not of this party"),
    ],
)
def test_what_is_of_something_else_is_not_used(
    parties: Parties, changes: Callable[[Parties], dict[str, Any]], says: str
) -> None:
    parties.session(0)
    with pytest.raises(CheckpointError, match=says):
        parties.store("north", **changes(parties))


# -- what a site brings ----------------------------------------------------------------------------

COHORT = Cohort(
    np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]]),
    ("s1", "s2", "s3"),
    ("g1", "g2"),
    labels=np.array([0, 1, 1]),
    positive="yes",
    negative="no",
    weights=np.array([1.0, 2.0, 3.0]),
    covariates=np.array([[1.0], [2.0], [3.0]]),
    groups=("a", "a", "b"),
    source="x",
)
SHUFFLED = COHORT.take(np.array([1, 0, 2]))


@pytest.fixture(scope="module")
def me(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return create_identity("north", tmp_path_factory.mktemp("identity"))


@pytest.mark.parametrize(
    "change",
    [
        {"samples": ("s1", "s2", "s4")},
        {"features": ("g1", "g3")},
        {"values": np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0 + 1e-15 * 4]])},
        {"labels": np.array([1, 0, 1])},
        {"positive": "no", "negative": "yes"},
        {"weights": np.array([1.0, 2.0, 3.5])},
        {"covariates": np.array([[1.0], [2.0], [4.0]])},
        {"groups": ("a", "b", "b")},
    ],
)
def test_whatever_a_site_brings_is_in_the_digest(change: dict[str, Any], me: Identity) -> None:
    digest = rows_digest(me, COHORT, SHUFFLED)
    assert digest == rows_digest(me, replace(COHORT), SHUFFLED)
    assert digest != rows_digest(me, replace(COHORT, **change), SHUFFLED)
    assert digest != rows_digest(me, COHORT, COHORT)


def test_who_lacks_the_identitys_key_can_not_test_guesses_by_it(
    me: Identity, tmp_path: Path
) -> None:
    other = create_identity("north", tmp_path / "other")
    assert rows_digest(me, COHORT, SHUFFLED) != rows_digest(other, COHORT, SHUFFLED)
    # Nor does its certificate, which everybody has, or a signature make the key.
    me.key_path.rename(tmp_path / "away")
    with pytest.raises(IdentityFileError):
        rows_digest(me, COHORT, SHUFFLED)
    (tmp_path / "away").rename(me.key_path)
