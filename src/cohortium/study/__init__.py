"""The agreement between the sites: the study file, and what may be revealed."""

from cohortium.study.ledger import Disclosure, DisclosureLedger
from cohortium.study.schema import Party, Study, StudyFile, load_study, parse_study

__all__ = [
    "Disclosure",
    "DisclosureLedger",
    "Party",
    "Study",
    "StudyFile",
    "load_study",
    "parse_study",
]
