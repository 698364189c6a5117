"""The commands that run a study, on this machine or among its parties."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cohortium.cli.options import (
    DEFAULT_IDENTITY,
    DEFAULT_POLICY,
    EngineOption,
    IdentityOption,
    OutOption,
)
from cohortium.cli.terminal import ask_passphrase, new_console, say


def demo(
    out: OutOption = Path("cohortium-demo"),
    engine: EngineOption = "numpy",
) -> None:
    """Train on bundled leukaemia data: two hospitals and a dealer, each a process, real TLS."""
    from cohortium.report import write_reports
    from cohortium.run.demo import HOSPITALS, demonstrate
    from cohortium.screen import RunScreen, show_costs, show_demo

    console = new_console()
    console.print(
        "Two hospitals (40 and 39 patients) train a classifier of BCR/ABL leukaemia on 12,625 "
        "genes; a university deals randomness. Three processes, TLS 1.3 between them."
    )
    with RunScreen(console, HOSPITALS[0], notes=False) as screen:
        result = demonstrate(out, screen.on_event, engine=engine)
    show_demo(console, result)
    show_costs(console, result.run.records)
    say(console, f"The study, each hospital's models and each party's record.json are in {out}/")
    pages = write_reports([out / party for party in result.run.records])
    say(console, f"The report of the run: {pages[0]}")


def simulate(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study file.")],
    data: Annotated[
        list[str], typer.Option(help="NAME=FILE, NAME=FILE,labels=FILE or NAME=POSITIVE,NEGATIVE.")
    ],
    out: OutOption = Path("cohortium-run"),
    engine: EngineOption = "numpy",
) -> None:
    """Run all parties of a study on this machine, each as a process, on real files."""
    from cohortium.report import write_reports
    from cohortium.run.local import simulate as simulate_study
    from cohortium.screen import RunScreen, show_costs, show_metrics
    from cohortium.study import load_study

    console = new_console()
    loaded = load_study(study)
    arguments = _named(data)
    leader = loaded.study.with_role("compute")[0]
    with RunScreen(console, leader) as screen:
        run = simulate_study(loaded, arguments, out, screen.on_event, engine=engine)
    show_costs(console, run.records)
    for metrics, receivers in run.metrics_received():
        show_metrics(console, metrics, receivers)
    for name, paths in run.models.items():
        for path in paths:
            say(console, f"{name} received {path}")
    say(console, f"Each party's record of the run is in {out}/PARTY/record.json")
    for page in write_reports([out / party for party in run.records]):
        say(console, f"The report of the run: {page}")


def join(
    study: Annotated[
        Path,
        typer.Argument(metavar="STUDY", help="The study file, the same bytes at every site."),
    ],
    name: Annotated[str, typer.Option("--as", help="This site's party name in the study.")],
    data: Annotated[
        str | None, typer.Option(help="FILE, FILE,labels=FILE or POSITIVE,NEGATIVE.")
    ] = None,
    identity: IdentityOption = DEFAULT_IDENTITY,
    out: OutOption = Path("cohortium-run"),
    engine: EngineOption = "numpy",
    policy: Annotated[
        Path | None,
        typer.Option(
            help="This site's own policy; without it ~/.cohortium/policy.toml, if it is there."
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            help="This computer's own address to listen at, where the others reach it by another "
            "one (router, container): 0.0.0.0 for all."
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh",
            help="Start from the beginning, with all other sites; what a run that stopped kept "
            "here is then discarded.",
        ),
    ] = False,
) -> None:
    """Take part in a study as one of its parties."""
    from cohortium.net import expiry_warning, load_identity
    from cohortium.report import write_reports
    from cohortium.run.party import run_party
    from cohortium.run.preparing import read_site_data
    from cohortium.run.results import METRICS_FILE
    from cohortium.run.setup import PartySetup
    from cohortium.screen import RunScreen, show_metrics
    from cohortium.study import (
        RunRegister,
        load_policy,
        load_signatures,
        load_study,
        signatures_path,
    )

    console = new_console()
    loaded = load_study(study)
    loaded.study.named(name)
    rules = policy or DEFAULT_POLICY.expanduser()
    allowed = load_policy(rules) if policy or rules.exists() else None
    key = load_identity(identity.expanduser(), ask_passphrase)
    for warning in filter(None, map(expiry_warning, (key.certificate_pem, key.link_pem))):
        say(console, warning)
    signatures = load_signatures(signatures_path(study))
    cohort = None if data is None else read_site_data(data, loaded.study)
    setup = PartySetup(
        loaded,
        name,
        key,
        cohort,
        out,
        signatures,
        engine=engine,
        listen_host=listen,
        policy=allowed,
        register=None if allowed is None else RunRegister(rules.parent),
        fresh=fresh,
    )
    with RunScreen(console, name) as screen:
        paths = run_party(setup, lambda event: screen.on_event(name, event))
    if (out / METRICS_FILE).exists():
        show_metrics(console, json.loads((out / METRICS_FILE).read_text(encoding="utf-8")))
    for path in paths:
        say(console, f"Received {path}")
    say(console, f"The record of this run is {out / 'record.json'}")
    say(console, f"The report of this run: {write_reports([out])[0]}")


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a finished run.")],
) -> None:
    """Write the report and the model card of a finished run anew."""
    from cohortium.report import write_reports

    say(new_console(), f"The report of the run: {write_reports([run])[0]}")


def discard(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The directory of a run that stopped.")
    ],
) -> None:
    """Remove what a run that stopped has kept at this party, to go on after a crash."""
    from cohortium.run.resuming import discard as discard_kept

    done = "Removed what was kept" if discard_kept(run) else "Nothing was kept"
    say(new_console(), f"{done} in {run}")


def check(
    study: Annotated[
        Path,
        typer.Argument(metavar="STUDY", help="The study file, the same bytes at every site."),
    ],
    name: Annotated[str, typer.Option("--as", help="This site's party name in the study.")],
    identity: IdentityOption = DEFAULT_IDENTITY,
    out: OutOption = Path("cohortium-run"),
    wait: Annotated[
        float, typer.Option(min=1, max=86400, help="Seconds in which all sites must have begun.")
    ] = 60.0,
    listen: Annotated[
        str | None, typer.Option(help="This computer's own address to listen at, as for join.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="This site's data, as for join: tried here, and for a forecast."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, help="Without a file yet: how many samples it will have."),
    ] = None,
    features: Annotated[
        int | None, typer.Option(min=1, help="Without a file yet: how many features.")
    ] = None,
) -> None:
    """Try a study's links, run by all parties at about the same time.

    With --data (or --samples and --features) at every data owner a rehearsal on made-up rows
    tells how many rounds, bytes and minutes the study will take. Of the data the other sites
    learn these two numbers only, or that the file was refused.
    """
    from cohortium.net import load_identity
    from cohortium.run.preflight import preflight
    from cohortium.run.stating import StatedSize
    from cohortium.screen import show_preflight
    from cohortium.study import load_signatures, load_study, signatures_path

    console = new_console()
    loaded = load_study(study)
    loaded.study.named(name)
    key = load_identity(identity.expanduser(), ask_passphrase)
    signatures = load_signatures(signatures_path(study))
    if (samples is None) != (features is None):
        raise typer.BadParameter("--samples and --features go together.")
    if data is not None and samples is not None:
        raise typer.BadParameter("With --data, --samples and --features are read from the file.")
    found = preflight(
        loaded,
        name,
        key,
        signatures,
        out,
        connect_timeout=wait,
        listen_host=listen,
        data=data,
        size=None if samples is None or features is None else StatedSize(samples, features),
    )
    show_preflight(console, found)
    if found.stopped is not None:
        raise found.stopped
    if found.problems:
        sys.exit(7)


def _named(data: list[str]) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for item in data:
        name, equals, files = item.partition("=")
        if not equals or not name or not files or name in arguments:
            raise typer.BadParameter(
                f"{item!r} is not NAME=FILE, or its name was given before.", param_hint="--data"
            )
        arguments[name] = files
    return arguments
