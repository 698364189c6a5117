"""The screen: any width, any text that a party supplies, a terminal or none."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from cohortium import errors
from cohortium.errors import AgreementError, PeerAbortedError
from cohortium.run.demo import DemoResult, DemoRow
from cohortium.run.local import LocalRun
from cohortium.run.verifying import Verdict
from cohortium.screen import (
    RunScreen,
    megabytes,
    show_costs,
    show_demo,
    show_error,
    show_metrics,
    show_verdict,
)

MARKUP = "gene [bold]TP53[/bold] [/] [link=x] [[party]] AB:CD:AB :smile: back\\"


def console(width: int, *, terminal: bool = False) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, force_terminal=terminal, color_system=None), out


def record(*roles: str) -> dict[str, Any]:
    return {
        "roles": list(roles),
        "rounds": 206,
        "link_bytes": {"sent": {"x": 3_100_000, "y": 12}},
        "seconds": {"prepare": 0.01, "connect": 12.345},
    }


@pytest.mark.parametrize("width", [60, 100])
def test_an_error_shows_code_party_and_remedy(width: int) -> None:
    screen, out = console(width)
    show_error(
        screen,
        AgreementError(f"Digests differ: {MARKUP}.", remedy=f"Compare {MARKUP}", party="north"),
    )
    text = out.getvalue()
    assert text.startswith("Error COH-501 at north: Digests differ: ")
    assert f"{MARKUP}." in text
    assert f"\n→ Compare {MARKUP}" in text


def test_an_error_without_party_or_remedy_is_one_line() -> None:
    screen, out = console(80)
    show_error(screen, PeerAbortedError("south stopped the run"))
    assert out.getvalue() == "Error COH-407: south stopped the run\n"


EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("north", {"event": "phase", "name": "prepare"}),
    ("north", {"event": "note", "text": f"north's {MARKUP}"}),
    ("south", {"event": "note", "text": f"north's {MARKUP}"}),
    ("north", {"event": "phase", "name": "connect"}),
    ("north", {"event": "note", "text": f"common {MARKUP}", "public": True}),
    ("south", {"event": "note", "text": f"common {MARKUP}", "public": True}),
    ("south", {"event": "phase", "name": "iterations"}),
    ("north", {"event": "phase", "name": f"iterations {MARKUP}"}),
    ("north", {"event": "iteration", "done": 5, "total": 10, "rounds": 11, "bytes": 2_500_000}),
    ("north", {"event": "done", "models": [], "rounds": 17, "bytes": 2_610_000}),
]


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [20, 60, 100, 200])
def test_a_run_is_shown_at_any_width(width: int, terminal: bool) -> None:
    screen, out = console(width, terminal=terminal)
    with RunScreen(screen, "north") as shown:
        for party, event in EVENTS:
            shown.on_event(party, event)
    lines = out.getvalue().splitlines()
    # Own notes are told for each party, public ones once; nothing in them is taken for markup.
    text = out.getvalue()
    assert text.count(f"north: north's {MARKUP}\n") == 1
    assert text.count(f"south: north's {MARKUP}\n") == 1
    assert text.count(f"common {MARKUP}\n") == 1
    assert any("iteration 5/10" in line for line in lines) or width == 20


def test_without_a_terminal_each_phase_is_a_line_as_it_begins() -> None:
    screen, out = console(100)
    with RunScreen(screen, "north", notes=False) as shown:
        shown.on_event(*EVENTS[0])
        assert out.getvalue() == "north: preparing the data\n"
        for party, event in EVENTS[1:]:
            shown.on_event(party, event)
    assert out.getvalue().splitlines() == [
        "north: preparing the data",
        "north: connecting to all parties",
        f"north: iterations {MARKUP}",
        "north: done · iteration 5/10 · 17 rounds · 2.6 MB sent",
    ]


@pytest.mark.parametrize("width", [60, 100])
def test_costs_are_a_table_of_any_number_of_parties(width: int) -> None:
    screen, out = console(width)
    records = {
        "north": record("data", "compute", "receive"),
        "south": record("data", "compute", "receive"),
        "uni": {**record("deal"), "seconds": {"train": 1.0}},
    }
    show_costs(screen, records)
    text = out.getvalue()
    for word in ("north", "receive", "deal", "206", "3.1 MB", "12.35 s", "1.00 s", "–"):
        assert word in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [60, 100])
def test_the_demo_is_shown_at_any_width(width: int) -> None:
    screen, out = console(width)
    rows = [DemoRow("secure", 0.8, 0.9, None), DemoRow(MARKUP[:4], 0.8, 0.9, 0.00012)]
    show_demo(screen, DemoResult(53, 26, rows, LocalRun(), notes=[MARKUP]))
    text = out.getvalue()
    assert MARKUP in text or width == 60
    for word in ("26", "53", "0.9000", "0.012%"):
        assert word in text


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("minimum", [None, 10])
def test_calibration_counts_are_shown_at_any_width(width: int, minimum: int | None) -> None:
    screen, out = console(width)
    counts = {"negative": [[0] * 9 + [17]] * 2, "positive": [[31] + [0] * 9] * 2}
    show_metrics(
        screen,
        {
            "folds": 5,
            "l2": [1.0, 10.0],
            "metrics": {},
            "calibration": {"minimum_count": minimum, **counts},
        },
        ["north", MARKUP],
    )
    text = out.getvalue()
    for word in ("5-fold", "l2 = 10", "0–10 %", "0 + 31", "90–100 %", "17 + 0"):
        assert word in text
    assert ("from 1 to 9" in text) == (minimum is not None)
    assert "mean over the folds" not in text
    assert f"north, {MARKUP}: 5-fold" in text


def test_what_several_received_alike_is_shown_once() -> None:
    auc = {"metrics": {"auc": [0.8]}, "folds": 5}
    counted = auc | {"calibration": {"negative": [[1]]}}
    run = LocalRun(metrics={"north": auc, "south": counted, "west": dict(auc)})
    assert run.metrics_received() == [(auc, ["north", "west"]), (counted, ["south"])]


def test_bytes_are_readable() -> None:
    assert megabytes(0) == "0.0 kB"
    assert megabytes(12_345) == "12.3 kB"
    assert megabytes(3_100_000) == "3.1 MB"


def test_every_error_has_a_documented_exit_code() -> None:
    """The exit codes of errors.py, by the first digit of the code."""
    expected = {"1": 2, "2": 3, "3": 4, "6": 8}
    own = {
        "COH-000": 1,
        "COH-401": 5,
        "COH-402": 5,
        "COH-501": 7,
        "COH-502": 7,
        "COH-503": 7,
        "COH-504": 7,
        "COH-505": 7,
        "COH-506": 7,
    }
    codes = []
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.CohortiumError):
            codes.append(value.code)
            group = value.code[4]
            assert value.exit_code == own.get(value.code, expected.get(group, 6)), value
    assert len(set(codes)) == len(codes)


def test_where_a_run_went_on_is_in_its_verdict() -> None:
    screen, out = console(100)
    verdict = Verdict("north", "a study", "00", finished=True, went_on=[200, 600])
    show_verdict(screen, verdict)
    assert "went on     after iterations 200, 600, where it had stopped\n" in out.getvalue()
    show_verdict(screen, replace(verdict, went_on=[]))
    assert out.getvalue().count("went on") == 1
