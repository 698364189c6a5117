"""What a study file must not say although each of its keys may: rules between keys."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from cohortium.study.checkpoint_checks import check_checkpoints
from cohortium.study.complaints import Complaints
from cohortium.study.covariate_checks import check_covariates
from cohortium.study.filter_checks import check_filter
from cohortium.study.selection_checks import check_selection

if TYPE_CHECKING:
    from cohortium.study.schema import Study

_LARGEST_PORT = 65535
# Of what may be revealed, that which consists of counts.
_COUNTS = ("calibration",)
# Of larger raw values the model's weights would be too small for their unit.
_LARGEST_SECRETLY_POOLED = 1024.0
# What is revealed without a cross-validation.
_UNVALIDATED = ("model", "feature_statistics", "kept_features", "selected_features")
# What is revealed before the training, so that no bound of it is known to have held.
BEFORE_TRAINING = ("feature_statistics", "kept_features")
# And that which is of labels that are numbers.
_OF_NUMBERS = ("r2", "mse")


def check_study(study: Study, source: str, text: str) -> None:
    """Raise StudyError, naming a line of ``text``, where parts of a study contradict each other."""
    complaints = Complaints(source, text)
    _check_parties(study, complaints)
    _check_features(study, complaints)
    check_covariates(study, complaints)
    _check_reveals(study, complaints)
    check_filter(study, complaints)
    _check_preparation(study, complaints)
    check_selection(study, complaints)
    _check_model(study, complaints)
    _check_kind(study, complaints)
    _check_validation(study, complaints)
    check_checkpoints(study, complaints)


def _check_parties(study: Study, complaints: Complaints) -> None:
    names = [party.name for party in study.party]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise complaints.about(
                ("party", index, "name"),
                f"the party name {name!r} is there twice.",
                remedy="Give each party a name of its own.",
            )
    dealers, computing = study.with_role("deal"), study.with_role("compute")

    def roles_of(some: Sequence[str]) -> tuple[str, int, str]:
        """Return where the last of these has its roles; without any, where the first party has."""
        return "party", names.index(some[-1]) if some else 0, "roles"

    if len(dealers) != 1:
        raise complaints.about(
            roles_of(dealers),
            f"{len(dealers)} parties have the role 'deal'.",
            remedy="Give it to exactly one party, which does not compute.",
        )
    if len(computing) < 2:
        raise complaints.about(
            roles_of(computing),
            f"{len(computing)} parties have the role 'compute'.",
            remedy="Give it to two or more parties.",
        )
    if dealers[0] in computing:
        raise complaints.about(
            roles_of(dealers),
            f"{dealers[0]!r} deals and computes; it could read every secret.",
            remedy="Give the role 'deal' to a party that does not compute.",
        )
    if not study.with_role("data"):
        raise complaints.about(
            roles_of(()),
            "no party has the role 'data'.",
            remedy="Give it to those that own samples.",
        )
    for index, party in enumerate(study.party):
        if party.address and int(party.address.rpartition(":")[2]) not in range(
            1, _LARGEST_PORT + 1
        ):
            raise complaints.about(
                ("party", index, "address"),
                f"the address of {party.name!r}, {party.address!r}, has no valid port.",
                remedy=f"Give HOST:PORT with a port from 1 to {_LARGEST_PORT}.",
            )


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


def _check_model(study: Study, complaints: Complaints) -> None:
    model = study.model
    twice = sorted({value for value in model.l2 if model.l2.count(value) > 1})
    if twice:
        raise complaints.about(
            ("model", "l2"),
            f"model.l2 has {twice[0]:g} twice.",
            remedy="Each value makes a model of its own: list it once.",
        )
    stepwise = [name for name in ("batch", "learning_rate", "momentum") if getattr(model, name)]
    dual_only: list[tuple[tuple[str, ...], str]] = [
        (location, name)
        for location, name, asked in (
            (("model", "l2"), "several values of model.l2", len(model.l2) > 1),
            (("model", "class_weight"), "model.class_weight", model.class_weight is not None),
            (
                ("model", "sigmoid"),
                f"model.sigmoid = {model.sigmoid!r}",
                model.sigmoid != "periodic",
            ),
            (("data", "weight"), "data.weight", study.data.weight is not None),
            (("validation",), "[validation]", study.validation is not None),
            (("data", "covariates"), "data.covariates", bool(study.data.covariates)),
            (("model", "site_indicators"), "model.site_indicators", model.site_indicators),
            (("selection",), "[selection]", study.selection is not None),
            (
                ("preparation", "standardise"),
                f"standardise = {study.preparation.standardise!r} without a [[reveal]] of "
                "'feature_statistics'",
                study.secretly_pooled,
            ),
        )
        if asked
    ]
    if stepwise and model.form == "dual":
        raise complaints.about(
            ("model", stepwise[0]),
            f"model.{stepwise[0]} is for the primal, but model.form is 'dual'.",
            remedy="Leave one of them out.",
        )
    if dual_only and (stepwise or model.form == "primal"):
        location, name = dual_only[0]
        raise complaints.about(
            location,
            f"{name} is for the dual alone, but the model is to be trained in the primal.",
            remedy="Leave out batch, learning_rate and momentum, and form = 'primal'.",
        )
    for section, name, asked in (
        ("data", "weight", study.data.weight is not None),
        ("model", "class_weight", model.class_weight is not None),
        ("data", "covariates", bool(study.data.covariates)),
        ("model", "site_indicators", model.site_indicators),
    ):
        if not (study.secretly_pooled and asked):
            continue
        raise complaints.about(
            (section, name),
            f"{section}.{name} and standardise = {study.preparation.standardise!r} by means and "
            "variances that nobody is told are not there together.",
            remedy=f"Leave {name} out, or add a [[reveal]] of 'feature_statistics'.",
        )
    if isinstance(model.class_weight, list) and max(model.class_weight) > model.weight_bound:
        raise complaints.about(
            ("model", "class_weight"),
            f"model.class_weight is larger than model.weight_bound = {model.weight_bound:g}.",
            remedy="State a larger weight_bound.",
        )


def _check_kind(study: Study, complaints: Complaints) -> None:
    """Refuse what is of classes where labels are numbers, and the other way round."""
    linear = study.model.kind == "linear"
    if linear:
        asked = [
            *(("data", name) for name in ("positive", "negative") if getattr(study.data, name)),
            *(
                ("model", name)
                for name in ("class_weight", "sigmoid", "sigmoid_error")
                if getattr(study.model, name) != type(study.model).model_fields[name].default
            ),
        ]
        if asked:
            raise complaints.about(
                asked[0],
                f"{'.'.join(asked[0])} is of classes, but the labels of model.kind = 'linear' are "
                "numbers.",
                remedy="Leave it out, or say kind = 'logistic'.",
            )
    wanted: list[tuple[tuple[str | int, ...], str]] = [
        (("reveal", index, "what"), reveal.what) for index, reveal in enumerate(study.reveal)
    ]
    if study.validation is not None and study.validation.choose is not None:
        wanted.append((("validation", "choose"), study.validation.choose))
    for location, what in wanted:
        if what not in _UNVALIDATED and (what in _OF_NUMBERS) != linear:
            raise complaints.about(
                location,
                f"{what!r} is of a {'logistic' if linear else 'linear'} regression, but model.kind "
                f"is {study.model.kind!r}.",
                remedy=f"Take one of {', '.join(_OF_NUMBERS)}."
                if linear
                else "Take another metric, or say kind = 'linear'.",
            )
    columns = [study.data.label, study.data.weight]
    columns.append(study.validation.group if study.validation is not None else None)
    named = [column for column in columns if column is not None]
    if len(set(named)) < len(named) or set(columns[1:]) & set(study.data.covariates):
        raise complaints.about(
            ("data", "weight") if study.data.weight is not None else ("validation", "group"),
            "label, weight, group and covariates can not be one column.",
            remedy="Name a column for each.",
        )


def _check_validation(study: Study, complaints: Complaints) -> None:
    metrics = [
        index for index, reveal in enumerate(study.reveal) if reveal.what not in _UNVALIDATED
    ]
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
