"""Of which runs no state is kept, as they could not be gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cohortium.study.complaints import Complaints

if TYPE_CHECKING:
    from cohortium.study.schema import Study

# What is revealed before the training begins, so that no bound of it is known to have held.
BEFORE_TRAINING = ("feature_statistics", "kept_features")


def check_checkpoints(study: Study, complaints: Complaints) -> None:
    """Raise StudyError, naming the line, where the study asks to keep the state of such a run."""
    if study.study.checkpoint_every is None:
        return
    model = study.model
    early = [reveal.what for reveal in study.reveal if reveal.what in BEFORE_TRAINING]
    if model.form == "primal" or model.batch or model.learning_rate or model.momentum:
        why, remedy = "the state of a training in the primal is not kept", "Train in the dual"
    elif early:
        why = f"{early[0]!r} are revealed before the training, and would be once more"
        remedy = f"Take the [[reveal]] of {early[0]!r} out"
    elif study.selection is not None:
        # Computed anew it could differ where features are all but equal.
        why, remedy = "which features a [selection] chose is not kept", "Take it out"
    else:
        return
    raise complaints.about(
        ("study", "checkpoint_every"),
        f"study.checkpoint_every is given, but {why}.",
        remedy=f"{remedy}, or leave checkpoint_every out.",
    )
