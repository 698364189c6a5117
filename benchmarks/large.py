"""Trains on up to half a million genotypes of two sites, and prints time and memory.

Two hospitals, each with half of the samples as a PLINK set, and a dealer: `cohortium simulate`, a
process each, TLS 1.3 on 127.0.0.1, from reading the files to the models written. Genotypes are made
up: frequencies from a beta distribution, Hardy–Weinberg proportions, 1 % of the calls missing.

    python benchmarks/large.py                     # the table of docs/benchmarks.md
    python benchmarks/large.py --samples 40 --features 300 --iterations 5
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

HOSPITALS = ("north", "south")
PARTIES = (*HOSPITALS, "dealer")
STUDY = """
[study]
name = "large"
deadline = 600.0
connect_timeout = 3600.0
[[party]]
name = "north"
roles = ["data", "compute", "receive"]
[[party]]
name = "south"
roles = ["data", "compute", "receive"]
[[party]]
name = "dealer"
roles = ["deal"]
[data]
label = "phenotype"
positive = "2"
negative = "1"
[features]
names = "variant"
[model]
l2 = [100.0]
iterations = {iterations}
[[reveal]]
what = "model"
to = ["north", "south"]
"""
PHASES = ("prepare", "share", "Gram matrix", "iterations", "reveal")
# The first two bytes tell that it is PLINK's, the third that it goes variant by variant.
BED_MAGIC = b"\x6c\x1b\x01"
# PLINK's two bits for 0, 1 and 2 of allele 1, and for a missing call.
CODES = np.array([0b11, 0b10, 0b00, 0b01], dtype=np.uint8)
MISSING = 3
ALLELES = ("A\tG", "G\tA", "C\tT", "T\tC", "A\tC", "G\tT")
VARIANTS_AT_ONCE = 4096


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--samples", type=int, default=1000)
    arguments.add_argument("--features", default="62500,125000,250000,500000")
    arguments.add_argument("--iterations", type=int, default=100)
    options = arguments.parse_args()
    print(
        f"{'samples':>7} {'features':>8} ",
        *(f"{name:>11}" for name in PHASES),
        f"{'all phases':>10} {'command':>7} rounds  MB sent by each party"
        "    peak MB of each party   load",
    )
    for features in options.features.split(","):
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home)
            write_sets(folder, options.samples, int(features))
            show(options.samples, int(features), *run(folder, options.iterations))


def write_sets(folder: Path, samples: int, features: int) -> None:
    """Write each hospital's .bed, .bim and .fam, a block of variants at a time."""
    random = np.random.default_rng(22)
    labels = np.arange(samples) % 2
    owners = np.arange(samples) * len(HOSPITALS) // samples
    beds: list[BinaryIO] = []
    for place, name in enumerate(HOSPITALS):
        rows = np.flatnonzero(owners == place)
        people = (f"F{row}\tI{row}\t0\t0\t{1 + row % 2}\t{1 + labels[row]}" for row in rows)
        (folder / f"{name}.fam").write_text("\n".join(people) + "\n")
        write_positions(folder / f"{name}.bim", features)
        beds.append((folder / f"{name}.bed").open("wb"))
        beds[-1].write(BED_MAGIC)
    for start in range(0, features, VARIANTS_AT_ONCE):
        variants = min(VARIANTS_AT_ONCE, features - start)
        frequencies = np.clip(random.beta(0.6, 1.2, (variants, 1)), 0.02, 0.98)
        # A few variants in a hundred differ between the classes.
        differs = 0.03 * (random.random((variants, 1)) < 0.03)
        chance = np.clip(frequencies + differs * (2 * labels - 1), 0.01, 0.99).astype(np.float32)
        calls = np.zeros((variants, samples), np.uint8)
        for _ in range(2):
            calls += random.random(calls.shape, np.float32) < chance
        calls[random.random(calls.shape, np.float32) < 0.01] = MISSING
        for place, bed in enumerate(beds):
            bed.write(packed(calls[:, owners == place]))
    for bed in beds:
        bed.close()


def write_positions(path: Path, features: int) -> None:
    """Write a .bim: chromosome, name, centimorgan, position, alleles 1 and 2."""
    with path.open("w") as file:
        for place in range(features):
            alleles = ALLELES[place % len(ALLELES)]
            file.write(f"{1 + 22 * place // features}\trs{place}\t0\t{50 * place + 1}\t{alleles}\n")


def packed(calls: np.ndarray) -> bytes:
    """Return variants × samples as PLINK has them: four samples a byte, the first in low bits."""
    codes = CODES[calls]
    codes = np.pad(codes, ((0, 0), (0, -codes.shape[1] % 4)))
    quarters = codes.reshape(len(codes), -1, 4) << np.array([0, 2, 4, 6], np.uint8)
    return np.bitwise_or.reduce(quarters, axis=2).tobytes()


def run(folder: Path, iterations: int) -> tuple[dict[str, dict[str, Any]], float]:
    """Return every party's record, and the seconds of the whole command."""
    (folder / "study.toml").write_text(STUDY.format(iterations=iterations))
    data = [f"--data={name}={folder / name}.bed" for name in HOSPITALS]
    began = time.perf_counter()
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "cohortium", "simulate", str(folder / "study.toml")),
            *(*data, "--out", str(folder / "results")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(ended.stdout)
    seconds = time.perf_counter() - began
    texts = {name: (folder / "results" / name / "record.json").read_text() for name in PARTIES}
    return {name: json.loads(text) for name, text in texts.items()}, seconds


def show(samples: int, features: int, records: dict[str, dict[str, Any]], command: float) -> None:
    """Print seconds of the slower hospital, bytes and memory of all."""
    slower = max((records[name] for name in HOSPITALS), key=lambda it: sum(it["seconds"].values()))
    sent = [sum(record["link_bytes"]["sent"].values()) / 1e6 for record in records.values()]
    print(
        f"{samples:>7} {features:>8} ",
        *(f"{slower['seconds'].get(phase, float('nan')):>11.2f}" for phase in PHASES),
        f"{sum(slower['seconds'].values()):>10.1f} {command:>7.1f} {slower['rounds']:>6} ",
        " / ".join(f"{megabytes:.1f}" for megabytes in sent).rjust(22),
        " / ".join(f"{record['peak_memory'] / 1e6:.0f}" for record in records.values()).rjust(23),
        f"{os.getloadavg()[0]:>8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
