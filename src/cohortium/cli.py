"""The commands: parse, call, print. No logic of their own."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium.errors import CohortiumError, IdentityFileError

if TYPE_CHECKING:
    from rich.console import Console

    from cohortium.net import Identity

# What a command needs is imported when it runs: `--help` stays quick.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train one model on the genomic data that several sites hold; nobody sees another's "
    "records.",
)
identity_app = typer.Typer(no_args_is_help=True, help="This site's key and certificate.")
app.add_typer(identity_app, name="identity")
study_app = typer.Typer(no_args_is_help=True, help="The study file: the sites' agreement.")
app.add_typer(study_app, name="study")
audit_app = typer.Typer(no_args_is_help=True, help="The record of a finished run.")
app.add_typer(audit_app, name="audit")

DEFAULT_IDENTITY = Path("~/.cohortium/identity")
_WORDS_A_LINE = 8
DEFAULT_POLICY = Path("~/.cohortium/policy.toml")
EngineOption = Annotated[
    str, typer.Option(help="'numpy', or 'tensorflow' for the same program as one tf.function.")
]
OutOption = Annotated[
    Path, typer.Option(help="The directory where the results go; made if it is not there.")
]
IdentityOption = Annotated[
    Path, typer.Option("--identity", help="The directory of this site's key and certificate.")
]


@app.command()
def demo(
    out: OutOption = Path("cohortium-demo"),
    engine: EngineOption = "numpy",
) -> None:
    """Train on bundled leukaemia data: two hospitals and a dealer, each a process, real TLS."""
    from cohortium.run.demo import HOSPITALS, demonstrate
    from cohortium.screen import RunScreen, show_costs, show_demo

    console = _console()
    console.print(
        "Two hospitals (40 and 39 patients) train a classifier of BCR/ABL leukaemia on 12,625 "
        "genes; a university deals randomness. Three processes, TLS 1.3 between them."
    )
    with RunScreen(console, HOSPITALS[0], notes=False) as screen:
        result = demonstrate(out, screen.on_event, engine=engine)
    show_demo(console, result)
    show_costs(console, result.run.records)
    _say(
        console, f"The study, each hospital's model.json and each party's record.json are in {out}/"
    )


@app.command()
def simulate(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study file.")],
    data: Annotated[
        list[str], typer.Option(help="NAME=FILE, NAME=FILE,labels=FILE or NAME=POSITIVE,NEGATIVE.")
    ],
    out: OutOption = Path("cohortium-run"),
    engine: EngineOption = "numpy",
) -> None:
    """Run all parties of a study on this machine, each as a process, on real files."""
    from cohortium.run.local import simulate as simulate_study
    from cohortium.screen import RunScreen, show_costs, show_metrics
    from cohortium.study import load_study

    console = _console()
    loaded = load_study(study)
    arguments = _named(data)
    leader = loaded.study.with_role("compute")[0]
    with RunScreen(console, leader) as screen:
        run = simulate_study(loaded, arguments, out, screen.on_event, engine=engine)
    show_costs(console, run.records)
    # What several parties received is the same, and shown once.
    for metrics in {str(found["metrics"]): found for found in run.metrics.values()}.values():
        show_metrics(console, metrics)
    for name, paths in run.models.items():
        for path in paths:
            _say(console, f"{name} received {path}")
    _say(console, f"Each party's record of the run is in {out}/PARTY/record.json")


@app.command()
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
) -> None:
    """Take part in a study as one of its parties."""
    from cohortium.net import expiry_warning, load_identity
    from cohortium.run.child import read_site_data
    from cohortium.run.party import PartySetup, run_party
    from cohortium.run.results import METRICS_FILE
    from cohortium.screen import RunScreen, show_metrics
    from cohortium.study import (
        RunRegister,
        load_policy,
        load_signatures,
        load_study,
        signatures_path,
    )

    console = _console()
    loaded = load_study(study)
    loaded.study.named(name)
    rules = policy or DEFAULT_POLICY.expanduser()
    allowed = load_policy(rules) if policy or rules.exists() else None
    key = load_identity(identity.expanduser(), _passphrase)
    for warning in filter(None, map(expiry_warning, (key.certificate_pem, key.link_pem))):
        _say(console, warning)
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
    )
    with RunScreen(console, name) as screen:
        paths = run_party(setup, lambda event: screen.on_event(name, event))
    if (out / METRICS_FILE).exists():
        show_metrics(console, json.loads((out / METRICS_FILE).read_text(encoding="utf-8")))
    for path in paths:
        _say(console, f"Received {path}")
    _say(console, f"The record of this run is {out / 'record.json'}")


@app.command()
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
) -> None:
    """Try a study's links, run by all parties at about the same time; touches no data."""
    from cohortium.net import load_identity
    from cohortium.run.preflight import preflight
    from cohortium.screen import show_preflight
    from cohortium.study import load_signatures, load_study, signatures_path

    console = _console()
    loaded = load_study(study)
    loaded.study.named(name)
    key = load_identity(identity.expanduser(), _passphrase)
    signatures = load_signatures(signatures_path(study))
    found = preflight(loaded, name, key, signatures, out, connect_timeout=wait, listen_host=listen)
    show_preflight(console, found)
    if found.problems:
        sys.exit(7)


