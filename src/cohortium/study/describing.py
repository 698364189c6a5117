"""A study in plain language: who does what, who learns what, and what that rests on."""

from __future__ import annotations

from typing import get_args

from cohortium.study.checkpoint_checks import BEFORE_TRAINING
from cohortium.study.describing_risks import risks, tells_counts
from cohortium.study.describing_work import work
from cohortium.study.loading import StudyFile
from cohortium.study.schema import Metric, Reveal, Study
from cohortium.study.wording import in_words

Section = tuple[str, list[str]]

_ROLES = {
    "data": "owns samples",
    "compute": "computes on shares",
    "deal": "deals randomness, sees no share of the data",
    "receive": "receives results",
}
_WHAT = {
    "selected_features": "the names of the features that are selected by all samples",
    "kept_features": "of every feature whether it passes the filter, not by which rule it fails",
    "accuracy": "the share of held-out samples that are told right, for each λ",
    "balanced_accuracy": "the mean of sensitivity and specificity on held-out samples, for each λ",
    "sensitivity": "the share of held-out positives told right, for each λ",
    "specificity": "the share of held-out negatives told right, for each λ",
    "log_loss": "the mean log-loss of held-out samples, for each λ",
    "brier": "the mean Brier score of held-out samples, for each λ",
    "auc": "the area under the ROC curve on held-out samples, for each λ",
    "auc_bounds": "two numbers between which the area under the ROC curve lies, for each λ",
    "r2": "how much of the variance of held-out labels is explained, mean over folds, for each λ",
    "mse": "the mean squared error of held-out samples, for each λ",
    "calibration": "how many held-out samples of either class have a predicted probability of 0 to "
    "10 %, 10 to 20 %, …, for each λ",
}


def describe(file: StudyFile) -> list[Section]:
    """Return headings, each with its sentences, in the order in which a steward asks."""
    study = file.study
    sections = [
        ("What is done", work(study)),
        ("Who takes part", _parties(study)),
        ("What becomes readable, and to whom", _reveals(study)),
        ("What all parties see of each other", _public(study)),
        ("What nobody learns", _secret(study)),
        ("What this rests on", _assumptions(study)),
    ]
    thoughts = risks(study)
    if thoughts:
        sections.append(("Worth a thought before you sign", thoughts))
    return sections


def _parties(study: Study) -> list[str]:
    lines = []
    for party in study.party:
        duties = ", ".join(_ROLES[role] for role in party.roles)
        lines.append(f"{party.name} ({party.address or 'no address yet'}) {duties}.")
    return lines


def _reveals(study: Study) -> list[str]:
    lines = [
        f"{', '.join(reveal.to)}: {in_words(reveal.what)} – {_what(study, reveal.what)}"
        f"{_besides(study, reveal)}{_suppressed(reveal)}."
        for reveal in study.reveal
    ]
    early = [in_words(each.what) for each in study.reveal if each.what in BEFORE_TRAINING]
    but = f" but {' and '.join(early)}, before the training" if early else ""
    lines.append(
        f"{', '.join(study.with_role('compute'))}: a bit for each stated bound, whether it held. "
        f"If one did not, nothing else is revealed{but}."
    )
    return lines


def _what(study: Study, what: str) -> str:
    """Return in words what a reveal is."""
    kept = " kept" * (study.filter is not None)
    if what == "model":
        which = " selected" if study.selection is not None else kept
        return f"the weight of every{which} feature, and the intercept"
    if what == "feature_statistics":
        if study.preparation.by_frequency:
            return f"the allele frequency of every{kept} variant over all observed genotypes"
        return f"the mean and the variance of every{kept} feature over all samples"
    return _WHAT[what]


def _besides(study: Study, reveal: Reveal) -> str:
    """Return what a model has besides features and intercept."""
    if reveal.what != "model":
        return ""
    return "; of every covariate" * bool(study.data.covariates) + (
        "; the effect of each site" * study.model.site_indicators
    )


def _suppressed(reveal: Reveal) -> str:
    if reveal.minimum_count is None:
        return ""
    small = "1" if reveal.minimum_count == 2 else f"from 1 to {reveal.minimum_count - 1}"
    return f"; where a count is {small}, both of that tenth are told as 0"


def _public(study: Study) -> list[str]:
    lines = [
        "The number of samples of each data owner, and how many features it has.",
        ("The names of the two classes. " if study.model.kind == "logistic" else "")
        + _names(study),
        "Who sends how many bytes when: these depend on sizes only, never on values.",
        "The software's version, and the certificates and signatures of all.",
    ]
    if study.filter is not None:
        lines.insert(1, "How many features pass the filter.")
    if study.study.checkpoint_every is not None:
        lines.append("Which run each was in when it stopped, and after which iterations it kept.")
    if study.features.names == "variant":
        lines.insert(1, "The genome build of each data owner's variants, where its file tells it.")
    if study.validation is not None:
        grouped = study.validation.group
        of_groups = f", which tells something of how large each {grouped!r} is" if grouped else ""
        lines.insert(1, f"The number of samples of each fold, by owner{of_groups}.")
    return lines


def _names(study: Study) -> str:
    """Return who tells whom the names of features."""
    owners, mode = set(study.with_role("data")), study.features.mode
    if mode == "list":
        return "Names of features are those in the study; none are sent."
    named = ("model", "kept_features", "selected_features")
    for reveal in study.reveal:
        if reveal.what in named and not set(reveal.to) <= owners:
            what = reveal.what.replace("_", " ")
            return f"The names of all features, as a receiver of the {what} owns no samples."
    if mode == "same":
        return "That all sites have the same features, by a digest; no names are sent."
    return "The names of all features, where the sites' lists differ."


def _secret(study: Study) -> list[str]:
    kept = "Values, labels and names of samples"
    if study.data.weight is not None:
        kept = "Values, labels, weights and names of samples"
    classes = study.model.kind == "logistic" and not tells_counts(study)
    measured = any(reveal.what in get_args(Metric) for reveal in study.reveal)
    counts = ", class counts" if classes else ""
    if counts and measured:
        counts += " (but what the metrics tell of them)"
    selected = any(reveal.what == "selected_features" for reveal in study.reveal)
    if study.selection is not None and not selected:
        counts += ", which features are selected"
    return [
        f"{kept}{counts}, the score of any sample, and every intermediate result: a site knows "
        "its own, nobody those of another, neither the dealer nor who listens on the network.",
    ]


def _assumptions(study: Study) -> list[str]:
    dealer, computing = study.with_role("deal")[0], study.with_role("compute")
    return [
        "All parties run the program as it is (semi-honest). One that does not can spoil the "
        "result; before each reveal the computing parties compare what they ran and saw.",
        f"{dealer} does not collude with any of {', '.join(computing)}: together they could "
        "read the data.",
        f"Of {', '.join(computing)} at least one does not pool its shares with the others."
        if len(computing) > 2
        else f"{' and '.join(computing)} do not pool their shares.",
    ]
