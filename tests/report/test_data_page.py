"""The page of a data file's check: what it says and draws, of hostile names and of little data."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from report_pages import HOSTILE

from cohortium.data import Cohort, check_cohort
from cohortium.errors import ParameterError
from cohortium.report import write_data_page
from cohortium.report.data_figures import MOST_POINTS, drawn_places
from cohortium.report.data_page import MOST_ROWS, render_data_page


def page_of(values: np.ndarray, name: str = "G") -> str:
    rows, columns = values.shape
    cohort = Cohort(
        values, [f"s{row}" for row in range(rows)], [f"{name}{place}" for place in range(columns)]
    )
    return render_data_page(check_cohort(cohort), cohort)


def drawn(page: str) -> list[str]:
    return re.findall(r'aria-labelledby="([a-z]+)-title', page)


def test_everything_odd_is_named_and_drawn(checked: Path) -> None:
    page = checked.read_text(encoding="utf-8")
    assert drawn(page) == ["values", "missing", "levels", "components", "spectrum", "equilibrium"]
    assert "60 samples × 300 variants" in page
    for odd in ("person 3", "person 20 = person 22", "1:9:A:G = 1:10:A:G", "1:5:A:G", "1:12:A:G"):
        assert odd in page
    # Nobody is heterozygous, half are homozygous for either allele.
    assert ">30, 0, 30</td>" in page


def test_names_are_text_and_nothing_is_loaded(checked: Path) -> None:
    page = checked.read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert page.count("&lt;/script&gt;&lt;script&gt;") > 3
    assert "<script" not in page
    assert " style=" not in page
    assert "default-src 'none'" in page
    assert "script-src" not in page
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page) == []


def test_expression_has_no_variants_and_what_is_not_there_is_not_drawn() -> None:
    page = page_of(np.random.default_rng(0).normal(7, 1, (40, 30)))
    assert drawn(page) == ["values", "levels", "components"]
    assert "Nothing odd was found" in page
    assert 'id="variants"' not in page


@pytest.mark.parametrize(
    ("values", "plots"),
    [
        (np.full((4, 3), np.nan), ["missing"]),
        (np.ones((4, 3)), ["values", "levels"]),
        (np.array([[1.0, 2.5]]), ["values", "levels"]),
    ],
)
def test_little_data(values: np.ndarray, plots: list[str]) -> None:
    assert drawn(page_of(values)) == plots


def test_many_rows_and_points_are_cut_and_said_to_be() -> None:
    assert "The first 200 of 250" in page_of(np.full((5, MOST_ROWS + 50), 3.0))
    always = np.zeros(90_000, bool)
    always[[17, 89_998]] = True
    places = drawn_places(90_000, always)
    assert {0, 17, 89_998, 89_999} <= set(places.tolist())
    assert len(places) <= MOST_POINTS + 2


def test_a_page_that_can_not_be_written(tmp_path: Path) -> None:
    cohort = Cohort(np.ones((3, 2)), ["a", "b", "c"], ["g", "h"])
    with pytest.raises(ParameterError, match="can not be written"):
        write_data_page(check_cohort(cohort), cohort, tmp_path / "nowhere" / "page.html")
