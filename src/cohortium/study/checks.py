"""What a study file must not say although each of its keys may: rules between keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cohortium.errors import StudyError

if TYPE_CHECKING:
    from cohortium.study.schema import Study

_LARGEST_PORT = 65535


def check_study(study: Study, source: str) -> None:
    """Raise StudyError where parts of a study contradict each other."""
    _check_parties(study, source)
    _check_reveals(study, source)
    _check_model(study, source)
    _check_validation(study, source)


def _check_parties(study: Study, source: str) -> None:
    names = [party.name for party in study.party]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StudyError(
            f"{source}: the party name {twice[0]!r} is there twice.",
            remedy="Give each party a name of its own.",
        )
    dealers, computing = study.with_role("deal"), study.with_role("compute")
    if len(dealers) != 1:
        raise StudyError(
            f"{source}: {len(dealers)} parties have the role 'deal'.",
            remedy="Give it to exactly one party, which does not compute.",
        )
    if len(computing) < 2:
        raise StudyError(
            f"{source}: {len(computing)} parties have the role 'compute'.",
            remedy="Give it to two or more parties.",
        )
    if dealers[0] in computing:
        raise StudyError(
            f"{source}: {dealers[0]!r} deals and computes; it could read every secret.",
            remedy="Give the role 'deal' to a party that does not compute.",
        )
    if not study.with_role("data"):
        raise StudyError(
            f"{source}: no party has the role 'data'.", remedy="Give it to those that own samples."
        )
    for party in study.party:
        if party.address and int(party.address.rpartition(":")[2]) not in range(
            1, _LARGEST_PORT + 1
        ):
            raise StudyError(
                f"{source}: the address of {party.name!r}, {party.address!r}, has no valid port.",
                remedy=f"Give HOST:PORT with a port from 1 to {_LARGEST_PORT}.",
            )


def _check_reveals(study: Study, source: str) -> None:
    whats = [reveal.what for reveal in study.reveal]
    if len(set(whats)) < len(whats):
        raise StudyError(
            f"{source}: a [[reveal]] of the same thing is there twice.",
            remedy="List each thing once, with all its receivers.",
        )
    roles = {party.name: party.roles for party in study.party}
    for reveal in study.reveal:
        for name in reveal.to:
            if name not in roles:
                raise StudyError(
                    f"{source}: {reveal.what!r} is revealed to {name!r}, which is no party.",
                    remedy=f"Its parties are: {', '.join(roles)}.",
                )
            if "receive" not in roles[name]:
                raise StudyError(
                    f"{source}: {reveal.what!r} is revealed to {name!r}, which does not have the "
                    "role 'receive'.",
                    remedy="Add the role, or take the party out of the [[reveal]].",
                )


def _check_model(study: Study, source: str) -> None:
    model = study.model
    twice = sorted({value for value in model.l2 if model.l2.count(value) > 1})
    if twice:
        raise StudyError(
            f"{source}: model.l2 has {twice[0]:g} twice.",
            remedy="Each value makes a model of its own: list it once.",
        )
    stepwise = [name for name in ("batch", "learning_rate", "momentum") if getattr(model, name)]
    dual_only = [
        name
        for name, asked in (
            ("several values of model.l2", len(model.l2) > 1),
            ("model.class_weight", model.class_weight is not None),
            (f"model.sigmoid = {model.sigmoid!r}", model.sigmoid != "periodic"),
            ("[validation]", study.validation is not None),
        )
        if asked
    ]
    if stepwise and model.form == "dual":
        raise StudyError(
            f"{source}: model.{stepwise[0]} is for the primal, but model.form is 'dual'.",
            remedy="Leave one of them out.",
        )
    if dual_only and (stepwise or model.form == "primal"):
        raise StudyError(
            f"{source}: {dual_only[0]} is for the dual alone, but the model is to be trained in "
            "the primal.",
            remedy="Leave out batch, learning_rate and momentum, and form = 'primal'.",
        )
    if isinstance(model.class_weight, list) and max(model.class_weight) > model.weight_bound:
        raise StudyError(
            f"{source}: model.class_weight is larger than model.weight_bound = "
            f"{model.weight_bound:g}.",
            remedy="State a larger weight_bound.",
        )


def _check_validation(study: Study, source: str) -> None:
    metrics = [reveal.what for reveal in study.reveal if reveal.what != "model"]
    if study.validation is None:
        if metrics:
            raise StudyError(
                f"{source}: {metrics[0]!r} is revealed, but there is no [validation].",
                remedy="Add [validation] with folds = 5, say, or take the [[reveal]] out.",
            )
        return
    if study.validation.choose is None and not metrics:
        raise StudyError(
            f"{source}: there is a [validation], but nothing of it is revealed or used.",
            remedy="Add a [[reveal]] of a metric, or validation.choose.",
        )
    if study.validation.choose == "auc_bounds":
        raise StudyError(
            f"{source}: validation.choose = 'auc_bounds' is two numbers, by which none is best.",
            remedy="Choose by another metric.",
        )
    if study.validation.choose is not None and len(study.model.l2) == 1:
        raise StudyError(
            f"{source}: validation.choose has one value of model.l2 to choose from.",
            remedy="List several values of l2, or leave choose out.",
        )
