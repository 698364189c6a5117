"""Estimators, written against secret tensors alone: they run over every protocol."""

from cohortium.learn.adjusting import Adjustment
from cohortium.learn.dual import AdjustedCohort, Cohort, WeightedCohort
from cohortium.learn.dual_plan import DualPlan, plan_dual
from cohortium.learn.feature_selection import SELECTED_FEATURES
from cohortium.learn.filtering import KEPT_FEATURES, FilterPlan, kept_features, plan_filter
from cohortium.learn.frequencies import AlleleCounts, allele_frequencies
from cohortium.learn.metrics import accuracy, auc
from cohortium.learn.model import Model, ModelCovariate
from cohortium.learn.moments import FEATURE_STATISTICS, Moments, pooled_moments
from cohortium.learn.parameters import DualParameters, PrimalParameters
from cohortium.learn.primal import train_primal
from cohortium.learn.primal_plan import PrimalPlan, plan_primal
from cohortium.learn.selection_rule import ClassSums, SelectionRule
from cohortium.learn.shapes import revealed_shapes
from cohortium.learn.training import train
from cohortium.learn.watching import Watcher

__all__ = [
    "FEATURE_STATISTICS",
    "KEPT_FEATURES",
    "SELECTED_FEATURES",
    "AdjustedCohort",
    "Adjustment",
    "AlleleCounts",
    "ClassSums",
    "Cohort",
    "DualParameters",
    "DualPlan",
    "FilterPlan",
    "Model",
    "ModelCovariate",
    "Moments",
    "PrimalParameters",
    "PrimalPlan",
    "SelectionRule",
    "Watcher",
    "WeightedCohort",
    "accuracy",
    "allele_frequencies",
    "auc",
    "kept_features",
    "plan_dual",
    "plan_filter",
    "plan_primal",
    "pooled_moments",
    "revealed_shapes",
    "train",
    "train_primal",
]
