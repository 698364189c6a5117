"""Features in common, and the digest that stands for a list of them."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.data import common_features, features_digest, read_cohort
from cohortium.errors import FeatureError, ParameterError

names = st.lists(st.text("abcé1-_", min_size=1, max_size=3), unique=True, max_size=12)


@given(st.lists(names, min_size=1, max_size=4))
def test_intersection_sorted(lists):
    shared = {"always", *set.intersection(*map(set, lists))}
    sites = {f"site{i}": [*feature_names, "always"] for i, feature_names in enumerate(lists)}
    common, report = common_features(sites)
    assert common == tuple(sorted(shared))
    assert report.common == len(common)
    for site in report.sites:
        assert set(site.dropped) == set(sites[site.site]) - shared
        assert site.features == len(sites[site.site])


def test_report_lines():
    _, report = common_features({"north": ["b", "a", "x"], "south": ["a", "b"]})
    assert report.lines() == [
        "2 features common to all sites.",
        "north: 3 features, 1 left out ('x').",
        "south: 2 features, 0 left out.",
    ]


def test_real_sites_share_probes_or_nothing(shared):
    features = {
        name: read_cohort(shared(name) / "X.csv.gz", orientation="samples_in_rows").features
        for name in ("genefu_vdxs", "genefu_expos", "genefu_nkis")
    }
    nki = features.pop("genefu_nkis")
    common, _ = common_features(features)
    assert len(common) == 966
    with pytest.raises(FeatureError, match="no feature in common") as caught:
        common_features({"chicago": features["genefu_vdxs"], "amsterdam": nki})
    assert "chicago has '200039_s_at'" in caught.value.what
    assert "amsterdam has 'NM_000125'" in caught.value.what
    assert "gene symbol" in caught.value.remedy


def test_refusals():
    with pytest.raises(ParameterError, match="no feature lists"):
        common_features({})
    with pytest.raises(FeatureError, match="south has 1 feature more than once: 'a'"):
        common_features({"north": ["a"], "south": ["a", "a"]})
    with pytest.raises(FeatureError, match="no feature in common: north has none"):
        common_features({"north": [], "south": ["a"]})
    for name in ("a\nb", "a\r"):
        with pytest.raises(FeatureError, match="holds a line end"):
            features_digest([name])
    with pytest.raises(FeatureError, match="more than once"):
        features_digest(["a", "a"])


def test_digest_is_stable():
    assert features_digest(["b", "é", "a"]) == hashlib.sha256("a\nb\né\n".encode()).hexdigest()
    assert features_digest([]) == hashlib.sha256(b"").hexdigest()


@given(names, names, st.randoms())
def test_digest_equals_just_for_equal_sets(one, other, chance: random.Random):
    shuffled = one.copy()
    chance.shuffle(shuffled)
    assert features_digest(one) == features_digest(shuffled)
    assert (features_digest(one) == features_digest(other)) == (set(one) == set(other))
