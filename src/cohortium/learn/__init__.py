"""Estimators written against secret tensors only: no party, no share, no socket."""

from cohortium.learn.logistic import Cohort, Watcher, train
from cohortium.learn.metrics import accuracy, auc
from cohortium.learn.model import Model
from cohortium.learn.parameters import LogisticParameters
from cohortium.learn.plan import DualPlan, plan_dual

__all__ = [
    "Cohort",
    "DualPlan",
    "LogisticParameters",
    "Model",
    "Watcher",
    "accuracy",
    "auc",
    "plan_dual",
    "train",
]
