from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))

from report_pages import HOSTILE, METRICS, Finished
from run_sites import cells, study_text

from cohortium.report import write_reports
from cohortium.run.local import simulate
from cohortium.study import parse_study


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One simulated run with everything revealed, a hostile feature name, and its reports."""
    folder = tmp_path_factory.mktemp("report")
    genes = [HOSTILE, *(f"GENE{number:02d}" for number in range(29))]
    data = {
        name: str(cells(name, genes).write(folder / f"{name}.csv")) for name in ("north", "south")
    }
    reveals = "".join(f'[[reveal]]\nwhat = "{what}"\nto = ["north", "south"]\n' for what in METRICS)
    text = study_text(l2="[1.0, 10.0]") + "[validation]\nfolds = 3\n" + reveals
    run = simulate(parse_study(text), data, folder / "run", lambda _name, _event: None)
    pages = write_reports([folder / "run" / name for name in run.records])
    return Finished(
        folder / "run", {path.parent.name: path.read_text(encoding="utf-8") for path in pages}
    )