@study_app.command("new")
def study_new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path(
        "study.toml"
    ),
    owner: Annotated[
        list[str] | None, typer.Option(help="A data owner's party name; once for each of them.")
    ] = None,
    dealer: Annotated[str, typer.Option(help="The dealer's party name.")] = "university",
) -> None:
    """Write a study file with every key explained, to be filled in."""
    from cohortium.study import new_study

    console = _console()
    new_study(file, owner or ["north", "south"], dealer)
    _say(console, f"Wrote {file}. Fill it in, then: cohortium study check {file}")


@study_app.command("check")
def study_check(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study file.")],
) -> None:
    """Validate a study and say in plain language who does and learns what."""
    from cohortium.screen import show_study
    from cohortium.study import (
        check_signatures,
        describe,
        load_signatures,
        load_study,
        missing,
        signatures_path,
    )

    console = _console()
    loaded = load_study(study)
    path = signatures_path(study)
    signed = check_signatures(loaded, load_signatures(path), str(path))
    show_study(console, loaded, describe(loaded), missing(loaded.study, signed))


@study_app.command("sign")
def study_sign(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The study file.")],
    name: Annotated[str, typer.Option("--as", help="This site's party name in the study.")],
    identity: IdentityOption = DEFAULT_IDENTITY,
) -> None:
    """Agree to a study: write this site's signature of its digest into STUDY.signatures."""
    from cohortium.net import load_identity
    from cohortium.run.party import check_identity
    from cohortium.study import (
        DisclosureLedger,
        load_signatures,
        load_study,
        missing,
        save_signatures,
        sign_study,
        signatures_path,
    )

    console = _console()
    loaded = load_study(study)
    key = load_identity(identity.expanduser(), _passphrase)
    check_identity(loaded.study, name, key)
    path = signatures_path(study)
    # Of another version of the file: its signers will have to sign this one.
    kept = [each for each in load_signatures(path) if each.study == loaded.digest]
    signatures = [*kept, sign_study(loaded.digest, name, key)]
    save_signatures(path, signatures)
    _say(console, f"{name} agrees to the study {loaded.study.study.name!r}.")
    _say(console, f"digest  {loaded.digest}")
    for line in DisclosureLedger.of(loaded.study).lines():
        _say(console, line)
    _say(console, f"The signature is in {path}")
    absent = missing(loaded.study, {each.party: each for each in signatures})
    if absent:
        _say(console, f"Not in this file yet: {', '.join(absent)}. Each site signs its own copy.")


@audit_app.command("verify")
def audit_verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")],
) -> None:
    """Check offline that the record of a run is as it was written and countersigned."""
    from cohortium.run.verifying import verify_run
    from cohortium.screen import show_verdict

    show_verdict(_console(), verify_run(run))


