"""Rules between a study's filter and the rest: a rule or more, and who is told what passes."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from cohortium.study.complaints import Complaints

if TYPE_CHECKING:
    from cohortium.study.schema import Study

# Frequencies are compared as exact fractions, of which the ring has room for denominators so large.
_DECIMALS = 6


def check_filter(study: Study, complaints: Complaints) -> None:
    """Raise StudyError, naming a line, where filter and reveals do not go together."""
    places = {reveal.what: index for index, reveal in enumerate(study.reveal)}
    told, rules = places.get("kept_features"), study.filter
    if rules is None:
        if told is not None:
            raise complaints.about(
                ("reveal", told, "what"),
                "'kept_features' are revealed, but there is no [filter].",
                remedy="Add [filter] with a rule, or take the [[reveal]] out.",
            )
        return
    if rules.max_missing is rules.min_maf is rules.hwe_p is None:
        raise complaints.about(
            ("filter",),
            "the [filter] has no rule.",
            remedy="State max_missing, min_maf or hwe_p, or take the section out.",
        )
    for name, value in (("max_missing", rules.max_missing), ("min_maf", rules.min_maf)):
        if value is not None and (Fraction(repr(value)) * 10**_DECIMALS).denominator > 1:
            raise complaints.about(
                ("filter", name),
                f"filter.{name} = {value!r} has more than {_DECIMALS} decimals.",
                remedy="Round it: it is compared as an exact fraction.",
            )
    if told is None:
        raise complaints.about(
            ("filter",),
            "there is a [filter], but no [[reveal]] of 'kept_features': no site could leave out "
            "what does not pass.",
            remedy="Add the [[reveal]], to all data owners and to all who receive the model.",
        )
    readers = study.reveal[places["model"]].to if "model" in places else []
    for names, why in (
        (study.with_role("data"), "owns samples, of which it leaves features out"),
        (readers, "receives the model, whose weights it could not name"),
    ):
        for name in names:
            if name not in study.reveal[told].to:
                raise complaints.about(
                    ("reveal", told, "to"),
                    f"'kept_features' are not revealed to {name!r}, which {why}.",
                    remedy=f"Add {name!r} to the receivers.",
                )
