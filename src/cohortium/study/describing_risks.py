"""What a study reveals beyond its words: what can be worked out, and what that rests on."""

from __future__ import annotations

from cohortium.study.schema import Study

_PARTS_OF_COUNTS = {"accuracy", "balanced_accuracy", "sensitivity", "specificity", "calibration"}


def risks(study: Study) -> list[str]:
    """Return what is worth a thought before signing, as sentences."""
    revealed = {reveal.what: set(reveal.to) for reveal in study.reveal}
    found = []
    if study.study.checkpoint_every is not None:
        found.append(
            "After a crash shares stay on the computing parties' disks, and in backups of them, "
            "until the run goes on or `cohortium discard` removes them. One party's tell nothing, "
            "not with what the dealer knows either; those of "
            f"{' and '.join(study.with_role('compute'))} together are how far each prediction is "
            "off, and how alike the samples are."
        )
    if "model" in revealed and min(study.model.l2) == 0:
        found.append(
            "λ = 0: with more features than samples such a model can hold single samples' values. "
            "Regularise, or do not reveal it."
        )
    if tells_counts(study):
        found.append(
            "Accuracy, sensitivity and specificity are fractions of small whole numbers: from "
            "several of them, or a table of calibration counts, class counts can be worked out."
        )
    if "calibration" in revealed and "calibration" not in study.minimum_counts:
        found.append(
            "The calibration counts have no minimum_count: a count of 1 is a single patient's "
            "outcome."
        )
    elif "calibration" in revealed and (len(study.model.l2) > 1 or _tells_more_counts(study)):
        found.append(
            "Suppressed calibration counts can be worked out where class counts are known from "
            "elsewhere: another λ's table, or a metric."
        )
    owners = study.with_role("data")
    if "feature_statistics" in revealed:
        found.append(
            (
                "From allele frequencies over all samples"
                if study.preparation.by_frequency
                else "From pooled means and variances"
            )
            + " whoever knows all sites' but one can work out that one's"
            + (f": {owners[0]} those of {owners[1]}, and the reverse." * (len(owners) == 2) or ".")
        )
        if study.preparation.by_frequency:
            found.append(
                "From a variant's frequency the number of its alleles over all sites can mostly be "
                "worked out, and that of its missing genotypes."
            )
            found.append(
                "Who holds a person's genotypes can judge by a site's allele frequencies whether "
                "the person is among its samples, the better the more variants there are."
            )
    if study.least_samples > 1:
        found.append(
            f"Of a few samples such sums tell of each: a data owner with fewer than "
            f"{study.least_samples} is refused. Ten are few, too: a site's policy may ask for more."
        )
    if "kept_features" in revealed:
        found.append(
            "Which features pass the filter depends on all sites' counts. Whoever knows all sites' "
            "but one learns of that one's counts whether they bring a feature over a limit"
            + (f": {owners[0]} of {owners[1]}, and the reverse." * (len(owners) == 2) or ".")
        )
    if study.validation is not None and study.validation.group is not None:
        found.append(
            f"Each site keeps the samples of one {study.validation.group!r} together. Who has "
            "samples at two sites is in two folds, which nobody can see: held-out results are then "
            "too good."
        )
    dealer = study.with_role("deal")[0]
    if any(dealer in to for to in revealed.values()):
        found.append(
            f"{dealer} deals and receives results: it learns no more than any receiver, but it is "
            "not neutral."
        )
    if "model" in revealed and min(study.model.l2) > 0:
        found.append(
            "Of a model with more features than samples a site may learn of single samples of "
            "another, above all with a small λ: the policy of your site can ask for a larger one."
        )
    if "selected_features" in revealed:
        found.append(
            "Which features are selected depends on every sample, as a model does: with few "
            "samples, or studies that differ in top alone, it can tell of single ones."
        )
    if "model" in revealed and study.model.site_indicators:
        found.append(
            "A site's effect tells about how many of its samples are positive, other things being "
            "equal: the less the features tell of the label, the more exactly."
        )
    if "model" in revealed and study.data.levels:
        found.append(
            "The weight of a level that few samples have tells of these few. Join rare levels."
        )
    missing = [party.name for party in study.party if not (party.address and party.certificate)]
    if missing:
        found.append(
            f"No address or certificate yet for {', '.join(missing)}: the study can be simulated, "
            "not joined."
        )
    return found


def tells_counts(study: Study) -> bool:
    """Return whether class counts can be worked out of what is revealed."""
    return _tells_more_counts(study) or any(each.what == "calibration" for each in study.reveal)


def _tells_more_counts(study: Study) -> bool:
    return len(_PARTS_OF_COUNTS & {reveal.what for reveal in study.reveal}) > 1
