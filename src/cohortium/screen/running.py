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

from cohortium.errors import CohortiumError
from cohortium.run.demo import DemoResult

# What the phases of a run are called on the screen.
_PHASES = {
    "prepare": "preparing the data",
    "connect": "connecting to all parties",
    "agree": "agreeing on features",
    "filter": "filtering features",
    "share": "sharing masked data",
    "select features": "selecting features",
    "iterations": "training",
    "train": "training",
    "check": "checking the stated bounds",
    "evaluate": "working out the metrics",
    "reveal": "revealing the results",
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
        self._iteration = ""

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
            self._iteration = f"iteration {event['done']}/{event['total']}"
            self._progress.update(
                self._task,
                completed=event["done"],
                total=event["total"],
                detail=self._so_far(self._iteration, event),
            )
        elif event["event"] == "done":
            self._line(self._so_far(" · ".join(filter(None, ("done", self._iteration))), event))

    def _so_far(self, text: str, event: Mapping[str, Any]) -> str:
        """Return the text with an event's rounds, where there is room, and bytes."""
        rounds = "" if self._console.width < _NARROW else f" · {event['rounds']} rounds"
        return f"{text}{rounds} · {megabytes(event['bytes'])} sent"

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


def show_metrics(
    console: Console, metrics: Mapping[str, Any], receivers: Sequence[str] = ()
) -> None:
    """Print what a party learned of a cross-validation, a line for each λ.

    ``receivers`` are named in the captions, where not only this party's metrics are shown.
    """
    found = metrics["metrics"]
    caption = f"{metrics['folds']}-fold cross-validation"
    if receivers:
        caption = f"{', '.join(receivers)}: {caption}"
    if found:
        _show_means(console, metrics, caption)
    if "calibration" in metrics:
        _show_calibration(console, metrics, caption)


def _show_means(console: Console, metrics: Mapping[str, Any], caption: str) -> None:
    found = metrics["metrics"]
    console.print(Text(f"{caption}, mean over the folds:"), soft_wrap=True)
    table = Table()
    table.add_column("l2", justify="right")
    for name in found:
        table.add_column(name.replace("_", " "), justify="right")
    for place, l2 in enumerate(metrics["l2"]):
        cells = [values[place] for values in found.values()]
        table.add_row(f"{l2:g}", *map(_metric, cells))
    console.print(table)


def _show_calibration(console: Console, metrics: Mapping[str, Any], caption: str) -> None:
    """Print how many samples of either class were predicted how likely, by tenths."""
    found = metrics["calibration"]
    least = found["minimum_count"]
    small = "1" if least == 2 else f"from 1 to {(least or 0) - 1}"
    suppressed = "" if least is None else f" (0, 0 where one of them is {small})"
    text = f"{caption}, held-out samples by predicted probability, negative + positive{suppressed}:"
    console.print(Text(text), soft_wrap=True)
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


def megabytes(count: int) -> str:
    """Return a number of bytes in MB or kB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
