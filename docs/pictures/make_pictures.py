"""The README's pictures, of a run of `cohortium demo`: what it prints, and its report.

`make pictures` runs this file. The terminal is an SVG that loads no font; the report is what
Chromium shows of report.html, which has to be installed (`chromium` or `google-chrome`).
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).resolve().parent
COLUMNS = 90
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Width and height of the part of the report that is shown, in pixels.
REPORT_SIZE = (1000, 1285)
# A screenshot can not be scrolled: the words on the study are cut out to get to the results.
STUDY = re.compile(r'<section id="study".*?</section>', re.DOTALL)
FONT_FACE = re.compile(r"@font-face\s*{.*?}\s*", re.DOTALL)


def terminal_picture(printed: str, title: str) -> str:
    """Return an SVG of a terminal that has printed this text, without fonts from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), emoji=False)
    console.print(Text.assemble(("$ ", "bold green"), (title, "bold")))
    console.print(printed.rstrip(), markup=False, soft_wrap=True)
    # The same identifier each time: a picture that did not change is the same file.
    svg = console.export_svg(title=title, theme=MONOKAI, unique_id="terminal")
    svg = FONT_FACE.sub("", svg).replace("Fira Code", "ui-monospace, Menlo, DejaVu Sans Mono")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def report_picture(page: Path, out: Path) -> None:
    """Write a PNG of the report's results as a browser shows them."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"No browser for the report's picture: install one of {BROWSERS}.")
    width, height = REPORT_SIZE
    with tempfile.TemporaryDirectory() as profile:
        shown = Path(profile) / "report.html"
        text, cut = STUDY.subn("", page.read_text(encoding="utf-8"), count=1)
        if not cut:
            raise SystemExit(f"{page} has no section on the study any more.")
        shown.write_text(text, encoding="utf-8")
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={out}",
                shown.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


def main() -> None:
    """Run the demo and write terminal.svg and report.png beside this file."""
    with tempfile.TemporaryDirectory() as directory:
        ended = subprocess.run(
            [sys.executable, "-m", "cohortium", "demo"],
            cwd=directory,
            env={**os.environ, "COLUMNS": str(COLUMNS)},
            check=True,
            capture_output=True,
            text=True,
        )
        picture = terminal_picture(ended.stdout, "cohortium demo")
        (HERE / "terminal.svg").write_text(picture, encoding="utf-8")
        report_picture(
            Path(directory) / "cohortium-demo" / "north" / "report.html", HERE / "report.png"
        )


if __name__ == "__main__":
    main()
