"""What the parties tell each other before anything secret, over memory links."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from cohortium.data import Cohort, NamingReport, features_digest
from cohortium.errors import (
    AgreementError,
    CohortiumError,
    FeatureError,
    FrameError,
    PeerAbortedError,
)
from cohortium.net import Mesh, memory_meshes
from cohortium.run.agreeing import Agreed, ToldBuild, agree

OWNERS = ("north", "south")
PARTIES = (*OWNERS, "uni")


def cohort(features: Sequence[str], samples: int = 2, positive: str = "ill") -> Cohort:
    return Cohort(
        np.zeros((samples, len(features))),
        tuple(f"s{row}" for row in range(samples)),
        tuple(features),
        np.arange(samples) % 2,
        positive,
        "well",
    )


def meet(
    cohorts: Mapping[str, Cohort],
    *,
    names_needed: bool = False,
    mode: str = "intersection",
    instead: Mapping[str, Callable[[Mesh], Any]] | None = None,
) -> dict[str, Any]:
    """Return what each party agreed on, or the error that it raised."""
    outcomes: dict[str, Any] = {}

    def party(name: str, mesh: Mesh) -> None:
        try:
            with mesh:
                own = (instead or {}).get(name)
                outcomes[name] = (
                    own(mesh)
                    if own is not None
                    else agree(
                        mesh, OWNERS, cohorts.get(name), mode=mode, names_needed=names_needed
                    )
                )
        except CohortiumError as error:
            outcomes[name] = error

    threads = [
        threading.Thread(target=party, args=item, daemon=True)
        for item in memory_meshes(PARTIES, deadline=5.0).items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return outcomes


def test_equal_features_travel_as_a_digest_only() -> None:
    outcomes = meet({"north": cohort(["b", "a"], 3), "south": cohort(["a", "b"], 5)})
    for name in OWNERS:
        assert outcomes[name].features == ("a", "b")
    assert outcomes["uni"].features is None
    for agreed in outcomes.values():
        assert agreed.sizes == {"north": 3, "south": 5}
        assert (agreed.feature_count, agreed.positive, agreed.negative) == (2, "ill", "well")
        assert agreed.lines()[1] == "2 features, the same at every site."


def test_different_features_are_reduced_to_the_common_ones_everywhere() -> None:
    outcomes = meet({"north": cohort(["c", "b", "a"]), "south": cohort(["d", "c", "b"])})
    for agreed in outcomes.values():
        assert agreed.features == ("b", "c")
        assert agreed.feature_count == 2
        assert "2 features common to all sites." in agreed.lines()


def test_names_do_not_travel_unless_the_study_says_so() -> None:
    for mode in ("same", "list"):
        outcomes = meet({"north": cohort(["b", "a"]), "south": cohort(["c", "b"])}, mode=mode)
        for error in outcomes.values():
            assert isinstance(error, (FeatureError, PeerAbortedError))
            assert "features are not the same (north has 2, south has 2)" in error.what
            assert "'c'" not in error.what
        assert any("mode = 'intersection'" in str(error) for error in outcomes.values())


def test_a_union_is_what_any_site_has() -> None:
    outcomes = meet({"north": cohort(["b", "a"]), "south": cohort(["c", "b"])}, mode="union")
    for agreed in outcomes.values():
        assert agreed.features == ("a", "b", "c")
        assert agreed.lines()[1:] == [
            "3 features of any site.",
            "north: 2 features, 1 lacking, imputed ('c').",
            "south: 2 features, 1 lacking, imputed ('a').",
        ]
        assert agreed.alignment()["north"] == {"not at other sites": 0, "lacking here": 1}


def test_what_a_site_did_to_its_names_is_told_to_all() -> None:
    def party(mesh: Mesh, own: Cohort | None) -> Agreed:
        done = NamingReport(5, renamed=3, repeated=("x", "y"), swapped=0, ambiguous=1)
        told = done if mesh.name == "south" else None
        return agree(mesh, OWNERS, own, mode="same", names_needed=False, naming=told)

    own = cohort(["a"])
    outcomes = meet(
        {},
        instead={
            "north": lambda mesh: party(mesh, own),
            "south": lambda mesh: party(mesh, own),
            "uni": lambda mesh: party(mesh, None),
        },
    )
    for agreed in outcomes.values():
        assert agreed.lines()[-1] == (
            "south: 3 renamed, 2 left out as their names are not unique, 1 of an open strand."
        )
        assert agreed.alignment()["north"] == {}


def told_builds(**builds: ToldBuild | None) -> dict[str, Any]:
    """Return what comes of sites that tell these genome builds."""

    def party(mesh: Mesh) -> Agreed:
        own = cohort(["1:5:A:C"]) if mesh.name in OWNERS else None
        build = builds.get(mesh.name)
        return agree(mesh, OWNERS, own, mode="same", names_needed=False, build=build)

    return meet({}, instead=dict.fromkeys(PARTIES, party))


def test_different_genome_builds_stop_everybody() -> None:
    outcomes = told_builds(north="GRCh37", south="GRCh38")
    assert {type(error) for error in outcomes.values()} <= {AgreementError, PeerAbortedError}
    for error in outcomes.values():
        assert "builds (north: GRCh37 (hg19); south: GRCh38 (hg38))" in error.what
    assert any("Lift the files over to one build" in str(error) for error in outcomes.values())


def test_a_genome_build_that_a_file_does_not_tell_is_a_note() -> None:
    for agreed in told_builds(north="GRCh37", south="unknown").values():
        assert agreed.builds == {"north": "GRCh37", "south": "unknown"}
        assert (
            "The genome build of south is not told by the file: make sure that it is that of the "
            "others." in agreed.lines()
        )
    for agreed in told_builds(north="GRCh37", south="GRCh37").values():
        assert "genome build" not in " ".join(agreed.lines())
    for agreed in told_builds().values():
        assert agreed.builds == {}


def test_a_receiver_without_data_learns_the_names() -> None:
    same = cohort(["a", "b"])
    outcomes = meet({"north": same, "south": same}, names_needed=True)
    assert outcomes["uni"].features == ("a", "b")


def test_nothing_in_common_stops_everybody() -> None:
    outcomes = meet({"north": cohort(["a"]), "south": cohort(["A"])})
    for error in outcomes.values():
        assert isinstance(error, (FeatureError, PeerAbortedError))
        assert "no feature in common" in error.what


def test_classes_of_different_names_stop_everybody() -> None:
    outcomes = meet({"north": cohort(["a"]), "south": cohort(["a"], positive="sick")})
    for error in outcomes.values():
        assert isinstance(error, (AgreementError, PeerAbortedError))
        assert "'ill' against 'well'" in error.what
        assert "'sick'" in error.what


def summary(**changes: Any) -> bytes:
    fields = {
        "samples": 2,
        "features": 1,
        "digest": features_digest(["z"]),
        "positive": "ill",
        "negative": "well",
    }
    return json.dumps({**fields, **changes}).encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 50_000,
        summary(samples=0),
        summary(samples="2"),
        summary(samples=1 << 50),
        summary(features=-1),
        summary(digest="z"),
        summary(more=1),
        summary(build="GRCh39"),
    ],
)
def test_a_summary_that_is_none_is_refused(sent: bytes) -> None:
    def liar(mesh: Mesh) -> None:
        everyone = dict.fromkeys(mesh.peers, sent)
        mesh.exchange_messages("cohort summary", everyone, {"north": 1 << 16})
        mesh.exchange_messages("feature names", {}, {"north": 1 << 16})

    outcomes = meet({"north": cohort(["a"])}, instead={"south": liar})
    for name in ("north", "uni"):
        assert isinstance(outcomes[name], (FrameError, PeerAbortedError))
        assert "south sent a cohort summary that can not be read" in outcomes[name].what


@pytest.mark.parametrize(
    ("folds", "sent"),
    [(2, [2, 0, 0]), (2, [2, 1]), (2, None), (3, [1, 1]), (None, [1, 1]), (2, [3, -1])],
)
def test_sizes_of_folds_that_do_not_fit_are_refused(
    folds: int | None, sent: list[int] | None
) -> None:
    def liar(mesh: Mesh) -> None:
        everyone = dict.fromkeys(mesh.peers, summary(folds=sent))
        mesh.exchange_messages("cohort summary", everyone, {"north": 1 << 16})
        mesh.exchange_messages("feature names", {}, {"north": 1 << 16})

    def honest(mesh: Mesh, own: Cohort | None) -> Agreed:
        sizes = None if folds is None or own is None else [1, 1, *[0] * (folds - 2)]
        return agree(
            mesh, OWNERS, own, mode="union", names_needed=False, own_folds=sizes, folds=folds
        )

    outcomes = meet(
        {},
        instead={
            "north": lambda mesh: honest(mesh, cohort(["z"])),
            "south": liar,
            "uni": lambda mesh: honest(mesh, None),
        },
    )
    for name in ("north", "uni"):
        assert isinstance(outcomes[name], (FrameError, PeerAbortedError))
        assert "south sent" in outcomes[name].what


def test_numbers_and_sizes_of_folds_are_agreed_on() -> None:
    def party(mesh: Mesh) -> Agreed:
        own = None
        if mesh.name in OWNERS:
            own = Cohort(np.zeros((3, 1)), "abc", ["g"], np.array([1.5, 2.0, 3.0]))
        sizes = {"north": [3, 0], "south": [1, 2]}.get(mesh.name)
        return agree(mesh, OWNERS, own, mode="same", names_needed=False, own_folds=sizes, folds=2)

    for agreed in meet({}, instead=dict.fromkeys(PARTIES, party)).values():
        assert agreed.folds == {"north": [3, 0], "south": [1, 2]}
        assert (agreed.positive, agreed.negative) == (None, None)


@pytest.mark.parametrize("names", [b"", b'"z"', b"[1]", b'["y"]', b'["z", "z"]', b"[" * 100_000])
def test_names_that_do_not_fit_the_summary_are_refused(names: bytes) -> None:
    def liar(mesh: Mesh) -> None:
        everyone = dict.fromkeys(mesh.peers, summary())
        mesh.exchange_messages("cohort summary", everyone, {"north": 1 << 16})
        mesh.exchange_messages(
            "feature names", dict.fromkeys(mesh.peers, names), {"north": 1 << 16}
        )

    outcomes = meet({"north": cohort(["a"])}, instead={"south": liar})
    for name in ("north", "uni"):
        assert isinstance(outcomes[name], (FrameError, PeerAbortedError))
        assert "does not fit its own summary" in outcomes[name].what


def test_the_facts_are_the_same_at_every_party() -> None:
    outcomes = meet({"north": cohort(["a", "b"]), "south": cohort(["b", "c"])})
    told = {"\n".join(agreed.lines()) for agreed in outcomes.values()}
    assert all(isinstance(agreed, Agreed) for agreed in outcomes.values())
    assert len(told) == 1
    assert "4 samples (north 2, south 2)." in told.pop()
