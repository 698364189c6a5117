"""The study file: one TOML text, the same bytes at every site, that says what is to be done.

Read strictly: an unknown key, a wrong type or a value out of range is an error that names the key
and what is allowed. The SHA-256 of the file's bytes identifies the study; parties whose digests
differ do not compute with each other.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cohortium.data import Covariate
from cohortium.data.counts import MOST_ALLELES
from cohortium.data.variants import Build
from cohortium.errors import StudyError

Role = Literal["data", "compute", "deal", "receive"]
PartyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "log_loss",
    "brier",
    "auc",
    "auc_bounds",
    "r2",
    "mse",
]
ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]
ClassWeights = Annotated[
    list[Annotated[float, Field(ge=0, le=1000)]], Field(min_length=2, max_length=2)
]
FeatureName = Annotated[str, Field(min_length=1, max_length=1000)]
FeatureList = Annotated[list[FeatureName], Field(min_length=1)]
Level = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]
Range = Annotated[list[Number], Field(min_length=2, max_length=2)]
Lambda = Annotated[float, Field(ge=0, le=1e9)]
# Of sums over sites whoever knows all others' works out one site's. Rules on small cells in health
# statistics ask for 5 to 11 people behind a number.
_LEAST_SAMPLES = 10


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class StudySection(_Strict):
    """``[study]``: its name, and how long parties wait for each other.

    ``checkpoint_every``: after how many iterations each party keeps its part of the training's
    state, to go on after a crash; without it nothing is kept.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    connect_timeout: Annotated[float, Field(ge=1, le=86400)] = 600.0
    deadline: Annotated[float, Field(ge=1, le=3600)] = 30.0
    checkpoint_every: Annotated[int, Field(ge=10, le=10_000)] | None = None


class Party(_Strict):
    """``[[party]]``: who takes part, where, as what, and by which certificate it is known."""

    name: PartyName
    roles: Annotated[list[Role], Field(min_length=1)]
    address: Annotated[str, Field(pattern=r"^.+:\d{1,5}$")] | None = None
    certificate: str | None = None
    fingerprint: str | None = None


class DataSection(_Strict):
    """``[data]``: how each site's table is read; ``weight`` is the column of samples' weights.

    Of each covariate ``ranges`` or ``levels`` say what it may be; ``fill`` what replaces a missing
    value.
    """

    label: str | None = None
    positive: str | None = None
    negative: str | None = None
    orientation: Literal["samples_in_rows", "genes_in_rows"] | None = None
    missing_label: Literal["error", "drop"] = "error"
    weight: ColumnName | None = None
    covariates: Annotated[list[FeatureName], Field(max_length=100)] = []
    ranges: dict[FeatureName, Range] = {}
    levels: dict[FeatureName, Annotated[list[Level], Field(min_length=2, max_length=100)]] = {}
    fill: dict[FeatureName, Number | Level] = {}


class FeaturesSection(_Strict):
    """``[features]``: the form of the features' names, and which features are trained on.

    ``build`` is the genome build of variants' positions.
    ``mode`` "same": every site has the same ones, so that no names travel; "list": those of
    ``list``, which every site has; "intersection", "union": the sites tell each other their names.
    """

    names: Literal["exact", "gene", "variant"] = "exact"
    build: Build | None = None
    mode: Literal["same", "intersection", "union", "list"] = "same"
    list: FeatureList | None = None
    aliases: dict[FeatureName, FeatureName] = {}


class FilterSection(_Strict):
    """``[filter]``: features that all sites leave out, by counts of all their samples together.

    A feature stays where at most ``max_missing`` of its values are missing, its rarer allele has a
    frequency of ``min_maf`` or above, and the chi-squared test of Hardy–Weinberg equilibrium gives
    ``hwe_p`` or above; of a rule that is not given nothing is asked.
    """

    max_missing: Annotated[float, Field(ge=0, le=1)] | None = None
    min_maf: Annotated[float, Field(gt=0, le=0.5)] | None = None
    hwe_p: Annotated[float, Field(gt=0, le=0.5)] | None = None


