"""The notebooks run from the first cell to the last, and their committed outputs are whole."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
NAMES = ["two-hospitals", "new-activation"]
SECONDS = 110


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_without_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a party's process: numerical libraries of several processes wait for each other.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(variable, os.environ.get(variable, "1"))
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    committed = outline(notebook)
    folder = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=SECONDS, resources=folder, coalesce_streams=True)
    # A cell that fails is a CellExecutionError with its traceback.
    client.execute()
    assert outline(notebook) == committed


def outline(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Return what kinds of output each cell of code has, words of printed text without numbers."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            kinds = []
            for output in cell.outputs:
                text = re.sub(r"[^A-Za-z]+", " ", output.get("text", ""))
                kinds.append(f"{output.output_type} {text}{sorted(output.get('data', {}))}")
            found.append(kinds)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_committed_outputs_are_there_and_name_no_machine(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) >= 3
    assert "image/png" in text
    # Base64 of pictures apart, no absolute path, no error, no text of standard error.
    assert not re.search(r"[\"' (](/home|/root|/tmp|/work|/Users|/opt|[A-Z]:\\\\)", text)
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert "error" not in kinds
    assert not any(output.get("name") == "stderr" for cell in code for output in cell.outputs)
