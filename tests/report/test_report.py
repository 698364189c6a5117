from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from report_pages import HOSTILE, Finished
from run_sites import parsed, study_text
from sklearn.metrics import roc_auc_score

from cohortium.errors import AuditError
from cohortium.learn import ModelCovariate
from cohortium.report import read_run, write_reports
from cohortium.report.finished import FinishedRun
from cohortium.report.measures import Counts, best_strength, roc, wilson
from cohortium.report.page import page_contents, render_page
from cohortium.report.rendering import page_environment
from cohortium.report.tensorboard import FOLDER, write_events
from cohortium.report.twin import TwinResult, compare_with_twin
from cohortium.study.schema import OutputSection


@pytest.fixture
def run(finished: Finished) -> FinishedRun:
    return read_run(finished.folder / "north")


def test_the_page_says_what_was_revealed_to_whom(finished: Finished, run: FinishedRun) -> None:
    page = finished.pages["north"]
    for entry in run.record["revealed"]:
        assert entry["sha256"] in page
    assert run.metrics is not None
    for value in run.metrics["metrics"]["auc"]:
        assert f"{value:.4f}" in page
    for digest in run.digests.values():
        assert digest in page


def test_names_of_other_sites_are_text(finished: Finished) -> None:
    page = finished.pages["north"]
    assert HOSTILE not in page
    assert "&lt;/script&gt;&lt;script&gt;" in page
    assert page.count("<script") == 1
    assert " style=" not in page
    card = (finished.folder / "north" / "model-card.md").read_text(encoding="utf-8")
    assert "| north | 24 |" in card


def test_who_receives_nothing_gets_agreement_cost_and_ledger(finished: Finished) -> None:
    page = finished.pages["uni"]
    assert "uni receives no results in this study" in page
    assert 'id="model"' not in page
    assert "not received here" in page
    assert not (finished.folder / "uni" / "model-card.md").exists()


@pytest.mark.parametrize("name", ["record.json", "metrics.json", "model-l2=1.json"])
def test_no_report_of_a_changed_run(finished: Finished, tmp_path: Path, name: str) -> None:
    changed = Path(shutil.copytree(finished.folder / "north", tmp_path / "run"))
    (changed / "report.html").unlink()
    (changed / name).write_text((changed / name).read_text().replace("1", "2"))
    with pytest.raises(AuditError):
        write_reports([changed])
    assert not (changed / "report.html").exists()


def test_no_report_of_an_unfinished_run(finished: Finished, tmp_path: Path) -> None:
    stopped = Path(shutil.copytree(finished.folder / "north", tmp_path / "run"))
    log = stopped / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-2]))
    with pytest.raises(AuditError, match="did not finish"):
        write_reports([stopped])


def test_the_curve_from_counts_encloses_the_true_area() -> None:
    random = np.random.default_rng(1)
    labels = np.arange(300) % 2
    scores = np.clip(random.normal(0.45 + 0.1 * labels, 0.2), 0.001, 0.999)
    tenths = np.floor(scores * 10).astype(int)
    counts = Counts(
        np.bincount(tenths[labels == 0], minlength=10),
        np.bincount(tenths[labels == 1], minlength=10),
        None,
    )
    curve = roc(counts)
    assert curve is not None
    low, high = curve.bounds
    assert low < roc_auc_score(labels, scores) < high
    # Samples of one tenth count as ties.
    assert curve.area == pytest.approx(roc_auc_score(labels, tenths))
    told = scores >= 0.5
    assert counts.confusion() == (
        (told & (labels == 1)).sum(),
        (~told & (labels == 1)).sum(),
        (told & (labels == 0)).sum(),
        (~told & (labels == 0)).sum(),
    )


def test_wilson_interval() -> None:
    # statsmodels.stats.proportion.proportion_confint(8, 10, method="wilson")
    assert wilson(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-6)


def test_the_best_strength_follows_the_metrics_direction() -> None:
    assert best_strength({"brier": [0.3, 0.1, 0.2]}).place == 1  # type: ignore[union-attr]
    found = best_strength({"brier": [0.3, 0.1], "auc": [0.9, 0.8]})
    assert found is not None
    assert (found.place, found.by) == (0, "auc")
    assert best_strength({"auc_bounds": [0.1, 0.2]}) is None


