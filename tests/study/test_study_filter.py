"""A filter in the study file: its rules, who must be told, its words; the ledger part by part."""

from __future__ import annotations

import pytest
from test_study_schema import STUDY, refused
from test_study_words import words

from cohortium.errors import DisclosureError
from cohortium.study import DisclosureLedger, parse_study

RULES = "max_missing = 0.05\nmin_maf = 0.01\nhwe_p = 1e-6\n"
TOLD = '\n[[reveal]]\nwhat = "kept_features"\nto = ["north", "south"]\n'


def filtered(rules: str = RULES, told: str = TOLD) -> str:
    return STUDY.replace("[preparation]", f"[filter]\n{rules}[preparation]") + told


def test_a_filter_is_read() -> None:
    rules = parse_study(filtered()).study.filter
    assert rules is not None
    assert (rules.max_missing, rules.min_maf, rules.hwe_p) == (0.05, 0.01, 1e-6)
    alone = parse_study(filtered("max_missing = 0\n")).study.filter
    assert alone is not None
    assert (alone.max_missing, alone.min_maf, alone.hwe_p) == (0.0, None, None)


@pytest.mark.parametrize(
    ("rules", "told", "complaint"),
    [
        ("", TOLD, "asthma.toml: line 19: the [filter] has no rule"),
        (RULES, "", "line 19: there is a [filter], but no [[reveal]] of 'kept_features'"),
        ("min_maf = 0.6\n", TOLD, "filter.min_maf = 0.6 should be less than or equal to 0.5"),
        ("min_maf = 0.0\n", TOLD, "filter.min_maf = 0.0 should be greater than 0"),
        ("max_missing = -0.1\n", TOLD, "filter.max_missing = -0.1 should be greater than or"),
        ("hwe_p = 0.0\n", TOLD, "filter.hwe_p = 0.0 should be greater than 0"),
        ("max_missing = nan\n", TOLD, "filter.max_missing"),
        ("min_maf = 0.0000001\n", TOLD, "line 20: filter.min_maf = 1e-07 has more than 6 decim"),
        (
            RULES,
            TOLD.replace(', "south"', ""),
            "line 35: 'kept_features' are not revealed to 'south', which owns samples",
        ),
        (
            RULES,
            TOLD.replace('what = "kept', 'minimum_count = 3\nwhat = "kept'),
            "line 34: 'kept_features' does not consist of counts",
        ),
    ],
)
def test_what_contradicts_itself(rules: str, told: str, complaint: str) -> None:
    assert complaint in refused(filtered(rules, told))


def test_kept_features_need_a_filter() -> None:
    assert "line 30: 'kept_features' are revealed, but there is no [filter]" in refused(
        STUDY + TOLD
    )


def test_who_receives_a_model_must_know_its_features() -> None:
    text = filtered().replace('["deal"]', '["deal", "receive"]')
    other = text.replace('to = ["north", "south"]', 'to = ["north", "uni"]', 1)
    assert "not revealed to 'uni', which receives the model" in refused(other)
    everybody = text.replace('to = ["north", "south"]', 'to = ["north", "south", "uni"]')
    assert "The names of all features, as a receiver of the model owns no" in words(everybody)
    only_kept = text.replace(TOLD, TOLD.replace('"south"', '"south", "uni"'))
    assert "as a receiver of the kept features owns no samples" in words(only_kept)


def test_a_filter_in_words() -> None:
    text = words(filtered())
    assert "more than 5 % of its values are missing, or its rarer allele has a frequency" in text
    assert "frequency below 1 %, or the chi-squared test of Hardy–Weinberg equilibrium" in text
    assert "gives p < 1e-06. No count is revealed." in text
    assert "north, south: kept features – of every feature whether it passes the filter" in text
    assert "How many features pass the filter." in text
    assert "bring a feature over a limit: north of south, and the reverse." in text
    assert "filter" not in words(STUDY)


def test_a_reveal_is_not_allowed_before_its_own_shape_is_fixed() -> None:
    ledger = DisclosureLedger.of(parse_study(filtered()).study)
    ledger.fix_shapes({"kept_features": (500,)})
    ledger.authorise("kept_features", ["north", "south"], (500,))
    for name, shape in (("model", (501, 1)), ("bounds", (1,)), ("kept_features", (501,))):
        with pytest.raises(DisclosureError, match="in the shape"):
            ledger.authorise(name, ["north"], shape)
    ledger.fix_shapes({"model": (21, 1), "bounds": (1,)})
    ledger.authorise("model", ["north"], (21, 1))
    with pytest.raises(DisclosureError, match="in the shape 501 × 1"):
        ledger.authorise("model", ["north"], (501, 1))
    with pytest.raises(DisclosureError, match="does not list"):
        DisclosureLedger.of(parse_study(STUDY).study).authorise("kept_features", ["north"], (500,))
