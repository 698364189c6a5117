"""The figures of a data file's check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cohortium.report.drawing import COLOURS, MARKERS, SERIES, axes_of, legend, short, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Floats = npt.NDArray[np.float64]
# More points make a page slow, and hide each other.
MOST_POINTS = 2000
_MOST_NAMED = 8
_HEIGHT = 2.9


def values_figure(histogram: npt.NDArray[np.int64], edges: _Floats) -> str:
    """Return how the values are distributed."""
    axes = axes_of(_HEIGHT)
    axes.bar(
        edges[:-1],
        100 * histogram / histogram.sum(),
        np.diff(edges),
        align="edge",
        color=COLOURS["first"],
        linewidth=0,
    )
    axes.set_xlabel("value")
    axes.set_ylabel("values (%)")
    return svg(axes, "values", "Distribution of the values", "A histogram of all known values.")


def missing_figure(shares: Mapping[str, _Floats]) -> str:
    """Return the missing part by sample and by feature, the most incomplete first."""
    axes = axes_of(_HEIGHT)
    for number, (what, found) in enumerate(shares.items()):
        # Ranks that can be told apart on a logarithmic axis.
        ranks = np.unique(np.geomspace(1, len(found), 200).round().astype(int))
        axes.plot(
            ranks,
            100 * np.sort(found)[::-1][ranks - 1],
            color=COLOURS[SERIES[number]],
            linestyle=("-", "--")[number],
            linewidth=1.6,
            label=f"by {what}",
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("rank, the most incomplete first")
    axes.set_ylabel("missing (%)")
    axes.set_ylim(bottom=0)
    legend(axes, below=False)
    return svg(
        axes,
        "missing",
        "Missing values",
        "Missing part of each sample and of each feature, ranked.",
    )


def levels_figure(
    levels: _Floats, far: npt.NDArray[np.bool_], names: Sequence[str], unit: str
) -> str:
    """Return a number for each sample, in the order of the file; those far off are named."""
    axes = axes_of(_HEIGHT)
    places = drawn_places(len(levels), far)
    near = places[~far[places]]
    axes.plot(
        near + 1, levels[near], linestyle="", marker="o", markersize=3, color=COLOURS["first"]
    )
    distant = np.flatnonzero(far)
    axes.plot(
        distant + 1,
        levels[distant],
        linestyle="",
        marker="s",
        markersize=5,
        color=COLOURS["second"],
    )
    _name(axes, distant, distant + 1, levels, names)
    axes.set_xlabel("sample, in the order of the file")
    axes.set_ylabel(unit)
    axes.margins(x=0.08, y=0.12)
    return svg(axes, "levels", f"{unit} by sample", "Samples far from the others are in the table.")


def components_figure(
    components: _Floats,
    explained: tuple[float, float],
    classes: Mapping[str, npt.NDArray[np.bool_]],
    far: npt.NDArray[np.bool_],
    names: Sequence[str],
) -> str:
    """Return the samples by their first two components, a colour for each class."""
    axes = axes_of(4.0)
    places = drawn_places(len(components), far)
    for number, members in enumerate(classes.values()):
        own = places[members[places]]
        axes.plot(
            components[own, 0],
            components[own, 1],
            linestyle="",
            marker=MARKERS[number],
            markersize=4,
            color=COLOURS[SERIES[(0, 2)[number]]],
            label=str(number),
        )
    distant = np.flatnonzero(far)
    axes.plot(
        components[distant, 0],
        components[distant, 1],
        linestyle="",
        marker="o",
        markersize=10,
        markerfacecolor="none",
        markeredgecolor=COLOURS["second"],
        label="far",
    )
    _name(axes, distant, components[:, 0], components[:, 1], names, by_place=True)
    axes.set_xlabel(f"first component ({100 * explained[0]:.1f} % of the variance)")
    axes.set_ylabel(f"second ({100 * explained[1]:.1f} %)")
    axes.margins(0.12)
    if len(classes) > 1 or distant.size:
        labels = [*map(short, classes), "far from the others"]
        # Classes are named by the file: they are shown as they are.
        for text, label in zip(legend(axes, below=True).get_texts(), labels, strict=True):
            text.set_parse_math(False)
            text.set_text(label)
    return svg(
        axes,
        "components",
        "First two principal components",
        "A point for each sample; those far from the others are in the table.",
    )


def spectrum_figure(frequency: _Floats) -> str:
    """Return how many variants there are by the frequency of their rarer allele."""
    axes = axes_of(_HEIGHT)
    rarer = np.minimum(frequency, 1 - frequency)
    axes.hist(
        rarer[~np.isnan(rarer)],
        bins=np.linspace(0, 0.5, 26).tolist(),
        color=COLOURS["first"],
        linewidth=0,
    )
    axes.set_xlabel("frequency of the rarer allele")
    axes.set_ylabel("variants")
    return svg(
        axes,
        "spectrum",
        "Allele frequency spectrum",
        "A histogram of the rarer alleles' frequencies.",
    )


def equilibrium_figure(
    frequency: _Floats, heterozygous: _Floats, far: npt.NDArray[np.bool_]
) -> str:
    """Return the heterozygous part by allele frequency, and the curve that equilibrium gives."""
    axes = axes_of(_HEIGHT)
    near, distant = np.flatnonzero(~far), np.flatnonzero(far)
    for places, marker, colour in ((near, "o", "first"), (distant, "s", "second")):
        shown = places[drawn_places(len(places))]
        axes.plot(
            frequency[shown],
            heterozygous[shown],
            linestyle="",
            marker=marker,
            markersize=2.5,
            color=COLOURS[colour],
            label="far from it" if colour == "second" else "in equilibrium",
        )
    curve = np.linspace(0, 1, 101)
    axes.plot(
        curve, 2 * curve * (1 - curve), color=COLOURS["ink"], linewidth=1.2, label="2p(1 − p)"
    )
    axes.set_xlabel("frequency p of the alternative allele")
    axes.set_ylabel("heterozygous samples (share)")
    legend(axes, below=True)
    return svg(
        axes,
        "equilibrium",
        "Hardy–Weinberg equilibrium",
        "A point for each variant about the curve; those far from it are in the table.",
    )


def drawn_places(count: int, always: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.intp]:
    """Return the places that are drawn: all, or evenly spaced ones and those marked."""
    spaced = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(np.intp))
    return spaced if always is None else np.union1d(spaced, np.flatnonzero(always))


def _name(
    axes: Axes,
    places: npt.NDArray[np.intp],
    across: npt.NDArray[np.generic],
    up: _Floats,
    names: Sequence[str],
    *,
    by_place: bool = False,
) -> None:
    for number, place in enumerate(places[:_MOST_NAMED]):
        axes.annotate(
            short(names[place]),
            (float(across[place if by_place else number]), float(up[place])),
            xytext=(6, 3),
            textcoords="offset points",
            fontsize=8,
            parse_math=False,
        )
