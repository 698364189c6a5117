"""A revealed model in other forms: a table of its weights, a Keras model."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from cohortium.learn.model import Model
from cohortium.ring.arrays import tensorflow


def save_csv(model: Model, path: Path) -> None:
    """Write feature and weight, the largest first; then covariates and sites, the intercept last.

    A covariate's weight is of its own unit, or of a level relative to the first.
    """
    order = np.argsort(-np.abs(model.weights), kind="stable")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["feature", "weight"])
        writer.writerows(
            (model.features[place], repr(float(model.weights[place]))) for place in order
        )
        for name, weight in model.covariate_weights.items():
            writer.writerow([f"(covariate) {name}", repr(weight)])
        for site, effect in model.sites.items():
            writer.writerow([f"(site) {site}", repr(effect)])
        writer.writerow(["(intercept)", repr(model.intercept)])


def to_keras(model: Model) -> Any:
    """Return a ``keras.Model`` from prepared values (float64, features in the model's order).

    Its prediction is the probability of the positive class; of a linear regression the number.
    Behind the features come the columns of ``model.covariate_weights`` in their own units, then for
    each of ``model.sites`` a column that is 1 for its samples; for samples of no site 1/sites in
    each.
    """
    keras = tensorflow().keras
    further = [*model.covariate_weights.values(), *model.sites.values()]
    weights = np.concatenate([model.weights, further])
    inputs = keras.Input((len(weights),), dtype="float64", name="prepared_values")
    activation = "linear" if model.kind == "linear" else "sigmoid"
    dense = keras.layers.Dense(1, activation=activation, dtype="float64", name=model.kind)
    result = keras.Model(inputs, dense(inputs), name="cohortium")
    dense.set_weights([weights[:, None], np.array([model.intercept])])
    return result
