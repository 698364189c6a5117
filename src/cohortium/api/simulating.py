"""A whole study from Python, all parties on this computer: what ``cohortium simulate`` does.

Each party is a process that reads a file. What is given as a table or as arrays is handed over as
an npz file in a directory that only this user can read, and that is removed afterwards.
"""

from __future__ import annotations

import html
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from cohortium.api.tables import site_arrays
from cohortium.errors import ParameterError, StudyError
from cohortium.learn import Model
from cohortium.report import write_reports
from cohortium.run.local import simulate as simulate_study
from cohortium.run.local import to_toml
from cohortium.study import Study, StudyFile, load_study, parse_study

StudyLike: TypeAlias = "str | Path | Mapping[str, Any] | Study | StudyFile"


@dataclass(frozen=True, repr=False)
class StudyResult:
    """What a simulated study told each party.

    ``models``: by receiver, a model for each λ of the study, or the chosen one alone. ``metrics``:
    by receiver, the content of its metrics.json. ``records``: by party, that of its record.json.
    ``paths``: by party, the directory of its files.
    """

    study: StudyFile
    models: dict[str, list[Model]]
    metrics: dict[str, dict[str, Any]]
    records: dict[str, dict[str, Any]]
    paths: dict[str, Path]

    def __repr__(self) -> str:
        told = "; ".join(f"{name}: {', '.join(what)}" for name, what in self._told().items())
        return f"StudyResult({self.study.study.study.name!r}; {told})"

    def _told(self) -> dict[str, list[str]]:
        """Return what each receiver was told, in words."""
        told: dict[str, list[str]] = {}
        for name, models in self.models.items():
            words = [f"{len(models)} model{'s' * (len(models) > 1)}"] if models else []
            words += self.metrics.get(name, {}).get("metrics", {})
            if words:
                told[name] = words
        return told

    def _repr_html_(self) -> str:
        """Return a table of metrics by λ for each receiver, and the run's cost."""
        study = self.study.study
        parts = [f"<b>{html.escape(study.study.name)}</b>"]
        for name, words in self._told().items():
            parts.append(f"<p>{html.escape(name)} was told: {html.escape(', '.join(words))}</p>")
        for metrics in _different(self.metrics):
            parts.append(_metric_table(metrics))
        record = self.records[study.with_role("compute")[0]]
        samples, features = sum(record["samples"].values()), record["features"]
        parts.append(
            f"<p>{samples:,} samples × {features:,} features; {record['rounds']:,} rounds, "
            f"{sum(record['link_bytes']['sent'].values()) / 1e6:,.1f} MB sent by "
            f"{html.escape(record['party'])}</p>"
        )
        return "\n".join(parts)


def simulate(
    study: StudyLike,
    data: Mapping[str, Any],
    out: str | Path = "cohortium-run",
    *,
    engine: str = "numpy",
) -> StudyResult:
    """Run all parties of a study on this computer, a process each, and return what they were told.

    ``study`` is a path, the TOML text, its content as a dict, or a Study. ``data`` holds for each
    data owner a path or ``--data`` argument, a polars or pandas DataFrame with the label's column,
    ``(X, y)`` or ``(X, y, feature names)``, or a Cohort; as ``site_arrays``. Results go to
    out/PARTY, as from the command, report.html included; ``engine`` is "numpy" or "tensorflow".

    Raises CohortiumError in the command's words: the first party's that failed.
    """
    result = run_study(as_study(study), data, Path(out), engine=engine)
    write_reports(list(result.paths.values()))
    return result


def run_study(
    loaded: StudyFile, data: Mapping[str, Any], output: Path, *, engine: str = "numpy"
) -> StudyResult:
    """Return what ``simulate`` returns, without the reports."""
    # Made with mode 0700; the files in it are the sites' values in the clear.
    with tempfile.TemporaryDirectory(prefix="cohortium-data-") as folder:
        arguments = {}
        for name, given in data.items():
            if isinstance(given, (str, Path)):
                arguments[name] = str(given)
            else:
                loaded.study.named(name)
                path = Path(folder) / f"{name}.npz"
                group = loaded.study.reading["group"]
                np.savez(path, **site_arrays(given, loaded.study.data, name, group))
                arguments[name] = str(path)
        run = simulate_study(loaded, arguments, output, lambda _name, _event: None, engine=engine)
    return StudyResult(
        loaded,
        {name: [Model.load(path) for path in paths] for name, paths in run.models.items()},
        run.metrics,
        run.records,
        {name: output / name for name in run.models},
    )


def as_study(study: StudyLike) -> StudyFile:
    """Return the study in any of its forms: path, TOML text (of several lines), dict or Study."""
    if isinstance(study, StudyFile):
        return study
    if isinstance(study, Study):
        return parse_study(to_toml(study))
    if isinstance(study, Mapping):
        return parse_study(_toml_of(study))
    if isinstance(study, Path) or (isinstance(study, str) and "\n" not in study):
        return load_study(Path(study))
    if isinstance(study, str):
        return parse_study(study)
    raise ParameterError(
        f"A {type(study).__name__} is no study.",
        remedy="Give a path, TOML text, a dict or a Study.",
    )


def _toml_of(document: Mapping[str, Any]) -> str:
    """Return a dict of the study file's sections as TOML; keys whose value is None are left out."""
    lines: list[str] = []
    for section, content in document.items():
        several = isinstance(content, (list, tuple))
        for table in content if several else [content]:
            if not isinstance(table, Mapping):
                raise StudyError(
                    f"The study's {section!r} is a {type(table).__name__}.",
                    remedy="Give a dict of its keys; of parties and reveals a list of dicts.",
                )
            lines.append(f"[[{_key(section)}]]" if several else f"[{_key(section)}]")
            lines += [
                f"{_key(key)} = {_value(key, value)}"
                for key, value in table.items()
                if value is not None
            ]
    return "\n".join(lines).replace("\x7f", "\\u007f") + "\n"


def _key(key: object) -> str:
    text = str(key)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else json.dumps(text, ensure_ascii=False)


def _value(key: object, value: object) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_key(each)} = {_value(each, below)}" for each, below in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        raise StudyError(
            f"The study's key {key!r} has a {type(value).__name__}.",
            remedy="Give a text, a number, True or False, or a list of such.",
        ) from None


def _different(metrics: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each content of a metrics.json once: several receivers are told the same."""
    return list({str(found["metrics"]): found for found in metrics.values()}.values())


def _metric_table(metrics: Mapping[str, Any]) -> str:
    """Return an HTML table: a row for each λ, a column for each metric."""
    names = list(metrics["metrics"])
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ["λ", *names])
    rows = []
    for place, strength in enumerate(metrics["l2"]):
        cells = [_cell(metrics["metrics"][name][place]) for name in names]
        rows.append("".join(f"<td>{cell}</td>" for cell in [f"{strength:g}", *cells]))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: float | list[float]) -> str:
    values = value if isinstance(value, list) else [value]
    return " to ".join(f"{each:.4f}" for each in values)
