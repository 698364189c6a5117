"""The disclosure ledger: the only things that may become readable, and to whom.

Protocols ask it before the first share of a reveal leaves. It is made from the study file, which
is the same at every party, so each refuses by itself what is not listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cohortium.errors import DisclosureError
from cohortium.mpc import Ledger
from cohortium.study.schema import Study


class DisclosureLedger(Ledger):
    """Allows the listed reveals, each to just the listed receivers."""

    def __init__(self, allowed: Mapping[str, Sequence[str]]) -> None:
        self._allowed = {name: frozenset(receivers) for name, receivers in allowed.items()}
        self.revealed: list[tuple[str, tuple[str, ...], tuple[int, ...]]] = []

    @staticmethod
    def of(study: Study) -> DisclosureLedger:
        """Return the ledger of a study's ``[[reveal]]`` entries.

        Besides, those who compute are told whether the stated bounds held: a bit for each.
        """
        allowed: dict[str, Sequence[str]] = {"bounds": study.with_role("compute")}
        allowed.update({reveal.what: reveal.to for reveal in study.reveal})
        return DisclosureLedger(allowed)

    @property
    def allowed(self) -> Mapping[str, Sequence[str]]:
        """What may be revealed, and to whom."""
        return {name: self.receivers(name) for name in self._allowed}

    def authorise(self, name: str, receivers: Sequence[str], shape: tuple[int, ...]) -> None:
        """Return if the study lists it; DisclosureError, before anything is sent, if not."""
        if name not in self._allowed:
            raise DisclosureError(
                f"The program asked to reveal {name!r}, which the study does not list.",
                remedy="Nothing was sent. Add a [[reveal]] if all sites agree to it.",
            )
        strangers = sorted(set(receivers) - self._allowed[name])
        if strangers:
            raise DisclosureError(
                f"The program asked to reveal {name!r} to {', '.join(strangers)}; the study lists "
                f"{', '.join(sorted(self._allowed[name]))}.",
                remedy="Nothing was sent. Change the [[reveal]] if all sites agree to it.",
            )
        self.revealed.append((name, tuple(receivers), tuple(shape)))

    def receivers(self, name: str) -> tuple[str, ...]:
        """Return who receives a listed reveal, sorted."""
        return tuple(sorted(self._allowed.get(name, ())))
