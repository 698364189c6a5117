"""The study in words, the template of a new one, and lines in messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from run_sites import study_text
from test_study_schema import STUDY

from cohortium.errors import StudyError
from cohortium.study import DisclosureLedger, describe, load_study, new_study, parse_study
from cohortium.study.locating import line_of
from cohortium.study.schema import Study
from cohortium.study.template import template


def words(text: str) -> str:
    return "\n".join(
        [heading + "\n" + "\n".join(lines) for heading, lines in describe(parse_study(text))]
    )


def test_a_new_study_is_valid_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    new_study(path, ["north", "south", "east"], "uni")
    study = load_study(path).study
    assert study.with_role("data") == study.with_role("compute") == ("north", "south", "east")
    assert study.with_role("deal") == ("uni",)
    before = path.read_text()
    with pytest.raises(StudyError, match="There is a file"):
        new_study(path, ["north", "south"], "uni")
    assert path.read_text() == before
    with pytest.raises(StudyError, match="Bad Name"):
        new_study(tmp_path / "other.toml", ["north", "Bad Name"], "uni")
    assert not (tmp_path / "other.toml").exists()


def sections() -> list[tuple[str, type[BaseModel]]]:
    found = []
    for name, field in Study.model_fields.items():
        parts = [field.annotation, *get_args(field.annotation)]
        model = next(it for it in parts if isinstance(it, type) and issubclass(it, BaseModel))
        found.append((name, model))
    return found


@pytest.mark.parametrize(("name", "model"), sections())
def test_the_template_has_every_key(name: str, model: type[BaseModel]) -> None:
    text = template(["north", "south"], "uni")
    parts = re.findall(rf"^#?\[\[?{name}\]\]?\n(.*?)(?=^#?\[|\Z)", text, re.MULTILINE | re.DOTALL)
    assert parts
    for key in model.model_fields:
        assert re.search(rf"^#?{key} = ", "".join(parts), re.MULTILINE), key


def test_the_defaults_in_the_template_are_the_schemas() -> None:
    text = template(["north", "south"], "uni")
    shown = re.sub(
        r"^#(?=(connect|dead|imp|stand|clip|kind|form|l2|iter|logit|sigm)\w* = )",
        "",
        text,
        flags=re.MULTILINE,
    )
    assert shown != text
    assert parse_study(shown).study == parse_study(text).study


def test_who_does_and_learns_what() -> None:
    text = words(STUDY)
    assert "north (no address yet) owns samples" in text or "owns samples" in text
    assert "model – the weight of every feature" in text
    assert "class counts" in text
    assert "does not collude with any of north, south" in text


def test_whose_weights_are_told() -> None:
    bound = STUDY.replace("clip = 8.0", "clip = 8.0\nvalue_bound = 32.0")
    rule = '\n[selection]\nby = "variance"\ntop = 8\n'
    readers = parse_study(STUDY).study.reveal[0].to
    told = "".join(
        f'[[reveal]]\nwhat = "{what}"\nto = {list(readers)}\n'
        for what in ("kept_features", "selected_features")
    ).replace("'", '"')
    filtered = told.partition('[[reveal]]\nwhat = "selected')[0]
    sieve = "\n[filter]\nmax_missing = 0.1\n"
    assert "the weight of every kept feature, and" in words(STUDY + sieve + filtered)
    selected = bound + rule + told[len(filtered) :]
    assert "the weight of every selected feature, and" in words(selected)
    assert "the weight of every selected feature, and" in words(bound + rule + sieve + told)
    remark = "model; 0 for all features but the 8 selected."
    assert remark in "\n".join(DisclosureLedger.of(parse_study(selected).study).lines())
    assert "but the" not in "\n".join(DisclosureLedger.of(parse_study(STUDY).study).lines())


def test_allele_frequencies_in_words() -> None:
    secret = STUDY.replace("clip = 8.0", 'standardise = "allele-frequency"\nclip = 8.0')
    text = words(secret)
    assert "standardised on shares by each variant's allele frequency" in text
    assert "from allele frequencies" not in text.lower()
    told = secret.replace("clip", 'impute = "pooled-mean"\nclip', 1)
    told += '\n[[reveal]]\nwhat = "feature_statistics"\nto = ["north", "south"]\n'
    text = words(told)
    assert "feature statistics – the allele frequency of every variant over all observed" in text
    assert "From allele frequencies over all samples whoever knows all sites' but one" in text
    assert "whether the person is among its samples" in text
    assert "means and variances" not in text


def test_what_is_worth_a_thought() -> None:
    study = study_text(l2="0.0")
    assert "λ = 0: with more features than samples" in words(study)
    assert "λ = 0" not in words(study_text())
    counted = study_text() + (
        '[validation]\nfolds = 5\n[[reveal]]\nwhat = "sensitivity"\nto = ["north"]\n'
        '[[reveal]]\nwhat = "specificity"\nto = ["north"]\n'
    )
    text = words(counted)
    assert "class counts can be worked out" in text
    # What may be worked out is not promised to stay secret.
    assert "class counts, the score" not in text


@pytest.mark.parametrize(
    ("l2", "minimum", "more", "told", "not_told"),
    [
        ("1.0", "", "", "a count of 1 is a single patient's", "Suppressed calibration"),
        (
            "1.0",
            "minimum_count = 10\n",
            "",
            "from 1 to 9, both of that tenth are",
            "single patient",
        ),
        ("1.0", "minimum_count = 2\n", "", "where a count is 1, both of", "from 1 to"),
        ("[1.0, 2.0]", "minimum_count = 10\n", "", "Suppressed calibration", "single patient"),
        ("1.0", "minimum_count = 10\n", "accuracy", "Suppressed calibration", "single patient"),
        ("1.0", "minimum_count = 10\n", "brier", "from 1 to 9", "Suppressed calibration"),
    ],
)
def test_what_calibration_counts_tell(
    l2: str, minimum: str, more: str, told: str, not_told: str
) -> None:
    study = study_text(l2=l2) + (
        '[validation]\nfolds = 5\n[[reveal]]\nwhat = "calibration"\nto = ["north"]\n' + minimum
    )
    if more:
        study += f'[[reveal]]\nwhat = "{more}"\nto = ["north"]\n'
    text = words(study)
    assert told in text
    assert not_told not in text
    assert "class counts, the score" not in text


TOML = '''[study]
name = "x"

[[party]]
name = "a"
certificate = """
[model]
name = "no key"
"""
[[party]]
"name" = "b"   # [data]
roles = []

[model]
l2.x = 3
'''


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("study", "name"), 2),
        (("party", 0, "name"), 5),
        (("party", 1, "name"), 11),
        (("party", 1, "roles"), 12),
        (("party", 1, "address"), 10),
        (("party", 2, "name"), None),
        (("model", "l2"), 15),
        (("model", "form"), 14),
        (("data",), None),
        ((), None),
    ],
)
def test_lines_of_keys(location: tuple[str | int, ...], line: int | None) -> None:
    assert line_of(TOML, location) == line


def test_messages_name_the_line() -> None:
    text = study_text().replace("iterations = 12", "iteratons = 12")
    line = text.splitlines().index("iteratons = 12") + 1
    with pytest.raises(StudyError, match=rf"line {line}: model.iteratons .*'iterations'"):
        parse_study(text)


def test_what_the_model_is_adjusted_for() -> None:
    told = words(
        STUDY.replace(
            "[preparation]",
            'covariates = ["age", "sex"]\nranges = { age = [0, 100] }\n'
            'levels = { sex = ["female", "male"] }\nfill = { age = 50 }\n[preparation]',
        ).replace("[model]", "[model]\nsite_indicators = true")
    )
    assert "adjusted for age (from 0 to 100), sex (female, male)" in told
    assert "a missing value is replaced: age by 50" in told
    assert "south has an effect, relative to north" in told
    assert "and the intercept; of every covariate; the effect of each site." in told
    assert "A site's effect tells about how many of its samples are positive" in told
    assert "The weight of a level that few samples have" in told
    assert "adjusted" not in words(STUDY)


def test_what_is_kept_on_disks_is_told() -> None:
    assert "disk" not in words(STUDY)
    told = words(STUDY.replace("[study]\n", "[study]\ncheckpoint_every = 50\n"))
    work, risks = told.split("Worth a thought before you sign")
    assert "Every 50 iterations each computing party writes its shares" in work
    assert "removed before any result is revealed" in work
    assert "One party's tell nothing, not with what the dealer knows either" in risks
    assert "those of north and south together are how far each prediction is off" in risks
