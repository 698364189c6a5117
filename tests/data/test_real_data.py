"""Real files, in both orientations, against a plain parse by the csv module."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from cohortium.data import read_cohort, read_idash

# folder, label, positive class, further arguments, positives and negatives by the data's README
DATA_SETS = [
    ("all128", "bcrabl_vs_neg", "BCR/ABL", {"missing_label": "drop"}, 37, 42),
    ("alon1999", "label", "t", {}, 40, 22),
    ("golub1999", "label", "AML", {}, 25, 47),
    ("gordon2002", "label", "mesothelioma", {}, 31, 150),
    ("gravier2010", "label", "poor", {}, 57, 111),
    ("nki295", "event_by_h", "1", {"missing_label": "drop"}, 48, 232),
    ("genefu_nkis", "er_status", "pos", {}, 112, 38),
    ("khan2001", "label", "NB", {"negative": "RMS"}, 12, 20),
]


def plain(path: Path, delimiter: str = ",") -> list[list[str]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    return list(csv.reader(text.splitlines(), delimiter=delimiter))


@pytest.mark.parametrize(
    ("name", "label", "positive", "further", "positives", "negatives"),
    DATA_SETS,
    ids=[row[0] for row in DATA_SETS],
)
def test_values_labels_and_names_are_those_of_the_file(
    shared, tmp_path, name, label, positive, further, positives, negatives
):
    folder = shared(name)
    rows = plain(folder / "X.csv.gz")
    genes_in_rows = tmp_path / "genes.tsv.gz"
    text = "\n".join("\t".join(row) for row in zip(*rows, strict=True))
    genes_in_rows.write_bytes(gzip.compress(text.encode(), 1))
    head, *body = plain(folder / "labels.tsv", "\t")
    class_of = {row[0]: row[head.index(label)] for row in body}
    wanted = {positive, further["negative"]} if "negative" in further else None
    kept = [
        row
        for row in rows[1:]
        if class_of[row[0]] != "NA" and (wanted is None or class_of[row[0]] in wanted)
    ]
    expected = np.array([[float(cell or "nan") for cell in row[1:]] for row in kept])
    for path in (folder / "X.csv.gz", genes_in_rows):
        cohort = read_cohort(
            path, label=label, label_file=folder / "labels.tsv", positive=positive, **further
        )
        np.testing.assert_array_equal(cohort.values, expected)
        assert cohort.features == tuple(rows[0][1:])
        assert cohort.samples == tuple(row[0] for row in kept)
        assert cohort.labels.tolist() == [int(class_of[s] == positive) for s in cohort.samples]
        assert (cohort.labels.sum(), (1 - cohort.labels).sum()) == (positives, negatives)
        assert cohort.positive == positive
        assert len(cohort.notes) == (len(kept) < len(rows) - 1)


def test_idash_form_of_real_data(shared, tmp_path):
    folder = shared("genefu_nkis")
    path = folder / "X.csv.gz"
    whole = read_cohort(path, label="er_status", label_file=folder / "labels.tsv", positive="pos")
    rows = plain(path)
    genes = rows[0][1:]
    cells = {row[0]: row[1:] for row in rows[1:]}
    chosen = {1: [], 0: []}
    for sample, label in zip(whole.samples, whole.labels, strict=True):
        chosen[int(label)].append(sample)
    for label, order in ((1, 1), (0, -1)):  # the second file lists the genes backwards
        lines = ["\t".join(["Gene", "Reference", *chosen[label]])]
        for i in range(len(genes))[::order]:
            values = [cells[sample][i] or "null" for sample in chosen[label]]
            lines.append("\t".join([genes[i], "not a number", *values]))
        (tmp_path / f"{label}.txt").write_text("\r\n".join(lines) + "\r\n")

    cohort = read_idash(tmp_path / "1.txt", tmp_path / "0.txt")

    order = [whole.samples.index(sample) for sample in chosen[1] + chosen[0]]
    np.testing.assert_array_equal(cohort.values, whole.values[order])
    assert np.isnan(cohort.values).sum() == np.isnan(whole.values).sum() > 0
    assert cohort.features == whole.features
    assert cohort.samples == tuple(chosen[1] + chosen[0])
    assert cohort.labels.tolist() == [1] * 112 + [0] * 38
    assert (cohort.positive, cohort.negative) == ("positive", "negative")
