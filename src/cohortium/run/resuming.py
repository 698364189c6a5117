"""Where a run starts: from the beginning, or where an earlier one stopped; all parties alike."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cohortium.data import Cohort
from cohortium.data.values import BLOCK_ELEMENTS
from cohortium.errors import AgreementError, ParameterError
from cohortium.learn import PrimalPlan
from cohortium.net import Identity, Mesh, key_of_its_own
from cohortium.run.agreeing import Agreed
from cohortium.run.audit import AUDIT_FILE, AuditLog
from cohortium.run.checkpoints import (
    CHECKPOINT_FOLDER,
    Begun,
    CheckpointStore,
    of_something_else,
)
from cohortium.run.kept_files import remove_folder
from cohortium.run.offers import common_state, exchange_offers
from cohortium.run.planning import Plan
from cohortium.run.timeline import Event
from cohortium.study import Study, StudyFile

_ROWS = b"rows of a run that may go on"


def open_store(
    study: StudyFile,
    party: str,
    identity: Identity,
    output: Path,
    software: Mapping[str, str],
    engine: str,
    tell: Callable[[Event], None],
    *,
    fresh: bool,
) -> CheckpointStore | None:
    """Return the store of a run, None where the study asks for none.

    ``fresh``: what an earlier run kept is not read, and goes once all parties start anew.
    ParameterError where the engine's program is traced, and so can not stop to write.
    """
    if study.study.study.checkpoint_every is None:
        if (output / CHECKPOINT_FOLDER).exists() and not fresh:
            raise of_something_else("another study file")
        return None
    if engine != "numpy":
        raise ParameterError(
            f"The study keeps checkpoints, which a training by the engine {engine!r} can not.",
            remedy="Join with --engine numpy, at all sites.",
        )
    return CheckpointStore(study, party, identity, output, software, tell, fresh=fresh)


def discard(output: Path) -> bool:
    """Remove what a run that stopped has kept in its directory; return whether there was any.

    ParameterError where there is no run.
    """
    if remove_folder(output / CHECKPOINT_FOLDER):
        return True
    if not (output / AUDIT_FILE).exists():
        raise ParameterError(
            f"{output} holds no run.",
            remedy="Name the directory that was given to join as --out: it holds events.jsonl.",
        )
    return False


def rows_digest(identity: Identity, cohort: Cohort | None, prepared: Cohort | None) -> str | None:
    """Return an HMAC-SHA-256 of all that a site brings, and of the order of its samples by folds.

    It stays at the site, and who reads its disk can test no guess by it: the key is made of the
    identity's. None of a party without data.
    """
    if cohort is None or prepared is None:
        return None
    found = hmac.new(key_of_its_own(identity, _ROWS), digestmod="sha256")

    def add(part: bytes) -> None:
        found.update(len(part).to_bytes(8, "big") + part)

    for names in (cohort.samples, cohort.features, prepared.samples, cohort.groups or ()):
        add("\0".join(map(str, names)).encode())
    add(f"{cohort.positive}\0{cohort.negative}".encode())
    for numbers in (cohort.labels, cohort.weights, cohort.covariates):
        add(b"" if numbers is None else np.ascontiguousarray(numbers, "<f8").tobytes())
    step = max(1, BLOCK_ELEMENTS // max(1, len(cohort.samples)))
    for start in range(0, len(cohort.features), step):
        add(np.ascontiguousarray(cohort.values[:, start : start + step], "<f8").tobytes())
    return found.hexdigest()


def agree_to_go_on(
    store: CheckpointStore,
    mesh: Mesh,
    study: Study,
    plan: Plan,
    agreed: Agreed,
    log: AuditLog,
    tell: Callable[[Event], None],
) -> CheckpointStore | None:
    """Agree with all parties where the run starts, and say so; a message to each other party.

    Returns the store, ready to keep; None where the state of this form is not kept. AgreementError
    names the parties that have lost what others kept, or kept something else.
    """
    if isinstance(plan, PrimalPlan):
        text = "The state of a training in the primal is not kept: a crash would end it."
        tell({"event": "note", "text": text, "public": True})
        store.remove()
        return None
    offer = store.offer()
    if store.begun is not None and offer.states:
        _check_sizes(store.begun, agreed, mesh.name)
    computing, owners = study.with_role("compute"), study.with_role("data")
    found = common_state(exchange_offers(mesh, computing, offer), computing, owners, mesh.name)
    if found is None:
        store.begin(mesh.session_id.hex(), agreed)
        return store
    run, done = found
    store.go_on(done)
    text = f"Goes on after iteration {done}, where an earlier run stopped."
    tell({"event": "note", "text": text, "public": True})
    log.add("goes on", iterations=done, run=run)
    return store


def _check_sizes(begun: Begun, agreed: Agreed, me: str) -> None:
    """Raise AgreementError, which names the owner, where there are other numbers than before."""
    before, now = begun.folds or {}, agreed.folds or {}
    others: Sequence[str] = [
        name
        for name, size in agreed.sizes.items()
        if (begun.samples.get(name), before.get(name)) != (size, now.get(name))
    ]
    if not others and begun.features == agreed.feature_count:
        return
    raise AgreementError(
        f"{', '.join(others) or 'The sites'} did not bring as many samples or features as in the "
        "run that stopped.",
        remedy="Give the same files; or join with --fresh at all sites: the training starts anew.",
        party=me,
    )
