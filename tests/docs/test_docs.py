"""The documentation builds without a warning, loads nothing from elsewhere, lists all codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cohortium.errors import CohortiumError

DOCS = Path(__file__).resolve().parents[2] / "docs"
# What a browser fetches by itself: not the links that a reader may follow.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["'](?:https?:)?//[^"']*"""
    r"""|<link\b[^>]*\bhref=["'](?:https?:)?//[^"']*"""
    r"""|(?:@import\s+|url\()["']?(?:https?:)?//[^)"']*"""
)


def errors(above: type[CohortiumError] = CohortiumError) -> list[type[CohortiumError]]:
    return [above, *(each for below in above.__subclasses__() for each in errors(below))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    ended = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", DOCS, out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return out


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = [path for path in site.rglob("*") if path.suffix in {".html", ".css"}]
    assert len(pages) > 10
    found = {path.name: FETCHED.findall(path.read_text(encoding="utf-8")) for path in pages}
    assert {name: urls for name, urls in found.items() if urls} == {}
    assert FETCHED.search('<link rel="preconnect" href="https://fonts.gstatic.com">')


def test_every_error_code_is_in_troubleshooting_with_its_exit_code() -> None:
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \[(COH-\d+)\]\(#coh-\d+\) \| (\d+) \|", text, re.MULTILINE))
    assert listed == {each.code: str(each.exit_code) for each in errors()}
    for code in listed:
        entry = re.search(rf"^## {code}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert entry, code
        # A message that was printed.
        assert re.search(r"^    (Error COH-\d+|\[COH-\d+)", entry[1], re.MULTILINE), code


def test_every_exit_code_is_in_formats() -> None:
    text = (DOCS / "formats.md").read_text(encoding="utf-8").partition("## Exit codes")[2]
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", text, re.MULTILINE)
    assert {each.exit_code for each in errors()} | {0, 130} == {int(code) for code, _ in rows}
    # "COH-401, COH-402" or "COH-403 to COH-407".
    listed = {}
    for exit_code, codes in rows:
        for first, last in re.findall(r"COH-(\d+)(?: to COH-(\d+))?", codes):
            for number in range(int(first), int(last or first) + 1):
                listed[f"COH-{number:03d}"] = int(exit_code)
    assert listed == {each.code: each.exit_code for each in errors()}
