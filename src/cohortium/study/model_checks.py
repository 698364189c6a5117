"""Rules between what a study says of its model: what goes with which form and kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cohortium.study.complaints import Complaints

if TYPE_CHECKING:
    from cohortium.study.schema import Study

# What is revealed without a cross-validation.
UNVALIDATED = ("model", "feature_statistics", "kept_features", "selected_features")
# And that which is of labels that are numbers.
_OF_NUMBERS = ("r2", "mse")


def check_model(study: Study, complaints: Complaints) -> None:
    """Raise StudyError, naming a line, where parameters do not go with the model's form."""
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


def check_kind(study: Study, complaints: Complaints) -> None:
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
        if what not in UNVALIDATED and (what in _OF_NUMBERS) != linear:
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
