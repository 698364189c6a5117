"""What a study file must not say although each of its keys may: rules between keys."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cohortium.study.checkpoint_checks import check_checkpoints
from cohortium.study.complaints import Complaints
from cohortium.study.covariate_checks import check_covariates
from cohortium.study.filter_checks import check_filter
from cohortium.study.model_checks import UNVALIDATED, check_kind, check_model
from cohortium.study.party_checks import check_parties
from cohortium.study.selection_checks import check_selection

if TYPE_CHECKING:
    from cohortium.study.schema import Study

# Of what may be revealed, that which consists of counts.
_COUNTS = ("calibration",)
# Of larger raw values the model's weights would be too small for their unit.
_LARGEST_SECRETLY_POOLED = 1024.0


def check_study(study: Study, source: str, text: str) -> None:
    """Raise StudyError, naming a line of ``text``, where parts of a study contradict each other."""
    complaints = Complaints(source, text)
    check_parties(study, complaints)
    _check_features(study, complaints)
    check_covariates(study, complaints)
    _check_reveals(study, complaints)
    check_filter(study, complaints)
    _check_preparation(study, complaints)
    check_selection(study, complaints)
    check_model(study, complaints)
    check_kind(study, complaints)
    _check_validation(study, complaints)
    check_checkpoints(study, complaints)


def _check_features(study: Study, complaints: Complaints) -> None:
    features = study.features
    if (features.list is None) == (features.mode == "list"):
        raise complaints.about(
            ("features", "mode" if features.list is None else "list"),
            "features.mode = 'list' and features.list go together.",
            remedy="Give both, or leave out the list.",
        )
    listed = sorted(features.list or ())
    twice = [name for name, following in pairwise(listed) if name == following]
    if twice:
        raise complaints.about(
            ("features", "list"),
            f"features.list has {twice[0]!r} twice.",
            remedy="List each feature once.",
        )
    if features.aliases and features.names != "gene":
        raise complaints.about(
            ("features", "aliases"),
            f"features.aliases are of genes, but features.names is {features.names!r}.",
            remedy="Say names = 'gene', or leave out the aliases.",
        )
    if features.build is not None and features.names != "variant":
        raise complaints.about(
            ("features", "build"),
            f"features.build is of variants, but features.names is {features.names!r}.",
            remedy="Say names = 'variant', or leave out the build.",
        )
    if features.mode == "union" and study.preparation.standardise != "site":
        raise complaints.about(
            ("features", "mode"),
            "features.mode = 'union' imputes a feature that a site lacks by 0, which is its mean "
            "only where each site standardises.",
            remedy="Say standardise = 'site' in [preparation], or mode = 'intersection'.",
        )


def _check_reveals(study: Study, complaints: Complaints) -> None:
    whats = [reveal.what for reveal in study.reveal]
    roles = {party.name: party.roles for party in study.party}
    for index, reveal in enumerate(study.reveal):
        if reveal.what in whats[:index]:
            raise complaints.about(
                ("reveal", index, "what"),
                f"a [[reveal]] of the same thing, {reveal.what!r}, is there twice.",
                remedy="List each thing once, with all its receivers.",
            )
        if reveal.minimum_count is not None and reveal.what not in _COUNTS:
            raise complaints.about(
                ("reveal", index, "minimum_count"),
                f"{reveal.what!r} does not consist of counts, so minimum_count can suppress none.",
                remedy=f"Leave it out there; it is for the [[reveal]] of {', '.join(_COUNTS)}.",
            )
        for name in reveal.to:
            if name not in roles:
                raise complaints.about(
                    ("reveal", index, "to"),
                    f"{reveal.what!r} is revealed to {name!r}, which is no party.",
                    remedy=f"Its parties are: {', '.join(roles)}.",
                )
            if "receive" not in roles[name]:
                raise complaints.about(
                    ("reveal", index, "to"),
                    f"{reveal.what!r} is revealed to {name!r}, which does not have the role "
                    "'receive'.",
                    remedy="Add the role, or take the party out of the [[reveal]].",
                )


def _check_preparation(study: Study, complaints: Complaints) -> None:
    """Raise where one line of pooled standardisation lacks another that it needs."""
    preparation = study.preparation
    pooled = preparation.standardise == "pooled"
    places = {reveal.what: index for index, reveal in enumerate(study.reveal)}
    told = places.get("feature_statistics")
    if told is not None and not preparation.together:
        raise complaints.about(
            ("reveal", told, "what"),
            "'feature_statistics' are revealed, but nothing is standardised by them.",
            remedy="Say standardise = 'pooled' or 'allele-frequency' in [preparation], or take the "
            "[[reveal]] out.",
        )
    if (told is not None) != (preparation.impute == "pooled-mean"):
        raise complaints.about(
            ("preparation", "impute") if told is None else ("reveal", told, "what"),
            "impute = 'pooled-mean' and a [[reveal]] of 'feature_statistics' go together: only a "
            "mean that a site is told can replace its missing values.",
            remedy="Say both, or neither.",
        )
    if preparation.by_frequency and preparation.value_bound is not None:
        raise complaints.about(
            ("preparation", "value_bound"),
            "standardise = 'allele-frequency' is of allele counts, from 0 to 2: there is no "
            "value_bound to state.",
            remedy="Leave value_bound out.",
        )
    if pooled != (preparation.value_bound is not None) and (pooled or study.selection is None):
        raise complaints.about(
            ("preparation", "standardise" if pooled else "value_bound"),
            "standardise = 'pooled' and value_bound go together: of values up to that bound means "
            "and variances are computed.",
            remedy="Say both, or neither: value_bound = 64.0, say, for logarithms of expression.",
        )
    if study.secretly_pooled and (preparation.value_bound or 0) > _LARGEST_SECRETLY_POOLED:
        raise complaints.about(
            ("preparation", "value_bound"),
            f"value_bound = {preparation.value_bound:g} is above {_LARGEST_SECRETLY_POOLED:g}, "
            "the largest for means and variances that nobody is told.",
            remedy="Take logarithms, or add a [[reveal]] of 'feature_statistics'.",
        )
    if told is None:
        return
    receivers = set(study.reveal[told].to)
    readers = set(study.reveal[places["model"]].to) if "model" in places else set()
    for names, why in (
        (study.with_role("data"), "owns samples, which it standardises by them"),
        (sorted(readers), "receives the model, which means nothing without them"),
    ):
        for name in names:
            if name not in receivers:
                raise complaints.about(
                    ("reveal", told, "to"),
                    f"'feature_statistics' are not revealed to {name!r}, which {why}.",
                    remedy=f"Add {name!r} to the receivers.",
                )


def _check_validation(study: Study, complaints: Complaints) -> None:
    metrics = [index for index, reveal in enumerate(study.reveal) if reveal.what not in UNVALIDATED]
    if study.validation is None:
        if metrics:
            raise complaints.about(
                ("reveal", metrics[0], "what"),
                f"{study.reveal[metrics[0]].what!r} is revealed, but there is no [validation].",
                remedy="Add [validation] with folds = 5, say, or take the [[reveal]] out.",
            )
        return
    if study.validation.choose is None and not metrics:
        raise complaints.about(
            ("validation",),
            "there is a [validation], but nothing of it is revealed or used.",
            remedy="Add a [[reveal]] of a metric, or validation.choose.",
        )
    if study.validation.choose == "auc_bounds":
        raise complaints.about(
            ("validation", "choose"),
            "validation.choose = 'auc_bounds' is two numbers, by which none is best.",
            remedy="Choose by another metric.",
        )
    if study.validation.choose is not None and len(study.model.l2) == 1:
        raise complaints.about(
            ("validation", "choose"),
            "validation.choose has one value of model.l2 to choose from.",
            remedy="List several values of l2, or leave choose out.",
        )
