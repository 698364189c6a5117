"""Covariates of a site: wherever their columns are, and each thing that can be wrong with them."""

from __future__ import annotations

import numpy as np
import pytest

from cohortium.data import (
    Covariate,
    by_fold,
    check_cohort,
    concatenate,
    parse_data_argument,
    read_argument,
    read_cohort,
    scaled,
)
from cohortium.errors import DataValueError, FeatureError, LabelError, ParameterError

AGE = Covariate("age", range=(0.0, 100.0))
SEX = Covariate("sex", levels=("female", "male", "other"))
GENES = "id,g1,g2,y\na,1,2,t\nb,3,4,n\nc,5,6,t\n"
PEOPLE = "id,sex,age\nc,other,70\na,female,30.5\nb,male,50\n"
EXPECTED = [[30.5, 0, 0], [50, 1, 0], [70, 0, 1]]


def read(path, covariates=(AGE, SEX), **arguments):
    return read_cohort(path, label="y", positive="t", covariates=covariates, **arguments)


def refusal(kind, path, *covariates, **arguments):
    with pytest.raises(kind) as caught:
        read(path, covariates or (AGE, SEX), **arguments)
    assert type(caught.value) is kind
    return caught.value


def test_they_come_from_a_file_of_their_own(write):
    cohort = read(write(GENES), covariate_file=write(PEOPLE, "people.csv"))
    assert cohort.covariates.tolist() == EXPECTED
    assert cohort.features == ("g1", "g2")
    assert AGE.columns + SEX.columns == ("age", "sex = male", "sex = other")
    np.testing.assert_allclose(scaled(cohort.covariates, (AGE, SEX))[:, 0], [-0.39, 0, 0.4])


def test_they_come_from_the_label_file(write):
    genes = "id,g1,g2\na,1,2\nb,3,4\nc,5,6\n"
    people = "id,sex,y,age\nc,other,t,70\na,female,t,30.5\nb,male,n,50\n"
    path, labels = write(genes), write(people, "people.csv")
    assert read(path, label_file=labels).covariates.tolist() == EXPECTED
    turned = write("gene,a,b,c\ng1,1,3,5\ng2,2,4,6\n", "turned.csv")
    assert read(turned, label_file=labels).covariates.tolist() == EXPECTED


def test_they_come_from_the_table_and_are_no_features(write):
    table = "id,g1,sex,y,age,g2\na,1,female,t,30.5,2\nb,3,male,n,50,4\nc,5,other,t,70,6\n"
    cohort = read(write(table))
    assert cohort.covariates.tolist() == EXPECTED
    assert cohort.features == ("g1", "g2")
    without = read_cohort(
        write(
            table.replace("sex", "g3")
            .replace("female", "1")
            .replace("male", "1")
            .replace("other", "1")
        ),
        label="y",
        positive="t",
    )
    assert "age" in without.features


def test_they_come_from_a_file_that_tells_of_its_samples(tmp_path):
    np.savez(
        tmp_path / "set.npz",
        values=np.eye(3),
        samples=["a", "b", "c"],
        features=["g1", "g2", "g3"],
        y=["t", "n", "t"],
        sex=["female", "male", "other"],
        age=["30.5", "50", "70"],
    )
    assert read(tmp_path / "set.npz").covariates.tolist() == EXPECTED


def test_a_pair_of_files_may_have_them(write, tmp_path):
    write("gene,ref,a,c\ng1,0,1,5\n", "t.txt")
    write("gene,ref,b\ng1,0,3\n", "n.txt")
    write(PEOPLE, "people.csv")
    argument = f"{tmp_path}/t.txt,{tmp_path}/n.txt,covariates={tmp_path}/people.csv"
    cohort = read_argument(argument, covariates=(AGE, SEX))
    assert cohort.samples == ("a", "c", "b")
    assert cohort.covariates[:, 0].tolist() == [30.5, 70, 50]


def test_rows_keep_their_covariates(write):
    cohort = read(write(GENES), covariate_file=write(PEOPLE, "people.csv"))
    assert cohort.take([2, 0]).covariates.tolist() == [EXPECTED[2], EXPECTED[0]]
    assert cohort.select_features(["g2"]).covariates.tolist() == EXPECTED
    shuffled, _ = by_fold(cohort, 2)
    ages = dict(zip(cohort.samples, cohort.covariates[:, 0], strict=True))
    assert [ages[name] for name in shuffled.samples] == shuffled.covariates[:, 0].tolist()
    other = read(
        write(GENES.replace("\na", "\nd").replace("\nb", "\ne").replace("\nc", "\nf"), "o.csv"),
        (AGE,),
        covariate_file=write("id,age\nd,1\ne,2\nf,3\n", "more.csv"),
    )
    both = concatenate([cohort.take([0]), cohort.take([1])], source="both")
    assert both.covariates.tolist() == EXPECTED[:2]
    plain = read_cohort(write(GENES, "plain.csv"), label="y", positive="t")
    with pytest.raises(LabelError, match="Only 1 of 2 files have covariates"):
        concatenate([other, plain], source="both")


