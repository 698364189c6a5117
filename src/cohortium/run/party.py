"""One party's life: prepare its data, connect, agree, train, reveal, write down what happened.

The same code for every role, on one machine or on several; `local` starts it several times.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cohortium
from cohortium.data import Cohort, Preparation, prepare
from cohortium.errors import ParameterError, StudyError
from cohortium.learn import Cohort as TrainingRows
from cohortium.learn import DualPlan, LogisticParameters, Model, plan_dual, train
from cohortium.mpc import Protocol
from cohortium.mpc.dealer import Roles, start
from cohortium.net import Identity, Mesh, Peer, connect, fingerprint
from cohortium.ring import Engine, NumpyEngine, TensorFlowEngine
from cohortium.run.agreeing import Agreed, agree
from cohortium.run.timeline import Event, Timeline
from cohortium.study import DisclosureLedger, Study, StudyFile

RECORD_FILE = "record.json"


@dataclass(frozen=True)
class PartySetup:
    """What one party brings to a run: who it is, its key, its data, where results go."""

    study: StudyFile
    name: str
    identity: Identity
    cohort: Cohort | None
    output: Path
    engine: str = "numpy"
    listen_socket: socket.socket | None = None


def run_party(setup: PartySetup, tell: Callable[[Event], None]) -> list[Path]:
    """Run one party to its end; return the model files written, empty where none is received.

    Events about progress go to ``tell``. Any CohortiumError is told to the other parties.
    """
    study = setup.study.study
    timeline = Timeline(tell, study.model.iterations)
    timeline.phase("prepare")
    cohort = _prepared(setup, tell)
    peers = study_peers(study)
    _check_identity(setup, peers)
    timeline.phase("connect")
    mesh = connect(
        setup.identity,
        peers,
        me=setup.name,
        agreement={"study digest": setup.study.digest, "version": cohortium.__version__},
        connect_timeout=study.study.connect_timeout,
        deadline=study.study.deadline,
        listen_socket=setup.listen_socket,
    )
    ledger = DisclosureLedger.of(study)
    with mesh:
        timeline.phase("agree")
        owners, receivers = study.with_role("data"), ledger.receivers("model")
        agreed = agree(mesh, owners, cohort, names_needed=not set(receivers) <= set(owners))
        for line in agreed.report.lines() if agreed.report else ():
            tell({"event": "note", "text": line})
        plan = plan_dual(
            sum(agreed.sizes.values()),
            agreed.feature_count,
            study.preparation.clip,
            logistic_parameters(study),
        )
        engine = make_engine(setup.engine)
        roles = Roles(study.with_role("compute"), *study.with_role("deal"))
        protocol = start(mesh, roles, ledger, engine)
        timeline.counters = protocol.counters
        weights = _train(setup, protocol, engine, plan, agreed, cohort, ledger, timeline)
        timeline.finish()
    paths = _write_models(setup, agreed, weights)
    _write_record(setup, mesh, protocol, agreed, plan, ledger, timeline)
    tell({"event": "done", "models": [str(path) for path in paths]})
    return paths


def study_peers(study: Study) -> list[Peer]:
    """Return the parties as links need them; StudyError where address or certificate lack."""
    peers = []
    for party in study.party:
        if party.address is None or party.certificate is None:
            raise StudyError(
                f"The study gives no address or no certificate for {party.name!r}.",
                remedy="Every [[party]] needs both; `cohortium identity show` prints the "
                "certificate.",
            )
        host, _, port = party.address.rpartition(":")
        real = fingerprint(party.certificate)
        if party.fingerprint is not None and party.fingerprint.upper() != real:
            raise StudyError(
                f"The fingerprint of {party.name!r} in the study is not that of the certificate "
                f"beside it ({real}).",
                remedy="Ask that site to read out its fingerprint, and correct the study file.",
            )
        peers.append(Peer(party.name, host.strip("[]"), int(port), party.certificate))
    return peers


def logistic_parameters(study: Study) -> LogisticParameters:
    """Return the study's model section as the estimator's parameters."""
    return LogisticParameters(
        l2=tuple(study.model.l2),
        iterations=study.model.iterations,
        logit_bound=study.model.logit_bound,
        sigmoid_error=study.model.sigmoid_error,
        standardised=study.preparation.standardise == "site",
    )


def preparation_of(study: Study) -> Preparation:
    """Return the study's preparation section as the data layer's settings."""
    return Preparation(**study.preparation.model_dump())


def make_engine(name: str) -> Engine:
    """Return the engine of that name, "numpy" or "tensorflow"."""
    if name == "numpy":
        return NumpyEngine()
    if name == "tensorflow":
        return TensorFlowEngine()
    raise ParameterError(f"There is no engine {name!r}.", remedy="Choose 'numpy' or 'tensorflow'.")


def _prepared(setup: PartySetup, tell: Callable[[Event], None]) -> Cohort | None:
    """Return this party's prepared cohort; all errors about its data come before it connects.

    Their texts may quote the data, so they must not reach the other parties.
    """
    owns = setup.name in setup.study.study.with_role("data")
    if not owns:
        if setup.cohort is not None:
            raise StudyError(
                f"{setup.name!r} does not have the role 'data', but data were given for it.",
                remedy="Leave the data out, or change the study at every site.",
            )
        return None
    if setup.cohort is None:
        raise StudyError(
            f"{setup.name!r} has the role 'data', but no data were given.",
            remedy="Name this site's file with --data.",
        )
    cohort, report = prepare(setup.cohort, preparation_of(setup.study.study))
    for line in (*cohort.notes, *report.lines()):
        tell({"event": "note", "text": line})
    return cohort


def _check_identity(setup: PartySetup, peers: list[Peer]) -> None:
    (mine,) = [peer for peer in peers if peer.name == setup.study.study.named(setup.name).name]
    if fingerprint(mine.certificate_pem) != setup.identity.fingerprint:
        raise StudyError(
            f"The study lists another certificate for {setup.name!r} than this site's "
            f"({setup.identity.fingerprint}).",
            remedy="Use the identity that was sent to the others, or put the new certificate into "
            "the study file at every site.",
            party=setup.name,
        )


def _train(
    setup: PartySetup,
    protocol: Protocol,
    engine: Engine,
    plan: DualPlan,
    agreed: Agreed,
    cohort: Cohort | None,
    ledger: DisclosureLedger,
    timeline: Timeline,
) -> NDArray[np.float64] | None:
    owned: dict[str, TrainingRows] = {}
    if cohort is not None and agreed.features is not None and cohort.labels is not None:
        aligned = cohort.select_features(agreed.features)
        owned[setup.name] = (aligned.values, cohort.labels)
    # A traced program runs after it was written down: its phases can not be told apart.
    watcher = timeline if setup.engine == "numpy" else None
    if watcher is None:
        timeline.phase("train")
    result: NDArray[np.float64] | None = engine.run(
        lambda: train(protocol, plan, agreed.sizes, owned, ledger.receivers("model"), watcher)
    )
    return result


def _write_models(
    setup: PartySetup, agreed: Agreed, weights: NDArray[np.float64] | None
) -> list[Path]:
    setup.output.mkdir(parents=True, exist_ok=True)
    if weights is None or agreed.features is None:
        return []
    study = setup.study.study
    paths = []
    for column, l2 in enumerate(study.model.l2):
        model = Model(
            agreed.features,
            np.ascontiguousarray(weights[:-1, column]),
            float(weights[-1, column]),
            agreed.positive,
            agreed.negative,
            preparation=study.preparation.model_dump(),
            training={
                "study": study.study.name,
                "study_digest": setup.study.digest,
                "cohortium": cohortium.__version__,
                "samples": sum(agreed.sizes.values()),
                "iterations": study.model.iterations,
                "l2": l2,
            },
        )
        name = "model.json" if len(study.model.l2) == 1 else f"model-l2={l2:g}.json"
        model.save(setup.output / name)
        paths.append(setup.output / name)
    return paths


def _write_record(
    setup: PartySetup,
    mesh: Mesh,
    protocol: Protocol,
    agreed: Agreed,
    plan: DualPlan,
    ledger: DisclosureLedger,
    timeline: Timeline,
) -> None:
    counters = protocol.counters
    record: dict[str, Any] = {
        "format": "cohortium-record/1",
        "study": setup.study.study.study.name,
        "study_digest": setup.study.digest,
        "cohortium": cohortium.__version__,
        "party": setup.name,
        "roles": list(setup.study.study.named(setup.name).roles),
        "session": mesh.session_id.hex(),
        "samples": agreed.sizes,
        "features": agreed.feature_count,
        "plan": plan.lines(),
        "seconds": {name: round(value, 4) for name, value in timeline.seconds.items()},
        "rounds": counters.rounds,
        "gates": {
            name: {"calls": gate.calls, "rounds": gate.rounds, "bytes_sent": gate.bytes_sent}
            for name, gate in counters.gates.items()
        },
        "dealt_bytes": counters.dealt_bytes,
        "link_bytes": {"sent": mesh.sent_to, "received": mesh.received_from},
        "revealed": [
            {"what": name, "to": list(receivers), "shape": list(shape)}
            for name, receivers, shape in ledger.revealed
        ],
    }
    (setup.output / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
