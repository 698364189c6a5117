"""Options that several commands have, and where a site's own files are by default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_IDENTITY = Path("~/.cohortium/identity")
DEFAULT_POLICY = Path("~/.cohortium/policy.toml")
EngineOption = Annotated[
    str, typer.Option(help="'numpy', or 'tensorflow' for the same program as one tf.function.")
]
OutOption = Annotated[
    Path, typer.Option(help="The directory where the results go; made if it is not there.")
]
IdentityOption = Annotated[
    Path, typer.Option("--identity", help="The directory of this site's key and certificate.")
]
