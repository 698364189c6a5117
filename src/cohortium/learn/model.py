"""The revealed model: named weights, saved as plain JSON that can hold nothing executable.

Format (docs/formats.md): an object with ``format`` = "cohortium-model/1", the features' names and
weights, the intercept, the classes or the label's name, and how values are prepared before they
meet the weights. One with covariates or site effects is "cohortium-model/2", as a reader of the
first would leave them out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohortium.errors import ModelFileError, ParameterError

FORMAT = "cohortium-model/1"
ADJUSTED_FORMAT = "cohortium-model/2"
_LARGEST_FILE = 1 << 30


@dataclass(frozen=True)
class ModelCovariate:
    """A covariate: the weight of its own unit, or of each level but the first.

    ``range``, ``levels`` and ``fill`` are the study's: what it may be, what replaces a missing one.
    """

    name: str
    weights: tuple[float, ...]
    range: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()
    fill: float | str | None = None

    def __post_init__(self) -> None:
        if len(self.weights) != (1 if self.range is not None else len(self.levels) - 1):
            raise ParameterError(
                f"{len(self.weights)} weights do not fit the covariate {self.name!r}.",
                remedy="Give one, or one for each level but the first.",
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """A name for each weight."""
        if self.range is not None:
            return (self.name,)
        return tuple(f"{self.name} = {level}" for level in self.levels[1:])


@dataclass(frozen=True)
class Model:
    """A linear classifier on prepared values: P(positive) = σ(x·weights + intercept + …).

    With ``covariates`` their weighted values are added, with ``sites`` the effect of a sample's
    site, by name. A sample of none of them gets the mean of the sites' effects.

    Or, of no classes (``positive`` and ``negative`` are None), a linear regression, which predicts
    x·weights + intercept for the label named ``label``.

    ``preparation`` says how a cohort's values were prepared for training (imputation,
    standardisation, clip); predictions want values prepared in the same way.
    """

    features: tuple[str, ...]
    weights: NDArray[np.float64]
    intercept: float
    positive: str | None
    negative: str | None
    preparation: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    covariates: tuple[ModelCovariate, ...] = ()
    sites: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weights.shape != (len(self.features),):
            raise ParameterError(
                f"{len(self.features)} features but weights of shape {self.weights.shape}.",
                remedy="Give one weight for each feature.",
            )
        if (self.positive is None) != (self.negative is None):
            raise ParameterError(
                "A model has two classes or none.", remedy="Name both classes, or neither."
            )

    @property
    def kind(self) -> str:
        """Return "logistic" or, of no classes, "linear"."""
        return "linear" if self.positive is None else "logistic"

    def __repr__(self) -> str:
        if self.kind == "linear":
            return f"Model({len(self.features)} features, for {self.label or 'a number'!r})"
        return f"Model({len(self.features)} features, {self.positive!r} against {self.negative!r})"

    @property
    def covariate_weights(self) -> dict[str, float]:
        """The weights of the covariates' columns, by name."""
        return {
            name: weight
            for covariate in self.covariates
            for name, weight in zip(covariate.columns, covariate.weights, strict=True)
        }

    def site_effect(self, site: str | None) -> float:
        """Return a site's effect; of None the mean of all. ParameterError where there is no such.

        The mean is of the sites, each counting once: 0 for a model without site effects.
        """
        if site is None:
            return sum(self.sites.values()) / len(self.sites) if self.sites else 0.0
        if site not in self.sites:
            raise ParameterError(
                f"The model has no effect of a site {site!r}.",
                remedy=f"Its sites are: {', '.join(self.sites)}."
                if self.sites
                else "It has none of any site: leave the site out.",
            )
        return self.sites[site]

    def logits(
        self,
        values: ArrayLike,
        features: Sequence[str] | None = None,
        *,
        covariates: ArrayLike | None = None,
        site: str | None = None,
    ) -> NDArray[np.float64]:
        """Return x·weights + intercept for samples × features of prepared values.

        With ``features`` the columns are matched by name, in any order; ModelFileError where one
        of the model's is missing. ``covariates`` are samples × the columns of
        ``covariate_weights``, in their own units, 0 and 1 for levels; they are added, and the
        effect of ``site``.
        """
        array = np.asarray(values, dtype=np.float64)
        if features is not None:
            place = {name: index for index, name in enumerate(features)}
            missing = [name for name in self.features if name not in place]
            if missing:
                raise ModelFileError(
                    f"The data lack {len(missing)} of the model's {len(self.features)} features "
                    f"({', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}).",
                    remedy="Use data measured on the same features.",
                )
            array = array[:, [place[name] for name in self.features]]
        if array.ndim != 2 or array.shape[1] != len(self.features):
            raise ModelFileError(
                f"Values of shape {array.shape} do not fit {len(self.features)} features.",
                remedy="Give samples in rows and the model's features in columns.",
            )
        return array @ self.weights + self.without_features(len(array), covariates, site)

    def without_features(
        self, samples: int, covariates: ArrayLike | None = None, site: str | None = None
    ) -> NDArray[np.float64]:
        """Return the part of the logits of so many samples that is not of features."""
        weights = np.array(list(self.covariate_weights.values()))
        columns = np.asarray(
            np.empty((samples, 0)) if covariates is None else covariates, dtype=np.float64
        )
        if columns.shape != (samples, len(weights)):
            raise ModelFileError(
                f"Covariates of shape {columns.shape} do not fit {samples} samples and the "
                f"model's {len(weights)} columns.",
                remedy=f"Give: {', '.join(self.covariate_weights) or 'none'}.",
            )
        result: NDArray[np.float64] = columns @ weights + self.intercept + self.site_effect(site)
        return result

    def predict_probability(
        self,
        values: ArrayLike,
        features: Sequence[str] | None = None,
        *,
        covariates: ArrayLike | None = None,
        site: str | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of the positive class for each sample; as ``logits``.

        ParameterError for a linear regression.
        """
        if self.kind == "linear":
            raise ParameterError(
                "A linear regression has no classes, so no probability.", remedy="Use predict."
            )
        return probability(self.logits(values, features, covariates=covariates, site=site))

    def predict(
        self,
        values: ArrayLike,
        features: Sequence[str] | None = None,
        *,
        covariates: ArrayLike | None = None,
        site: str | None = None,
    ) -> NDArray[np.int64] | NDArray[np.float64]:
        """Return 1 for the positive class, else 0, for each sample; as ``logits``.

        Of a linear regression the label's number.
        """
        logits = self.logits(values, features, covariates=covariates, site=site)
        return logits if self.kind == "linear" else (logits > 0).astype(np.int64)

    def to_keras(self) -> Any:
        """Return a ``keras.Model`` with the same predictions; as ``exporting.to_keras``."""
        from cohortium.learn.exporting import to_keras

        return to_keras(self)

    def save(self, path: Path) -> None:
        """Write the model as JSON."""
        adjusted = bool(self.covariates or self.sites)
        further = {
            "covariates": [_covariate_document(covariate) for covariate in self.covariates],
            "sites": dict(self.sites),
        }
        document = {
            "format": ADJUSTED_FORMAT if adjusted else FORMAT,
            "kind": self.kind,
            **self._what(),
            "intercept": self.intercept,
            "features": list(self.features),
            "weights": self.weights.tolist(),
            **(further if adjusted else {}),
            "preparation": dict(self.preparation),
            "training": dict(self.training),
        }
        path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    def _what(self) -> dict[str, str | None]:
        """Return what is predicted: the classes' names, or the label's."""
        if self.kind == "linear":
            return {"label": self.label}
        return {"positive": self.positive, "negative": self.negative}

    @staticmethod
    def load(path: Path) -> Model:
        """Return a saved model; ModelFileError where the file is not one."""
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise ModelFileError(f"{path} is larger than any model.", remedy="Check the path.")
            document = json.loads(path.read_text(encoding="utf-8"))
            return _from_document(document, path)
        except OSError as error:
            raise ModelFileError(
                f"{path} can not be read ({error.strerror}).", remedy="Check the path."
            ) from None
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            no_json = isinstance(error, (json.JSONDecodeError, UnicodeDecodeError, RecursionError))
            why = "it is no JSON" if no_json else "a part of it is missing or wrong"
            raise ModelFileError(
                f"{path} is not a cohortium model: {why}.",
                remedy="Give a model.json that a run has written.",
            ) from None


def probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of the positive class for each logit."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def _from_document(document: dict[str, Any], path: Path) -> Model:
    adjusted = document["format"] == ADJUSTED_FORMAT
    if document["format"] not in (FORMAT, ADJUSTED_FORMAT):
        raise ModelFileError(
            f"{path} has the format {str(document['format'])[:40]!r}, neither {FORMAT!r} nor "
            f"{ADJUSTED_FORMAT!r}.",
            remedy="Read it with the version that wrote it.",
        )
    features, weights = document["features"], np.array(document["weights"], dtype=np.float64)
    intercept = float(document["intercept"])
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise TypeError("features")
    if len(set(features)) < len(features):
        raise ValueError("features")
    if weights.shape != (len(features),) or not np.isfinite(weights).all():
        raise ValueError("weights")
    if not math.isfinite(intercept):
        raise ValueError("intercept")
    kind = document["kind"]
    if kind not in ("logistic", "linear"):
        raise ValueError("kind")
    linear = kind == "linear"
    label = document["label"] if linear else None
    return Model(
        tuple(features),
        weights,
        intercept,
        None if linear else str(document["positive"]),
        None if linear else str(document["negative"]),
        dict(document["preparation"]),
        dict(document["training"]),
        None if label is None else str(label),
        tuple(map(_covariate, document["covariates"])) if adjusted else (),
        {str(name): _finite(effect) for name, effect in dict(document["sites"]).items()}
        if adjusted
        else {},
    )


def _covariate_document(covariate: ModelCovariate) -> dict[str, Any]:
    """Return a covariate as JSON: with a weight for its unit, or for each level."""
    part: dict[str, Any] = {"name": covariate.name}
    if covariate.range is not None:
        part |= {"range": list(covariate.range), "weight": covariate.weights[0]}
    else:
        part["levels"] = dict(zip(covariate.levels, (0.0, *covariate.weights), strict=True))
    return part if covariate.fill is None else {**part, "fill": covariate.fill}


def _covariate(part: dict[str, Any]) -> ModelCovariate:
    name, fill = str(part["name"]), part.get("fill")
    if "range" in part:
        low, high = map(_finite, part["range"])
        given = None if fill is None else _finite(fill)
        return ModelCovariate(name, (_finite(part["weight"]),), (low, high), (), given)
    levels = {str(level): _finite(weight) for level, weight in dict(part["levels"]).items()}
    given_level = None if fill is None else str(fill)
    if len(levels) < 2 or next(iter(levels.values())) != 0:
        raise ValueError("levels")
    return ModelCovariate(name, tuple(levels.values())[1:], None, tuple(levels), given_level)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("number")
    return number
