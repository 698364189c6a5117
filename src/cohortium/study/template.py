"""The study file that `cohortium study new` writes: every key, what it means, what it may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cohortium.errors import StudyError
from cohortium.study.loading import parse_study

_HEAD = """\
# A study for cohortium: the agreement between the sites. Every site needs the same bytes.
# `cohortium study check FILE` says in plain language what it means; `cohortium study sign` agrees.
# Keys that begin with '#' show their default, or an example where there is none.

[study]
name = "what is studied"        # 1 to 200 characters
#connect_timeout = 600.0        # seconds in which all parties must come together, 1 to 86400
#deadline = 30.0                # seconds of silence after which a party counts as lost, 1 to 3600
#checkpoint_every = 50          # iterations, 10 to 10000, after which each party keeps its part of
                                # the training's state on its disk, to go on after a crash
"""

_PARTY = """
[[party]]
name = "{name}"                 # a-z, 0-9 and '-', as in its certificate
roles = {roles}
# Where the others reach it (HOST:PORT), and the certificate that `cohortium identity show` prints
# there. Compare the fingerprint by phone. `cohortium simulate` needs none of them.
#address = "{name}.example.org:7001"
#fingerprint = "AB:CD:..."
#certificate = \"\"\"
#-----BEGIN CERTIFICATE-----
#...
#-----END CERTIFICATE-----
#\"\"\"
"""

_REST = """
[data]
label = "the label's column"    # in the table, or in a label file
positive = "yes"                # the label's value of the class to be recognised
negative = "no"
#orientation = "samples_in_rows"   # or "genes_in_rows"; found out where it is not given
#missing_label = "error"        # or "drop": leave out samples without a label
#weight = "a column"            # how much each sample counts, 0 to weight_bound; beside the label
# Covariates: columns of the table, of the label file or of a file of their own; their weights are
# not penalised. Of each say in which range it lies, or what levels it has, the one that the others
# are compared with first.
#covariates = ["age", "sex"]
#ranges = {{ age = [0, 120] }}    # a value beyond is an error
#levels = {{ sex = ["female", "male"] }}
#fill = {{ age = 50 }}            # what replaces a missing value; without it, such are an error

# Which features are trained on. "intersection" (what all sites have) and "union" (what any has;
# 0, the mean, at a site that lacks it) let the sites tell each other the names of their features.
[features]
#names = "exact"                # or "gene": upper case, Ensembl versions off; or "variant":
                                # chromosome:position:ref:alt, alleles and strands put in one order
#build = "GRCh38"               # of names = "variant": the genome build; or "GRCh37", "NCBI36"
mode = "same"                   # "same": all sites have the same; "intersection", "union"; "list"
#list = ["TP53", "ESR1"]        # of mode = "list": every site must have them
#aliases = {{ "HER2" = "ERBB2" }} # of names = "gene"

# Features that all sites leave out, by counts of all their samples together, which stay secret.
# Needs the [[reveal]] "kept_features" below. min_maf and hwe_p are for genotypes.
#[filter]
#max_missing = 0.05             # a share of values above this is too many missing, 0 to 1
#min_maf = 0.01                 # the least frequency of the rarer allele, above 0 to 0.5
#hwe_p = 1e-6                   # the least p of Hardy–Weinberg equilibrium, of calls, to 0.5

[preparation]
#impute = "site-mean"           # missing values, by each site's own mean; "pooled-mean" where
                                # "feature_statistics" are revealed
#standardise = "site"           # by each site's own mean and deviation; "none"; "pooled": by all
                                # samples' together, secret or with [[reveal]] "feature_statistics";
                                # "allele-frequency": of allele counts, likewise by their frequency
#clip = 8.0                     # values beyond are cut to it, above 0 to 1024
#value_bound = 64.0             # of "pooled" or [selection]: no value may exceed it before that,
                                # 1 to 1e6