def test_the_twin_is_near_and_a_cut_shape_is_said(run: FinishedRun) -> None:
    found = compare_with_twin(run.study.study, 48, 30)
    assert isinstance(found, TwinResult)
    assert (found.whole, found.refusal, found.l2) == (True, "", (1.0, 10.0))
    assert 0 < found.difference < 0.05
    assert found.secure_auc == pytest.approx(found.clear_auc, abs=0.01)
    assert found.clear_auc > 0.5
    assert not compare_with_twin(run.study.study, 500, 30).whole
    model = run.study.study.model
    three = model.model_copy(update={"l2": [1.0, 2.0, 10.0]})
    few = model.model_copy(update={"iterations": 3})
    for other in (three, few.model_copy(update={"l2": [3.0, 1.0, 2.0]})):
        study = run.study.study.model_copy(update={"model": other})
        assert not compare_with_twin(study, 48, 30).whole
    # Several λ in another order are the same.
    turned = run.study.study.model_copy(update={"model": few.model_copy(update={"l2": [9.0, 1.0]})})
    assert compare_with_twin(turned, 48, 30).whole


def card_of(run: FinishedRun, twin: TwinResult) -> str:
    template = page_environment().get_template("model-card.md")
    # As a reader of Markdown sees it.
    return re.sub(r"\\(.)", r"\1", template.render(**page_contents(run, twin)))


def with_model(run: FinishedRun, **changes: Any) -> FinishedRun:
    """Return the run as if its one model were another."""
    name, model = next(iter(run.models.items()))
    return replace(run, models={name: replace(model, **changes)})


def test_what_is_not_penalised_is_in_the_formula_and_in_a_table(run: FinishedRun) -> None:
    twin = TwinResult(1, 1, 1, (1.0,), True)
    covariates = (
        ModelCovariate("age", (0.0125,), (0.0, 100.0)),
        ModelCovariate("sex", (-0.5, 0.25), None, ("f", "m<b>", "x")),
    )
    sites = {"north": 0.0, "south": -0.75}
    adjusted = with_model(run, intercept=-0.23, covariates=covariates, sites=sites)
    page, card = render_page(adjusted, twin), card_of(adjusted, twin)
    formula = (
        "P(BCR/ABL) = 1 / (1 + exp(−(x · weights + covariates · their weights + effect of the "
        "site − 0.2300)))"
    )
    assert formula in page
    assert formula in card
    rows = [
        ("age", "a unit more, from 0 to 100", "+0.0125"),
        ("sex", "f", "+0"),
        ("sex", "m<b>", "-0.5"),
        ("sex", "x", "+0.25"),
        ("site", "north", "+0"),
        ("site", "south", "-0.75"),
    ]
    for name, of, weight in rows:
        assert f"| {name} | {of} | {weight} |" in card
        cell = f'<td>{escape(of)}</td><td class="number">{weight}</td>'
        assert f'<th scope="row">{name}</th>{cell}' in page
    assert "takes `--site`, one of north, south" in card
    plain = with_model(run, intercept=0.5)
    page, card = render_page(plain, twin), card_of(plain, twin)
    assert "exp(−(x · weights + 0.5000))" in page
    assert "Effects that are not penalised" not in page + card
    assert "--site" not in card
    linear = with_model(run, intercept=-1.5, positive=None, negative=None, label="dose")
    assert "dose = x · weights − 1.5000, with" in render_page(linear, twin)


@pytest.mark.parametrize(
    ("standardise", "told"),
    [
        ("site", "not a single sample"),
        ("pooled", "takes single samples too: what they are prepared by is in the model"),
        ("allele-frequency", "takes single samples too: what they are prepared by"),
        ("none", "takes single samples too, if no value is missing"),
    ],
)
def test_the_card_says_whether_a_single_sample_can_be_predicted(
    run: FinishedRun, standardise: str, told: str
) -> None:
    prepared = with_model(run, preparation={"standardise": standardise})
    card = card_of(prepared, TwinResult(1, 1, 1, (1.0,), True))
    assert told in card
    assert ("not a single sample" in card) == (standardise == "site")


def test_a_run_that_never_stopped_says_nothing_of_it(finished: Finished) -> None:
    assert "went on after" not in finished.pages["north"]


