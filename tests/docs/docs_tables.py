"""Small tables under the names that the pages use: where the docs say "your files"."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

GENES = 60
# Genes that differ between the classes.
INFORMATIVE = 6


def write_table(path: Path, prefix: str, samples: int, seed: int, *, label: bool = True) -> None:
    """Write samples in rows: their names, the label "relapse" (yes or no), log expression."""
    source = np.random.default_rng(seed)
    relapse = np.arange(samples) % 2
    values = source.normal(7.0, 1.0, (samples, GENES))
    values[:, :INFORMATIVE] += 1.2 * relapse[:, None]
    separator = "\t" if path.suffixes[0] == ".tsv" else ","
    head = ["sample", *(["relapse"] if label else []), *(f"G{n + 1}" for n in range(GENES))]
    lines = [separator.join(head)]
    for n in range(samples):
        told = ["yes" if relapse[n] else "no"] if label else []
        cells = [f"{prefix}{n + 1}", *told, *(f"{value:.3f}" for value in values[n])]
        lines.append(separator.join(cells))
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
