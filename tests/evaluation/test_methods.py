"""Objectives are compared on a drive: trained without labels, judged with them, resumed, and written to a page."""

import json
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mle_uvad.edge.errors import InputError
from mle_uvad.evaluation.evaluate_methods import Given, run_methods_evaluation
from mle_uvad.evaluation.protocols.method_scores import smoothed
from mle_uvad.evaluation.protocols.methods import MethodsPlan
from mle_uvad.evaluation.simulation.frames_dir import FramesDir


class Silent:
    """A display that notes the steps."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    @contextmanager
    def bar(self, name: str) -> Any:
        yield lambda done, total: None

    def training(self, epochs: int) -> Any:
        class Callback:
            def __getattr__(self, name: str) -> Any:
                return lambda *arguments: None

        return nullcontext(Callback())


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Two clips of a still scene with noise; in some frames a bright square appears."""
    rng, truth = np.random.default_rng(0), []
    scene = rng.integers(60, 160, (10, 10)).repeat(8, axis=0).repeat(8, axis=1)
    for clip in ("01", "02"):
        (tmp_path / "ped" / clip).mkdir(parents=True)
        for number in range(40):
            frame = scene + rng.integers(0, 8, (80, 80))
            truth.append(20 <= number < 28)
            if truth[-1]:
                frame[10:40, 10:40] = 250
            Image.fromarray(frame.astype(np.uint8)).save(tmp_path / "ped" / clip / f"{number:04}.png")
    (tmp_path / "truth.txt").write_text(" ".join(str(int(each)) for each in truth))
    return Given(frames=FramesDir(tmp_path / "ped", tmp_path / "truth.txt"))


def test_methods_are_compared_on_frames_and_labels(given: Given, tmp_path: Path) -> None:
    plan = MethodsPlan(("mse", "lbr_spr", "constriction_on", "gcl"), width="narrow", epochs=1, seeds=1)
    display = Silent()
    page, results = run_methods_evaluation(given, plan, tmp_path / "out", tmp_path / "docs", display)
    [rows] = results.values()
    assert [row.method for row in rows] == ["mean frame", *plan.methods]
    assert rows[0].own_auc == rows[0].pcc_auc > 0.95, "the scene stands still: its mean is a good model"
    for row in rows[1:]:
        assert 0 <= row.own_auc <= 1
        assert row.parameters > 100_000
        assert row.train_s > 0
        assert row.frame_ms > 0
    text = page.read_text()
    assert all(f"| {method} | " in text for method in plan.methods)
    again = Silent()
    assert run_methods_evaluation(given, plan, tmp_path / "out", tmp_path / "docs", again)[1] == results
    assert len(display.steps) == 4
    assert again.steps == [], "nothing is trained twice"
    with pytest.raises(InputError, match="another epochs"):
        run_methods_evaluation(given, MethodsPlan(plan.methods, "narrow", 2, 1), tmp_path / "out", tmp_path, display)


def test_one_class_methods_are_also_trained_on_clean_frames(make_tub: Any, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="needs opencv")
    tub = make_tub(160)
    plan = MethodsPlan(("constriction_inside", "mil"), width="narrow", epochs=1, seeds=1)
    _, results = run_methods_evaluation(Given([tub]), plan, tmp_path / "out", tmp_path / "docs", Silent())
    names = [row.method for row in results["tub"]]
    assert names == ["mean frame", "constriction_inside", "mil", "constriction_inside on clean"]
    facts = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").rglob("run.json"))]
    assert len({each["data_fingerprint"] for each in facts}) == 2
    assert "| mil |" in (tmp_path / "docs" / "methods.md").read_text()


def test_the_smoothed_score_is_a_centred_median() -> None:
    clock_s = np.arange(400) / 20
    starts = np.repeat([0, 200], 200)
    values = (np.abs(np.arange(400) - 100) <= 60).astype(float)
    values[[130, 180, 250]] = 9.0
    result = smoothed(values, clock_s, starts)
    assert np.flatnonzero(result == 1)[[0, -1]] == pytest.approx([40, 160], abs=1)
    assert set(result) == {0.0, 1.0}


def test_methods_that_cannot_be_trained_are_refused(given: Given, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mil learns from a clean drive too"):
        run_methods_evaluation(given, MethodsPlan(("mse", "mil")), tmp_path / "out", tmp_path, Silent())
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="no method is called 'magic'; choose from mle, l2_latent"):
        MethodsPlan(("magic",))
