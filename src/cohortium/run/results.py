"""What a party writes down: the models that it received, and the record of its run."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cohortium
from cohortium.errors import ParameterError
from cohortium.learn import FEATURE_STATISTICS, KEPT_FEATURES, SELECTED_FEATURES, Model
from cohortium.mpc import Protocol
from cohortium.net import Mesh
from cohortium.run.adjusting import model_parts
from cohortium.run.agreeing import Agreed
from cohortium.run.audit import AUDIT_FILE
from cohortium.run.memory import peak_memory
from cohortium.run.planning import Plan
from cohortium.run.preparing import preparation_of
from cohortium.run.timeline import Timeline
from cohortium.run.together import statistics_as_json, statistics_of
from cohortium.study import (
    DisclosureLedger,
    Signature,
    Study,
    StudyFile,
    save_signatures,
    signatures_path,
)

RECORD_FILE = "record.json"
METRICS_FILE = "metrics.json"
SELECTED_FILE = "selected_features.csv"
KEPT_FILE = "kept_features.csv"
STUDY_FILE = "study.toml"
MODEL_FILES = "model*.json"
# What may be revealed and is no metric.
_NO_METRICS = (
    "model",
    "bounds",
    "calibration",
    FEATURE_STATISTICS,
    KEPT_FEATURES,
    SELECTED_FEATURES,
)


@dataclass(frozen=True)
class Results:
    """What one party knows at the end of its run; ``received`` is what was revealed to it.

    ``link_bytes`` are those "sent" to and "received" from each other party before the goodbye.
    """

    study: StudyFile
    party: str
    mesh: Mesh
    protocol: Protocol
    agreed: Agreed
    plan: Plan
    form: str
    ledger: DisclosureLedger
    timeline: Timeline
    link_bytes: Mapping[str, Mapping[str, int]]
    received: Mapping[str, NDArray[np.float64]]


def make_output(output: Path, *, fresh: bool) -> None:
    """Make the directory of the results; a wrong one is to be known before anybody has computed.

    A simulation starts ``fresh``. A real run's record is kept: its directory is not used again.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        if fresh:
            # Not every run has metrics or the same λs: an earlier run's must not be taken for it.
            names = (METRICS_FILE, KEPT_FILE, SELECTED_FILE, RECORD_FILE, AUDIT_FILE)
            for path in (*(output / name for name in names), *output.glob(MODEL_FILES)):
                path.unlink(missing_ok=True)
        elif (output / RECORD_FILE).exists():
            raise ParameterError(
                f"{output} holds the record of a finished run.",
                remedy="Name another directory with --out.",
            )
        if not os.access(output, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _not_written(f"The results can not be written to {output}", error) from error


def write_agreement(output: Path, study: StudyFile, signatures: Iterable[Signature]) -> None:
    """Write the study as it was signed, and everybody's signatures."""
    try:
        (output / STUDY_FILE).write_bytes(study.text.encode())
    except OSError as error:
        raise _not_written("The study can not be written", error) from error
    save_signatures(signatures_path(output / STUDY_FILE), signatures)


def file_digests(output: Path, models: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file that the run has written, the audit log apart."""
    names = [STUDY_FILE, signatures_path(Path(STUDY_FILE)).name]
    names += [RECORD_FILE, METRICS_FILE, KEPT_FILE, SELECTED_FILE]
    paths = [output / name for name in names if (output / name).exists()] + list(models)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def write_results(output: Path, results: Results) -> list[Path]:
    """Write models and record into a directory; return the models' files, none if none came.

    Raises ParameterError where the directory can not be written.
    """
    try:
        paths = _write_models(output, results)
        metrics = _metrics(results)
        if metrics:
            text = json.dumps(metrics, indent=1)
            (output / METRICS_FILE).write_text(text + "\n", encoding="utf-8")
        if KEPT_FEATURES in results.received and results.agreed.features is not None:
            _write_names(output / KEPT_FILE, results.agreed.features)
        selected = _selected(results)
        if selected is not None:
            _write_names(output / SELECTED_FILE, selected[0])
        record = json.dumps(_record(results), indent=1)
        (output / RECORD_FILE).write_text(record + "\n", encoding="utf-8")
    except OSError as error:
        # Without the path: this text goes to the other parties.
        raise _not_written("The results can not be written", error) from error
    return paths


def _not_written(what: str, error: OSError) -> ParameterError:
    return ParameterError(
        f"{what} ({error.strerror}).", remedy="Free space, or name another directory with --out."
    )


def _write_names(path: Path, features: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["feature"], *([it] for it in features)])


def _selected(results: Results) -> tuple[tuple[str, ...], NDArray[np.int64]] | None:
    """Return the selected features' names and places, None where this party is not told."""
    bits, features = results.received.get(SELECTED_FEATURES), results.agreed.features
    if bits is None or features is None:
        return None
    places = np.flatnonzero(bits > 0)
    return tuple(features[place] for place in places), places


def _write_models(output: Path, results: Results) -> list[Path]:
    agreed, weights = results.agreed, results.received.get("model")
    if weights is None or agreed.features is None:
        return []
    study = results.study.study
    pooled = statistics_of(study, agreed.features, results.received)
    preparation = study.preparation.model_dump(exclude_none=True)
    if not study.preparation.together or study.secretly_pooled:
        # Of secretly pooled moments the weights are for raw values.
        preparation = asdict(preparation_of(study))
    paths = []
    features, places = agreed.features, np.arange(len(agreed.features))
    selected = _selected(results)
    if selected is not None:
        # The others' weights are 0.
        features, places = selected
    if pooled is not None:
        preparation |= statistics_as_json(study, pooled.of(features))
    chosen = study.validation.choose if study.validation is not None else None
    strengths: list[float | None] = [None] if chosen else list(study.model.l2)
    count = len(agreed.features)
    for column, l2 in enumerate(strengths):
        model = Model(
            features,
            np.ascontiguousarray(weights[places, column]),
            positive=agreed.positive,
            negative=agreed.negative,
            label=study.data.label if agreed.positive is None else None,
            **model_parts(study, weights[count:, column]),
            preparation={
                **preparation,
                "names": study.features.names,
                "aliases": study.features.aliases,
            },
            training={
                "study": study.study.name,
                "study_digest": results.study.digest,
                "cohortium": cohortium.__version__,
                "samples": sum(agreed.sizes.values()),
                "iterations": study.model.iterations,
                **_selection(study, count),
                **({"l2": l2} if l2 is not None else {"l2": study.model.l2, "chosen by": chosen}),
            },
        )
        # All digits: two values that differ must not share a file.
        strength = repr(l2).removesuffix(".0")
        name = "model.json" if len(strengths) == 1 else f"model-l2={strength}.json"
        model.save(output / name)
        paths.append(output / name)
    return paths


def _selection(study: Study, features: int) -> dict[str, Any]:
    """Return by what the model's features were selected, and of how many."""
    if study.selection is None:
        return {}
    return {"selected by": study.selection.by, "selected of": features}


def _metrics(results: Results) -> dict[str, Any]:
    """Return the metrics that were revealed to this party, a value for each λ."""
    study = results.study.study
    values = {
        name: [round(float(value), 6) for value in found]
        if found.ndim == 1
        else [[round(float(value), 6) for value in pair] for pair in found.T]
        for name, found in results.received.items()
        if name not in _NO_METRICS
    }
    counts = results.received.get("calibration")
    if study.validation is None or (not values and counts is None):
        return {}
    return {
        "format": "cohortium-metrics/1",
        "study": study.study.name,
        "study_digest": results.study.digest,
        "folds": study.validation.folds,
        "l2": study.model.l2,
        "metrics": values,
        **({} if counts is None else {"calibration": _calibration(study, counts)}),
    }


def _calibration(study: Study, counts: NDArray[np.float64]) -> dict[str, Any]:
    """Return the calibration counts (2 × tenths × λ's): for each λ a list by tenth."""
    negative, positive = counts.round().astype(int)
    return {
        "minimum_count": study.minimum_counts.get("calibration"),
        "negative": negative.T.tolist(),
        "positive": positive.T.tolist(),
    }


def _record(results: Results) -> dict[str, Any]:
    counters, unfiltered = results.protocol.counters, results.agreed.unfiltered
    return {
        "format": "cohortium-record/1",
        "study": results.study.study.study.name,
        "study_digest": results.study.digest,
        "cohortium": cohortium.__version__,
        "party": results.party,
        "roles": list(results.study.study.named(results.party).roles),
        "session": results.mesh.session_id.hex(),
        "samples": results.agreed.sizes,
        "features": results.agreed.feature_count,
        **({} if unfiltered is None else {"features_before_filter": unfiltered}),
        "alignment": results.agreed.alignment(),
        "form": results.form,
        "plan": results.plan.lines(),
        "seconds": {name: round(value, 4) for name, value in results.timeline.seconds.items()},
        "peak_memory": peak_memory(),
        "rounds": counters.rounds,
        "gates": {
            name: {"calls": gate.calls, "rounds": gate.rounds, "bytes_sent": gate.bytes_sent}
            for name, gate in counters.gates.items()
        },
        "dealt_bytes": counters.dealt_bytes,
        "link_bytes": results.link_bytes,
        "revealed": [entry.facts() for entry in results.ledger.entries],
    }
