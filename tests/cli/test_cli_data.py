"""`data check` at the terminal: one screen, JSON, and errors of a broken file."""

from __future__ import annotations

import json

from cli_consortium import Here
from run_sites import Terminal, cells, genes, study_text

POOLED = '[preparation]\nstandardise = "pooled"\nvalue_bound = 8.0\n'


def test_a_file_is_described_by_a_study(terminal: Terminal, here: Here) -> None:
    folder = terminal.folder
    table = cells("north", genes(0))
    table.header[4] = "gene99"
    for row in table.rows:
        row[5] = "7.0"
    table.write(folder / "north.csv")
    text = study_text(features='names = "gene"')
    (folder / "study.toml").write_text(text)
    (folder / "bound.toml").write_text(text + POOLED)
    ended = here("data", "check", "north.csv", "--study", "study.toml")
    assert ended.code == 0, ended.err
    assert "samples   24\n" in ended.out
    assert "classes   BCR/ABL 12, NEG 12\n" in ended.out
    assert "warning   1 feature with one value only: they tell nothing: 'GENE03'." in ended.out
    ended = here("data", "check", "north.csv", "--study", "study.toml", "--json")
    found = json.loads(ended.out)
    assert found["constant_features"] == ["GENE03"]
    assert found["classes"] == {"BCR/ABL": 12, "NEG": 12}
    assert "measures" not in found
    assert found["problems"] == []
    ended = here("data", "check", "north.csv", "--study", "bound.toml")
    assert ended.code == 3, ended
    assert "problem   north.csv: a value beyond the study's value_bound = 8" in ended.out
    assert "samples   24\n" in ended.out
    ended = here(
        *("data", "check", "north.csv", "--study", "bound.toml"), *("--json", "--html", "odd.html")
    )
    assert ended.code == 3, ended
    (problem,) = json.loads(ended.out)["problems"]
    assert "beyond the study's value_bound = 8, in sample" in problem
    assert problem.endswith("[COH-202]")
    assert "would refuse these data: 1 problem" in (folder / "odd.html").read_text("utf-8")
    ended = here(
        *("data", "check", "north.csv", "--label", "subtype", "--positive", "NEG"),
        *("--html", "page.html"),
    )
    assert "The page: page.html" in ended.err
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert "NEG: 12, BCR/ABL: 12" in page
    assert "classes   NEG 12, BCR/ABL 12\n" in ended.out
    ended = here("data", "check", "north.csv", "--orientation", "sideways")
    assert ended.code == 2 or "orientation is 'sideways'" in ended.err
    assert "Traceback" not in ended.err
    ended = here("data", "check", "nowhere.csv")
    assert ended.code == 3
    assert "COH-201" in ended.err
    ended = here("data", "check", "north.csv", "--label", "subtyp")
    assert "COH-203: north.csv has no column 'subtyp'" in ended.err
    assert "Did you mean 'subtype'?" in ended.err
    for options, told in (
        ((), "State it (--orientation, or orientation in the study's [data])"),
        (("--label", "relapse"), "or a label file: FILE,labels=LABELFILE."),
        (("--label", "subtype"), "Name it: --positive, or positive in the study's [data]."),
        (
            ("--positive", "NEG"),
            "Name the label's column (--label, or label in the study's [data])",
        ),
    ):
        # Lines are broken anywhere.
        said = " ".join(here("data", "check", "north.csv", *options).err.split())
        assert told in said
        assert "=..." not in said
