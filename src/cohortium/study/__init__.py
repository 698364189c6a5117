"""The agreement between the sites: the study file, its signatures, and what may be revealed."""

from cohortium.study.ledger import Disclosure, DisclosureLedger, utc_now
from cohortium.study.schema import Party, Study, StudyFile, load_study, parse_study
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

__all__ = [
    "Disclosure",
    "DisclosureLedger",
    "Party",
    "Signature",
    "Study",
    "StudyFile",
    "check_signatures",
    "load_signatures",
    "load_study",
    "missing",
    "parse_signatures",
    "parse_study",
    "save_signatures",
    "sign_study",
    "signatures_path",
    "utc_now",
]
