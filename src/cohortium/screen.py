"""What a run looks like on a terminal: progress while it goes, tables when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cohortium.data import DataCheck
from cohortium.errors import CohortiumError
from cohortium.run.demo import DemoResult
from cohortium.run.forecast import Forecast
from cohortium.run.preflight import Preflight
from cohortium.run.verifying import Verdict
from cohortium.study import StudyFile
from cohortium.study.describing import Section

# What the phases of a run are called on the screen.
_PHASES = {
    "prepare": "preparing the data",
    "connect": "connecting to all parties",
    "agree": "agreeing on features",
    "share": "sharing masked data",
    "iterations": "training",
    "train": "training",
    "check": "checking the stated bounds",
    "evaluate": "working out the metrics",
    "reveal": "revealing the model",
}
_NARROW = 90


class RunScreen:
    """A progress bar fed by the events of one or several parties; use as a context manager.

    ``leader`` is the party whose iterations, rounds and bytes the bar shows. Where the output is
    no terminal, a line for each phase takes the bar's place.
    """

    def __init__(self, console: Console, leader: str, *, notes: bool = True) -> None:
        self._console = console
        self._leader = leader
        self._notes = notes
        self._told: set[str] = set()
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[detail]}", markup=False),
        ]
        if console.width >= _NARROW:
            columns[1:1] = [BarColumn(bar_width=24)]
            columns.append(TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=console, disable=not console.is_terminal, transient=True
        )
        self._task: TaskID | None = None
        self._detail = ""

    def __enter__(self) -> RunScreen:
        self._progress.start()
        self._task = self._progress.add_task("starting", total=None, detail="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_event(self, party: str, event: Mapping[str, Any]) -> None:
        """Show one event of one party."""
        if self._task is None:
            return
        if event["event"] == "note":
            self._note(party, event)
        elif party != self._leader:
            return
        elif event["event"] == "phase":
            name = _PHASES.get(event["name"], event["name"])
            self._progress.update(self._task, description=name)
            if not self._console.is_terminal:
                self._line(name)
        elif event["event"] == "iteration":
            parts = [f"iteration {event['done']}/{event['total']}", f"{event['rounds']} rounds"]
            if self._console.width < _NARROW:
                parts.pop()
            self._detail = " · ".join([*parts, f"{megabytes(event['bytes'])} sent"])
            self._progress.update(
                self._task, completed=event["done"], total=event["total"], detail=self._detail
            )
        elif event["event"] == "done":
            self._line(" · ".join(filter(None, ("done", self._detail))))

    def _note(self, party: str, event: Mapping[str, Any]) -> None:
        text = event["text"]
        if event.get("public"):
            # Every party tells it alike: shown once.
            if text in self._told:
                return
            self._told.add(text)
        else:
            text = f"{party}: {text}"
        if self._notes:
            self._console.print(Text(text, "dim"), soft_wrap=True)

    def _line(self, text: str) -> None:
        self._console.print(Text(f"{self._leader}: {text}"), soft_wrap=True)


def show_error(console: Console, error: CohortiumError) -> None:
    """Print an error: what happened and where, then what to do."""
    where = f" at {error.party}" if error.party else ""
    text = Text.assemble((f"Error {error.code}", "bold red"), f"{where}: {error.what}")
    if error.remedy:
        text.append(f"\n→ {error.remedy}")
    console.print(text, soft_wrap=True)


def show_costs(console: Console, records: Mapping[str, Mapping[str, Any]]) -> None:
    """Print rounds, bytes and seconds by phase for every party."""
    table = Table(title="Cost, by party", title_justify="left")
    table.add_column("")
    for name, record in records.items():
        table.add_column("\n".join([name, *record["roles"]]), justify="right")
    sent = [sum(record["link_bytes"]["sent"].values()) for record in records.values()]
    table.add_row("rounds", *(str(record["rounds"]) for record in records.values()))
    table.add_row("sent", *map(megabytes, sent), end_section=True)
    phases = list(dict.fromkeys(name for record in records.values() for name in record["seconds"]))
    for phase in phases:
        seconds = [record["seconds"].get(phase) for record in records.values()]
        table.add_row(phase, *("–" if value is None else f"{value:.2f} s" for value in seconds))
    console.print(table)


def show_metrics(console: Console, metrics: Mapping[str, Any]) -> None:
    """Print what a party learned of a cross-validation, a line for each λ."""
    found = metrics["metrics"]
    if found:
        _show_means(console, metrics)
    if "calibration" in metrics:
        _show_calibration(console, metrics)


def _show_means(console: Console, metrics: Mapping[str, Any]) -> None:
    found = metrics["metrics"]
    console.print(f"{metrics['folds']}-fold cross-validation, mean over the folds:")
    table = Table()
    table.add_column("l2", justify="right")
    for name in found:
        table.add_column(name.replace("_", " "), justify="right")
    for place, l2 in enumerate(metrics["l2"]):
        cells = [values[place] for values in found.values()]
        table.add_row(f"{l2:g}", *map(_metric, cells))
    console.print(table)


def _show_calibration(console: Console, metrics: Mapping[str, Any]) -> None:
    """Print how many samples of either class were predicted how likely, by tenths."""
    found = metrics["calibration"]
    least = found["minimum_count"]
    suppressed = "" if least is None else f" (0, 0 where one of them is from 1 to {least - 1})"
    console.print(
        f"{metrics['folds']}-fold cross-validation, held-out samples by predicted probability, "
        f"negative + positive{suppressed}:",
        soft_wrap=True,
    )
    table = Table()
    table.add_column("predicted", justify="right")
    for l2 in metrics["l2"]:
        table.add_column(f"l2 = {l2:g}", justify="right")
    tables = list(zip(found["negative"], found["positive"], strict=True))
    for tenth in range(len(found["negative"][0])):
        cells = [f"{negative[tenth]} + {positive[tenth]}" for negative, positive in tables]
        table.add_row(f"{10 * tenth}–{10 * (tenth + 1)} %", *cells)
    console.print(table)


def _metric(value: float | Sequence[float]) -> str:
    if isinstance(value, Sequence):
        return " – ".join(f"{part:.4f}" for part in value)
    return f"{value:.4f}"


def show_demo(console: Console, result: DemoResult) -> None:
    """Print how secure training compares with the same training in the clear."""
    table = Table(
        title=f"Held-out samples ({result.held_out}; trained on {result.trained})",
        title_justify="left",
    )
    table.add_column("model")
    table.add_column("accuracy", justify="right")
    table.add_column("AUC", justify="right")
    table.add_column("largest weight difference", justify="right")
    for row in result.rows:
        difference = "–" if row.difference is None else f"{row.difference:.3%} of largest"
        table.add_row(row.name, f"{row.accuracy:.3f}", f"{row.auc:.4f}", difference)
    console.print(table)
    for note in result.notes:
        console.print(Text(note, "dim"))


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
    if found.forecast is not None:
        _show_forecast(console, found.forecast)


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
        "rows. Reading and preparing the data, and waiting for each other, come on top.",
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
        ("classes", classes or "no label was asked for"),
        ("missing", f"{found.missing:,} values, in {found.incomplete_features:,} features"),
        ("values", ranges),
    ]
    if found.variants:
        facts.append(("variants", f"{found.variants:,}"))
    for what, told in facts:
        console.print(f"{what:<10}{told}", markup=False, highlight=False, soft_wrap=True)
    for note in found.notes:
        console.print(f"{'note':<10}{note}", markup=False, highlight=False, soft_wrap=True)
    for line in found.warnings:
        console.print(Text.assemble(("warning   ", "yellow"), line), soft_wrap=True)
    if not found.warnings:
        console.print("Nothing odd was found.")


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


def megabytes(count: int) -> str:
    """Return a number of bytes in MB or kB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
