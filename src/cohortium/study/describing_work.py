"""What a study does, in plain language: its training, and what is done to the data before."""

from __future__ import annotations

from cohortium.study.schema import Study
from cohortium.study.wording import in_words

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


def work(study: Study) -> list[str]:
    """Return what is trained and prepared, and what of it is not revealed, as sentences."""
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
                f"Of the values of λ the one with the best {in_words(study.validation.choose)} is "
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
            f"{', '.join(others)} "
            f"{'has an effect' if len(others) == 1 else 'have an effect each'}, relative to "
            f"{first}, which is not penalised."
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
        + f" and clips what exceeds {settings.clip:g}, before its rows are shared.",
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
