"""Rules between what a study says of covariates: each has a range or levels, and one alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cohortium.study.complaints import Complaints

if TYPE_CHECKING:
    from cohortium.study.schema import Study


def check_covariates(study: Study, complaints: Complaints) -> None:
    """Raise StudyError, naming a line, where parts of it contradict each other."""
    data = study.data
    twice = [name for name, count in Counter(data.covariates).items() if count > 1]
    if twice or data.label in data.covariates:
        raise complaints.about(
            ("data", "covariates"),
            f"data.covariates has {twice[0]!r} twice."
            if twice
            else f"data.covariates has {data.label!r}, which is the label.",
            remedy="List each covariate once, and not the label.",
        )
    for name in data.covariates:
        if (name in data.ranges) == (name in data.levels):
            has = "a range and levels" if name in data.ranges else "neither a range nor levels"
            raise complaints.about(
                ("data", "covariates"),
                f"the covariate {name!r} has {has}.",
                remedy=f"State one: {name} = [0, 100], say, in [data.ranges], or "
                f'{name} = ["no", "yes"] in [data.levels].',
            )
    for table in ("ranges", "levels", "fill"):
        for name in getattr(data, table):
            if name not in data.covariates:
                raise complaints.about(
                    ("data", table, name),
                    f"data.{table} has {name!r}, which is not in data.covariates.",
                    remedy="Add it there, or take it out here.",
                )
    _check_values(study, complaints)
    if study.model.site_indicators and len(study.with_role("data")) < 2:
        raise complaints.about(
            ("model", "site_indicators"),
            "model.site_indicators tells data owners apart, but there is only one.",
            remedy="Leave it out.",
        )


def _check_values(study: Study, complaints: Complaints) -> None:
    data = study.data
    for name, (low, high) in data.ranges.items():
        if low >= high:
            raise complaints.about(
                ("data", "ranges", name),
                f"the range of {name!r} ends at {high:g}, not above its start {low:g}.",
                remedy="Give the smallest and the largest value that it may have.",
            )
    for name, levels in data.levels.items():
        if len(set(levels)) < len(levels):
            raise complaints.about(
                ("data", "levels", name),
                f"a level of {name!r} is there twice.",
                remedy="List each level once, the one that others are compared with first.",
            )
    for name, value in data.fill.items():
        low, high = data.ranges.get(name, (0.0, 0.0))
        if name in data.levels:
            fits = value in data.levels[name]
        else:
            fits = not isinstance(value, str) and low <= value <= high
        if not fits:
            raise complaints.about(
                ("data", "fill", name),
                f"{value!r} can not replace a missing value of {name!r}: it is not in its "
                f"{'levels' if name in data.levels else 'range'}.",
                remedy="Give a value that the covariate may have.",
            )
