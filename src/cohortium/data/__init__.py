"""A site's own data: read from its files, aligned with the other sites' features, prepared.

All of it is cleartext and stays on this machine; nothing here knows of secure computation or of
the network. Error texts name samples, columns and the offending cell: they are for the site's own
screen, and must not be sent to another party.
"""

from cohortium.data.alignment import (
    AlignmentReport,
    SiteAlignment,
    common_features,
    features_digest,
    with_features,
)
from cohortium.data.checking import DataCheck, builds_in_words, check_cohort
from cohortium.data.class_sums import class_sums
from cohortium.data.cohort import Cohort, concatenate
from cohortium.data.counts import FeatureCounts, check_allele_counts, count_features
from cohortium.data.covariates import Covariate, scale, scaled
from cohortium.data.folds import assignment_of, by_fold, fold_assignment, group_folds
from cohortium.data.idash import read_idash
from cohortium.data.naming import NamingReport, common_names
from cohortium.data.pooled import PooledStatistics, check_raw_values, site_moments
from cohortium.data.preparation import (
    Fitted,
    Preparation,
    PreparationReport,
    fit,
    prepare,
)
from cohortium.data.reading import parse_data_argument, read_argument, read_cohort

__all__ = [
    "AlignmentReport",
    "Cohort",
    "Covariate",
    "DataCheck",
    "FeatureCounts",
    "Fitted",
    "NamingReport",
    "PooledStatistics",
    "Preparation",
    "PreparationReport",
    "SiteAlignment",
    "assignment_of",
    "builds_in_words",
    "by_fold",
    "check_allele_counts",
    "check_cohort",
    "check_raw_values",
    "class_sums",
    "common_features",
    "common_names",
    "concatenate",
    "count_features",
    "features_digest",
    "fit",
    "fold_assignment",
    "group_folds",
    "parse_data_argument",
    "prepare",
    "read_argument",
    "read_cohort",
    "read_idash",
    "scale",
    "scaled",
    "site_moments",
    "with_features",
]
