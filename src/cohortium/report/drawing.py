"""How the pages' figures are drawn: by matplotlib, turned into SVG that the page's style colours.

Texts stay texts. No colour is fixed: the drawing has stand-in colours, which become classes, so
that one figure serves light, dark and paper; nor is there a style attribute, which the page's
security policy would not let through.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

WIDTH = 4.4
# Stand-in colours: what is drawn in them gets the class of that name.
COLOURS = {
    "ink": "#010203",
    "faint": "#010204",
    "grid": "#010205",
    "first": "#010206",
    "second": "#010207",
    "third": "#010208",
    "fourth": "#010209",
    "area": "#01020a",
}
_CLASSES = {colour: name for name, colour in COLOURS.items()}
SERIES = ("first", "second", "third", "fourth")
MARKERS = ("o", "s", "^", "D")
_LONGEST_NAME = 24
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_FONT_SIZE = re.compile(r"([\d.]+)px")


def axes_of(height: float) -> Axes:
    """Return empty axes as wide as a column of the page, the height in inches."""
    # Imported here: matplotlib takes a second, and commands that draw nothing start at once.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    ink, grid = COLOURS["ink"], COLOURS["grid"]
    look: dict[Any, Any] = {
        "font.size": 10,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": grid,
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
    }
    with rc_context(look):
        axes: Axes = Figure(figsize=(WIDTH, height), layout="constrained").subplots()
    axes.patch.set_visible(False)
    return axes


def legend(axes: Axes, *, below: bool) -> Legend:
    """Name what is drawn, below the axes or where there is room."""
    options: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": COLOURS["ink"]}
    if below:
        return axes.figure.legend(loc="outside lower center", ncols=2, **options)
    return axes.legend(loc="best", **options)


def short(name: str) -> str:
    """Return a name as an axis has room for it."""
    shown = "".join(char if char.isprintable() else "�" for char in name)
    return shown if len(shown) <= _LONGEST_NAME else shown[: _LONGEST_NAME - 1] + "…"


def svg(axes: Axes, name: str, title: str, description: str) -> str:
    """Return the figure as an <svg> element to be put into the page, its ids marked by the name."""
    import warnings

    from matplotlib import rc_context

    text = io.StringIO()
    figure = axes.figure
    figure.patch.set_visible(False)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        # A name in letters that matplotlib's own font lacks: the browser has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(text, format="svg", metadata={"Date": None})  # type: ignore[union-attr]
    # Matplotlib's own output, of a moment ago.
    root = ElementTree.fromstring(_XML_FORBIDDEN.sub("", text.getvalue()))  # noqa: S314
    return ElementTree.tostring(
        _cleaned(root, name, title, description), encoding="unicode", short_empty_elements=True
    )


_XML_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _cleaned(
    root: ElementTree.Element, name: str, title: str, description: str
) -> ElementTree.Element:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith("metadata") or child.tag == f"{_SVG}style":
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        # The page's own typeface.
        element.attrib.pop("font-family", None)
        if element.tag == "g":
            element.attrib.pop("id", None)
        elif "id" in element.attrib:
            element.set("id", f"{name}-{element.get('id')}")
        if _HREF in element.attrib:
            element.set("href", f"#{name}-{element.attrib.pop(_HREF)[1:]}")
        if "clip-path" in element.attrib:
            element.set("clip-path", element.attrib["clip-path"].replace("#", f"#{name}-"))
        _restyle(element)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    for kind, text in (("desc", description), ("title", title)):
        told = ElementTree.Element(kind, {"id": f"{name}-{kind}"})
        told.text = text
        root.insert(0, told)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.set("class", "plot")
    return root


def _restyle(element: ElementTree.Element) -> None:
    """Turn a style attribute into presentation attributes, and stand-in colours into classes."""
    classes = []
    for part in element.attrib.pop("style", "").split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key == "font":
            size = _FONT_SIZE.search(value)
            element.set("font-size", size.group(1) if size else "10")
        elif key in ("fill", "stroke") and value in _CLASSES:
            classes.append(f"{key}-{_CLASSES[value]}")
        elif key and key != "font-family":
            element.set(key, value)
    if element.tag == "text" and not any(each.startswith("fill") for each in classes):
        classes.append("fill-ink")
    if classes:
        element.set("class", " ".join(classes))