def test_the_join_is_counted_and_data_check_names_what_did_not_match(write):
    people = PEOPLE + "gone,male,40\nleft,male,41\n"
    cohort = read(write(GENES), covariate_file=write(people, "people.csv"))
    assert cohort.notes == ("people.csv: 2 sample names not in expr.csv.",)
    assert cohort.unmatched == ("gone", "left")
    told = "\n".join(check_cohort(cohort).warnings)
    assert "2 names of labels or covariates that no sample has: 'gone', 'left'." in told
    labels = write("id,y\na,t\nb,n\nc,t\nfar,t\n", "labels.csv")
    joined = read_cohort(
        write("id,g1\na,1\nb,2\nc,3\n", "g.csv"), label_file=labels, label="y", positive="t"
    )
    assert joined.unmatched == ("far",)
    assert joined.notes == ("labels.csv: 1 sample name not in g.csv.",)


def test_samples_left_out_for_their_label_are_not_unmatched(write):
    cohort = read(
        write(GENES.replace("c,5,6,t", "c,5,6,") + "d,7,8,t\n"),
        missing_label="drop",
        covariate_file=write(PEOPLE.replace("c,other,70", "c,,") + "d,male,20\n", "people.csv"),
    )
    assert cohort.unmatched == ()
    assert cohort.covariates[:, 0].tolist() == [30.5, 50, 20]


def test_a_missing_value_is_filled_where_the_study_says_by_what(write):
    people = write(PEOPLE.replace("30.5", "NA").replace("other", ""), "people.csv")
    fill = (
        Covariate("age", range=(0.0, 100.0), fill=45.0),
        Covariate("sex", levels=SEX.levels, fill="male"),
    )
    cohort = read(write(GENES), fill, covariate_file=people)
    assert cohort.covariates.tolist() == [[45, 0, 0], [50, 1, 0], [70, 1, 0]]
    assert cohort.notes == (
        "age: 1 missing value replaced by 45.0, as the study says.",
        "sex: 1 missing value replaced by male, as the study says.",
    )


@pytest.mark.parametrize(
    ("old", "new", "what", "remedy"),
    [
        ("a,female,30.5", "a,female,130", "line 3 (sample 'a'): 130 is beyond", "range"),
        ("a,female,30.5", "a,female,old", "line 3 (sample 'a'): 'old' is not a number", "Correct"),
        ("a,female,30.5", "a,female,1_0", "line 3 (sample 'a'): '1_0' is not a number", "Correct"),
        ("a,female,30.5", "a,female,inf", "line 3 (sample 'a'): inf is beyond", "Correct"),
        ("a,female", "a,Female", "'Female' is none of the study's levels ('female', 'm", "levels"),
        ("a,female,30.5", "a,female,", "missing for 1 of 3 samples: line 3 (sample 'a')", "fill"),
        ("a,female,30.5\n", "", "1 of 3 samples of expr.csv are not in people.csv", "same sample"),
        ("id,sex,age", "id,sex,Age", "no column 'age', a covariate of the study", "'Age'"),
        ("id,sex,age", "id,sex,y", "no column 'age'", "covariates=COVARIATEFILE"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(write, old, new, what, remedy):
    assert old in PEOPLE
    people = write(PEOPLE.replace(old, new), "people.csv")
    error = refusal(DataValueError, write(GENES), covariate_file=people)
    assert what in error.what
    assert remedy in error.remedy


def test_doubles_are_errors(write):
    twice = write(PEOPLE + "a,male,3\n", "people.csv")
    error = refusal(DataValueError, write(GENES), covariate_file=twice)
    assert "'a' in lines 3 and 5" in error.what
    columns = write("id,age,age,sex\na,1,1,male\nb,1,1,male\nc,1,1,male\n", "people.csv")
    error = refusal(LabelError, write(GENES), covariate_file=columns)
    assert "has 2 columns 'age'" in error.what
    gene = write(GENES.replace("g1", "age"))
    error = refusal(FeatureError, gene, covariate_file=write(PEOPLE, "people.csv"))
    assert "'age' is a feature of expr.csv as well" in error.what


def test_the_argument(tmp_path):
    assert parse_data_argument("x.csv,covariates=c.csv,labels=l.csv").keys() == {
        "path",
        "label_file",
        "covariate_file",
    }
    assert parse_data_argument("p.txt,n.txt,covariates=c.csv").keys() == {
        "positive_path",
        "negative_path",
        "covariate_file",
    }
    for wrong in (
        "x.csv,covariates=",
        "covariates=c.csv",
        "x.csv,covariates=a,covariates=b",
        "x.csv,y.csv,labels=l.csv",
        "x.csv,y.csv,z.csv,covariates=c.csv",
    ):
        with pytest.raises(ParameterError, match="does not name data"):
            parse_data_argument(wrong)
