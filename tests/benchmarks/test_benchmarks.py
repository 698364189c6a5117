"""The benchmarks run, at sizes that say nothing about speed: docs/benchmarks.md rests on them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "arguments", "line"),
    [
        ("minibatch.py", "--features 4 --steps 6 --batch 32 --repeats 1", r"\n +4 +32 +[\d.]+"),
        ("training.py", "--shape 20x50 --iterations 3 --repeats 1", r"\n +20x50 +1 +numpy"),
        ("large.py", "--samples 40 --features 300 --iterations 5", r"\n +40 +300 +[\d.]+ "),
        (
            "selection.py",
            "--genes 20 --top 5 --labels random --rows welch-t",
            r"^skipped: |\n +random welch-t +[\d.]+ +\d+",
        ),
        ("covariates.py", "--iterations 25 --l2 0.2", r"^skipped: |\n +0.2 +25 +\d+"),
        ("forecast.py", "--shape 40x30 --iterations 4 --repeats 1", r"\n +40x30 +1 +0 +(\d+) +\1 "),
        ("reading.py", "--samples 9 --features 70 --formats csv.gz,npz", r"\ncsv.gz .*\nnpz +0.0 "),
    ],
)
def test_a_benchmark_prints_its_table(script: str, arguments: str, line: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments.split()],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert re.search(line, ended.stdout), ended.stdout
