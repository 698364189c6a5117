"""What checks of a study, of links, of data and of a record look like on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cohortium.data import DataCheck, builds_in_words
from cohortium.data.wording import counted
from cohortium.run.forecast import FILTER, READ, Forecast
from cohortium.run.preflight import Preflight
from cohortium.run.verifying import Verdict
from cohortium.study import StudyFile
from cohortium.study.describing import Section


def show_study(
    console: Console, file: StudyFile, sections: Sequence[Section], unsigned: Sequence[str]
) -> None:
    """Print a study in words, its digest, and who has not signed in this site's file."""
    console.print(Text(file.study.study.name, "bold"))
    for heading, lines in sections:
        console.print()
        console.print(Text(heading, "bold cyan"))
        grid = Table.grid(padding=(0, 1))
        for line in lines:
            grid.add_row("·", Text(line))
        console.print(grid)
    console.print()
    console.print(Text("Digest (SHA-256), the same at every site", "bold cyan"))
    console.print(f"  {file.digest}", highlight=False, soft_wrap=True)
    names = ", ".join(unsigned) or "nobody"
    console.print(f"  No signature here of: {names}.", markup=False, highlight=False)


def show_preflight(console: Console, found: Preflight) -> None:
    """Print what is well and what is not, and the speed of each link."""
    for line in found.well:
        console.print(Text.assemble(("ok       ", "green"), line), soft_wrap=True)
    for line in found.warnings:
        console.print(Text.assemble(("warning  ", "yellow"), line), soft_wrap=True)
    for line in found.problems:
        console.print(Text.assemble(("problem  ", "bold red"), line), soft_wrap=True)
    if found.links:
        _show_links(console, found)
    if found.forecast is not None:
        _show_forecast(console, found.forecast)


def _show_links(console: Console, found: Preflight) -> None:
    table = Table(title=f"Links of {found.party}", title_justify="left")
    for head in ("", "round trip", "sending", "receiving", "clock ahead"):
        table.add_column(head, justify="right" if head else "left")
    for peer, link in found.links.items():
        table.add_row(
            peer,
            f"{link.round_trip * 1e3:.1f} ms",
            f"{link.sending * 8e-6:.0f} Mbit/s",
            f"{link.receiving * 8e-6:.0f} Mbit/s",
            f"{round(found.ahead[peer], 1) + 0.0:+.1f} s",
        )
    console.print(table)


def _show_forecast(console: Console, forecast: Forecast) -> None:
    """Print what the run will take by phase, and what will go over each link."""
    table = Table(title="Forecast", title_justify="left", show_footer=True)
    table.add_column("", footer="in all")
    table.add_column("rounds", footer=f"{forecast.rounds:,}", justify="right")
    table.add_column("MB sent", footer=f"{forecast.sent / 1e6:,.1f}", justify="right")
    table.add_column("seconds", footer=f"{forecast.seconds:,.2f}", justify="right")
    for name, phase in forecast.phases.items():
        table.add_row(
            name,
            f"{phase.rounds:,.0f}",
            f"{sum(phase.sent.values()) / 1e6:,.1f}",
            f"{phase.seconds:,.2f}",
        )
    console.print(table)
    console.print(
        f"From a rehearsal of {forecast.rehearsed} of {forecast.iterations} iterations on made-up "
        "rows. Starting the program and waiting for each other come on top"
        + ("." if READ in forecast.phases else ", and reading the data.")
        + " All features are taken to pass the filter: with fewer it takes less."
        * (FILTER in forecast.phases),
        highlight=False,
    )
    for (sender, receiver), sent in forecast.links.items():
        if sent:
            console.print(f"{sender} to {receiver}: {sent / 1e6:,.1f} MB", highlight=False)


def show_data_check(console: Console, found: DataCheck) -> None:
    """Print a data file's facts, and what is odd about it."""
    ranges = "no values"
    if found.smallest is not None:
        ranges = f"{found.smallest:g} to {found.largest:g}, median {found.median:g}"
    classes = ", ".join(f"{name} {count:,}" for name, count in found.classes.items())
    facts = [
        ("file", found.source),
        ("samples", f"{found.samples:,}"),
        ("features", f"{found.features:,}"),
        ("classes", classes or "no label was asked for")
        if not found.labels
        else ("labels", _numbers(found.labels)),
        ("missing", f"{found.missing:,} values, in {found.incomplete_features:,} features"),
        ("values", ranges),
    ]
    if found.weights:
        facts.append(("weights", _numbers(found.weights)))
    if found.groups:
        facts.append(
            ("groups", f"{found.groups:,}, the largest of {counted(found.largest_group, 'sample')}")
        )
    if found.variants:
        facts.append(("variants", f"{found.rare_variants:,} rarer than 1 %"))
        if builds := builds_in_words(found):
            facts.append(("build", builds))
    for what, told in facts:
        console.print(f"{what:<10}{told}", markup=False, highlight=False, soft_wrap=True)
    for note in found.notes:
        console.print(f"{'note':<10}{note}", markup=False, highlight=False, soft_wrap=True)
    for line in found.warnings:
        console.print(Text.assemble(("warning   ", "yellow"), line), soft_wrap=True)
    for line in found.problems:
        console.print(Text.assemble(("problem   ", "bold red"), line), soft_wrap=True)
    if not found.warnings and not found.problems:
        console.print("Nothing odd was found.")


def _numbers(found: Mapping[str, float]) -> str:
    return (
        f"{found['smallest']:g} to {found['largest']:g}, mean {found['mean']:.4g}, variance "
        f"{found['variance']:.4g}"
    )


def show_verdict(console: Console, verdict: Verdict) -> None:
    """Print what an intact record of a run says."""
    head = Text.assemble(("intact", "bold green"), f"  {verdict.events} events, chained")
    console.print(head)
    facts = [
        ("study", verdict.study),
        ("digest", verdict.digest),
        ("party", verdict.party),
        ("files", ", ".join(verdict.files) or "none written"),
    ]
    if verdict.went_on:
        done = ", ".join(map(str, verdict.went_on))
        facts.append(("went on", f"after iterations {done}, where it had stopped"))
    for name, value in verdict.fingerprints.items():
        facts.append(("certificate", f"{name} {value}"))
    for entry in verdict.revealed:
        digest = entry["sha256"] or "not to this party"
        shape = " × ".join(map(str, entry["shape"]))
        facts.append(
            ("revealed", f"{entry['what']} ({shape}) to {', '.join(entry['to'])}; {digest}")
        )
    for what, value in facts:
        console.print(f"{what:<12}{value}", markup=False, highlight=False, soft_wrap=True)
    if verdict.simulated:
        console.print("A simulation on one machine: its certificates were made for the run.")
    if not verdict.finished:
        console.print(
            Text("The run was not finished, or the peers did not countersign its end.", "yellow")
        )
