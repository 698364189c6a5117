"""A site's own policy: each rule refuses what it should, naming itself, and nothing else."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_sites import study_text

from cohortium.data import Cohort
from cohortium.errors import PolicyError
from cohortium.study import RunRegister, SitePolicy, load_policy, parse_study

STUDY = parse_study(study_text(l2="[1.0, 10.0]")).study


def cohort(samples: int = 10, features: int = 30, positives: int = 4, first: int = 0) -> Cohort:
    labels = (np.arange(samples) < positives).astype(np.int64)
    values = np.random.default_rng(first).normal(size=(samples, features))
    values[0, 0] = np.nan
    names = tuple(f"s{first + row}" for row in range(samples))
    genes = tuple(f"G{column:03d}" for column in range(features))
    return Cohort(values, names, genes, labels, "yes", "no")


@pytest.mark.parametrize(
    ("rules", "but"),
    [
        ({"models": ["linear"]}, "models = .* asks for logistic"),
        ({"reveals": ["auc"]}, "reveals = .* asks for model"),
        ({"reveals": []}, "reveals = .* asks for model"),
        ({"receivers": ["north"]}, "receivers = .* asks for south"),
    ],
)
def test_what_the_study_asks_for(rules: dict[str, object], but: str) -> None:
    with pytest.raises(PolicyError, match=but) as caught:
        SitePolicy.model_validate(rules).check_study(STUDY)
    assert "Nothing was sent" in caught.value.remedy
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    ("rules", "but"),
    [
        ({"minimum_samples": 11}, "minimum_samples = 11, but there are 10 samples"),
        ({"minimum_samples_per_class": 5}, "minimum_samples_per_class = 5, but there are 4"),
        (
            {"maximum_parameters_per_sample": 3.0},
            "maximum_parameters_per_sample = 3, but the model has 3.1 parameters for each",
        ),
        (
            {"maximum_parameters_per_sample": 3.0, "unless_l2_at_least": 1.5},
            "sample = 3 unless l2 is 1.5 or above, but .* and the smallest l2 is 1",
        ),
    ],
)
def test_what_the_data_must_be(rules: dict[str, object], but: str) -> None:
    with pytest.raises(PolicyError, match=but):
        SitePolicy.model_validate(rules).check_data(STUDY, cohort())


def test_what_is_allowed_passes() -> None:
    rules = SitePolicy(
        minimum_samples=10,
        minimum_samples_per_class=4,
        receivers=["north", "south", "east"],
        models=["logistic"],
        reveals=["model", "auc"],
        maximum_parameters_per_sample=2.0,
        unless_l2_at_least=1.0,
    )
    rules.check_study(STUDY)
    rules.check_data(STUDY, cohort())
    SitePolicy(maximum_parameters_per_sample=3.1).check_data(STUDY, cohort())
    SitePolicy().check_study(STUDY)
    SitePolicy().check_data(STUDY, cohort(1, 1000, 1))


def test_rows_are_counted_whatever_their_order_names_or_company(tmp_path: Path) -> None:
    rules, register = SitePolicy(maximum_runs=2), RunRegister(tmp_path / "own")
    first = cohort()
    for _ in range(2):
        rules.check_runs(first, register)
        register.add(first, "0" * 64)
    order = np.random.default_rng(1).permutation(10)[:4]
    columns = np.random.default_rng(2).permutation(30)
    one = Cohort(
        np.vstack([cohort(first=50).values[:5], first.values[order]])[:, columns],
        tuple(f"renamed{row}" for row in range(9)),
        tuple(first.features[column] for column in columns),
    )
    with pytest.raises(PolicyError, match="4 of this site's 9 rows"):
        rules.check_runs(one, register)
    fewer = Cohort(first.values[:3, :7], first.samples[:3], first.features[:7])
    with pytest.raises(PolicyError, match="3 of this site's 3 rows"):
        rules.check_runs(fewer, register)
    rules.check_runs(cohort(first=50), register)
    SitePolicy(maximum_runs=3).check_runs(first, register)
    assert register.runs_of(first) == [2] * 10


def test_the_register_tells_nothing_without_its_key(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        RunRegister(tmp_path / folder).add(cohort(), "0" * 64)
    texts = [(tmp_path / folder / "register.jsonl").read_text() for folder in ("a", "b")]
    assert '"s1"' not in texts[0]
    hashes = [set(text.split('"')) for text in texts]
    assert not {part for part in hashes[0] & hashes[1] if len(part) == 32}
    for name in ("register.jsonl", "register.key"):
        assert stat.S_IMODE((tmp_path / "a" / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [b"{}\n", b"\xff", b"[]\n", b'{"names":1,"values":2}\n'])
def test_a_damaged_register_is_no_empty_one(tmp_path: Path, damage: bytes) -> None:
    register = RunRegister(tmp_path)
    register.add(cohort(), "0" * 64)
    with (tmp_path / "register.jsonl").open("ab") as file:
        file.write(damage)
    with pytest.raises(PolicyError, match="can not be read"):
        SitePolicy(maximum_runs=2).check_runs(cohort(), register)


def test_a_register_whose_key_is_another(tmp_path: Path) -> None:
    register = RunRegister(tmp_path)
    register.add(cohort(), "0" * 64)
    (tmp_path / "register.key").write_bytes(b"short")
    with pytest.raises(PolicyError, match="no key of a register"):
        register.runs_of(cohort())


def test_a_policy_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[policy]\nminimum_samples = 20\nreceivers = ["north"]\n')
    assert load_policy(path) == SitePolicy(minimum_samples=20, receivers=["north"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[policy]\nminimum_sample = 3\n", "line 2: policy.minimum_sample .*'minimum_samples'"),
        ("[policy]\nminimum_samples = 0\n", "policy.minimum_samples = 0 should be greater"),
        ("[policy]\nmaximum_runs = 'x'\n", "whole number"),
        ("[policy]\n\nunless_l2_at_least = 1.0\n", "line 3: .* is an exception to maximum_param"),
        ("minimum_samples = 3\n", "minimum_samples is not a known key"),
        ("[policy\n", "not valid TOML"),
        ("", "policy is missing"),
    ],
)
def test_a_wrong_policy_is_explained(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=told):
        load_policy(path)
    with pytest.raises(PolicyError, match="can not be read"):
        load_policy(tmp_path / "none.toml")


def test_the_text_of_a_cohort_is_not_in_the_message() -> None:
    with pytest.raises(PolicyError) as caught:
        SitePolicy(minimum_samples=11).check_data(STUDY, replace(cohort(), source="secret.csv"))
    assert caught.value.for_this_site_only