[model]
#kind = "logistic"              # or "linear": labels are numbers; leave out positive and negative
#form = "auto"                  # "dual", "primal", or whichever is predicted to be cheaper
#l2 = [1.0]                     # one model for each value, 0 to 1e9, in the same network rounds
#iterations = 100               # 1 to 10000; of mini-batches: steps
#logit_bound = 32.0             # no logit may exceed it (checked in secret), 1 to 256; "linear": no
                                # prediction (checked in secret) and no label (checked at the site)
#sigmoid = "periodic"           # "hong5", "hong3", "tfe5", "mohassel3": the literature's
#sigmoid_error = 2e-3           # of the periodic one, 1e-6 to 0.1
#class_weight = "balanced"      # from secret counts; or [negative, positive], 0 to 1000 each
#weight_bound = 10.0            # no class weight (checked in secret) and no sample's may exceed it,
                                # 1 to 1000; steps are the smaller, the larger it is
#batch = 128                    # mini-batches, in the primal: for many samples and few features
#learning_rate = 0.1            # of mini-batches, 1e-9 to 1000
#momentum = 0.9                 # of mini-batches, 0 to 0.999
#site_indicators = true         # an effect of each data owner but the first, not penalised

# Train on the best features alone, chosen in secret: by all sites' raw values together, up to
# value_bound, and in a cross-validation anew without each fold. A [[reveal]] of the model needs one
# of "selected_features" too.
#[selection]
#by = "welch-t"                 # Welch's t of the two classes; or "variance"
#top = 100                      # how many: 1 to 1000000, fewer than there are

# Cross-validation, in the same rounds. Take it out with the [[reveal]] of "auc" below.
[validation]
folds = 5                       # 2 to 100
#group = "patient"              # a column beside the label: samples of one stay in one fold
#choose = "auc"                 # reveal only the model of the λ with the best value of this metric

# What each party writes besides, of what it received and of its own run: nothing more is revealed.
[output]
#tensorboard = false            # metrics by λ and seconds by phase as TensorBoard's event files

# Everything that becomes readable, and to whom: nothing else does. One entry for each of "model",
# "accuracy", "balanced_accuracy", "sensitivity", "specificity", "log_loss", "brier", "auc",
# "auc_bounds", "calibration", "feature_statistics", "kept_features", "selected_features"; of a
# linear regression "model", "r2", "mse".
[[reveal]]
what = "model"
to = {receivers}

[[reveal]]
what = "auc"
to = {receivers}

# Counts by class and tenth of predicted probability; small ones are suppressed before the reveal.
#[[reveal]]
#what = "calibration"
#to = {receivers}
#minimum_count = 10             # 2 to 1000000

# Of standardise = "pooled": each feature's mean and variance over all samples, to all data owners;
# of "allele-frequency" each variant's frequency.
#[[reveal]]
#what = "feature_statistics"
#to = {receivers}

# Of [filter]: which features pass all of its rules, to all data owners.
#[[reveal]]
#what = "kept_features"
#to = {receivers}

# Of [selection]: the names of the features that all samples select.
#[[reveal]]
#what = "selected_features"
#to = {receivers}
"""


def new_study(path: Path, owners: Sequence[str], dealer: str) -> None:
    """Write a study file to be filled in; StudyError where there is one, or names do not fit."""
    text = template(owners, dealer)
    # Names that no party can have are found here, before anybody fills the file in.
    parse_study(text, "The new study")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StudyError(
            f"There is a file {path} already.", remedy="Name another one, or move it away."
        ) from None
    except OSError as error:
        raise StudyError(
            f"{path} can not be written ({error.strerror}).", remedy="Name another file."
        ) from None


def template(owners: Sequence[str], dealer: str) -> str:
    """Return a study file of these data owners, which compute and receive, and a dealer."""
    own = '["data", "compute", "receive"]    # "data", "compute", "receive", "deal"'
    parties = [_PARTY.format(name=name, roles=own) for name in owners]
    parties.append(_PARTY.format(name=dealer, roles='["deal"]'))
    receivers = "[" + ", ".join(f'"{name}"' for name in owners) + "]"
    return _HEAD + "".join(parties) + _REST.format(receivers=receivers)
