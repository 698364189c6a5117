"""What a run would refuse of a site's data, found at that site alone, before anybody is met."""

from __future__ import annotations

from collections.abc import Callable

from cohortium.data import Cohort
from cohortium.errors import CohortiumError
from cohortium.run.planning import selection_rule
from cohortium.run.preparing import prepare_site
from cohortium.run.together import check_samples
from cohortium.study import Study


def refusals(study: Study, cohort: Cohort, features: int) -> list[CohortiumError]:
    """Return the errors that a run of the study would end with at an owner of this cohort.

    ``cohort`` is as ``read_site_data`` returns it, and has so many ``features`` by the names that
    the study has in common. First what ``prepare_site`` raises, which is one
    error at a time; then what follows from the file's size, whatever the other sites bring. None is
    found of what depends on the others: whether features fit together, or a training the ring.
    """
    owner = study.with_role("data")[0]
    checks: list[Callable[[], object]] = [
        lambda: prepare_site(study, owner, cohort, lambda _event: None),
        lambda: check_samples(study, {cohort.source: len(cohort.samples)}, owner),
        lambda: _check_selection(study, features),
    ]
    found = []
    for check in checks:
        try:
            check()
        except CohortiumError as error:
            found.append(error)
    return found


def _check_selection(study: Study, features: int) -> None:
    """Raise ParameterError where no more features than the file's are too few to select from."""
    rule, listed = selection_rule(study), study.features.list
    if rule is not None:
        rule.check_features(features if listed is None else len(listed))