class PreparationSection(_Strict):
    """``[preparation]``: what each site does to its values before they are shared.

    ``standardise`` "pooled": by the mean and variance of all sites' samples together, which are
    revealed to the sites where "feature_statistics" is listed, and secret otherwise;
    ``value_bound`` is then the largest value before that, as it is where features are selected.
    "allele-frequency": likewise, by the mean 2p and variance 2p(1 − p) of a variant's frequency p;
    values are from 0 to 2.
    """

    impute: Literal["site-mean", "pooled-mean"] = "site-mean"
    standardise: Literal["site", "pooled", "allele-frequency", "none"] = "site"
    clip: Annotated[float, Field(gt=0, le=1024)] = 8.0
    value_bound: Annotated[float, Field(ge=1, le=1e6)] | None = None

    @property
    def by_frequency(self) -> bool:
        """Whether allele counts are standardised by their frequency over all sites."""
        return self.standardise == "allele-frequency"

    @property
    def together(self) -> bool:
        """Whether values are standardised by what all sites' samples have in common."""
        return self.standardise in ("pooled", "allele-frequency")

    @property
    def largest_value(self) -> float | None:
        """The largest value before that, None where each site standardises for itself."""
        return MOST_ALLELES if self.by_frequency else self.value_bound


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class ModelSection(_Strict):
    """``[model]``: the estimator and its parameters.

    Of a "linear" one ``logit_bound`` is that of predictions and labels. ``batch`` asks for
    mini-batches, in the primal; ``iterations`` are then its steps.
    """

    kind: Literal["logistic", "linear"] = "logistic"
    form: Literal["auto", "dual", "primal"] = "auto"
    l2: Annotated[list[Lambda], BeforeValidator(_as_list), Field(min_length=1, max_length=1000)] = [
        1.0
    ]
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 100
    logit_bound: Annotated[float, Field(ge=1, le=256)] = 32.0
    sigmoid: Literal["periodic", "hong5", "hong3", "tfe5", "mohassel3"] = "periodic"
    sigmoid_error: Annotated[float, Field(ge=1e-6, le=0.1)] = 2e-3
    class_weight: Literal["balanced"] | ClassWeights | None = None
    weight_bound: Annotated[float, Field(ge=1, le=1000)] = 10.0
    batch: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    learning_rate: Annotated[float, Field(ge=1e-9, le=1000)] | None = None
    momentum: Annotated[float, Field(ge=0, le=0.999)] | None = None
    site_indicators: bool = False


class SelectionSection(_Strict):
    """``[selection]``: the model is trained on the ``top`` features alone, chosen in secret.

    By the variance of raw values, or by Welch's t of the two classes; within each fold anew.
    """

    by: Literal["variance", "welch-t"]
    top: Annotated[int, Field(ge=1, le=1_000_000)]


class ValidationSection(_Strict):
    """``[validation]``: cross-validation in the same rounds, and how λ is chosen by it.

    ``group`` is a column that says whom a sample is of: a group's samples go to one fold.
    """

    folds: Annotated[int, Field(ge=2, le=100)]
    group: ColumnName | None = None
    choose: Metric | None = None


class OutputSection(_Strict):
    """``[output]``: what a party writes besides; nothing more becomes readable by it."""

    tensorboard: bool = False


class Reveal(_Strict):
    """``[[reveal]]``: one thing that becomes readable, and to whom.

    ``minimum_count`` is for what consists of counts: smaller ones are suppressed before the reveal.
    """

    what: Literal[
        "model", Metric, "calibration", "feature_statistics", "kept_features", "selected_features"
    ]
    to: Annotated[list[PartyName], Field(min_length=1)]
    minimum_count: Annotated[int, Field(ge=2, le=1_000_000)] | None = None


class Study(_Strict):
    """A whole study file."""

    study: StudySection
    party: Annotated[list[Party], Field(min_length=3)]
    data: DataSection = DataSection()
    features: FeaturesSection = FeaturesSection()
    filter: FilterSection | None = None
    preparation: PreparationSection = PreparationSection()
    model: ModelSection = ModelSection()
    selection: SelectionSection | None = None
    validation: ValidationSection | None = None
    output: OutputSection = OutputSection()
    reveal: Annotated[list[Reveal], Field(min_length=1)]

    def with_role(self, role: Role) -> tuple[str, ...]:
        """Return the names of the parties that have a role, in the file's order."""
        return tuple(party.name for party in self.party if role in party.roles)

    @property
    def secretly_pooled(self) -> bool:
        """Whether values are standardised by pooled moments or frequencies that nobody is told."""
        told = any(each.what == "feature_statistics" for each in self.reveal)
        return self.preparation.together and not told

    @property
    def least_samples(self) -> int:
        """How many samples each data owner must bring at least, for what is to be revealed."""
        told = any(each.what in ("feature_statistics", "kept_features") for each in self.reveal)
        return _LEAST_SAMPLES if told else 1

    @property
    def reading(self) -> dict[str, Any]:
        """How a site's file is read, as ``read_argument`` takes it."""
        return {
            **self.data.model_dump(exclude={"covariates", "ranges", "levels", "fill"}),
            "covariates": self.covariates,
            "numbers": self.model.kind == "linear",
            "group": None if self.validation is None else self.validation.group,
        }

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        """The covariates, as readers understand them."""
        data = self.data
        return tuple(
            Covariate(
                name,
                (data.ranges[name][0], data.ranges[name][1]) if name in data.ranges else None,
                tuple(data.levels.get(name, ())),
                data.fill.get(name),
            )
            for name in data.covariates
        )

    @property
    def minimum_counts(self) -> dict[str, int]:
        """Below what the counts of a reveal are suppressed, by its name, where that is stated."""
        return {each.what: each.minimum_count for each in self.reveal if each.minimum_count}

    def named(self, name: str) -> Party:
        """Return a party by name; StudyError if there is none."""
        for party in self.party:
            if party.name == name:
                return party
        raise StudyError(
            f"The study has no party {name!r}.",
            remedy="Its parties are: " + ", ".join(party.name for party in self.party) + ".",
        )
