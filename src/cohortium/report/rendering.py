"""Pages from templates: each one file that needs nothing else.

A page's security policy forbids whatever is not in it: no network, no other style and script than
its own, by their digests. Texts of data files and of other sites come in escaped.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup


def render_html(template: str, *, script: str | None = None, **contents: Any) -> str:
    """Return a page, with the style of all pages and the named script of `templates/`."""
    style = _text("report.css")
    code = _text(script) if script is not None else ""
    return (
        page_environment()
        .get_template(template)
        .render(
            **contents,
            # Ours, and the same in every page: not to be escaped.
            style=Markup(style),  # noqa: S704
            script=Markup(code),  # noqa: S704
            style_digest=_csp_digest(style),
            script_digest=_csp_digest(code),
        )
    )


def page_environment() -> Environment:
    """Return the templates' environment: HTML is escaped, a name that is not there is an error."""
    environment = Environment(
        loader=PackageLoader("cohortium.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["size"] = _size
    environment.filters["words"] = lambda names: ", ".join(names)
    environment.filters["bare"] = _bare
    return environment


def _text(name: str) -> str:
    return (resources.files("cohortium.report") / "templates" / name).read_text(encoding="utf-8")


def _csp_digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _bare(text: object) -> str:
    """Return a text that Markdown takes as it is: other sites' names are in it."""
    shown = "".join(char if char.isprintable() else " " for char in str(text))
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+-.!|&~" else char for char in shown)
