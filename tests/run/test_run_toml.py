"""A study written as TOML reads back as the same study: local runs depend on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_sites import parsed, study_text

from cohortium.run.local import to_toml

BASE = parsed(study_text(l2="[0.1, 1, 1e-7]")).study

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.mark.parametrize(
    "name",
    [
        "Köln 東京 😀",
        "\"quoted\" and 'single' and \\ back",
        "two\nlines\r\nand\ttab",
        "delete \x7f bell \x07 null \x00",
        '"""',
        "[study] # = {}",
    ],
)
def test_awkward_texts_come_back(name: str) -> None:
    study = BASE.model_copy(
        update={
            "study": BASE.study.model_copy(update={"name": name}),
            "data": BASE.data.model_copy(update={"label": name, "positive": name + "!"}),
        }
    )
    assert parsed(to_toml(study)).study == study


@given(
    name=TEXTS,
    label=TEXTS,
    aliases=st.dictionaries(TEXTS, TEXTS, max_size=4),
    l2=st.lists(st.floats(0, 1e9), min_size=1, unique=True),
)
def test_any_study_comes_back(
    name: str, label: str, aliases: dict[str, str], l2: list[float]
) -> None:
    study = BASE.model_copy(
        update={
            "study": BASE.study.model_copy(update={"name": name}),
            "data": BASE.data.model_copy(update={"label": label}),
            "features": BASE.features.model_copy(update={"names": "gene", "aliases": aliases}),
            "model": BASE.model.model_copy(update={"l2": l2}),
        }
    )
    assert parsed(to_toml(study)).study == study
