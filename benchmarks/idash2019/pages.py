"""The table and the plot of the benchmark, written into the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- idash2019 -->", "<!-- /idash2019 -->"
# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = {"periodic": "#0072B2", "hong5": "#E69F00", "hong3": "#CC79A7", "tfe5": "#009E73"}
OTHER, POOLED = "#999999", "#000000"


class Line(NamedTuple):
    """One row of the table."""

    name: str
    samples: int
    features: int
    sigmoid: str
    weights: str
    accuracy: float
    pooled_accuracy: float
    auc: float
    pooled_auc: float
    seconds: float
    rounds: int
    megabytes: float

    def off(self) -> float:
        """Return how far accuracy or AUC is from the pooled model's."""
        return max(abs(self.accuracy - self.pooled_accuracy), abs(self.auc - self.pooled_auc))

    def __str__(self) -> str:
        return (
            f"| {self.name} | {self.samples} × {self.features:,} | {self.sigmoid} | {self.weights} "
            f"| {self.accuracy:.4f} | {self.pooled_accuracy:.4f} | {self.auc:.4f} "
            f"| {self.pooled_auc:.4f} | {self.seconds:.2f} | {self.rounds} "
            f"| {self.megabytes:.0f} |"
        )


def write_page(lines: list[Line], l2: float, iterations: int, repeats: int) -> None:
    """Write docs/idash2019.png, and the table between its marks in docs/benchmarks.md."""
    plot(lines, DOCS / "idash2019.png")
    page = DOCS / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    table = "\n".join(
        [
            f"λ = {l2:g}, {iterations} iterations, {repeats} repeats of 5 folds.",
            "",
            "| set | samples × features | sigmoid | class weights | accuracy | pooled | AUC "
            "| pooled | seconds | rounds | MB |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *map(str, lines),
            "",
            "![AUC and accuracy of each set, secure and pooled](idash2019.png)",
        ]
    )
    page.write_text(f"{text[:start]}\n{table}\n{text[end:]}", encoding="utf-8")


def plot(lines: list[Line], path: Path) -> None:
    """Draw AUC and accuracy by set: a mark for each sigmoid, a line for the pooled model."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    kept = [line for line in lines if line.weights == "none"]
    names = list(dict.fromkeys(line.name for line in kept))
    sigmoids = list(dict.fromkeys(line.sigmoid for line in kept))
    figure, axes = plt.subplots(1, 2, figsize=(11, 0.5 * len(names) + 1.8), sharey=True)
    for axis, what in zip(axes, ("AUC", "accuracy"), strict=True):
        for place, name in enumerate(names):
            of_set = [line for line in kept if line.name == name]
            pooled = of_set[0].pooled_auc if what == "AUC" else of_set[0].pooled_accuracy
            axis.plot([pooled, pooled], [place - 0.38, place + 0.38], color=POOLED, lw=2, zorder=1)
            for line in of_set:
                shift = (sigmoids.index(line.sigmoid) - (len(sigmoids) - 1) / 2) * 0.15
                axis.plot(
                    line.auc if what == "AUC" else line.accuracy,
                    place + shift,
                    "o",
                    ms=6,
                    color=COLOURS.get(line.sigmoid, OTHER),
                    zorder=2,
                )
        axis.set_title(f"{what}, 5-fold cross-validation", fontsize=10)
        axis.grid(axis="x", color="#dddddd")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    marks = [
        plt.Line2D(
            [], [], marker="o", ls="", color=COLOURS.get(name, OTHER), label=f"secure, {name}"
        )
        for name in sigmoids
    ]
    marks.append(plt.Line2D([], [], color=POOLED, lw=2, label="scikit-learn, pooled"))
    figure.legend(handles=marks, loc="lower center", ncols=len(marks), frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
