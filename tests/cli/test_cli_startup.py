"""What the commands load: help nothing heavy, a party with the numpy engine no TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from cli_consortium import Consortium, end_all
from run_sites import Terminal

HEAVY = ("tensorflow", "numpy", "polars")
PROBE = """
import sys
from cohortium.cli import main
sys.argv = ["cohortium", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
print("LOADED", *[name for name in {heavy!r} if name in sys.modules])
"""


def loaded(*arguments: str) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=arguments, heavy=HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage" in ended.stdout
    return ended.stdout.split("LOADED")[1].split()


@pytest.mark.parametrize("arguments", [["--help"], ["join", "--help"], ["identity", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(*arguments) == []


def test_joining_with_numpy_never_loads_tensorflow(terminal: Terminal) -> None:
    """A module of that name that would stop the process comes first on the path."""
    trap = terminal.folder / "trap" / "tensorflow"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("import os\nos._exit(77)\n")
    group = Consortium(terminal)
    path = os.pathsep.join([str(trap.parent), os.environ.get("PYTHONPATH", "")])
    control = subprocess.run([sys.executable, "-c", "import tensorflow"], env={"PYTHONPATH": path})
    assert control.returncode == 77
    group.environment = {"PYTHONPATH": path}
    ended = end_all(group.join_all())
    assert [end.code for end in ended.values()] == [0, 0, 0], ended
