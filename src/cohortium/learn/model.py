"""The revealed model: named weights, saved as plain JSON that can hold nothing executable.

Format (docs/formats.md): an object with ``format`` = "cohortium-model/1", the features' names and
weights, the intercept, the classes or the label's name, and how values are prepared before they
meet the weights.
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
_LARGEST_FILE = 1 << 30


@dataclass(frozen=True)
class Model:
    """A linear classifier on prepared values: P(positive) = σ(x·weights + intercept).

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

    def logits(
        self, values: ArrayLike, features: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Return x·weights + intercept for samples × features of prepared values.

        With ``features`` the columns are matched by name, in any order; ModelFileError where one
        of the model's is missing.
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
        return array @ self.weights + self.intercept

    def predict_probability(
        self, values: ArrayLike, features: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of the positive class for each sample.

        ParameterError for a linear regression.
        """
        if self.kind == "linear":
            raise ParameterError(
                "A linear regression has no classes, so no probability.", remedy="Use predict."
            )
        return probability(self.logits(values, features))

    def predict(
        self, values: ArrayLike, features: Sequence[str] | None = None
    ) -> NDArray[np.int64] | NDArray[np.float64]:
        """Return 1 for the positive class, else 0, for each sample; of a linear regression the
        label's number.
        """
        if self.kind == "linear":
            return self.logits(values, features)
        return (self.logits(values, features) > 0).astype(np.int64)

    def to_keras(self) -> Any:
        """Return a ``keras.Model`` with the same predictions; as ``exporting.to_keras``."""
        from cohortium.learn.exporting import to_keras

        return to_keras(self)

    def save(self, path: Path) -> None:
        """Write the model as JSON."""
        document = {
            "format": FORMAT,
            "kind": self.kind,
            **self._what(),
            "intercept": self.intercept,
            "features": list(self.features),
            "weights": self.weights.tolist(),
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
            raise ModelFileError(
                f"{path} is not a cohortium model ({type(error).__name__}).",
                remedy="Give a model.json that a run has written.",
            ) from None


def probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of the positive class for each logit."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def _from_document(document: dict[str, Any], path: Path) -> Model:
    if document["format"] != FORMAT:
        raise ModelFileError(
            f"{path} has the format {str(document['format'])[:40]!r}, not {FORMAT!r}.",
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
    )
