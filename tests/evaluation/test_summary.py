"""Summaries over drives and the results page, from hand-written rows."""

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install 'mle_uvad[train]'")

from mle_uvad.evaluation.protocols.figures import EVIDENCE, PCC, EpisodeFigures, PassFigures
from mle_uvad.evaluation.protocols.paper import PaperEpisode, PaperFigures
from mle_uvad.evaluation.protocols.plan import QUICK
from mle_uvad.evaluation.protocols.product import Product
from mle_uvad.evaluation.protocols.summary import (
    Evaluated,
    auc_of,
    caught_from,
    cell_scores,
    detection_stats,
    episodes_of,
    false_alarm_stats,
    headline,
    paper_auc,
)
from mle_uvad.evaluation.report.page import write_report
from mle_uvad.evaluation.report.product_page import SCORES, Plots


def episode(
    family: str, coverage: float, delay_s: float | None, auc_value: float, frames: int = 100, held_out: bool = False
) -> EpisodeFigures:
    aucs = dict.fromkeys(SCORES, auc_value) | {PCC: 0.2}
    return EpisodeFigures(
        family, held_out, f"{family}-0", 0, "sudden", coverage, delay_s, frames, 2 * frames, aucs, aucs, 0.8, None
    )


OFFICE = Evaluated(
    "office",
    generated=False,
    seconds=700,
    records=14_000,
    product=Product(
        300,
        120,
        280,
        [
            episode("mud", 0.03, None, 0.6),
            episode("mud", 0.3, 0.5, 1.0, frames=300),
            episode("film", 0.07, 1.5, 0.9),
            episode("film", 0.07, 2.5, 0.7, held_out=True),
        ],
        [PassFigures("", "", "clean", 1, 1800, 180, {"ok": 90, "still": 10}),
         PassFigures("mud", "", "mud-0", 0, 900, 0, {"ok": 100}),
         PassFigures("", "film", "clean", 0, 1800, 0, {"ok": 100})],
    ),
    paper=[PaperFigures(preset, seed, [PaperEpisode("mud", 0.2, 10, 0.25 + seed / 4)], 0.3, 0.1, 0.9, "dead")
           for preset in ("paper", "robust", "vanilla", "mean frame") for seed in (0, 1)],
)  # fmt: skip
LAB = Evaluated("lab", False, 250, 5000, Product(95, 62, 93, [episode("mud", 0.2, 1.0, 0.5)], []), [])


def test_aucs_are_weighted_by_frames_and_pool_the_drives() -> None:
    assert auc_of(episodes_of([OFFICE], False), EVIDENCE).value == pytest.approx((0.6 + 3 * 1.0 + 0.9) / 5)
    assert auc_of(episodes_of([OFFICE, LAB], False), EVIDENCE).value == pytest.approx((0.6 + 3 + 0.9 + 0.5) / 6)
    assert auc_of(episodes_of([OFFICE], True), EVIDENCE).value == pytest.approx(0.7)
    assert auc_of(episodes_of([OFFICE], False), PCC, settled=False).value == pytest.approx(0.2)
    assert math.isnan(auc_of(episodes_of([LAB], True), EVIDENCE).value)


def test_recall_delays_and_cells() -> None:
    found = detection_stats(episodes_of([OFFICE, LAB], False))
    assert (found.episodes, found.recall.value, found.median_s.value) == (4, 0.75, 1.0)
    assert found.late_s.value == pytest.approx(np.quantile([0.5, 1.0, 1.5], 0.9))
    assert found.recall.low < 0.75 < found.recall.high
    assert caught_from(episodes_of([OFFICE], False)) == (0.07, 0.03)
    by_cell, iou = cell_scores(episodes_of([OFFICE], False))
    assert by_cell.value == pytest.approx(0.8)
    assert math.isnan(iou.value)


def test_false_alarms_are_counted_separately_on_the_clean_pass_and_between_episodes() -> None:
    assert OFFICE.product
    everything = [row for row in OFFICE.product.passes if not row.held_out]
    clean_passes = false_alarm_stats(everything, wet=False)
    assert (clean_passes.false_alarms, clean_passes.hours, clean_passes.held) == (1, 0.5, pytest.approx(0.1))
    assert false_alarm_stats(everything, wet=True).hours == 0.25
    assert false_alarm_stats([], wet=True).false_alarms == 0


def test_the_paper_protocol_pools_its_seeds() -> None:
    runs = [run for run in OFFICE.paper if run.preset == "paper"]
    assert paper_auc(runs).value == pytest.approx(0.375)
    assert math.isnan(paper_auc(runs, "film").value)


def test_the_headline_is_valid_json() -> None:
    figures = headline(OFFICE)
    assert figures["caught_from_5_percent"] == 1
    assert figures["false_alarms"] == 1
    assert figures["paper_protocol_auc_mean_frame"] == pytest.approx(0.375)
    assert headline(LAB)["evidence_auc_held_out"] is None


def test_the_page_shows_every_figure(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "page.md"
    write_report(page, [OFFICE, LAB], QUICK, "1.2.3", Plots("auc.png", "caught.png", (("lab", "lab.png"),), ""))
    text = page.read_text()
    figures = ("0.900", "1 in 30.0 min", "10 still of 200", "1.2.3", "2 dead", "0.375 (0.250–0.500)")
    names = (
        "| office |",
        "| lab |",
        "| all |",
        "held out",
        "mud",
        "![evidence over time, lab](lab.png)",
        "**evidence**",
    )
    for stated in (*figures, *names):
        assert stated in text, stated
    assert "nan" not in text.lower()
    assert "None" not in text
    assert str(tmp_path) not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_a_page_of_one_protocol_leaves_the_other_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    write_report(page, [LAB], QUICK, "1.2.3", Plots())
    assert "paper protocol" not in page.read_text()
    assert "| all |" not in page.read_text()
