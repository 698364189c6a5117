"""The page in headless Chromium: no request, no error, no issue that axe-core finds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_pages import Finished

webdriver = pytest.importorskip("selenium.webdriver")

AXE = Path(os.environ.get("COHORTIUM_AXE", Path(__file__).parents[2] / ".axe")) / (
    "node_modules/axe-core/axe.min.js"
)


def _skip(reason: str) -> None:
    # Where all of it was installed, a skipped test would be one that is not run.
    if os.environ.get("COHORTIUM_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = shutil.which("chromedriver")
    if driver is None or shutil.which("chromium") is None:
        _skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1100,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


def _issues(browser: Any) -> list[str]:
    if not AXE.exists():
        _skip(f"axe-core is not in {AXE.parents[2]}: npm install --prefix .axe axe-core@4.10.3")
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then(done);"
    )
    return [
        f"{issue['id']}: {node['html'][:120]}"
        for issue in found["violations"]
        for node in issue["nodes"]
    ]


def _show(browser: Any, width: int, scheme: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 375])
@pytest.mark.parametrize("party", ["north", "uni"])
def test_no_accessibility_issue(
    browser: Any, finished: Finished, party: str, width: int, scheme: str
) -> None:
    _show(browser, width, scheme)
    browser.get((finished.folder / party / "report.html").as_uri())
    assert _issues(browser) == []
    # Wide tables scroll by themselves; the page does not.
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_fault_is_found(browser: Any, finished: Finished) -> None:
    browser.get((finished.folder / "north" / "report.html").as_uri())
    browser.execute_script("document.querySelector('label').remove()")
    assert any(issue.startswith("label") for issue in _issues(browser))


def test_nothing_is_loaded_and_nothing_goes_wrong(browser: Any, finished: Finished) -> None:
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get_log("browser")
    page = (finished.folder / "north" / "report.html").as_uri()
    browser.get(page)
    requested = [
        entry["message"]
        for entry in browser.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"] and page not in entry["message"]
    ]
    assert requested == []
    assert browser.get_log("browser") == []
    assert browser.title == "test – report for north"


def test_plots_have_names_and_the_table_is_searched_and_sorted(
    browser: Any, finished: Finished
) -> None:
    browser.get((finished.folder / "north" / "report.html").as_uri())
    plots = browser.find_elements("css selector", "svg[role=img]")
    assert len(plots) == 6
    assert all(plot.accessible_name for plot in plots)
    search = browser.find_element("id", "weights-search")
    assert search.accessible_name == "Find a feature by a part of its name"
    search.send_keys("gene1")
    shown = browser.execute_script(
        "return Array.from(document.querySelectorAll('#weights-table tbody tr'))"
        ".filter(row => !row.hidden).map(row => row.cells[0].textContent)"
    )
    assert sorted(shown) == [f"GENE1{digit}" for digit in range(10)]
    head = browser.find_element("css selector", "#weights-table thead th button")
    head.send_keys(webdriver.Keys.ENTER)
    names = [
        row.text for row in browser.find_elements("css selector", "tbody tr:not([hidden]) > th")
    ]
    assert [name for name in names if name.startswith("GENE1")] == sorted(shown)


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (375, "dark")])
def test_the_page_of_a_data_check(browser: Any, checked: Path, width: int, scheme: str) -> None:
    _show(browser, width, scheme)
    browser.get_log("browser")
    browser.get(checked.as_uri())
    assert _issues(browser) == []
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    plots = browser.find_elements("css selector", "svg[role=img]")
    assert len(plots) == 6
    assert all(plot.accessible_name for plot in plots)
