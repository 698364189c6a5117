"""The report's figures: drawn by matplotlib, turned into SVG that the page's own style colours.

Texts stay texts. No colour is fixed: the drawing has stand-in colours, which become classes, so
that one figure serves light, dark and paper; nor is there a style attribute, which the page's
security policy would not let through.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from cohortium.report.measures import METRICS, Counts, Roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 4.4
# Stand-in colours: what is drawn in them gets the class of that name.
_COLOURS = {
    "ink": "#010203",
    "faint": "#010204",
    "grid": "#010205",
    "first": "#010206",
    "second": "#010207",
    "third": "#010208",
    "fourth": "#010209",
    "area": "#01020a",
}
_CLASSES = {colour: name for name, colour in _COLOURS.items()}
_SERIES = ("first", "second", "third", "fourth")
_MARKERS = ("o", "s", "^", "D")
_LONGEST_NAME = 24
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_FONT_SIZE = re.compile(r"([\d.]+)px")


def weights_figure(names: Sequence[str], weights: Sequence[float]) -> str:
    """Return horizontal bars of signed weights, the first on top."""
    axes = _axes(0.7 + 0.21 * len(names))
    colours = [_COLOURS["first" if weight > 0 else "second"] for weight in weights]
    places = range(len(names))
    axes.barh(places, weights, color=colours, height=0.7)
    axes.axvline(0.0, color=_COLOURS["ink"], linewidth=0.8)
    axes.set_yticks(places, [_short(name) for name in names], parse_math=False)
    axes.set_xlabel("weight (per standard deviation)")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return _svg(axes, "weights")


def path_figure(
    strengths: Sequence[float],
    found: Mapping[str, Sequence[float]],
    bounds: Sequence[Sequence[float]] | None,
) -> str:
    """Return each metric by λ; the bounds of the AUC as a band."""
    axes = _axes(2.9)
    places = range(len(strengths))
    if bounds is not None:
        low, high = zip(*bounds, strict=True)
        axes.fill_between(
            places, low, high, color=_COLOURS["area"], linewidth=0, label="AUC, bounds"
        )
    for number, (name, values) in enumerate(found.items()):
        axes.plot(
            places,
            values,
            color=_COLOURS[_SERIES[number % 4]],
            marker=_MARKERS[number % 4],
            markersize=5,
            linewidth=1.5,
            linestyle="-" if number < 4 else "--",
            label=METRICS[name].title,
        )
    axes.set_xticks(places, [f"{value:g}" for value in strengths])
    axes.set_xlabel("λ")
    axes.set_ylabel("mean over the folds")
    axes.margins(x=0.08)
    _legend(axes, below=True)
    return _svg(axes, "path")


def roc_figure(roc: Roc) -> str:
    """Return the ROC curve at its cuts, and the rectangles in which it runs between them."""
    axes = _square()
    false, true = roc.false_positive, roc.true_positive
    for place in range(len(false) - 1):
        width, height = false[place + 1] - false[place], true[place + 1] - true[place]
        axes.bar(
            false[place],
            height,
            width,
            bottom=true[place],
            align="edge",
            color=_COLOURS["area"],
            linewidth=0,
        )
    axes.plot([0, 1], [0, 1], color=_COLOURS["faint"], linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(false, true, color=_COLOURS["first"], marker="o", markersize=4.5, linewidth=1.5)
    axes.set_xlabel("false positive rate (1 − specificity)")
    axes.set_ylabel("true positive rate (sensitivity)")
    return _svg(axes, "roc")


def calibration_figure(counts: Counts) -> str:
    """Return the observed share of positives by predicted probability, with 95 % intervals."""
    axes = _square()
    axes.plot([0, 1], [0, 1], color=_COLOURS["faint"], linewidth=1, linestyle=(0, (4, 3)))
    for middle, positive, total, low, high in counts.observed():
        axes.plot([middle, middle], [low, high], color=_COLOURS["first"], linewidth=1.2)
        axes.plot([middle], [positive / total], color=_COLOURS["first"], marker="o", markersize=5)
    axes.set_xlabel("predicted probability (middle of the tenth)")
    axes.set_ylabel("observed share of positives")
    return _svg(axes, "calibration")


def bars_figure(
    name: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], unit: str
) -> str:
    """Return horizontal bars, a group for each label, with the values at their ends."""
    axes = _axes(0.75 + 0.27 * len(labels) * len(series) ** 0.75)
    height = 0.75 / len(series)
    for number, (title, values) in enumerate(series.items()):
        places = [place + (number - (len(series) - 1) / 2) * height for place in range(len(labels))]
        bars = axes.barh(
            places,
            values,
            height=0.9 * height,
            color=_COLOURS[_SERIES[number]],
            label=title,
        )
        axes.bar_label(bars, [_number(value) for value in values], padding=3, fontsize=9)
    axes.set_yticks(range(len(labels)), [_short(label) for label in labels], parse_math=False)
    axes.set_xlabel(unit)
    axes.margins(x=0.14)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    if len(series) > 1:
        _legend(axes, below=False)
    return _svg(axes, name)


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _short(name: str) -> str:
    shown = "".join(char if char.isprintable() else "�" for char in name)
    return shown if len(shown) <= _LONGEST_NAME else shown[: _LONGEST_NAME - 1] + "…"


def _axes(height: float) -> Axes:
    # Imported here: matplotlib takes a second, and commands that draw nothing start at once.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    ink, grid = _COLOURS["ink"], _COLOURS["grid"]
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
        axes: Axes = Figure(figsize=(_WIDTH, height), layout="constrained").subplots()
    axes.patch.set_visible(False)
    return axes


def _square() -> Axes:
    axes = _axes(_WIDTH * 0.9)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    return axes


def _legend(axes: Axes, *, below: bool) -> None:
    options: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": _COLOURS["ink"]}
    if below:
        axes.figure.legend(loc="outside lower center", ncols=2, **options)
    else:
        axes.legend(loc="best", **options)


def _svg(axes: Axes, name: str) -> str:
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
    return ElementTree.tostring(_cleaned(root, name), encoding="unicode", short_empty_elements=True)


_XML_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _cleaned(root: ElementTree.Element, name: str) -> ElementTree.Element:
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
