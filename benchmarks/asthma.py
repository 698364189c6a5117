"""Real asthma cases and controls of ten countries as four sites: their files, and a study of them.

51 candidate variants with country, sex, age, body mass index and smoking (Gonzalez 2007,
Bioinformatics 23:644), from the folder that the environment variable COHORTIUM_DATA names, or else
``../shared/data`` beside the checkout.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

REGIONS = {
    "north": ["Sweden", "Norway", "Estonia"],
    "south": ["Spain"],
    "middle": ["France", "Germany", "Switzerland", "Belgium"],
    "english": ["UK", "Australia"],
}
# Of Belgium and Estonia there are cases only, 20 of them: levels of their own would know no bounds.
NEIGHBOURS = {"Belgium": "France", "Estonia": "Sweden"}
LEVELS = ["Spain", "Sweden", "France", "Norway", "Germany", "Australia", "UK", "Switzerland"]
DATA = f"""\
label = "casecontrol"
positive = "1"
negative = "0"
covariates = ["age", "bmi", "gender", "smoke", "country"]
ranges = {{ age = [20, 60], bmi = [10, 80] }}
fill = {{ bmi = 25, smoke = "0" }}

[data.levels]
gender = ["Females", "Males"]
smoke = ["0", "1"]
country = {json.dumps(LEVELS)}
"""


def source() -> Path:
    """Return the folder of the data; it may not be there."""
    named = os.environ.get("COHORTIUM_DATA")
    shared = Path(named or Path(__file__).resolve().parents[2] / "shared" / "data")
    return shared / "asthma_casecontrol"


def write_sites(folder: Path, kept: Callable[[int], bool] = lambda _place: True) -> dict[str, str]:
    """Write each site's files into a folder; return its --data argument by site.

    ``kept`` chooses of each site's patients by their place.
    """
    with (source() / "snps.tsv").open(encoding="utf-8") as file:
        minor = {row["snp"]: row["a1_minor"] for row in csv.DictReader(file, delimiter="\t")}
    with gzip.open(source() / "asthma.tsv.gz", "rt", encoding="utf-8") as file:
        patients = list(csv.DictReader(file, delimiter="\t"))
    data = {}
    for site, countries in REGIONS.items():
        rows = [row for row in patients if row["country"] in countries]
        chosen = [row for place, row in enumerate(rows) if kept(place)]
        data[site] = _write_site(folder, site, chosen, minor)
    return data


def _write_site(
    folder: Path, site: str, rows: Sequence[dict[str, str]], minor: dict[str, str]
) -> str:
    """Write dosages with the label, and covariates in a file of their own with a name too many."""
    with (folder / f"{site}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample", "casecontrol", *minor])
        for row in rows:
            dosages = ["" if row[snp] == "NA" else row[snp].count(minor[snp]) for snp in minor]
            writer.writerow([row["sample"], row["casecontrol"], *dosages])
    with (folder / f"{site}-people.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", "country", "smoke", "gender", "bmi", "age"])
        for row in reversed([*rows, {**rows[0], "sample": "withdrew"}]):
            country = NEIGHBOURS.get(row["country"], row["country"])
            writer.writerow(
                [row["sample"], country, *(row[key] for key in ("smoke", "gender", "bmi", "age"))]
            )
    return f"{folder / site}.csv,covariates={folder / site}-people.csv"
