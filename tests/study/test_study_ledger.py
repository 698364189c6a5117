"""The ledger allows what the study lists, to whom it lists, and keeps account."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from test_study_schema import STUDY

from cohortium.errors import DisclosureError
from cohortium.study import DisclosureLedger, parse_study


def ledger() -> DisclosureLedger:
    text = STUDY.replace('to = ["north", "south"]', 'to = ["north"]')
    made = DisclosureLedger.of(parse_study(text).study)
    made.fix_shapes({"model": (31, 1), "bounds": (1,)})
    return made


def test_what_is_listed_is_allowed_and_recorded() -> None:
    book = ledger()
    book.authorise("model", ("north",), (31, 1))
    (entry,) = book.revealed
    facts = entry.facts()
    assert facts.pop("time").startswith("20")
    assert facts == {
        "what": "model",
        "to": ["north"],
        "shape": [31, 1],
        "bytes": 248,
        "sha256": None,
    }
    assert book.receivers("model") == ("north",)


def test_the_line_of_a_reveal_says_what_is_suppressed() -> None:
    text = STUDY + (
        '[validation]\nfolds = 3\n[[reveal]]\nwhat = "calibration"\nto = ["north"]\n'
        "minimum_count = 10\n"
    )
    made = DisclosureLedger.of(parse_study(text).study)
    told = "Will be revealed to north: calibration"
    assert made.lines()[2] == f"{told}; counts under 10 are suppressed."
    made.fix_shapes({"model": (31, 1), "bounds": (1,), "calibration": (2, 10, 1)})
    assert made.lines()[2] == f"{told}, 2 × 10 × 1; counts under 10 are suppressed."
    assert [entry.facts().get("minimum_count") for entry in made.entries] == [None, None, 10]


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


@pytest.mark.parametrize("shape", [(31,), (30, 1), (31, 2), ()])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    book = ledger()
    with pytest.raises(DisclosureError, match="allow 31 × 1") as caught:
        book.authorise("model", ("north",), shape)
    assert "Nothing was sent" in caught.value.remedy
    assert book.revealed == []


def test_nothing_is_allowed_before_the_sizes_are_agreed() -> None:
    book = DisclosureLedger({"model": ["north"]})
    with pytest.raises(DisclosureError, match="allow none"):
        book.authorise("model", ("north",), (31, 1))


def test_what_is_received_is_known_by_its_digest() -> None:
    values = np.arange(6.0).reshape(3, 2)
    book = ledger()
    book.note_received("model", values.T)
    again = np.ascontiguousarray(values.T).astype("<f8").tobytes()
    assert book.entries[1].sha256 == hashlib.sha256(again).hexdigest()


def test_each_ledger_keeps_its_own_account() -> None:
    one, other = ledger(), ledger()
    one.authorise("model", ("north",), (31, 1))
    assert other.revealed == []
