"""Bad data at one site: file, line and remedy are told there, and no word of it elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_consortium import Consortium, Here, check_error, end_all
from run_sites import LABEL, Cells, Terminal, cells, data_options, genes, study_text

SECRET = "Jane-Doe-1961"  # noqa: S105


def _missing_label(table: Cells) -> None:
    table.header[1] = "subtypes"


def _one_class(table: Cells) -> None:
    for row in table.rows:
        row[1] = "NEG"


def _unlabelled_sample(table: Cells) -> None:
    table.rows[2][1] = "NA"


def _duplicate_genes(table: Cells) -> None:
    table.header[7] = table.header[6]


def _text_in_a_number(table: Cells) -> None:
    table.rows[3][7] = SECRET


def _duplicate_samples(table: Cells) -> None:
    table.rows[3][0] = table.rows[2][0] = SECRET


def _ragged(table: Cells) -> None:
    table.rows[5].append(SECRET)


def _third_class(table: Cells) -> None:
    table.rows[0][1] = SECRET


BAD: list[tuple[Callable[[Cells], None], str, list[str]]] = [
    (_missing_label, "COH-203", ["north.csv", "'subtype'", "Did you mean 'subtypes'?"]),
    (_one_class, "COH-203", ["north.csv", "no sample is of the positive class 'BCR/ABL'"]),
    (_unlabelled_sample, "COH-203", ["north.csv", "column 'subtype'", "line 4"]),
    (_duplicate_genes, "COH-204", ["north.csv", "'GENE04' in columns 7 and 8"]),
    (_text_in_a_number, "COH-202", ["north.csv, line 5, column 'GENE05' (number 8)", SECRET]),
    (_duplicate_samples, "COH-202", ["north.csv", "lines 4 and 5", SECRET]),
    (_ragged, "COH-202", ["north.csv, line 7 has 33 cells"]),
]


@pytest.mark.parametrize(("spoil", "code", "texts"), BAD, ids=[case[0].__name__ for case in BAD])
def test_bad_data_are_told_before_anybody_is_called(
    terminal: Terminal, here: Here, spoil: Callable[[Cells], None], code: str, texts: list[str]
) -> None:
    group = Consortium(terminal)
    table = cells("north", genes(0))
    spoil(table)
    table.write(terminal.folder / "north.csv")
    ended = here(*group.command("north"))
    check_error(ended, code, 3, *texts)
    assert "connecting" not in ended.out


def test_an_empty_file_is_named(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    (terminal.folder / "north.csv").write_text("\n\n")
    check_error(here(*group.command("north")), "COH-201", 3, "north.csv is empty")


def test_a_missing_file_is_named(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    ended = here(*group.command("north", data=str(terminal.folder / "norht.csv")))
    check_error(ended, "COH-201", 3, "norht.csv: there is no such file")


def test_a_samples_third_class_is_left_out_and_told_here_only(terminal: Terminal) -> None:
    group = Consortium(terminal)
    table = cells("north", genes(0))
    _third_class(table)
    table.rows[5][0] = f"sample-{SECRET}"
    table.write(terminal.folder / "north.csv")
    ended = end_all(group.join_all())
    assert [end.code for end in ended.values()] == [0, 0, 0], ended
    assert "north: 1 sample left out: neither 'BCR/ABL' nor 'NEG'" in ended["north"].out
    for name in ("south", "uni"):
        assert "left out: neither" not in ended[name].out
        assert "43 samples (north 23, south 20)." in ended[name].out
    told = [path.read_text() for path in terminal.folder.glob("out-*/*.json")]
    assert len(told) == 5
    for text in (*told, *(end.out + end.err for end in ended.values())):
        assert SECRET not in text


def test_sites_without_a_common_gene_are_told_all_the_same(terminal: Terminal) -> None:
    group = Consortium(terminal)
    cells("north", genes(60)).write(terminal.folder / "north.csv")
    ended = end_all(group.join_all())
    for name, end in ended.items():
        code, exit_code = ("COH-204", 3) if end.code == 3 else ("COH-407", 6)
        check_error(end, code, exit_code, "no feature in common", "north has 'GENE60'")
        assert f"at {name}" in end.err or end.code == 3
    assert any("Name features alike at every site" in end.err for end in ended.values())


def test_classes_that_are_named_differently_are_told(terminal: Terminal) -> None:
    """Without the negative class in the study, each site's own second class is taken."""
    group = Consortium(terminal)
    group.write("study.toml", group.text.replace('negative = "NEG"\n', ""))
    table = cells("north", genes(0))
    for row in table.rows:
        row[1] = row[1].replace("NEG", "negative")
    table.write(terminal.folder / "north.csv")
    ended = end_all(group.join_all())
    for name, end in ended.items():
        code, exit_code = ("COH-501", 7) if end.code == 7 else ("COH-407", 6)
        check_error(end, code, exit_code, f"at {name}", "north: 'BCR/ABL' against 'negative'")


