"""Every error that cohortium raises on purpose, in one file.

Each class has a stable ``code`` (documented in docs/troubleshooting.md) and an ``exit_code`` of the
command line. The text says what happened, at which party, and what to do next. It never holds a
secret value: texts are shown on screens, written to logs and sent to the other parties. Those that
are ``for_this_site_only`` may quote the site's own files, and are not sent.
"""

from __future__ import annotations

from typing import ClassVar


class CohortiumError(Exception):
    """Base of all; ``what`` is one sentence, ``remedy`` says what to do next.

    ``party`` names the party where it happened, None while that is not known.
    """

    code: ClassVar[str] = "COH-000"
    exit_code: ClassVar[int] = 1
    # Texts about a site's files may quote them: the other parties are told the code only.
    for_this_site_only: ClassVar[bool] = False

    def __init__(self, what: str, *, remedy: str = "", party: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.party = party

    def __str__(self) -> str:
        where = f" at {self.party}" if self.party else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"[{self.code}{where}] {self.what}{remedy}"

    @property
    def finding(self) -> str:
        """The error as a line of a list of several, its code last."""
        return " ".join(filter(None, (self.what, self.remedy, f"[{self.code}]")))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.remedy, self.party))


def _rebuild(
    cls: type[CohortiumError], what: str, remedy: str, party: str | None
) -> CohortiumError:
    return cls(what, remedy=remedy, party=party)


class ParameterError(CohortiumError, ValueError):
    """A parameter of a function or an estimator is outside its allowed range."""

    code = "COH-101"
    exit_code = 2


class StudyError(CohortiumError):
    """The study file is wrong: a key, a value, or what it asks for."""

    code = "COH-102"
    exit_code = 2


class DataFileError(CohortiumError):
    """A data file can not be opened, decompressed or decoded, or is empty."""

    code = "COH-201"
    exit_code = 3
    for_this_site_only = True


class DataValueError(CohortiumError):
    """A value in a data file is not what its place asks for (text in a number, ragged row)."""

    code = "COH-202"
    exit_code = 3
    for_this_site_only = True


class LabelError(CohortiumError):
    """Labels are missing, unknown, of one class only, or do not match the samples."""

    code = "COH-203"
    exit_code = 3
    for_this_site_only = True


class FeatureError(CohortiumError):
    """Feature names are duplicated, or differ between the sites."""

    code = "COH-204"
    exit_code = 3


class ModelFileError(CohortiumError):
    """A model file is damaged or does not fit the data."""

    code = "COH-205"
    exit_code = 3


class EncodingError(CohortiumError, ValueError):
    """A number can not be encoded: not a number, infinite, or beyond the stated bound."""

    code = "COH-301"
    exit_code = 4
    for_this_site_only = True


class FixedPointOverflowError(CohortiumError, OverflowError):
    """An operation would need more bits than the ring has; refused before anything was sent."""

    code = "COH-302"
    exit_code = 4


class BoundError(CohortiumError):
    """A statement of the study about secret numbers (a logit's bound) did not hold; no result."""

    code = "COH-303"
    exit_code = 4


class IdentityFileError(CohortiumError):
    """A site's key or certificate file is missing, damaged, or readable by others."""

    code = "COH-401"
    exit_code = 5


class CertificateError(CohortiumError):
    """A certificate is expired, unknown, or belongs to another party."""

    code = "COH-402"
    exit_code = 5


class ConnectError(CohortiumError):
    """A party could not be reached, or could not reach us, within the time allowed."""

    code = "COH-403"
    exit_code = 6


class PeerLostError(CohortiumError):
    """A party closed its connection in mid-run: it crashed, was killed, or lost its network."""

    code = "COH-404"
    exit_code = 6


class DeadlineError(CohortiumError):
    """A party is connected but sent nothing for longer than the deadline."""

    code = "COH-405"
    exit_code = 6


class FrameError(CohortiumError):
    """A party sent something that the program does not expect at this point; it was not used."""

    code = "COH-406"
    exit_code = 6


class PeerAbortedError(CohortiumError):
    """A party stopped the run and told us why."""

    code = "COH-407"
    exit_code = 6


class AgreementError(CohortiumError):
    """Two parties do not run the same study, version or program."""

    code = "COH-501"
    exit_code = 7


class DisclosureError(CohortiumError):
    """A value was asked for that the study file does not list as revealed."""

    code = "COH-502"
    exit_code = 7


class PolicyError(CohortiumError):
    """The site's own policy does not allow its part in this study."""

    code = "COH-503"
    exit_code = 7
    for_this_site_only = True


class SignatureError(CohortiumError):
    """A party has not signed the study, or a signature does not hold for it."""

    code = "COH-504"
    exit_code = 7


class AuditError(CohortiumError):
    """The record of a run is damaged, or was changed after it was written."""

    code = "COH-505"
    exit_code = 7


class CheckpointError(CohortiumError):
    """What an earlier run kept, to go on after a crash, is damaged, or of something else."""

    code = "COH-506"
    exit_code = 7
    for_this_site_only = True


class PartyProcessError(CohortiumError):
    """A party's process on this machine ended without saying why."""

    code = "COH-601"
    exit_code = 8
