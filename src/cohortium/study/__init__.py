"""The agreement between the sites: the study file, its signatures, and what may be revealed."""

from cohortium.study.describing import describe
from cohortium.study.ledger import Disclosure, DisclosureLedger, utc_now
from cohortium.study.loading import StudyFile, load_study, parse_study
from cohortium.study.policy import SitePolicy, load_policy
from cohortium.study.register import RunRegister
from cohortium.study.schema import Party, Study
from cohortium.study.signatures import (
    Signature,
    check_signatures,
    load_signatures,
    missing,
    parse_signatures,
    save_signatures,
    sign_study,
    signatures_path,
)
from cohortium.study.template import new_study

__all__ = [
    "Disclosure",
    "DisclosureLedger",
    "Party",
    "RunRegister",
    "Signature",
    "SitePolicy",
    "Study",
    "StudyFile",
    "check_signatures",
    "describe",
    "load_policy",
    "load_signatures",
    "load_study",
    "missing",
    "new_study",
    "parse_signatures",
    "parse_study",
    "save_signatures",
    "sign_study",
    "signatures_path",
    "utc_now",
]
