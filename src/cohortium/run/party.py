"""One party's life: prepare its data, connect, agree, train, reveal, write down what happened.

The same code for every role, on one machine or on several; `local` starts it several times.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cohortium.data import Cohort, scaled, with_features
from cohortium.errors import BoundError, CohortiumError
from cohortium.learn import KEPT_FEATURES, SELECTED_FEATURES, AdjustedCohort
from cohortium.learn import Cohort as TrainingRows
from cohortium.mpc import Protocol
from cohortium.mpc.dealer import Roles, start
from cohortium.net import Mesh, Peer, connect
from cohortium.ring import Engine
from cohortium.run.adjusting import training_rows
from cohortium.run.agreeing import Agreed, agree
from cohortium.run.audit import AuditLog
from cohortium.run.checkpoints import CheckpointStore
from cohortium.run.clocks import check_clocks
from cohortium.run.consent import check_own, collect
from cohortium.run.filtering import filter_plan, filter_together
from cohortium.run.peers import check_identity, study_peers
from cohortium.run.planning import Plan, fix_shapes, make_plan, run_training
from cohortium.run.preparing import prepare_site
from cohortium.run.results import Results, file_digests, make_output, write_agreement, write_results
from cohortium.run.resuming import agree_to_go_on, discard, open_store, rows_digest
from cohortium.run.setup import PartySetup, make_engine
from cohortium.run.software import software
from cohortium.run.timeline import Event, Timeline
from cohortium.run.together import (
    check_samples,
    prepare_by_all,
    prepare_together,
    sums_to_select_by,
)
from cohortium.study import (
    DisclosureLedger,
    Signature,
    Study,
)


def run_party(setup: PartySetup, tell: Callable[[Event], None]) -> list[Path]:
    """Run one party to its end; return the model files written, empty where none is received.

    Events about progress go to ``tell``. Any CohortiumError is told to the other parties.
    """
    study = setup.study.study
    peers = study_peers(study)
    check_identity(study, setup.name, setup.identity)
    if setup.policy is not None:
        setup.policy.check_study(study)
    signatures = check_own(setup.study, setup.name, setup.signatures)
    engine = make_engine(setup.engine)
    make_output(setup.output, fresh=setup.simulated)
    log = AuditLog(setup.output)
    runs = software(setup.engine)
    log.add(
        "started",
        party=setup.name,
        study=study.study.name,
        study_digest=setup.study.digest,
        simulated=setup.simulated,
        **runs,
    )
    if log.cut:
        log.add("cut", bytes=log.cut)

    def told(event: Event) -> None:
        if event["event"] == "phase":
            log.add("phase", name=event["name"])
        tell(event)

    try:
        return _run(setup, peers, signatures, engine, log, runs, told)
    except CohortiumError as error:
        log.add("stopped", code=error.code, at=error.party or setup.name)
        raise


def _run(
    setup: PartySetup,
    peers: list[Peer],
    signatures: dict[str, Signature],
    engine: Engine,
    log: AuditLog,
    runs: dict[str, str],
    tell: Callable[[Event], None],
) -> list[Path]:
    study = setup.study.study
    certificates = {peer.name: peer.certificate_pem for peer in peers}
    timeline = Timeline(tell, study.model.iterations)
    timeline.phase("prepare")
    store = None
    if not setup.simulated:
        store = open_store(
            setup.study,
            setup.name,
            setup.identity,
            setup.output,
            runs,
            setup.engine,
            tell,
            fresh=setup.fresh,
        )
    fold_seed = None if store is None else store.fold_seed
    cohort, naming, folds, counts, raw, build = prepare_site(
        study, setup.name, setup.cohort, tell, fold_seed
    )
    if store is not None:
        store.check_log(log)
        store.check_rows(rows_digest(setup.identity, setup.cohort, cohort))
    if setup.cohort is not None and setup.policy is not None:
        setup.policy.check_data(study, setup.cohort)
    # Of a run that goes on the rows were counted when it began, if there was a register then.
    counted = store is not None and store.registered
    if not counted:
        setup.check_runs()
    timeline.phase("connect")
    mesh = connect(
        setup.identity,
        peers,
        me=setup.name,
        agreement={"study digest": setup.study.digest, **runs, "command": "join"},
        connect_timeout=study.study.connect_timeout,
        # Who computes waits for all others; the dealer runs ahead, and would blame one that waits.
        deadline=study.study.deadline if setup.name in study.with_role("compute") else None,
        listen_socket=setup.listen_socket,
        listen_host=setup.listen_host,
    )
    ledger = DisclosureLedger.of(study)
    with mesh:
        log.add("connected", session=mesh.session_id.hex(), certificates=certificates)
        timeline.phase("agree")
        check_clocks(mesh)
        signatures = collect(mesh, setup.study, signatures)
        write_agreement(setup.output, setup.study, signatures.values())
        owners = study.with_role("data")
        told = ("model", KEPT_FEATURES, SELECTED_FEATURES)
        named = {name for what in told for name in ledger.receivers(what)}
        agreed = agree(
            mesh,
            owners,
            cohort,
            mode=study.features.mode,
            names_needed=not named <= set(owners),
            naming=naming,
            own_folds=folds,
            folds=study.validation.folds if study.validation is not None else None,
            build=build,
        )
        check_samples(study, agreed.sizes, setup.name)
        for line in agreed.lines():
            tell({"event": "note", "text": line, "public": True})
        log.add("agreed", samples=agreed.sizes, features=agreed.feature_count)
        if store is None and setup.fresh:
            # All parties are in a run that keeps nothing.
            discard(setup.output)
        filtering = filter_plan(study, sum(agreed.sizes.values()), agreed.feature_count)
        if filtering is None:
            plan, form = _planned(study, agreed, ledger, log, tell)
            if store is not None:
                store = agree_to_go_on(store, mesh, study, plan, agreed, log, tell)
        else:
            # Nothing else is allowed yet: its shapes follow from how many features are kept.
            ledger.fix_shapes({KEPT_FEATURES: (agreed.feature_count,)})
            _tell_reveals(ledger, log, tell)
        if counted and not (store is not None and store.registered):
            setup.check_runs()
            counted = False
        log.checkpoint("before sharing", mesh, setup.identity, certificates)
        if setup.cohort is not None and setup.register is not None and not counted:
            setup.register.add(setup.cohort, setup.study.digest)
            if store is not None:
                store.note_registered()
        ledger.on_authorised = lambda entry: log.add(
            "authorised", what=entry.what, to=list(entry.to), shape=list(entry.shape or ())
        )
        roles = Roles(study.with_role("compute"), *study.with_role("deal"))
        protocol = start(mesh, roles, ledger, engine)
        timeline.counters = protocol.counters
        kept: dict[str, NDArray[np.float64]] = {}
        if filtering is not None:
            timeline.phase("filter")
            agreed, kept = filter_together(
                mesh, protocol, engine, filtering, agreed, counts, ledger.allowed
            )
            text = f"{agreed.feature_count:,} of {filtering.features:,} features pass the filter."
            tell({"event": "note", "text": text, "public": True})
            log.add("filtered", features=agreed.feature_count)
            plan, form = _planned(study, agreed, ledger, log, tell)
        try:
            received = kept | _train(
                setup, protocol, engine, plan, agreed, cohort, raw, ledger, timeline, tell, store
            )
        except CohortiumError as error:
            if store is not None:
                store.stopped(in_vain=isinstance(error, BoundError))
            raise
        for name, values in received.items():
            ledger.note_received(name, values)
        timeline.finish()
        link_bytes = {"sent": mesh.sent_to, "received": mesh.received_from}
        early = not received and setup.name not in roles.computing
        if early:
            # Who holds no share is here long before the others: the run is not finished yet.
            _part(mesh, roles.computing, study.study.deadline)
        # Before the goodbye: who is lost from here on takes nobody's results along.
        paths = write_results(
            setup.output,
            Results(
                study=setup.study,
                party=setup.name,
                mesh=mesh,
                protocol=protocol,
                agreed=agreed,
                plan=plan,
                form=form,
                ledger=ledger,
                timeline=timeline,
                link_bytes=link_bytes,
                received=received,
            ),
        )
        log.add("revealed", list=[entry.facts() for entry in ledger.revealed])
        log.add("written", files=file_digests(setup.output, paths))
        if not early:
            _part(mesh, roles.computing, study.study.deadline)
        if store is not None:
            store.remove()
        log.checkpoint("finished", mesh, setup.identity, certificates)
        mesh.close(deadline=study.study.deadline)
    # Of the whole run, as in the record: the last iteration's event lacks what came after it.
    rounds, sent = protocol.counters.rounds, sum(link_bytes["sent"].values())
    tell({"event": "done", "models": list(map(str, paths)), "rounds": rounds, "bytes": sent})
    return paths


def _planned(
    study: Study,
    agreed: Agreed,
    ledger: DisclosureLedger,
    log: AuditLog,
    tell: Callable[[Event], None],
) -> tuple[Plan, str]:
    """Return the plan of the training and its form; from here on its reveals are allowed."""
    plan, form = make_plan(study, agreed.sizes, agreed.feature_count, agreed.folds)
    tell({"event": "note", "text": f"Form of the training: {form}.", "public": True})
    fix_shapes(ledger, study, plan)
    _tell_reveals(ledger, log, tell)
    return plan, form


def _tell_reveals(ledger: DisclosureLedger, log: AuditLog, tell: Callable[[Event], None]) -> None:
    for entry in ledger.entries:
        if entry.time is None:
            tell({"event": "note", "text": entry.line(), "public": True})
    log.add("to be revealed", list=[entry.facts() for entry in ledger.entries])


def _part(mesh: Mesh, computing: tuple[str, ...], deadline: float) -> None:
    """Return when everybody is done; once training is over nobody may fall silent.

    Dealer and outsiders are done early and wait without a deadline for those that compute.
    """
    computes = mesh.name in computing
    mesh.exchange_messages(
        "finished",
        dict.fromkeys(mesh.peers, b"") if computes else {},
        dict.fromkeys((name for name in computing if name != mesh.name), 0),
        deadline=deadline if computes else None,
    )


def _train(
    setup: PartySetup,
    protocol: Protocol,
    engine: Engine,
    plan: Plan,
    agreed: Agreed,
    cohort: Cohort | None,
    raw: Cohort | None,
    ledger: DisclosureLedger,
    timeline: Timeline,
    tell: Callable[[Event], None],
    store: CheckpointStore | None,
) -> dict[str, NDArray[np.float64]]:
    study, aligned = setup.study.study, None
    if cohort is not None and agreed.features is not None:
        aligned = with_features(cohort, agreed.features)
    # A traced program runs after it was written down, and a party that holds no share runs through
    # it at once and waits: their phases would tell nothing.
    busy = {"compute", "deal"} & set(setup.study.study.named(setup.name).roles)
    watcher = timeline if busy and setup.engine == "numpy" else None
    if watcher is None:
        timeline.phase("train")
    received = prepare_together(
        protocol, engine, study, agreed, setup.name, aligned, ledger.allowed, watcher
    )
    owned: dict[str, TrainingRows | AdjustedCohort] = {}
    if aligned is not None and aligned.labels is not None:
        covariates = aligned.covariates
        if covariates is not None:
            covariates = scaled(covariates, study.covariates)
        values = prepare_by_all(study, aligned, received, tell)
        owned[setup.name] = training_rows(values, aligned.labels, aligned.weights, covariates)
    sums = sums_to_select_by(study, agreed, setup.name, raw, received)
    results: dict[str, NDArray[np.float64]] = engine.run(
        lambda: run_training(
            protocol, study, plan, agreed.sizes, owned, ledger.allowed, watcher, sums, store
        )
    )
    return received | results