@identity_app.command("new")
def identity_new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="This site's party name: a-z, 0-9 and '-'.")
    ],
    identity: IdentityOption = DEFAULT_IDENTITY,
    days: Annotated[
        int,
        typer.Option(help="How long the identity is valid; what links use is renewed each year."),
    ] = 3650,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Encrypt the key with a passphrase; asks for it.")
    ] = False,
) -> None:
    """Make this site's key and certificate; the key never leaves this machine."""
    from cohortium.net import create_identity

    phrase = _new_passphrase() if passphrase else None
    made = create_identity(name, identity.expanduser(), days, passphrase=phrase)
    _print_identity(made)


@identity_app.command("renew")
def identity_renew(
    identity: IdentityOption = DEFAULT_IDENTITY,
    days: Annotated[int, typer.Option(help="How long the link certificate is valid.")] = 365,
) -> None:
    """Renew the certificate that links use; study files and the other sites stay as they are."""
    from cohortium.net import certificate_expiry, renew_identity

    made = renew_identity(identity.expanduser(), days, _passphrase)
    _say(
        _console(),
        f"{made.name} has a new link certificate and key, valid to "
        f"{certificate_expiry(made.link_pem):%Y-%m-%d}.\nIts fingerprint is the same as before: "
        "no study file changes, and no other site has to do anything.",
    )


@identity_app.command("show")
def identity_show(identity: IdentityOption = DEFAULT_IDENTITY) -> None:
    """Show what the study file needs of this site: fingerprint and certificate."""
    from cohortium.net import load_identity

    loaded = load_identity(identity.expanduser(), _passphrase)
    _print_identity(loaded)


def _print_identity(identity: Identity) -> None:
    from cohortium.net import (
        certificate_expiry,
        expiry_warning,
        fingerprint,
        fingerprint_words,
    )

    console = _console()
    certificate, link = identity.certificate_pem, identity.link_pem
    _say(console, f"name         {identity.name}")
    _say(console, f"expires      {certificate_expiry(certificate):%Y-%m-%d}")
    _say(console, f"link expires {certificate_expiry(link):%Y-%m-%d}")
    _say(console, f"fingerprint  {fingerprint(certificate)}")
    words = fingerprint_words(certificate)
    for first in range(0, len(words), _WORDS_A_LINE):
        label = "in words" if first == 0 else ""
        _say(console, f"{label:<13}{' '.join(words[first : first + _WORDS_A_LINE])}")
    for warning in filter(None, map(expiry_warning, (certificate, link))):
        _say(console, warning)
    _say(console, "\nFor the study file, under this site's [[party]]:\n")
    _say(console, f'certificate = """\n{certificate.strip()}\n"""')


def _passphrase() -> str:
    """Return the passphrase of an encrypted key: the environment's, or what is typed."""
    told = os.environ.get("COHORTIUM_PASSPHRASE")
    if told is not None:
        return told
    if not sys.stdin.isatty():
        raise IdentityFileError(
            "The key is encrypted, and nobody can be asked for the passphrase.",
            remedy="Set COHORTIUM_PASSPHRASE, or run the command at a terminal.",
        )
    return str(typer.prompt("Passphrase of this site's key", hide_input=True, err=True))


def _new_passphrase() -> bytes:
    told = os.environ.get("COHORTIUM_PASSPHRASE")
    if told is None:
        if not sys.stdin.isatty():
            return _passphrase().encode()
        told = str(
            typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
        )
    if not told:
        raise IdentityFileError(
            "The passphrase is empty.", remedy="Give one, or leave --passphrase out."
        )
    return told.encode()


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


def _say(console: Console, text: str) -> None:
    """Print a text as it is, to be copied: no markup, no line ends but its own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _console(*, error: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # A terminal that has no × or → shows a question mark; it is no reason to end a run.
        stream.reconfigure(errors="replace")
    # No emoji: a fingerprint may hold ":CD:".
    return Console(stderr=error, emoji=False)


def main() -> None:
    """Run the command line; an error of ours is one message and its exit code."""
    try:
        app()
    except CohortiumError as error:
        from cohortium.screen import show_error

        show_error(_console(error=True), error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
