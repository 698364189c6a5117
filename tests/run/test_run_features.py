"""Sites that name their features differently: the model is that of sites that name them alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_sites import LABEL, NEGATIVE, POSITIVE, TWO_SITES, Cells, cells, genes, parsed, study_text

from cohortium.errors import CohortiumError
from cohortium.learn import Model
from cohortium.run.local import LocalRun, simulate

VARIANTS = ["1:100:A:G", "1:200:C:A", "2:50:A:T", "X:7:T:C", "3:9:G:GA"]
# The same, as south writes them: the other allele counted, the other strand, other chromosomes.
SOUTHERN = ["chr1:100:G:A", "chr1:200:G:T", "chr2:50:A:T", "23:7:G:A", "3:9:GA:G"]
TURNED = [True, False, False, True, True]


def run(folder: Path, tables: dict[str, Cells], features: str) -> LocalRun:
    folder.mkdir()
    data = {name: str(table.write(folder / f"{name}.csv")) for name, table in tables.items()}
    text = study_text(TWO_SITES, features=features)
    return simulate(parsed(text), data, folder / "out", lambda *_: None)


def genotypes(site: str, names: list[str], turned: list[bool]) -> Cells:
    random = np.random.default_rng([*site.encode()])
    labels = np.arange(24) % 2
    dosages = random.binomial(2, 0.2 + 0.3 * labels[:, None], (24, len(names)))
    shown = np.where(turned, 2 - dosages, dosages)
    rows = [
        [f"{site}{row}", (NEGATIVE, POSITIVE)[label], *map(str, line)]
        for row, (label, line) in enumerate(zip(labels, shown, strict=True))
    ]
    return Cells(["sample", LABEL, *names], rows)


def weights(local: LocalRun, site: str = "north") -> dict[str, float]:
    model = Model.load(local.models[site][0])
    return dict(zip(model.features, model.weights, strict=True))


def test_swapped_alleles_and_other_strands_make_no_difference(tmp_path: Path) -> None:
    same = [False] * len(VARIANTS)
    north = genotypes("north", VARIANTS, same)
    alike = run(
        tmp_path / "alike",
        {"north": north, "south": genotypes("south", VARIANTS, same)},
        'names = "variant"',
    )
    differing = run(
        tmp_path / "differing",
        {"north": north, "south": genotypes("south", SOUTHERN, TURNED)},
        'names = "variant"',
    )
    expected, found = weights(alike), weights(differing)
    assert sorted(found) == ["1:100:A:G", "1:200:A:C", "2:50:A:T", "3:9:G:GA", "X:7:A:G"]
    assert np.abs(list(expected.values())).max() > 0.01
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert found[name] == pytest.approx(weight, abs=1e-4)
    record: Any = json.loads((tmp_path / "differing/out/uni/record.json").read_text())
    renamed = {"renamed": 2, "turned to the other allele": 1, "of an open strand": 1}
    assert record["alignment"]["north"] == renamed
    south = {"renamed": 5, "turned to the other allele": 4, "of an open strand": 1}
    assert record["alignment"]["south"] == south


def test_a_union_counts_what_a_site_lacks_as_its_mean(tmp_path: Path) -> None:
    north, south = cells("north", genes(0, 8)), cells("south", genes(0, 10))
    local = run(tmp_path / "union", {"north": north, "south": south}, 'mode = "union"')
    # The same as if north had measured a constant.
    filled = Cells(
        [*north.header, "GENE08", "GENE09"], [[*row, "7.0", "7.0"] for row in north.rows]
    )
    constant = run(tmp_path / "filled", {"north": filled, "south": south}, 'mode = "same"')
    expected, found = weights(constant), weights(local)
    assert list(found) == genes(0, 10)
    for name, weight in expected.items():
        assert found[name] == pytest.approx(weight, abs=1e-4)


def test_a_list_and_aliases_take_what_the_study_names(tmp_path: Path) -> None:
    north, south = cells("north", genes(0, 8)), cells("south", genes(0, 10))
    south.header[2:4] = ["gene00", "OLD1"]
    local = run(
        tmp_path / "list",
        {"north": north, "south": south},
        'names = "gene"\nmode = "list"\nlist = ["GENE00", "GENE01", "GENE05"]\n'
        'aliases = { "OLD1" = "GENE01" }',
    )
    assert list(weights(local)) == ["GENE00", "GENE01", "GENE05"]
    with pytest.raises(CohortiumError, match="lacks 1 of 1 feature: 'GENE09'"):
        run(
            tmp_path / "lacking",
            {"north": north, "south": south},
            'mode = "list"\nlist = ["GENE09"]',
        )
