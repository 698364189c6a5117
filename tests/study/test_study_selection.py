"""A selection in the study file: what it needs, who must be told, its words; a site's policy."""

from __future__ import annotations

import numpy as np
import pytest
from test_study_schema import STUDY, refused
from test_study_words import words

from cohortium.data import Cohort
from cohortium.errors import PolicyError
from cohortium.study import SitePolicy, parse_study

RULE = '\n[selection]\nby = "welch-t"\ntop = 20\n'
TOLD = '[[reveal]]\nwhat = "selected_features"\nto = ["north", "south"]\n'
AUC = '[[reveal]]\nwhat = "auc"\nto = ["north"]\n[validation]\nfolds = 3\n'


def selecting(rule: str = RULE, told: str = TOLD) -> str:
    return STUDY.replace("clip = 8.0", "clip = 8.0\nvalue_bound = 32.0") + rule + told


def test_a_selection_is_read() -> None:
    selection = parse_study(selecting()).study.selection
    assert selection is not None
    assert (selection.by, selection.top) == ("welch-t", 20)
    # Who is not told of the model need not be told of the features.
    secret = selecting(told="").replace('what = "model"', 'what = "auc"')
    parse_study(secret + "[validation]\nfolds = 3\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (STUDY + TOLD, "line 29: 'selected_features' are revealed, but there is no [selection]"),
        (selecting().replace("value_bound = 32.0", ""), "line 30: [selection] needs preparation"),
        (selecting().replace("top = 20", "top = 0"), "selection.top = 0 should be greater than"),
        (selecting().replace("welch-t", "anova"), 'selection.by = "anova" should be'),
        (
            selecting(told=""),
            "line 28: 'model' is revealed to 'north', which learns from it which features were",
        ),
        (
            selecting(told=TOLD.replace(', "south"', "")),
            "line 28: 'model' is revealed to 'south', which learns from it",
        ),
        (
            selecting().replace("iterations = 10", 'kind = "linear"'),
            "line 31: selection.by = 'welch-t' is of classes",
        ),
        (
            selecting().replace("clip = 8.0", 'standardise = "pooled"'),
            "line 30: [selection] and standardise = 'pooled' by means and variances that nobody",
        ),
        (
            selecting() + '[features]\nmode = "union"\n',
            "line 37: features.mode = 'union' leaves a site without values",
        ),
        (
            selecting().replace("iterations = 10", 'form = "primal"'),
            "line 30: [selection] is for the dual alone",
        ),
        (
            selecting().replace("iterations = 10", "batch = 16"),
            "line 30: [selection] is for the dual alone",
        ),
        (
            selecting().replace("value_bound = 32.0", "value_bound = 2048.0"),
            "preparation.value_bound is 2048, but with [selection] it is 1024 at most",
        ),
        (
            # Whoever knows the variances knows which are the largest.
            selecting(RULE.replace("welch-t", "variance"), told="")
            .replace("clip = 8.0", 'clip = 8.0\nstandardise = "pooled"\nimpute = "pooled-mean"')
            .replace('what = "model"', 'what = "feature_statistics"')
            + AUC,
            "'feature_statistics' are revealed to 'north', which learns from them",
        ),
    ],
)
def test_what_a_selection_must_not_be(text: str, told: str) -> None:
    assert told in refused(text)


def test_what_is_revealed_before_the_training_is_excepted_from_the_bounds() -> None:
    excepted = "nothing else is revealed but feature statistics, before the training."
    pooled = STUDY.replace(
        "clip = 8.0", 'standardise = "pooled"\nimpute = "pooled-mean"\nvalue_bound = 32.0'
    )
    told = TOLD.replace("selected_features", "feature_statistics")
    assert excepted in words(pooled + told)
    assert "nothing else is revealed." in words(STUDY)


def test_a_selection_in_words() -> None:
    text = words(selecting())
    assert "the 20 with the largest Welch's t of the two classes are trained on" in text
    assert "none above 32" in text
    assert "north, south: selected features – the names of the features" in text
    assert "which features are selected" not in text
    secret = selecting(RULE.replace("welch-t", "variance"), "").replace('"model"', '"auc"')
    text = words(secret + "[validation]\nfolds = 3\n")
    assert "the 20 with the largest variance are trained on" in text
    assert "For each fold they are selected anew, without its samples, and stay secret." in text
    assert "class counts (but what the metrics tell of them), which features are" in text


def test_a_policy_counts_the_selected_features() -> None:
    values, labels = np.zeros((10, 400)), np.arange(10) % 2
    names = tuple(f"{place}" for place in range(400))
    cohort = Cohort(values, names[:10], names, labels, "yes", "no", "a file")
    rules = SitePolicy(maximum_parameters_per_sample=3.0)
    rules.check_data(parse_study(selecting()).study, cohort)
    with pytest.raises(PolicyError, match=r"3\.1 parameters for each"):
        rules.check_data(parse_study(selecting(RULE.replace("20", "30"))).study, cohort)
    with pytest.raises(PolicyError, match=r"40\.1 parameters"):
        rules.check_data(parse_study(STUDY).study, cohort)
