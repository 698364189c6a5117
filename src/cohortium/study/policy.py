"""A site's own policy: which studies it takes part in. Never shared, asked before connecting."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cohortium.data import Cohort
from cohortium.errors import PolicyError
from cohortium.study.locating import place
from cohortium.study.register import RunRegister
from cohortium.study.schema import Study
from cohortium.study.wording import explain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
_LARGEST_FILE = 1 << 20


class SitePolicy(BaseModel):
    """``[policy]``: rules of one site; a rule that is not given does not hold.

    ``maximum_parameters_per_sample`` is for each sample of this site, and does not hold where every
    λ is ``unless_l2_at_least`` or above. ``maximum_runs`` is of any row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    minimum_samples: _Count | None = None
    minimum_samples_per_class: _Count | None = None
    receivers: list[str] | None = None
    models: list[str] | None = None
    reveals: list[str] | None = None
    maximum_parameters_per_sample: Annotated[float, Field(gt=0)] | None = None
    unless_l2_at_least: Annotated[float, Field(ge=0)] | None = None
    maximum_runs: _Count | None = None

    def check_study(self, study: Study) -> None:
        """Raise PolicyError, naming the rule, if the study asks for what is not allowed."""
        _listed("models", self.models, [study.model.kind])
        _listed("reveals", self.reveals, [reveal.what for reveal in study.reveal])
        _listed("receivers", self.receivers, [name for each in study.reveal for name in each.to])

    def check_data(self, study: Study, cohort: Cohort) -> None:
        """Raise PolicyError, naming the rule, if this site's samples are too few for the study."""
        samples = len(cohort.samples)
        _at_least("minimum_samples", self.minimum_samples, samples, "samples")
        if cohort.labels is not None and not cohort.numeric:
            fewest = min(int((cohort.labels == label).sum()) for label in (0, 1))
            what = "samples of a class"
            _at_least("minimum_samples_per_class", self.minimum_samples_per_class, fewest, what)
        limit, parameters = self.maximum_parameters_per_sample, _parameters(study, cohort)
        if limit is not None and parameters > limit * samples and not self._regularised(study):
            enough = self.unless_l2_at_least
            unless = "" if enough is None else f" unless l2 is {enough:g} or above"
            raise _refused(
                "maximum_parameters_per_sample",
                f"{limit:g}{unless}",
                f"the model has {parameters / samples:.1f} parameters for each of this site's "
                f"samples, and the smallest l2 is {min(study.model.l2):g}",
            )

    def _regularised(self, study: Study) -> bool:
        enough = self.unless_l2_at_least
        return enough is not None and min(study.model.l2) >= enough

    def check_runs(self, cohort: Cohort, register: RunRegister) -> None:
        """Raise PolicyError if a row of the cohort was in as many runs as are allowed."""
        if self.maximum_runs is None:
            return
        runs = register.runs_of(cohort)
        used = sum(count >= self.maximum_runs for count in runs)
        if used:
            raise _refused(
                "maximum_runs",
                self.maximum_runs,
                f"{used} of this site's {len(runs)} rows were in as many runs already",
            )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    policy: SitePolicy


def load_policy(path: Path) -> SitePolicy:
    """Return the policy in a TOML file; PolicyError if it can not be read or means nothing."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise PolicyError(f"{path} is too large for a policy.", remedy="Check the path.")
        text = path.read_bytes().decode("utf-8")
        policy = _File.model_validate(tomllib.loads(text)).policy
    except OSError as error:
        raise PolicyError(
            f"The policy {path} can not be read ({error.strerror}).", remedy="Check the path."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(
            f"{path} is not valid TOML: {error}.", remedy="Correct the file."
        ) from None
    except ValidationError as error:
        raise PolicyError(
            explain(error, str(path), _File, text), remedy="Correct the file."
        ) from None
    if policy.unless_l2_at_least is not None and policy.maximum_parameters_per_sample is None:
        raise PolicyError(
            f"{place(str(path), text, ('policy', 'unless_l2_at_least'))}: "
            "policy.unless_l2_at_least is an exception to maximum_parameters_per_sample, which is "
            "not there.",
            remedy="State both, or neither: by itself it would demand nothing.",
        )
    return policy


def _parameters(study: Study, cohort: Cohort) -> int:
    """Return how many numbers a model of a site's features has: all weights, the intercept.

    Of features that are selected, those that are: the others' weights are 0.
    """
    covariates = 0 if cohort.covariates is None else cohort.covariates.shape[1]
    sites = len(study.with_role("data")) - 1 if study.model.site_indicators else 0
    features = len(cohort.features)
    if study.selection is not None:
        features = min(features, study.selection.top)
    return features + covariates + sites + 1


def _listed(rule: str, allowed: list[str] | None, asked: list[str]) -> None:
    others = sorted(Counter(asked).keys() - set(allowed if allowed is not None else asked))
    if others:
        raise _refused(rule, allowed, f"the study asks for {', '.join(others)}")


def _at_least(rule: str, least: int | None, found: int, what: str) -> None:
    if least is not None and found < least:
        raise _refused(rule, least, f"there are {found} {what}")


def _refused(rule: str, value: object, but: str) -> PolicyError:
    return PolicyError(
        f"This site's policy does not allow it: {rule} = {value}, but {but}.",
        remedy="Nothing was sent. Change the study, or the policy with whoever is responsible.",
    )
