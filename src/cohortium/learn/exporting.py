"""A revealed model in other forms: a table of its weights, a Keras model."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from cohortium.learn.model import Model
from cohortium.ring.arrays import tensorflow


def save_csv(model: Model, path: Path) -> None:
    """Write feature and weight, the largest first; the intercept is in the last line."""
    order = np.argsort(-np.abs(model.weights), kind="stable")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["feature", "weight"])
        writer.writerows(
            (model.features[place], repr(float(model.weights[place]))) for place in order
        )
        writer.writerow(["(intercept)", repr(model.intercept)])


def to_keras(model: Model) -> Any:
    """Return a ``keras.Model`` from prepared values (float64, features in the model's order).

    Its prediction is the probability of the positive class; of a linear regression the number.
    """
    keras = tensorflow().keras
    inputs = keras.Input((len(model.features),), dtype="float64", name="prepared_values")
    activation = "linear" if model.kind == "linear" else "sigmoid"
    dense = keras.layers.Dense(1, activation=activation, dtype="float64", name=model.kind)
    result = keras.Model(inputs, dense(inputs), name="cohortium")
    dense.set_weights([model.weights[:, None], np.array([model.intercept])])
    return result
