"""Estimators written against secret tensors only: no party, no share, no socket."""

from cohortium.learn.logistic import Cohort, Watcher, train
from cohortium.learn.metrics import accuracy, auc
from cohortium.learn.model import Model
from cohortium.learn.parameters import LogisticParameters, PrimalParameters
from cohortium.learn.plan import DualPlan, plan_dual
from cohortium.learn.primal import train_primal
from cohortium.learn.primal_plan import PrimalPlan, plan_primal

__all__ = [
    "Cohort",
    "DualPlan",
    "LogisticParameters",
    "Model",
    "PrimalParameters",
    "PrimalPlan",
    "Watcher",
    "accuracy",
    "auc",
    "plan_dual",
    "plan_primal",
    "train",
    "train_primal",
]
