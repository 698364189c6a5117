"""Rules between what a study says of selecting features: what it needs, and who is told what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cohortium.study.complaints import Complaints

# Scores of larger raw values do not fit the ring.
_LARGEST_VALUE = 1024.0

if TYPE_CHECKING:
    from cohortium.study.schema import Study


def check_selection(study: Study, complaints: Complaints) -> None:
    """Raise StudyError, naming a line, where a ``[selection]`` contradicts the rest."""
    selection = study.selection
    places = {reveal.what: index for index, reveal in enumerate(study.reveal)}
    told = places.get("selected_features")
    if selection is None:
        if told is not None:
            raise complaints.about(
                ("reveal", told, "what"),
                "'selected_features' are revealed, but there is no [selection].",
                remedy="Add [selection] with by and top, or take the [[reveal]] out.",
            )
        return
    bound = study.preparation.largest_value
    if bound is None:
        raise complaints.about(
            ("selection",),
            "[selection] needs preparation.value_bound: features are selected by raw values up to "
            "that bound.",
            remedy="State it: value_bound = 64.0, say, for logarithms of expression.",
        )
    if bound > _LARGEST_VALUE:
        raise complaints.about(
            ("preparation", "value_bound"),
            f"preparation.value_bound is {bound:g}, but with [selection] "
            f"it is {_LARGEST_VALUE:g} at most.",
            remedy="Take logarithms, or other units.",
        )
    if selection.by == "welch-t" and study.model.kind == "linear":
        raise complaints.about(
            ("selection", "by"),
            "selection.by = 'welch-t' is of classes, but the labels of model.kind = 'linear' are "
            "numbers.",
            remedy="Say by = 'variance', or kind = 'logistic'.",
        )
    if study.secretly_pooled:
        raise complaints.about(
            ("selection",),
            f"[selection] and standardise = {study.preparation.standardise!r} by means and "
            "variances that nobody is told are not there together.",
            remedy="Say standardise = 'site', or add a [[reveal]] of 'feature_statistics'.",
        )
    if study.features.mode == "union":
        raise complaints.about(
            ("features", "mode"),
            "features.mode = 'union' leaves a site without values of a feature, and features are "
            "selected by the values of all sites.",
            remedy="Say mode = 'intersection', or leave [selection] out.",
        )
    if "model" in places:
        readers = study.reveal[places["model"]].to
        listed = () if told is None else study.reveal[told].to
        unlisted = [name for name in readers if name not in listed]
        if unlisted:
            raise complaints.about(
                ("reveal", places["model"], "to"),
                f"'model' is revealed to {unlisted[0]!r}, which learns from it which features were "
                "selected (the others' weights are 0), but 'selected_features' are not.",
                remedy=f"Add a [[reveal]] of 'selected_features' to {', '.join(readers)}.",
            )
    if selection.by == "variance" and "feature_statistics" in places:
        statistics = places["feature_statistics"]
        listed = () if told is None else study.reveal[told].to
        unlisted = [name for name in study.reveal[statistics].to if name not in listed]
        if unlisted:
            raise complaints.about(
                ("reveal", statistics, "to"),
                f"'feature_statistics' are revealed to {unlisted[0]!r}, which learns from them "
                "which features have the largest variance, but 'selected_features' are not.",
                remedy="Add a [[reveal]] of 'selected_features' to "
                f"{', '.join(study.reveal[statistics].to)}.",
            )
