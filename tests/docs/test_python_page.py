"""The blocks of docs/python.md are one script that runs as written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_the_blocks_run_from_top_to_bottom(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert len(blocks) >= 5
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "StudyResult('relapse, first look'; north: 2 models, auc; south: auc)" in ended.stdout
    assert "[COH-102] No data were given for 'south'" in ended.stdout
    assert (tmp_path / "relapse-run" / "north" / "report.html").exists()
