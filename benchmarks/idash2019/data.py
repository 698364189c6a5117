"""The benchmark's sets, divided among three sites, prepared at each, and their folds."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cohortium.data import (
    Cohort,
    Preparation,
    concatenate,
    group_folds,
    prepare,
    read_cohort,
    read_idash,
)

SITES = ("north", "south", "university")
CLIP = 8.0
FOLDS = 5
# Stand-ins for the competition's two files, which can not be had: label column, positive class.
SETS = {
    "gordon2002": ("label", "mesothelioma"),
    "all128": ("label", "T"),
    "singh2002": ("label", "Tumor"),
    "scanb_gse96058": ("er", "pos"),
    "tcga_brca_tumor_normal909": ("label", "Normal"),
    "gravier2010": ("label", "poor"),
    "genefu_vdxs": ("dm5y", "1"),
    "gse2034_probes300": ("label", "relapse"),
    "gse3143": ("label", "1"),
    "nki295": ("label", "1"),
}
# Read in the competition's own form: two files, genes in rows, a reference column, `null`.
IN_COMPETITION_FORM = "gse2034_probes300"


@dataclass(frozen=True)
class Divided:
    """A set's prepared rows at each site, with their patients as groups."""

    parts: dict[str, Cohort]

    @property
    def together(self) -> Cohort:
        """All rows, site after site."""
        return concatenate(list(self.parts.values()), source="all sites")

    @property
    def sizes(self) -> dict[str, int]:
        """Each site's samples."""
        return {site: len(part.samples) for site, part in self.parts.items()}

    def folds(self, seed: int) -> NDArray[np.int64]:
        """Return each row's fold, of all sites: each assigns its own, a patient's together."""
        random = np.random.default_rng(seed)
        return np.concatenate([group_folds(part, FOLDS, random) for part in self.parts.values()])


def folder() -> Path:
    """Return the folder of the shared data sets."""
    named = os.environ.get("COHORTIUM_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"


def divided(name: str, scratch: Path) -> Divided:
    """Return a set, its patients dealt to three sites by class, each site's prepared by itself."""
    label, positive = SETS[name]
    source = folder() / name
    cohort = read_cohort(
        source / "X.csv.gz",
        label=label,
        label_file=source / "labels.tsv",
        positive=positive,
        missing_label="drop",
    )
    if name == IN_COMPETITION_FORM:
        cohort = _through_competition_files(cohort, scratch)
    # A TCGA barcode's first 12 characters are its patient, who is at one site.
    patients = [sample[:12] if name.startswith("tcga") else sample for sample in cohort.samples]
    cohort = replace(cohort, groups=tuple(patients))
    site_of = group_folds(cohort, len(SITES), np.random.default_rng(0))
    parts = [
        prepare(cohort.take(np.flatnonzero(site_of == place)), Preparation(clip=CLIP))[0]
        for place in range(len(SITES))
    ]
    features = sorted(set.intersection(*(set(part.features) for part in parts)))
    aligned = [part.select_features(features) for part in parts]
    return Divided(dict(zip(SITES, aligned, strict=True)))


def _through_competition_files(cohort: Cohort, scratch: Path) -> Cohort:
    """Write a cohort as the competition's two files and read these."""
    paths = [scratch / "positive.txt", scratch / "negative.txt"]
    for path, kind in zip(paths, (1, 0), strict=True):
        rows = np.flatnonzero(np.asarray(cohort.labels) == kind)
        with path.open("w", newline="") as out:
            writer = csv.writer(out, delimiter="\t")
            writer.writerow(["Hybridization REF", "reference", *(cohort.samples[r] for r in rows)])
            for column, feature in enumerate(cohort.features):
                values = cohort.values[rows, column]
                cells = ["null" if np.isnan(value) else repr(float(value)) for value in values]
                writer.writerow([feature, "0", *cells])
    return read_idash(*paths, positive=cohort.positive or "", negative=cohort.negative or "")
