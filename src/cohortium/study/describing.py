"""A study in plain language: who does what, who learns what, and what that rests on."""

from __future__ import annotations

from cohortium.study.checks import BEFORE_TRAINING
from cohortium.study.schema import Reveal, Study, StudyFile

Section = tuple[str, list[str]]

_ROLES = {
    "data": "owns samples",
    "compute": "computes on shares",
    "deal": "deals randomness, sees no share of the data",
    "receive": "receives results",
}
_WHAT = {
    "model": "the weight of every feature, and the intercept",
    "feature_statistics": "the mean and the variance of every feature over all samples",
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
_FEATURES = {
    "same": "All sites must have the same features",
    "intersection": "Features are those that every site has",
    "union": "Features are those that any site has; where a site lacks one, it counts as its mean",
    "list": "Features are those that the study lists",
}
_FORMS = {
    "exact": ", named exactly alike.",
    "gene": ", with genes' names in upper case, without Ensembl versions, and by the study's "
    "aliases.",
    "variant": ", with variants' alleles and strands put in one order at each site.",
}
_PARTS_OF_COUNTS = {"accuracy", "balanced_accuracy", "sensitivity", "specificity", "calibration"}


def describe(file: StudyFile) -> list[Section]:
    """Return headings, each with its sentences, in the order in which a steward asks."""
    study = file.study
    sections = [
        ("What is done", _work(study)),
        ("Who takes part", _parties(study)),
        ("What becomes readable, and to whom", _reveals(study)),
        ("What all parties see of each other", _public(study)),
        ("What nobody learns", _secret(study)),
        ("What this rests on", _assumptions(study)),
    ]
    risks = _risks(study)
    if risks:
        sections.append(("Worth a thought before you sign", risks))
    return sections


def _work(study: Study) -> list[str]:
    model = study.model
    strengths = ", ".join(f"{value:g}" for value in model.l2)
    lines = [
        f"A {model.kind} regression is trained in {model.iterations} iterations on the samples of "
        f"all data owners together, with L2 regularisation λ = {strengths}.",
        *_preparation(study),
    ]
    lines.append(_FEATURES[study.features.mode] + _FORMS[study.features.names])
    if study.features.build is not None:
        lines.append(f"Positions are of the genome build {study.features.build}.")
    lines += _filtered(study)
    lines += _selected(study)
    lines += _adjusted(study)
    if model.class_weight == "balanced":
        lines.append("Classes are weighted by their counts, which stay secret.")
    if model.kind == "linear":
        lines.append(
            f"Labels are numbers, taken as they are: none may exceed {model.logit_bound:g} in "
            "magnitude, which each site checks of its own, and no prediction, which is checked in "
            "secret."
        )
    if study.data.weight is not None:
        lines.append(
            f"Each sample counts by the number in the column {study.data.weight!r}, 0 to "
            f"{model.weight_bound:g}, which stays secret."
        )
    if study.validation is not None:
        grouped = study.validation.group
        together = f", samples of one {grouped!r} together" if grouped is not None else ""
        lines.append(
            f"{study.validation.folds}-fold cross-validation, by folds of each site{together}."
        )
        if study.validation.choose is not None:
            lines.append(
                f"Of the values of λ the one with the best {_name(study.validation.choose)} is "
                "chosen in secret; which it is becomes known only as far as its model tells."
            )
    if study.study.checkpoint_every is not None:
        lines.append(
            f"Every {study.study.checkpoint_every} iterations each computing party writes its "
            "shares of the training's state to its own disk, made anew for that, so that the run "
            "can go on after a crash. They are removed before any result is revealed."
        )
    if study.output.tensorboard:
        lines.append(
            "Each party writes what it received of the metrics, and its own seconds and bytes, as "
            "TensorBoard's event files too."
        )
    return lines


def _selected(study: Study) -> list[str]:
    """Return how features are selected."""
    selection = study.selection
    if selection is None:
        return []
    how = "Welch's t of the two classes" if selection.by == "welch-t" else "variance"
    anew = ""
    if study.validation is not None:
        anew = " For each fold they are selected anew, without its samples, and stay secret."
    return [
        f"Of these the {selection.top:,} with the largest {how} are trained on, by the values of "
        "all sites together as they were measured, none above "
        f"{study.preparation.largest_value:g}. They are selected on shares.{anew}",
    ]


def _filtered(study: Study) -> list[str]:
    """Return which features are left out by what is counted over all sites' samples."""
    rules = study.filter
    if rules is None:
        return []
    told = []
    if rules.max_missing is not None:
        told.append(f"more than {100 * rules.max_missing:g} % of its values are missing")
    if rules.min_maf is not None:
        told.append(f"its rarer allele has a frequency below {100 * rules.min_maf:g} %")
    if rules.hwe_p is not None:
        told.append(
            "the chi-squared test of Hardy–Weinberg equilibrium, of cases and controls together, "
            f"gives p < {rules.hwe_p:g}"
        )
    return [
        "Before any row is shared, counts of each feature over all sites' samples are compared on "
        f"shares. A feature is left out by all sites where {', or '.join(told)}. No count is "
        "revealed.",
    ]


def _adjusted(study: Study) -> list[str]:
    """Return what the model is adjusted for, without penalty."""
    data, lines = study.data, []
    told = [f"{name} (from {low:g} to {high:g})" for name, (low, high) in data.ranges.items()]
    told += [f"{name} ({', '.join(levels)})" for name, levels in data.levels.items()]
    if told:
        lines.append(
            f"The model is adjusted for {', '.join(told)}: their weights are not penalised."
        )
        if data.fill:
            filled = ", ".join(f"{name} by {value}" for name, value in data.fill.items())
            lines.append(f"Of covariates a missing value is replaced: {filled}.")
    if study.model.site_indicators:
        first, *others = study.with_role("data")
        lines.append(
            f"{', '.join(others)} {'has' if len(others) == 1 else 'have'} an effect each, relative "
            f"to {first}, which is not penalised."
        )
    return lines


def _preparation(study: Study) -> list[str]:
    settings = study.preparation
    if settings.by_frequency:
        return _by_frequency(study)
    if study.secretly_pooled:
        return [
            "Each site replaces missing values by its own mean. Values, of at most "
            f"{settings.value_bound:g}, are shared as they are, and standardised on shares by the "
            "mean and the deviation of each feature over all sites' samples, which nobody is told. "
            "They are not clipped. The model is for values that are not standardised.",
        ]
    if settings.standardise == "pooled":
        return [
            "The mean and the variance of each feature over all sites' samples are computed on "
            f"shares, of values up to {settings.value_bound:g} (a missing one counts as its "
            "site's mean), and told to the sites. Each then replaces missing values by that mean, "
            "standardises by that mean and deviation, and clips what exceeds "
            f"{settings.clip:g}, before its rows are shared.",
        ]
    standardises = ", standardises each feature by its own mean and deviation"
    return [
        "Each site replaces missing values by its own mean"
        + standardises * (settings.standardise == "site")
        + f" and clips what exceeds {settings.clip:g}, before anything leaves it.",
    ]


def _by_frequency(study: Study) -> list[str]:
    """Return how allele counts are standardised by their frequency."""
    if study.secretly_pooled:
        return [
            "Values are allele counts, 0 to 2. Each site replaces missing ones by its own mean. "
            "They are shared as they are, and standardised on shares by each variant's allele "
            "frequency over all sites' samples, which nobody is told. They are not clipped. The "
            "model is for allele counts.",
        ]
    return [
        "Values are allele counts, 0 to 2. Each variant's allele frequency p over all sites' "
        "observed genotypes is computed on shares and told to the sites. Each then makes (x − 2p) "
        "/ √(2p(1 − p)) of its values, 0 of missing ones and of variants with one allele only, and "
        f"clips what exceeds {study.preparation.clip:g}, before its rows are shared.",
    ]


def _parties(study: Study) -> list[str]:
    lines = []
    for party in study.party:
        duties = ", ".join(_ROLES[role] for role in party.roles)
        lines.append(f"{party.name} ({party.address or 'no address yet'}) {duties}.")
    return lines


def _reveals(study: Study) -> list[str]:
    lines = [
        f"{', '.join(reveal.to)}: {_name(reveal.what)} – {_what(study, reveal.what)}"
        f"{_besides(study, reveal)}{_suppressed(reveal)}."
        for reveal in study.reveal
    ]
    early = [_name(each.what) for each in study.reveal if each.what in BEFORE_TRAINING]
    but = f" but {' and '.join(early)}, before the training" if early else ""
    lines.append(
        f"{', '.join(study.with_role('compute'))}: a bit for each stated bound, whether it held. "
        f"If one did not, nothing else is revealed{but}."
    )
    return lines


def _what(study: Study, what: str) -> str:
    """Return in words what a reveal is."""
    if what == "feature_statistics" and study.preparation.by_frequency:
        return "the allele frequency of every variant over all observed genotypes"
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
    classes = study.model.kind == "logistic" and not _tells_counts(study)
    counts = ", class counts" if classes else ""
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


def _risks(study: Study) -> list[str]:
    revealed = {reveal.what: set(reveal.to) for reveal in study.reveal}
    risks = []
    if study.study.checkpoint_every is not None:
        risks.append(
            "After a crash shares stay on the computing parties' disks, and in backups of them, "
            "until the run goes on or `cohortium discard` removes them. One party's tell nothing, "
            "not with what the dealer knows either; those of "
            f"{' and '.join(study.with_role('compute'))} together are how far each prediction is "
            "off, and how alike the samples are."
        )
    if "model" in revealed and min(study.model.l2) == 0:
        risks.append(
            "λ = 0: with more features than samples such a model can hold single samples' values. "
            "Regularise, or do not reveal it."
        )
    if _tells_counts(study):
        risks.append(
            "Accuracy, sensitivity and specificity are fractions of small whole numbers: from "
            "several of them, or a table of calibration counts, class counts can be worked out."
        )
    if "calibration" in revealed and "calibration" not in study.minimum_counts:
        risks.append(
            "The calibration counts have no minimum_count: a count of 1 is a single patient's "
            "outcome."
        )
    elif "calibration" in revealed and (len(study.model.l2) > 1 or _tells_more_counts(study)):
        risks.append(
            "Suppressed calibration counts can be worked out where class counts are known from "
            "elsewhere: another λ's table, or a metric."
        )
    owners = study.with_role("data")
    if "feature_statistics" in revealed:
        risks.append(
            (
                "From allele frequencies over all samples"
                if study.preparation.by_frequency
                else "From pooled means and variances"
            )
            + " whoever knows all sites' but one can work out that one's"
            + (f": {owners[0]} those of {owners[1]}, and the reverse." * (len(owners) == 2) or ".")
        )
        if study.preparation.by_frequency:
            risks.append(
                "From a variant's frequency the number of its alleles over all sites can mostly be "
                "worked out, and that of its missing genotypes."
            )
            risks.append(
                "Who holds a person's genotypes can judge by a site's allele frequencies whether "
                "the person is among its samples, the better the more variants there are."
            )
    if study.least_samples > 1:
        risks.append(
            f"Of a few samples such sums tell of each: a data owner with fewer than "
            f"{study.least_samples} is refused. Ten are few, too: a site's policy may ask for more."
        )
    if "kept_features" in revealed:
        risks.append(
            "Which features pass the filter depends on all sites' counts. Whoever knows all sites' "
            "but one learns of that one's counts whether they bring a feature over a limit"
            + (f": {owners[0]} of {owners[1]}, and the reverse." * (len(owners) == 2) or ".")
        )
    if study.validation is not None and study.validation.group is not None:
        risks.append(
            f"Each site keeps the samples of one {study.validation.group!r} together. Who has "
            "samples at two sites is in two folds, which nobody can see: held-out results are then "
            "too good."
        )
    dealer = study.with_role("deal")[0]
    if any(dealer in to for to in revealed.values()):
        risks.append(
            f"{dealer} deals and receives results: it learns no more than any receiver, but it is "
            "not neutral."
        )
    if "model" in revealed and study.model.site_indicators:
        risks.append(
            "A site's effect tells about how many of its samples are positive, other things being "
            "equal: the less the features tell of the label, the more exactly."
        )
    if "model" in revealed and study.data.levels:
        risks.append(
            "The weight of a level that few samples have tells of these few. Join rare levels."
        )
    missing = [party.name for party in study.party if not (party.address and party.certificate)]
    if missing:
        risks.append(
            f"No address or certificate yet for {', '.join(missing)}: the study can be simulated, "
            "not joined."
        )
    return risks


def _tells_counts(study: Study) -> bool:
    return _tells_more_counts(study) or any(each.what == "calibration" for each in study.reveal)


def _tells_more_counts(study: Study) -> bool:
    return len(_PARTS_OF_COUNTS & {reveal.what for reveal in study.reveal}) > 1


def _name(what: str) -> str:
    return what.replace("_", " ").replace("auc", "AUC")
