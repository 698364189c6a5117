"""Estimators in scikit-learn's manner, for notebooks: ``fit`` runs a whole study on this computer.

Every hospital is a process, a dealer is added, and what the estimator then knows is what the study
revealed. Nothing of scikit-learn is needed; its ``clone`` and metrics work with these.
"""

from __future__ import annotations

import inspect
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cohortium.api.simulating import as_study, run_study
from cohortium.api.tables import feature_names
from cohortium.data import Cohort, Fitted, Preparation, fit
from cohortium.errors import DataValueError, LabelError, ParameterError
from cohortium.learn import DualParameters, Model
from cohortium.run.predicting import made_ready

Sites: TypeAlias = "Mapping[str, tuple[Any, Any]]"


class LogisticRegression:
    """Logistic regression on what two or more hospitals hold, trained under secure computation.

    It minimises the mean over all samples of class weight × log-loss, + ``l2``/2·‖w‖²; the
    intercept is not penalised. scikit-learn's C is 1/(n·``l2``), n the number of all samples.

    ``class_weight``: None, "balanced", or a dict from class to weight (1 where it names none).
    ``standardise``: "site", each feature by each hospital's own mean and deviation, or "none";
    values beyond ``clip`` (deviations) are cut to it. Steps of "none" are for values as large as
    ``clip``: state it small, or give more iterations. ``iterations``, ``sigmoid``,
    ``sigmoid_error``, ``logit_bound`` and ``weight_bound`` are those of the study file's [model].
    Parameters are checked in ``fit``.

    After ``fit``: ``coef_`` (1, features) and ``intercept_`` (1,), which apply to standardised
    values; ``classes_``; ``n_features_in_``, and ``feature_names_in_`` where X were DataFrames;
    ``n_iter_``; ``model_``, the revealed model; ``records_``, each party's record of the run.
    """

    def __init__(
        self,
        *,
        l2: float = 1.0,
        iterations: int = 100,
        class_weight: str | Mapping[Any, float] | None = None,
        standardise: str = "site",
        clip: float = 8.0,
        sigmoid: str = "periodic",
        sigmoid_error: float = 2e-3,
        logit_bound: float = 32.0,
        weight_bound: float = 10.0,
    ) -> None:
        self.l2 = l2
        self.iterations = iterations
        self.class_weight = class_weight
        self.standardise = standardise
        self.clip = clip
        self.sigmoid = sigmoid
        self.sigmoid_error = sigmoid_error
        self.logit_bound = logit_bound
        self.weight_bound = weight_bound

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - as scikit-learn's
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in _defaults(type(self))}

    def set_params(self, **parameters: Any) -> LogisticRegression:
        """Change parameters; ParameterError where there is none of a name."""
        for name, value in parameters.items():
            if name not in _defaults(type(self)):
                raise ParameterError(
                    f"{type(self).__name__} has no parameter {name!r}.",
                    remedy=f"It has {', '.join(_defaults(type(self)))}.",
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        given = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not _defaults(type(self))[name]
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    def fit(self, sites: Sites) -> LogisticRegression:
        """Train on ``sites``: hospital (a-z, 0-9 and '-') → (X, y), two hospitals or more.

        X is samples × features, NaN where missing, an array or a DataFrame; y holds two classes,
        both at every hospital; the last in order is the positive one. A site's means and deviations
        stay in this object, for ``predict(…, site=…)``. Raises ParameterError, DataValueError,
        LabelError, and what ``simulate`` raises.
        """
        cohorts, classes = self._cohorts(sites)
        standardise: Any = self.standardise  # anything else is refused
        settings = Preparation(standardise=standardise, clip=_plain(self.clip))
        study = self._study(list(cohorts), classes)
        with tempfile.TemporaryDirectory(prefix="cohortium-run-") as folder:
            result = run_study(as_study(study), cohorts, Path(folder))
        first = next(iter(cohorts.values()))
        revealed = result.models[next(iter(cohorts))][0]
        place = {name: index for index, name in enumerate(revealed.features)}
        self.model_: Model = replace(
            revealed,
            features=first.features,
            weights=revealed.weights[[place[name] for name in first.features]],
            positive=str(classes[1]),
            negative=str(classes[0]),
        )
        self.records_ = result.records
        self.classes_ = classes
        self.coef_ = self.model_.weights[None, :]
        self.intercept_ = np.array([self.model_.intercept])
        self.n_features_in_ = len(first.features)
        self.n_iter_ = np.array([self.iterations])
        if all(hasattr(X, "columns") for X, _ in sites.values()):
            self.feature_names_in_ = np.array(first.features, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._site_numbers: dict[str, Fitted] = {
            name: fit(cohort, settings) for name, cohort in cohorts.items()
        }
        return self

    def decision_function(self, X: Any, *, site: str | None = None) -> NDArray[np.float64]:
        """Return each sample's logit, (samples,): above 0 for the positive class.

        Without ``site`` the samples are standardised by their own means and deviations, as by
        ``cohortium predict``: give many at once, of one laboratory; a warning tells of too few.
        With ``site`` they are by those of that hospital's training samples: for its later samples.
        """
        if not hasattr(self, "model_"):
            raise ParameterError("The estimator is not fitted.", remedy="Call fit first.")
        cohort = _cohort("X", X)
        if not hasattr(X, "columns"):
            if len(cohort.features) != self.n_features_in_:
                raise ParameterError(
                    f"X has {len(cohort.features)} features, the model {self.n_features_in_}.",
                    remedy="Give the same features in the same order as in fit.",
                )
            cohort = replace(cohort, features=self.model_.features)
        if site is None:
            ready, wary = made_ready(self.model_, cohort)
            for line in wary:
                warnings.warn(line, stacklevel=2)
            values = ready[:, :]
        elif site in self._site_numbers:
            values = self._site_numbers[site].apply(cohort).values[:, :]
        else:
            raise ParameterError(
                f"There was no hospital {site!r} in the training.",
                remedy=f"There were {', '.join(self._site_numbers)}.",
            )
        return self.model_.logits(values)

    def predict_proba(self, X: Any, *, site: str | None = None) -> NDArray[np.float64]:
        """Return the classes' probabilities, (samples, 2); ``site`` as in decision_function."""
        logits = self.decision_function(X, site=site)
        positive, negative = (0.5 * (1 + np.tanh(0.5 * each)) for each in (logits, -logits))
        return np.column_stack([negative, positive])

    def predict(self, X: Any, *, site: str | None = None) -> NDArray[Any]:
        """Return each sample's class, (samples,); ``site`` as in decision_function."""
        positive = self.decision_function(X, site=site) > 0
        found: NDArray[Any] = self.classes_[positive.astype(np.int64)]
        return found

    def score(self, X: Any, y: Any, *, site: str | None = None) -> float:
        """Return the share of samples whose class is predicted right."""
        return float(np.mean(self.predict(X, site=site) == np.asarray(y)))

    def _cohorts(self, sites: Sites) -> tuple[dict[str, Cohort], NDArray[Any]]:
        """Return each site's cohort, 1 for the last class in order, and the classes in order."""
        if not isinstance(sites, Mapping) or len(sites) < 2:
            raise ParameterError(
                "The data are not those of two or more hospitals.",
                remedy='Give a dict: {"north": (X, y), "south": (X, y)}.',
            )
        cohorts, labels = {}, {}
        for name, pair in sites.items():
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ParameterError(f"{name} has no (X, y).", remedy="Give a pair of X and y.")
            cohorts[name], labels[name] = _cohort(name, pair[0]), np.asarray(pair[1])
            if labels[name].shape != (len(cohorts[name].samples),):
                raise LabelError(
                    f"{name} has labels of shape {labels[name].shape} for "
                    f"{len(cohorts[name].samples)} samples.",
                    remedy="Give one label for each sample.",
                )
        classes = np.unique(np.concatenate(list(labels.values())))
        if len(classes) != 2:
            raise LabelError(
                f"The sites' labels have {len(classes)} classes.", remedy="Give samples of two."
            )
        return {
            name: replace(cohort, labels=(labels[name] == classes[1]), positive="1", negative="0")
            for name, cohort in cohorts.items()
        }, classes

    def _study(self, hospitals: list[str], classes: NDArray[Any]) -> dict[str, Any]:
        """Return the study that the parameters describe; ParameterError where one is wrong."""
        weight: Any = self.class_weight
        if isinstance(weight, Mapping):
            unknown = [each for each in weight if each not in classes.tolist()]
            if unknown:
                raise ParameterError(
                    f"class_weight names {unknown[0]!r}, which is no class.",
                    remedy=f"The classes are {', '.join(map(repr, classes.tolist()))}.",
                )
            weight = tuple(weight.get(each, 1.0) for each in classes.tolist())
        elif weight not in (None, "balanced"):
            raise ParameterError(
                f"class_weight = {weight!r}.", remedy='Give None, "balanced" or a dict.'
            )
        parameters = DualParameters(
            l2=(_plain(self.l2),),
            iterations=_plain(self.iterations),
            logit_bound=_plain(self.logit_bound),
            sigmoid=self.sigmoid,
            sigmoid_error=_plain(self.sigmoid_error),
            class_weight=weight,
            weight_bound=_plain(self.weight_bound),
        )
        dealer = "dealer"
        while dealer in hospitals:
            dealer += "-2"
        return {
            "study": {"name": "LogisticRegression"},
            "party": [
                *({"name": name, "roles": ["data", "compute", "receive"]} for name in hospitals),
                {"name": dealer, "roles": ["deal"]},
            ],
            "data": {"label": "label", "positive": "1", "negative": "0"},
            "preparation": {"standardise": self.standardise, "clip": float(self.clip)},
            "model": {
                "l2": float(parameters.l2[0]),
                "iterations": int(parameters.iterations),
                "logit_bound": float(parameters.logit_bound),
                "sigmoid": parameters.sigmoid,
                "sigmoid_error": float(parameters.sigmoid_error),
                "class_weight": None if weight is None else parameters.class_weight,
                "weight_bound": float(parameters.weight_bound),
            },
            "reveal": [{"what": "model", "to": hospitals}],
        }


def _defaults(kind: type) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    return {name: each.default for name, each in parameters.items()}


def _plain(value: Any) -> Any:
    """Return a NumPy number, as searches over parameters give them, as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _cohort(source: str, X: Any) -> Cohort:
    """Return X as a cohort without labels, its samples numbered."""
    try:
        values = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 2:
        raise DataValueError(
            f"{source}: X is not a table of numbers.",
            remedy="Give numbers, samples in rows, NaN where missing.",
        )
    samples = tuple(str(row + 1) for row in range(len(values)))
    return Cohort(values, samples, tuple(feature_names(X, values.shape[1])), source=source)
