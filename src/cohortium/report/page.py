"""The page of a finished run: what it says, put together for the template.

One file that needs nothing else. Its security policy forbids whatever is not in it: no network, no
other script than its own by its digest. Texts of other sites' files (names of features, of classes)
come in escaped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from cohortium.learn import Model
from cohortium.report import figures
from cohortium.report.finished import FinishedRun
from cohortium.report.measures import METRICS, Best, Counts, best_strength, roc
from cohortium.report.rendering import render_html
from cohortium.report.twin import TwinResult
from cohortium.study import describe

# A page of more rows becomes slow; the model's file has all.
MOST_WEIGHTS = 2000
_DRAWN_WEIGHTS = 20
# What a weight is for one of, by how values are standardised; of secret moments the model is for
# values that are not.
_UNITS = {
    "site": "standard deviation",
    "pooled": "standard deviation",
    "allele-frequency": "√(2p(1 − p)) alleles",
    "none": "unit, as measured",
}


def render_page(run: FinishedRun, twin: TwinResult) -> str:
    """Return the page as HTML."""
    return render_html("report.html", script="report.js", **page_contents(run, twin))


def page_contents(run: FinishedRun, twin: TwinResult) -> dict[str, Any]:
    """Return all that the page and the model card say, by name."""
    best = best_strength(run.metrics["metrics"]) if run.metrics is not None else None
    return {
        "run": run,
        "study": run.study.study,
        "record": run.record,
        "sections": [
            part for part in describe(run.study) if not part[0].startswith("Worth a thought")
        ],
        "samples": sum(run.record["samples"].values()),
        "best": best,
        "validation": _validation(run, best),
        "model": _model(run, best),
        "cost": _cost(run),
        "twin": twin,
        "metric_words": METRICS,
    }


def _validation(run: FinishedRun, best: Best | None) -> dict[str, Any] | None:
    if run.metrics is None:
        return None
    strengths, found = run.metrics["l2"], run.metrics["metrics"]
    shares = {name: values for name, values in found.items() if name != "auc_bounds"}
    contents: dict[str, Any] = {
        "folds": run.metrics["folds"],
        "l2": strengths,
        "found": found,
        "path": None,
        "counts": None,
        "roc": None,
    }
    if len(strengths) > 1 and shares:
        # Losses are on a scale of their own: they would flatten the others.
        drawn = {name: each for name, each in shares.items() if METRICS[name].larger_is_better}
        figure = figures.path_figure(strengths, drawn or shares, found.get("auc_bounds"))
        contents["path"] = Markup(figure)  # noqa: S704 - drawn here, names escaped by ElementTree
    if "calibration" in run.metrics:
        place = best.place if best is not None else 0
        counts = Counts.of(run.metrics["calibration"], place)
        missing = counts.missing(sum(run.record["samples"].values()))
        # Where tenths were suppressed, what is left bounds neither the curve nor the sums.
        curve = roc(counts) if missing == 0 else None
        contents |= {
            "counts": counts,
            "place": place,
            "missing": missing,
            "calibration": Markup(figures.calibration_figure(counts)),  # noqa: S704
            "roc": curve,
            "roc_figure": Markup(figures.roc_figure(curve)) if curve else None,  # noqa: S704
        }
    return contents


def _model(run: FinishedRun, best: Best | None) -> dict[str, Any] | None:
    """Return the model that is shown, of several that of the best λ, and a line for each."""
    if not run.models:
        return None
    names = list(run.models)
    shown = names[0]
    if len(names) > 1 and best is not None:
        strength = run.study.study.model.l2[best.place]
        shown = next(name for name in names if run.models[name].training.get("l2") == strength)
    model = run.models[shown]
    order = np.argsort(-np.abs(model.weights), kind="stable")
    largest = [int(place) for place in order[:MOST_WEIGHTS]]
    drawn = largest[:_DRAWN_WEIGHTS]
    unit = _UNITS.get(str(model.preparation.get("standardise")), "unit")
    figure = figures.weights_figure(
        [model.features[place] for place in drawn],
        [float(model.weights[place]) for place in drawn],
        unit,
    )
    return {
        "file": shown,
        "model": model,
        "rows": [(model.features[place], float(model.weights[place])) for place in largest],
        "figure": Markup(figure),  # noqa: S704 - drawn here, names escaped by ElementTree
        "drawn": len(drawn),
        "unit": unit,
        "formula": _formula(model),
        "unpenalised": _unpenalised(model),
        "all": [(name, each, _norm(each)) for name, each in run.models.items()],
    }


def _formula(model: Model) -> str:
    """Return what the model predicts, as a formula of prepared values x."""
    terms = "x · weights"
    if model.covariates:
        terms += " + covariates · their weights"
    if model.sites:
        terms += " + effect of the site"
    terms += f" {'−' if model.intercept < 0 else '+'} {abs(model.intercept):.4f}"
    if model.kind == "linear":
        return f"{model.label or 'label'} = {terms}"
    return f"P({model.positive}) = 1 / (1 + exp(−({terms})))"


def _unpenalised(model: Model) -> list[tuple[str, str, float]]:
    """Return the weights of covariates and sites: whose, of which level or unit, and the number."""
    rows = []
    for covariate in model.covariates:
        if covariate.range is not None:
            low, high = covariate.range
            unit = f"a unit more, from {low:g} to {high:g}"
            rows.append((covariate.name, unit, covariate.weights[0]))
        else:
            weights = (0.0, *covariate.weights)
            pairs = zip(covariate.levels, weights, strict=True)
            rows += [(covariate.name, level, weight) for level, weight in pairs]
    return rows + [("site", name, effect) for name, effect in model.sites.items()]


def _norm(model: Model) -> float:
    return float(np.linalg.norm(model.weights))


def _cost(run: FinishedRun) -> dict[str, Any]:
    record = run.record
    links = record["link_bytes"]
    peers = list(links["sent"])
    sent = [links["sent"][peer] for peer in peers]
    received = [links["received"][peer] for peer in peers]
    # One unit for both, in which the largest number is easy to read.
    unit, factor = ("MB", 1e6) if max([*sent, *received, 0]) >= 1e6 else ("kB", 1e3)
    traffic = figures.bars_figure(
        "links",
        peers,
        {
            "sent": [count / factor for count in sent],
            "received": [count / factor for count in received],
        },
        unit,
    )
    seconds = {name: float(value) for name, value in record["seconds"].items()}
    phases = figures.bars_figure("phases", list(seconds), {"s": list(seconds.values())}, "seconds")
    return {
        "links": list(zip(peers, sent, received, strict=True)),
        "traffic": Markup(traffic),  # noqa: S704 - drawn here, names escaped by ElementTree
        "seconds": seconds,
        "phases": Markup(phases),  # noqa: S704
    }
