"""What a run looks like on a terminal: progress while it goes, tables when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from cohortium.errors import CohortiumError
from cohortium.run.demo import DemoResult


class RunScreen:
    """A progress bar fed by the events of one or several parties; use as a context manager.

    ``leader`` is the party whose iterations, rounds and bytes the bar shows.
    """

    def __init__(self, console: Console, leader: str, *, notes: bool = True) -> None:
        self._console = console
        self._leader = leader
        self._notes = notes
        self._told: set[str] = set()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None

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
            # Alignment is the same at every party: shown once.
            if self._notes and event["text"] not in self._told:
                self._told.add(event["text"])
                self._console.print(f"[dim]{escape(party)}: {escape(event['text'])}[/dim]")
        elif party != self._leader:
            return
        elif event["event"] == "phase":
            self._progress.update(self._task, description=event["name"])
        elif event["event"] == "iteration":
            self._progress.update(
                self._task,
                completed=event["done"],
                total=event["total"],
                detail=f"iteration {event['done']}/{event['total']} · {event['rounds']} rounds · "
                f"{megabytes(event['bytes'])} sent",
            )
        elif event["event"] == "done":
            self._progress.update(self._task, description="done")


def show_error(console: Console, error: CohortiumError) -> None:
    """Print an error: what happened and where, then what to do."""
    where = f" at {error.party}" if error.party else ""
    console.print(
        f"[bold red]Error {error.code}[/bold red]{escape(where)}: {escape(error.what)}",
        soft_wrap=True,
    )
    if error.remedy:
        console.print(f"→ {escape(error.remedy)}", soft_wrap=True)


def show_costs(console: Console, records: Mapping[str, Mapping[str, Any]]) -> None:
    """Print rounds, bytes and seconds by phase for every party."""
    table = Table(title="Cost, by party", title_justify="left")
    table.add_column("")
    for name, record in records.items():
        table.add_column(f"{name}\n{', '.join(record['roles'])}", justify="right")
    sent = [sum(record["link_bytes"]["sent"].values()) for record in records.values()]
    table.add_row("rounds", *(str(record["rounds"]) for record in records.values()))
    table.add_row("sent", *map(megabytes, sent), end_section=True)
    phases = list(dict.fromkeys(name for record in records.values() for name in record["seconds"]))
    for phase in phases:
        seconds = [record["seconds"].get(phase) for record in records.values()]
        table.add_row(phase, *("–" if value is None else f"{value:.2f} s" for value in seconds))
    console.print(table)


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
        console.print(f"[dim]{escape(note)}[/dim]")


def megabytes(count: int) -> str:
    """Return a number of bytes in MB or kB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
