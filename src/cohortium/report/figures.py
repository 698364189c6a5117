"""The figures of a finished run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cohortium.report.drawing import COLOURS, MARKERS, SERIES, WIDTH, axes_of, legend, short, svg
from cohortium.report.measures import METRICS, Counts, Roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What a figure is called, and what it shows, for those who do not see it.
_TEXTS = {
    "weights": ("Largest weights", "Signed bars; the table of weights has the same numbers."),
    "path": ("Metrics by λ", "Lines of the metrics in the table of the cross-validation."),
    "roc": ("ROC curve", "True against false positive rate, from the counts by tenth."),
    "calibration": ("Calibration", "Share of positives by tenth; the counts are in a table."),
    "links": ("Bytes by link", "Bars of what was sent to and received from each party."),
    "phases": ("Seconds by phase", "Bars of the seconds that each phase of the run took."),
}


def weights_figure(names: Sequence[str], weights: Sequence[float], unit: str) -> str:
    """Return horizontal bars of signed weights for each ``unit`` of a value, the first on top."""
    axes = axes_of(0.7 + 0.21 * len(names))
    colours = [COLOURS["first" if weight > 0 else "second"] for weight in weights]
    places = range(len(names))
    axes.barh(places, weights, color=colours, height=0.7)
    axes.axvline(0.0, color=COLOURS["ink"], linewidth=0.8)
    axes.set_yticks(places, [short(name) for name in names], parse_math=False)
    axes.set_xlabel(f"weight (per {unit})")
    # More would touch each other: small weights have long labels.
    axes.locator_params(axis="x", nbins=5)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return _svg(axes, "weights")


def path_figure(
    strengths: Sequence[float],
    found: Mapping[str, Sequence[float]],
    bounds: Sequence[Sequence[float]] | None,
) -> str:
    """Return each metric by λ; the bounds of the AUC as a band."""
    axes = axes_of(2.9)
    places = range(len(strengths))
    if bounds is not None:
        low, high = zip(*bounds, strict=True)
        axes.fill_between(
            places, low, high, color=COLOURS["area"], linewidth=0, label="AUC, bounds"
        )
    for number, (name, values) in enumerate(found.items()):
        axes.plot(
            places,
            values,
            color=COLOURS[SERIES[number % 4]],
            marker=MARKERS[number % 4],
            markersize=5,
            linewidth=1.5,
            linestyle="-" if number < 4 else "--",
            label=METRICS[name].title,
        )
    axes.set_xticks(places, [f"{value:g}" for value in strengths])
    axes.set_xlabel("λ")
    axes.set_ylabel("mean over the folds")
    axes.margins(x=0.08)
    legend(axes, below=True)
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
            color=COLOURS["area"],
            linewidth=0,
        )
    axes.plot([0, 1], [0, 1], color=COLOURS["faint"], linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(false, true, color=COLOURS["first"], marker="o", markersize=4.5, linewidth=1.5)
    axes.set_xlabel("false positive rate (1 − specificity)")
    axes.set_ylabel("true positive rate (sensitivity)")
    return _svg(axes, "roc")


def calibration_figure(counts: Counts) -> str:
    """Return the observed share of positives by predicted probability, with 95 % intervals."""
    axes = _square()
    axes.plot([0, 1], [0, 1], color=COLOURS["faint"], linewidth=1, linestyle=(0, (4, 3)))
    for middle, positive, total, low, high in counts.observed():
        axes.plot([middle, middle], [low, high], color=COLOURS["first"], linewidth=1.2)
        axes.plot([middle], [positive / total], color=COLOURS["first"], marker="o", markersize=5)
    axes.set_xlabel("predicted probability (middle of the tenth)")
    axes.set_ylabel("observed share of positives")
    return _svg(axes, "calibration")


def bars_figure(
    name: str, labels: Sequence[str], series: Mapping[str, Sequence[float]], unit: str
) -> str:
    """Return horizontal bars, a group for each label, with the values at their ends."""
    axes = axes_of(0.75 + 0.27 * len(labels) * len(series) ** 0.75)
    height = 0.75 / len(series)
    for number, (title, values) in enumerate(series.items()):
        places = [place + (number - (len(series) - 1) / 2) * height for place in range(len(labels))]
        bars = axes.barh(
            places,
            values,
            height=0.9 * height,
            color=COLOURS[SERIES[number]],
            label=title,
        )
        axes.bar_label(bars, [_number(value) for value in values], padding=3, fontsize=9)
    axes.set_yticks(range(len(labels)), [short(label) for label in labels], parse_math=False)
    axes.set_xlabel(unit)
    axes.margins(x=0.14)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    if len(series) > 1:
        legend(axes, below=False)
    return _svg(axes, name)


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _square() -> Axes:
    axes = axes_of(0.9 * WIDTH)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    return axes


def _svg(axes: Axes, name: str) -> str:
    return svg(axes, name, *_TEXTS[name])
