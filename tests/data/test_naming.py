"""Feature names in the form that all sites share: genes, aliases, variants, swapped alleles."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.data import Cohort, common_features, common_names, read_cohort, with_features
from cohortium.data.variants import canonical_variant
from cohortium.errors import DataValueError, FeatureError

COMPLEMENT = str.maketrans("ACGT", "TGCA")
alleles = st.permutations("ACGT").map(lambda four: four[:2])


def cohort(names, values=None):
    if values is None:
        values = np.arange(2.0 * len(names)).reshape(2, -1)
    return Cohort(values, ("p", "q"), tuple(names), source="file.csv")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ENSG00000141510.18", "ENSG00000141510"),
        ("ensg00000141510", "ENSG00000141510"),
        ("ENSMUSG00000059552.14", "ENSMUSG00000059552"),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378"),
        (" tp53 ", "TP53"),
        ("C1orf112", "C1ORF112"),
        ("her2", "ERBB2"),
        ("AC012345.6", "AC012345.6"),
        ("NKX2-1", "NKX2-1"),
    ],
)
def test_genes(name, expected):
    named, report = common_names(cohort([name, "other"]), "gene", {"HER2": "ERBB2"})
    assert named.features == (expected, "OTHER")
    assert report.renamed == 1 + (name != expected)


def test_names_that_become_one_are_all_left_out():
    given_names = ["TP53", "tp53", "EGFR", "ENSG00000141510.1", "ENSG00000141510.2"]
    named, report = common_names(cohort(given_names), "gene")
    assert named.features == ("EGFR",)
    np.testing.assert_array_equal(named.values, [[2.0], [7.0]])
    assert report.repeated == ("TP53", "tp53", "ENSG00000141510.1", "ENSG00000141510.2")
    assert any("4 features left out" in line and "'TP53'" in line for line in report.lines())
    with pytest.raises(FeatureError, match=r"file\.csv: no feature has a name of its own"):
        common_names(cohort(["a", "A"]), "gene")


def test_exact_names_are_left_alone():
    named, report = common_names(cohort(["tp53", "TP53"]), "exact")
    assert named.features == ("tp53", "TP53")
    assert report.lines() == []


@given(alleles, st.integers(1, 10**9), st.booleans(), st.booleans())
def test_every_way_to_write_a_variant_has_one_name(pair, position, swap, strand):
    ref, alt = pair
    first = canonical_variant(f"chr7:{position}:{ref}:{alt}")
    ref, alt = (alt, ref) if swap else (ref, alt)
    ref, alt = (ref.translate(COMPLEMENT), alt.translate(COMPLEMENT)) if strand else (ref, alt)
    other = canonical_variant(f"7:{position}:{ref.lower()}:{alt}")
    if {*pair} in ({"A", "T"}, {"C", "G"}):
        assert first.ambiguous
        assert other.ambiguous
        assert not first.swapped
        assert first.name == f"7:{position}:{pair[0]}:{pair[1]}"
        assert (other.name == first.name) == (swap == strand)
    else:
        assert other.name == first.name
        assert (other.swapped != first.swapped) == swap
        assert not first.ambiguous


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chrX:0100:A:G", "X:100:A:G"),
        ("23:100:C:T", "X:100:A:G"),
        ("chrM:5:T:C", "MT:5:A:G"),
        # An insertion: its alleles change places, but it has no other strand here.
        ("1:5:AT:A", "1:5:A:AT"),
        ("1:5:TA:T", "1:5:T:TA"),
    ],
)
def test_chromosomes_and_longer_alleles(name, expected):
    assert canonical_variant(name).name == expected


def test_dosages_turn_with_the_alleles():
    values = np.array([[0.0, 0.25, 2.0], [np.nan, 2.0, 1.0]])
    named, report = common_names(cohort(["1:1:G:A", "1:2:A:G", "1:3:T:A"], values), "variant")
    assert named.features == ("1:1:A:G", "1:2:A:G", "1:3:T:A")
    np.testing.assert_array_equal(named.values, [[2.0, 0.25, 2.0], [np.nan, 2.0, 1.0]])
    assert (report.swapped, report.ambiguous, report.renamed) == (1, 1, 1)
    assert any("strand can not be told" in line for line in report.lines())


def test_what_is_no_variant_or_no_dosage_is_refused():
    with pytest.raises(
        FeatureError, match="1 feature not named as a variant is: 'rs123'"
    ) as caught:
        common_names(cohort(["1:1:A:G", "rs123"]), "variant")
    assert "chromosome:position:ref:alt" in caught.value.remedy
    for wrong in (-1.0, 2.5):
        values = np.array([[1.0, wrong], [0.0, 1.0]])
        with pytest.raises(DataValueError, match="1 variant with values outside 0 to 2: '1:2:G:A'"):
            common_names(cohort(["1:1:A:G", "1:2:G:A"], values), "variant")
        # What is not turned is not looked at: it may be standardised already.
        common_names(cohort(["1:1:A:G", "1:2:A:G"], values), "variant")


def test_union_has_everything_and_says_who_lacks_it():
    lists = {"north": ["b", "a"], "south": ["c", "b"]}
    union, report = common_features(lists, union=True)
    assert union == ("a", "b", "c")
    assert report.lines() == [
        "3 features of any site.",
        "north: 2 features, 1 lacking, imputed ('c').",
        "south: 2 features, 1 lacking, imputed ('a').",
    ]
    filled = with_features(cohort(["b", "a"]), union)
    np.testing.assert_array_equal(filled.values, [[1.0, 0.0, 0.0], [3.0, 2.0, 0.0]])
    assert filled.features == union


def test_real_arrays_meet_by_gene_symbol(shared):
    """Chicago's Affymetrix and Amsterdam's Agilent array have no probe in common, but genes."""
    sites = {}
    for name in ("genefu_vdxs", "genefu_nkis"):
        read = read_cohort(shared(name) / "X.csv.gz", orientation="samples_in_rows")
        with gzip.open(shared(name) / "annot.tsv.gz", "rt") as file:
            header = file.readline().rstrip("\n").split("\t")
            rows = [line.rstrip("\n").split("\t") for line in file]
        probe, symbol = header.index("probe"), header.index("NCBI.gene.symbol")
        # As a file of a site has it: some in lower case, several probes of a gene.
        genes = {row[probe]: row[symbol].lower() or row[probe] for row in rows}
        taken: dict[str, str] = {}
        for feature in read.features:
            taken.setdefault(genes[feature], feature)
        chosen = read.select_features(list(taken.values()))
        sites[name] = Cohort(chosen.values, chosen.samples, tuple(taken))
    named = {name: common_names(site, "gene")[0] for name, site in sites.items()}
    common, report = common_features({name: site.features for name, site in named.items()})
    assert len(common) > 200
    assert "ESR1" in common
    assert report.common == len(common)
