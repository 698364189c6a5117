"""Compares what `cohortium check` forecasts with what `cohortium join` then takes.

Two hospitals and a dealer on this machine, a process each, TLS 1.3 on 127.0.0.1: made-up tables,
the commands of a real study. Seconds are those of preparing a hospital's rows, and from sharing to
the last reveal; of the slower hospital.

    python benchmarks/forecast.py                     # the table of docs/benchmarks.md
    python benchmarks/forecast.py --shape 60x500 --repeats 1
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from cohortium.net import create_identity
from cohortium.run.local import thread_limits

HOSPITALS = ("north", "south")
PARTIES = (*HOSPITALS, "dealer")
VALIDATION = """
[validation]
folds = 5
[[reveal]]
what = "auc"
to = ["north", "south"]
"""


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shape", default="225x12634,470x17814,2000x50")
    arguments.add_argument("--iterations", type=int, default=100)
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    print(
        "      shape  l2s  folds  rounds: forecast  run     MB: forecast    run    seconds:", end=""
    )
    print(" forecast    run  ratio (all)")
    for shape in options.shape.split(","):
        for strengths, validation in (([1.0], ""), ([0.1, 1.0, 10.0], VALIDATION)):
            samples, features = (int(size) for size in shape.split("x"))
            with tempfile.TemporaryDirectory() as home:
                folder = Path(home)
                study = write_study(folder, strengths, options.iterations, validation)
                write_tables(folder, samples // 2, features)
                found = [
                    compare(folder, study, samples // 2, features, repeat)
                    for repeat in range(options.repeats)
                ]
            show(shape, strengths, bool(validation), found)


def write_study(folder: Path, strengths: list[float], iterations: int, validation: str) -> Path:
    """Make identities, and the study that lists and signs them."""
    parties = []
    for name in PARTIES:
        identity = create_identity(name, folder / name, days=30)
        roles = ["deal"] if name == "dealer" else ["data", "compute", "receive"]
        parties.append(
            f'[[party]]\nname = "{name}"\nroles = {json.dumps(roles)}\n'
            f'address = "127.0.0.1:{free_port()}"\n'
            f'certificate = """\n{identity.certificate_pem.strip()}\n"""\n'
        )
    study = folder / "study.toml"
    study.write_text(
        '[study]\nname = "forecast"\ndeadline = 600.0\n'
        + "".join(parties)
        + '[data]\nlabel = "label"\n'
        + f"[model]\nl2 = {strengths}\niterations = {iterations}\n"
        + '[[reveal]]\nwhat = "model"\nto = ["north", "south"]\n'
        + validation
    )
    for name in PARTIES:
        command("study", "sign", study, "--as", name, "--identity", folder / name).wait()
    return study


def write_tables(folder: Path, samples: int, features: int) -> None:
    """Write a table of made-up numbers for each hospital."""
    for name in HOSPITALS:
        random = np.random.default_rng([*name.encode()])
        labels = np.arange(samples) % 2
        values = random.standard_normal((samples, features)) + 0.1 * labels[:, None]
        header = ",".join(["sample", "label", *(f"G{place}" for place in range(features))])
        rows = (
            f"{name}{row},{labels[row]}," + ",".join(f"{value:.3f}" for value in values[row])
            for row in range(samples)
        )
        (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")


def compare(
    folder: Path, study: Path, samples: int, features: int, repeat: int
) -> dict[str, tuple[float, float]]:
    """Return what was forecast and what was taken, of rounds, megabytes and seconds."""
    common = {name: ["--as", name, "--identity", folder / name] for name in PARTIES}
    checks = {
        name: command(
            "check",
            study,
            *common[name],
            *(["--samples", samples, "--features", features] if name in HOSPITALS else []),
        )
        for name in PARTIES
    }
    told = {name: process.communicate()[0] for name, process in checks.items()}
    total = re.search(r"in all\D+([\d,]+)\D+([\d,.]+)\D+([\d,.]+)", told["north"])
    if total is None:
        raise SystemExit(told["north"])
    forecast = [float(number.replace(",", "")) for number in total.groups()]
    runs = {
        name: command(
            "join",
            study,
            *common[name],
            "--out",
            folder / f"{name}-{repeat}",
            *(["--data", folder / f"{name}.csv"] if name in HOSPITALS else []),
        )
        for name in PARTIES
    }
    for process in runs.values():
        if process.wait():
            raise SystemExit(process.stdout.read() if process.stdout else "")
    records = {
        name: json.loads((folder / f"{name}-{repeat}" / "record.json").read_text())
        for name in PARTIES
    }
    before = {"connect", "agree"}
    seconds = max(
        sum(value for phase, value in records[name]["seconds"].items() if phase not in before)
        for name in HOSPITALS
    )
    sent = sum(sum(record["link_bytes"]["sent"].values()) for record in records.values())
    taken = [float(records["north"]["rounds"]), sent / 1e6, seconds]
    return dict(zip(("rounds", "MB", "seconds"), zip(forecast, taken, strict=True), strict=True))


def show(
    shape: str, strengths: list[float], folds: bool, found: list[dict[str, tuple[float, float]]]
) -> None:
    """Print the medians, and the ratios of all runs."""
    middle = {
        what: [statistics.median(each[what][place] for each in found) for place in (0, 1)]
        for what in found[0]
    }
    ratios = sorted(each["seconds"][1] / each["seconds"][0] for each in found)
    print(
        f"{shape:>11} {len(strengths):>4} {5 if folds else 0:>6} "
        f"{middle['rounds'][0]:>17.0f} {middle['rounds'][1]:>4.0f} "
        f"{middle['MB'][0]:>16.1f} {middle['MB'][1]:>6.1f} "
        f"{middle['seconds'][0]:>18.2f} {middle['seconds'][1]:>6.2f} "
        f"  {statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
        flush=True,
    )


def command(*arguments: object) -> subprocess.Popen[str]:
    """Start a cohortium command."""
    return subprocess.Popen(
        [sys.executable, "-m", "cohortium", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Three share this machine's cores.
        env={**os.environ, **thread_limits(len(PARTIES)), "COLUMNS": "200"},
    )


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