def test_tensorboard_has_what_was_revealed_and_the_phases(
    finished: Finished, tmp_path: Path
) -> None:
    tf = pytest.importorskip("tensorflow")
    shutil.copytree(finished.folder / "north", tmp_path / "run")
    run = read_run(tmp_path / "run")
    write_events(run)
    assert not (tmp_path / "run" / FOLDER).exists()
    asked = run.study.study.model_copy(update={"output": OutputSection(tensorboard=True)})
    asking = replace(run, study=replace(run.study, study=asked))
    write_events(asking)
    write_events(asking)
    (path,) = (tmp_path / "run" / FOLDER).iterdir()
    written = {}
    for record in tf.data.TFRecordDataset(str(path)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            written[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]
    assert written["cross-validation/auc", 1] == pytest.approx(metrics["auc"][1])
    assert written["cross-validation/l2", 1] == 10.0
    assert written["seconds/iterations", 0] == pytest.approx(run.record["seconds"]["iterations"])
    assert {tag.partition("/")[0] for tag, _ in written} == {
        "cross-validation",
        "seconds",
        "bytes sent",
        "bytes received",
    }


def test_suppressed_counts_give_no_curve(finished: Finished, run: FinishedRun) -> None:
    assert run.metrics is not None
    counts = run.metrics["calibration"]
    assert 'id="roc-title"' in finished.pages["north"]
    assert "Confusion at" in finished.pages["north"]
    # For each λ its own: which tenths have samples depends on how the samples fell into folds.
    tenths = [next(place for place, count in enumerate(of) if count) for of in counts["negative"]]
    told = {
        "minimum_count": 99,
        **{
            name: [
                [0 if at == tenth else count for at, count in enumerate(of)]
                for of, tenth in zip(counts[name], tenths, strict=True)
            ]
            for name in ("negative", "positive")
        },
    }
    fewer = replace(run, metrics={**run.metrics, "calibration": told})
    page = render_page(fewer, TwinResult(1, 1, 1, (1.0,), True))
    assert 'id="roc-title"' not in page
    assert "Confusion at" not in page


def test_the_twin_of_an_adjusted_study_leaves_covariates_out() -> None:
    text = study_text(iterations=20).replace(
        "[features]", 'covariates = ["age"]\nranges = { age = [0, 100] }\n[features]'
    )
    study = parsed(text.replace("[model]", "[model]\nsite_indicators = true")).study
    found = compare_with_twin(study, 60, 30)
    assert not found.refusal
    assert found.difference < 0.005
    assert found.left_out == ("covariates", "site effects")


def test_what_the_twin_leaves_out_is_said(run: FinishedRun) -> None:
    rules = (
        "[preparation]\nvalue_bound = 32.0\n[filter]\nmax_missing = 0.1\n"
        '[selection]\nby = "variance"\ntop = 8\n[validation]\nfolds = 3\n'
    )
    told = "".join(
        f'[[reveal]]\nwhat = "{what}"\nto = ["north", "south"]\n'
        for what in ("kept_features", "selected_features", "auc")
    )
    found = compare_with_twin(parsed(study_text(iterations=5) + rules + told).study, 48, 30)
    assert (found.features, found.whole) == (8, False)
    assert found.left_out == ("the filter", "the selection of features", "cross-validation")
    page = render_page(run, found)
    assert "Left out of both: the filter, the selection of features, cross-validation." in page
    assert "8 features, 5 iterations, λ = 1: cut down from the run's shape" in page
    assert "Left out" not in render_page(run, TwinResult(1, 1, 1, (1.0,), True))


@pytest.mark.parametrize(
    ("standardise", "unit"),
    [
        ("site", "standard deviation"),
        ("pooled", "standard deviation"),
        ("allele-frequency", "√(2p(1 − p)) alleles"),
        ("none", "unit, as measured"),
    ],
)
def test_what_a_weight_is_for_one_of(run: FinishedRun, standardise: str, unit: str) -> None:
    prepared = with_model(run, preparation={"standardise": standardise})
    page = render_page(prepared, TwinResult(1, 1, 1, (1.0,), True))
    assert f"The 20 largest weights, per {unit}." in page
    assert f"weight (per {unit})" in page
    assert "among correlated features" in page