def test_data_without_any_label_are_refused_before_connecting(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    text = group.text
    for key in ("label", "positive", "negative"):
        text = "\n".join(line for line in text.splitlines() if not line.startswith(f"{key} ="))
    text = text.replace("[data]", '[data]\norientation = "samples_in_rows"')
    group.write("study.toml", text)
    table = cells("north", genes(0))
    bare = Cells(
        [table.header[0], *table.header[2:]], [[row[0], *row[2:]] for row in table.rows]
    ).write(terminal.folder / "north.csv")
    ended = here(*group.command("north", data=str(bare)))
    check_error(ended, "COH-203", 3, "north.csv has no labels", "labels=LABELFILE")
    assert "connecting" not in ended.out


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "study.toml").write_text(study_text())
    return {
        name: str(cells(name, genes(0)).write(tmp_path / f"{name}.csv"))
        for name in ("north", "south")
    }


def test_data_for_a_party_that_owns_none_are_refused(
    terminal: Terminal, here: Here, files: dict[str, str]
) -> None:
    ended = here("simulate", "study.toml", *data_options({**files, "uni": files["north"]}))
    check_error(ended, "COH-102", 2, "'uni', which does not have the role 'data'")


def test_an_owner_without_data_is_named(
    terminal: Terminal, here: Here, files: dict[str, str]
) -> None:
    ended = here("simulate", "study.toml", *data_options({"north": files["north"]}))
    check_error(ended, "COH-102", 2, "No data were given for 'south'", "--data south=FILE")


def test_data_for_nobody_are_refused(terminal: Terminal, here: Here, files: dict[str, str]) -> None:
    ended = here("simulate", "study.toml", *data_options({**files, "suoth": "a.csv"}))
    check_error(ended, "COH-102", 2, "no party 'suoth'", "north, south, uni")


@pytest.mark.parametrize("wrong", ["north.csv", "=north.csv", "north=", "north=a,b,c"])
def test_a_wrong_data_option_is_explained(
    terminal: Terminal, here: Here, files: dict[str, str], wrong: str
) -> None:
    south = data_options({"south": files["south"]})
    ended = here("simulate", "study.toml", "--data", wrong, *south)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert "--data" in ended.err or "LABELFILE" in ended.err
    assert wrong.partition("a,")[2] in ended.err


def test_data_given_twice_for_one_party_are_refused(
    terminal: Terminal, here: Here, files: dict[str, str]
) -> None:
    both = [*data_options(files), *data_options({"north": "other.csv"})]
    ended = here("simulate", "study.toml", *both)
    assert ended.code == 2
    assert "given before" in ended.err


def test_simulate_without_data_says_so(
    terminal: Terminal, here: Here, files: dict[str, str]
) -> None:
    ended = here("simulate", "study.toml")
    assert ended.code == 2
    assert "--data" in ended.err


def test_join_checks_its_own_data_option(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    check_error(
        here(*group.command("uni", data=group.data["north"])), "COH-102", 2, "'uni' does not"
    )
    bare = here(
        "join",
        "study.toml",
        "--as",
        "north",
        "--identity",
        str(group.identities["north"].key_path.parent),
    )
    check_error(bare, "COH-102", 2, "no data were given", "--data")
    stranger = here("join", "study.toml", "--as", "nroth", "--identity", "nowhere")
    check_error(stranger, "COH-102", 2, "no party 'nroth'", "north, south, uni")
    keyless = here("join", "study.toml", "--as", "uni", "--identity", "nowhere")
    check_error(keyless, "COH-401", 5, "nowhere/key.pem", "cohortium identity new")


def test_a_label_that_is_its_own_column_and_file(
    terminal: Terminal,
    here: Here,
) -> None:
    group = Consortium(terminal)
    labels = Cells(["sample", LABEL], [["a", "NEG"]]).write(terminal.folder / "labels.csv")
    ended = here(*group.command("north", data=f"{terminal.folder / 'north.csv'},labels={labels}"))
    check_error(ended, "COH-203", 3, "north.csv")
