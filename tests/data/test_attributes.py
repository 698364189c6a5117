"""Labels that are numbers, weights, groups: read wherever labels are; a message for each slip."""

from __future__ import annotations

import numpy as np
import pytest

from cohortium.data import Cohort, check_cohort, concatenate, prepare, read_argument, read_cohort
from cohortium.data.preparation import Preparation
from cohortium.errors import LabelError, ParameterError

TABLE = [
    ["sample", "age", "G1", "patient", "G2", "counts"],
    ["a", "53.5", "1", "p1", "4", "1"],
    ["b", "-2", "2", "p2", "5", "0.5"],
    ["c", "1e1", "3", "p1", "6.5", "0"],
]


def written(folder, rows=TABLE, name="table.tsv"):
    (folder / name).write_text("".join("\t".join(row) + "\n" for row in rows))
    return folder / name


def changed(row, column, text):
    rows = [list(cells) for cells in TABLE]
    rows[row][column] = text
    return rows


def as_label_file(folder, rows=TABLE):
    """The same in two files, genes in rows: what is said of samples is in the label file."""
    genes = [[head, *(row[place] for row in TABLE[1:])] for place, head in [(2, "G1"), (4, "G2")]]
    table = written(folder, [["gene", "a", "b", "c"], *genes], "genes.tsv")
    labels = written(folder, [[row[0], row[1], row[3], row[5]] for row in rows], "labels.tsv")
    return table, labels


ASKED = {"label": "age", "numbers": True, "weight": "counts", "group": "patient"}


@pytest.mark.parametrize("files", ["one", "two"])
def test_what_is_said_of_samples_is_no_feature(tmp_path, files):
    if files == "one":
        found = read_cohort(written(tmp_path), **ASKED)
    else:
        table, labels = as_label_file(tmp_path)
        found = read_argument(f"{table},labels={labels}", **ASKED)
    assert found.features == ("G1", "G2")
    assert found.values.tolist() == [[1, 4], [2, 5], [3, 6.5]]
    assert found.labels.tolist() == [53.5, -2, 10]
    assert found.weights.tolist() == [1, 0.5, 0]
    assert found.groups == ("p1", "p2", "p1")
    assert found.numeric
    assert (found.positive, found.negative) == (None, None)
    assert not found.labels.flags.writeable
    # They move with their samples, and stay where values are prepared.
    part = prepare(found.take([2, 0]), Preparation())[0].select_features(["G2"])
    assert part.labels.tolist() == [10, 53.5]
    assert part.weights.tolist() == [0, 1]
    assert part.groups == ("p1", "p1")
    other = Cohort([[1.0], [2.0]], "xy", ["G2"], np.array([1.0, 2.0]), weights=[1, 1], groups="qq")
    both = concatenate([part, other], source="both")
    assert both.labels.tolist() == [10, 53.5, 1, 2]
    assert both.weights.tolist() == [0, 1, 1, 1]
    assert both.groups == ("p1", "p1", "q", "q")
    with pytest.raises(LabelError, match="Only 1 of 2 files have groups"):
        concatenate([part, Cohort([[1.0]], "x", ["G2"], np.ones(1), weights=[1])], source="both")


def test_a_single_further_column_of_a_label_file_is_the_label(tmp_path):
    table, labels = as_label_file(tmp_path)
    found = read_cohort(table, label_file=labels, numbers=True, weight="counts", group="patient")
    assert found.labels.tolist() == [53.5, -2, 10]


def test_classes_with_weights_and_groups(tmp_path):
    rows = [[*row, kind] for row, kind in zip(TABLE, ["class", "x", "y", "z"], strict=True)]
    path = written(tmp_path, rows)
    found = read_cohort(
        path, label="class", positive="x", negative="z", weight="counts", group="patient"
    ).select_features(["G1"])
    assert found.samples == ("a", "c")
    assert found.weights.tolist() == [1, 0]
    assert not found.numeric


def test_labels_that_are_missing_are_left_out_and_their_weights_too(tmp_path):
    rows = changed(2, 1, "NA")
    rows[2][5] = ""
    found = read_cohort(written(tmp_path, rows), missing_label="drop", **ASKED)
    assert found.samples == ("a", "c")
    assert found.notes == ("1 sample left out: no label 'age'",)
    with pytest.raises(LabelError, match=r"the label is missing for 1 of 3 samples: line 3"):
        read_cohort(written(tmp_path, rows), **ASKED)


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (2, 1, "old", "line 3, column 'age', sample 'b': 'old' is not a number"),
        (2, 1, "inf", "sample 'b': 'inf' is not a number"),
        (2, 1, "1_0", "'1_0' is not a number"),
        (2, 1, "3,5", "'3,5' is not a number"),
        (3, 5, "-1", "line 4, column 'counts', sample 'c': the weight -1 is negative"),
        (3, 5, "often", "column 'counts', sample 'c': 'often' is not a number"),
        (3, 5, "NA", "column 'counts': the weight is missing for 1 of 3 samples: 'c'"),
        (1, 3, "", "column 'patient': the group is missing for 1 of 3 samples: 'a'"),
    ],
)
def test_slips_in_a_file(tmp_path, row, column, text, message):
    with pytest.raises(LabelError, match=message) as caught:
        read_cohort(written(tmp_path, changed(row, column, text)), **ASKED)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"weight": "weigth"}, LabelError, "has no column 'weigth'"),
        ({"label": "age", "weight": "age"}, ParameterError, "can not be one column"),
        ({"positive": "x"}, ParameterError, "labels are to be numbers"),
        ({"label": None}, ParameterError, "each sample's weight and group, but no label"),
    ],
)
def test_requests_that_can_not_be(tmp_path, asked, error, message):
    with pytest.raises(error, match=message):
        read_cohort(written(tmp_path), **{**ASKED, **asked})


def test_a_pair_of_files_has_no_such_columns(tmp_path):
    with pytest.raises(ParameterError, match="pair of files"):
        read_argument("positive.txt,negative.txt", group="patient")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": np.array([1.0, np.nan])}, "finite number"),
        ({"labels": np.array([1.0])}, "finite number"),
        ({"labels": np.array([1, 0])}, "names of two different classes"),
        ({"weights": [1.0, -1.0]}, "number of 0 or more"),
        ({"weights": [1.0, np.nan]}, "number of 0 or more"),
        ({"weights": [1.0]}, "number of 0 or more"),
        ({"groups": ("a",)}, "1 group for 2 samples"),
    ],
)
def test_cohorts_that_can_not_be(fields, message):
    with pytest.raises(LabelError, match=message):
        Cohort(**{"values": np.ones((2, 1)), "samples": "ab", "features": "g", **fields})


def test_data_check_tells_of_numbers(tmp_path):
    found = check_cohort(read_cohort(written(tmp_path), **ASKED))
    assert found.classes == {}
    assert found.labels["smallest"] == -2
    assert found.labels["variance"] == pytest.approx(np.var([53.5, -2, 10]))
    assert found.weights["largest"] == 1
    assert (found.groups, found.largest_group) == (2, 2)
    assert not any("variance" in line for line in found.warnings)
    rows = changed(1, 1, "10.1")
    rows[2][1] = "9.9"
    found = check_cohort(read_cohort(written(tmp_path, rows), **ASKED))
    assert any("R² needs 0.015625 or more" in line for line in found.warnings)
