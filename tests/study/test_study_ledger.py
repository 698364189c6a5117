"""The ledger allows what the study lists, to whom it lists, and keeps account."""

from __future__ import annotations

import pytest
from test_study_schema import STUDY

from cohortium.errors import DisclosureError
from cohortium.study import DisclosureLedger, parse_study


def ledger() -> DisclosureLedger:
    text = STUDY.replace('to = ["north", "south"]', 'to = ["north"]')
    return DisclosureLedger.of(parse_study(text).study)


def test_what_is_listed_is_allowed_and_recorded() -> None:
    book = ledger()
    book.authorise("model", ("north",), (31, 1))
    assert book.revealed == [("model", ("north",), (31, 1))]
    assert book.receivers("model") == ("north",)


def test_what_is_not_listed_is_refused_and_not_recorded() -> None:
    book = ledger()
    with pytest.raises(DisclosureError, match="'labels', which the study does not list") as caught:
        book.authorise("labels", ("north",), (20, 1))
    assert caught.value.exit_code == 7
    assert "Nothing was sent" in caught.value.remedy
    assert book.revealed == []
    assert book.receivers("labels") == ()


@pytest.mark.parametrize("receivers", [("south",), ("north", "south"), ("north", "uni")])
def test_a_receiver_that_is_not_listed_is_refused(receivers: tuple[str, ...]) -> None:
    book = ledger()
    with pytest.raises(DisclosureError, match="the study lists north") as caught:
        book.authorise("model", receivers, (31, 1))
    assert receivers[-1] in caught.value.what
    assert book.revealed == []


def test_each_ledger_keeps_its_own_account() -> None:
    one, other = ledger(), ledger()
    one.authorise("model", ("north",), (2, 1))
    assert other.revealed == []
