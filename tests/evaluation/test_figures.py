"""Rows of episodes and passes from hand-written predictions."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.monitor import Monitor, Reading
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.protocols.figures import EVIDENCE, PCC, ScoredDrive, episode_figures, pass_figures
from mle_uvad.evaluation.protocols.predictions import Predictions, predict
from mle_uvad.evaluation.simulation.labels import Label

LEFT = tuple(([1.0] * 10 + [0.0] * 10) * 20)
LABELS = [Label("film", 100, 200, 0.5, LEFT), Label("film", 300, 400, 0.5, LEFT)]


def predictions(evidence: np.ndarray, obscured: np.ndarray | None = None) -> Predictions:
    count = len(evidence)
    maps = np.zeros((count, 10, 10), np.uint8)
    maps[:, :, :5] = 255
    return Predictions(
        times_s=np.arange(count) / 20,
        statuses=np.where(np.isfinite(evidence), "ok", "still"),
        pccs=np.full(count, 0.5),
        evidence=evidence,
        obscured=np.zeros(count, bool) if obscured is None else obscured,
        maps=maps,
    )


def test_settled_frames_are_evaluated_separately_from_all() -> None:
    evidence = np.zeros(500)
    evidence[110:210] = 2.0  # half a second late on both sides
    evidence[300:400] = 2.0
    wet, clean = (
        ScoredDrive("film-0", LABELS, predictions(evidence), {}),
        ScoredDrive("clean", [], predictions(np.zeros(200)), {}),
    )
    first, second = episode_figures([wet], clean, held_out=True)
    assert (first.frames, first.frames_all) == (80, 100)
    assert first.auc[EVIDENCE] == 1
    assert first.auc_all[EVIDENCE] == pytest.approx(0.9 * (1 - 5 / 500) + 0.1 * 0.5 * (1 - 10 / 500))
    assert second.auc_all[EVIDENCE] == pytest.approx(1 - 5 / 500)  # ten of 500 clear frames tie with it
    assert first.auc[PCC] == 0.5
    assert (first.cell_auc, first.cell_iou) == (1, 1)
    assert first.held_out
    assert (first.passed, second.number, first.delay_s) == ("film-0", 1, None)


def test_frames_without_evidence_of_their_own_count_with_the_decision_they_keep() -> None:
    evidence, obscured = np.zeros(500), np.zeros(500, bool)
    evidence[100:200] = np.nan  # the car stood still throughout
    evidence[320:400] = np.nan
    obscured[310:405] = True
    obscured[480:490] = True
    scores = {"random": np.linspace(0, 1, 500)}
    wet = ScoredDrive("film-0", LABELS, predictions(evidence, obscured), scores)
    clean = ScoredDrive("clean", [], predictions(np.zeros(200)), {"random": np.zeros(200)})
    first, second = episode_figures([wet], clean, held_out=False)
    assert (first.frames, first.auc, first.cell_auc) == (0, {}, None)
    assert (second.frames, second.frames_all, second.delay_s) == (0, 20, pytest.approx(0.5))
    # Baselines are judged on the same frames as the evidence.
    assert set(second.auc_all) == {EVIDENCE, PCC, "PCC over 1 s", "random", "random over 1 s"}
    row = pass_figures(wet, "")
    assert row.statuses == {"ok": 320, "still": 180}
    assert (row.family, row.false_alarms) == ("film", 1)
    assert row.clean_s == pytest.approx((500 - 2 * 160) / 20)
    assert row.held_s == pytest.approx(0.5)
    assert pass_figures(clean, "mud").family == ""


def test_of_each_reading_only_what_is_stored_is_kept(bundle: Bundle, make_tub: Callable[..., Path]) -> None:
    readings: list[weakref.ref[Reading]] = []

    class Watched(Monitor):
        def update(self, *arguments: Any) -> Reading:
            assert sum(reading() is not None for reading in readings) <= 1, "an hour of them is 200 MB"
            reading = super().update(*arguments)
            readings.append(weakref.ref(reading))
            return reading

    folder = make_tub(80)
    Tub(folder).records[60].image.write_bytes(b"")
    stored = predict(Tub(folder), Watched(open_scorer(bundle), None), lambda done, total: None)
    assert len(readings) == len(stored.times_s) == len(stored.maps) == 80
    assert (stored.statuses[60], np.isnan(stored.pccs[60]), stored.maps.dtype) == ("no_frame", True, np.uint8)
    assert np.isfinite(np.delete(stored.pccs, 60)).all()
