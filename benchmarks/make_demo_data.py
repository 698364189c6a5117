"""Makes the two hospitals' files of the demo from the data package ALL, the same bytes every time.

Run ``python benchmarks/make_demo_data.py``; the folder with ``all128/`` is taken from the
environment variable COHORTIUM_DATA, or else is ``../shared/data`` beside the checkout.

The 79 patients with B-cell leukaemia that is either BCR/ABL or NEG are dealt out alternately
within each class, in the order of the source: the first of a class to north, the second to south.
Values are rounded to two decimals. NOTICE in the output folder says so to those who receive it.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
OUTPUT = CHECKOUT / "src" / "cohortium" / "demo_data"
HOSPITALS = ("north", "south")
LABEL = "bcrabl_vs_neg"


def demo_tables(source: Path) -> dict[str, str]:
    """Return the CSV text of each hospital's file, from the folder that holds all128's files."""
    with (source / "labels.tsv").open(encoding="utf-8", newline="") as file:
        label_of = {row["sample"]: row[LABEL] for row in csv.DictReader(file, delimiter="\t")}
    with gzip.open(source / "X.csv.gz", "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    tables = {hospital: [["sample", LABEL, *header[1:]]] for hospital in HOSPITALS}
    seen: Counter[str] = Counter()
    for sample, *values in rows:
        label = label_of[sample]
        if label == "NA":
            continue
        hospital = HOSPITALS[seen[label] % len(HOSPITALS)]
        seen[label] += 1
        tables[hospital].append([sample, label, *(f"{float(value):.2f}" for value in values)])
    return {
        hospital: "".join(",".join(row) + "\n" for row in table)
        for hospital, table in tables.items()
    }


def compressed(text: str) -> bytes:
    """Return ``text`` gzipped, without the file name and time that would differ each run."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(text.encode("utf-8"))
    return buffer.getvalue()


def main() -> None:
    """Write the files and print their sizes."""
    shared = os.environ.get("COHORTIUM_DATA")
    source = Path(shared) if shared else CHECKOUT.parent / "shared" / "data"
    for hospital, text in demo_tables(source / "all128").items():
        content = compressed(text)
        (OUTPUT / f"{hospital}.csv.gz").write_bytes(content)
        print(f"{hospital}.csv.gz: {text.count(chr(10)) - 1} patients, {len(content):,} bytes")


if __name__ == "__main__":
    main()
