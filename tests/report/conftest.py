from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))

from report_pages import HOSTILE, METRICS, Finished
from run_sites import cells, study_text

from cohortium.data import Cohort, check_cohort
from cohortium.report import write_data_page, write_reports
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


@pytest.fixture(scope="session")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of made-up genotypes with a bit of everything that is odd, and hostile names."""
    random = np.random.default_rng(5)
    values = random.binomial(2, random.uniform(0.05, 0.95, 300), (60, 300)).astype(float)
    values[7] = np.where(values[7] == 0, 1, values[7])
    values[3, :90] = np.nan
    values[:30, 5] = np.nan
    values[:, 8] = 1
    values[:, 9] = values[:, 10]
    values[:, 11] = np.arange(60) % 2 * 2
    values[0, 12] = 7
    values[20] = values[22]
    samples = [f"person {number}" for number in range(60)]
    samples[7] = HOSTILE
    names = [f"1:{place}:A:G" for place in range(300)]
    names[11] = f"odd {HOSTILE}"
    cohort = Cohort(values, samples, names, np.arange(60) % 2, HOSTILE, "_well", "calls.vcf")
    page = tmp_path_factory.mktemp("check") / "page.html"
    write_data_page(check_cohort(cohort), cohort, page)
    return page
