"""What the tests of the report share: a hostile name, and a finished run with its pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOSTILE = '</script><script>document.title = "taken"</script>&$x^2$'
METRICS = ("auc", "auc_bounds", "accuracy", "log_loss", "calibration")


@dataclass
class Finished:
    folder: Path
    pages: dict[str, str]
