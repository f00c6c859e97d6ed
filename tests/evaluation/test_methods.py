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
from mle_uvad.evaluation.protocols.methods import MethodFigures, MethodsPlan
from mle_uvad.evaluation.report.methods_page import methods_table
from mle_uvad.evaluation.simulation.frames_dir import FramesDir
from mle_uvad.evaluation.simulation.labels import read_labels
from mle_uvad.optics import FAMILIES


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
    with pytest.raises(InputError, match="differs in epochs"):
        run_methods_evaluation(given, MethodsPlan(plan.methods, "narrow", 2, 1), tmp_path / "out", tmp_path, display)


def test_one_class_methods_are_also_trained_on_clean_frames(make_tub: Any, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="needs opencv")
    tub = make_tub(160)
    plan = MethodsPlan(("constriction_inside", "mil"), width="narrow", epochs=1, seeds=1)
    _, results = run_methods_evaluation(Given([tub]), plan, tmp_path / "out", tmp_path / "docs", Silent())
    names = [row.method for row in results["tub"]]
    assert names == [
        "mean frame",
        "mean frame, no faults",
        "constriction_inside",
        "mil",
        "constriction_inside on clean",
    ]
    facts = [json.loads(path.read_text()) for path in sorted((tmp_path / "out").rglob("run.json"))]
    assert len({each["data_fingerprint"] for each in facts}) == 2
    assert [Path(each["tubs"][0]).name for each in facts] == ["methods-0", "clean", "methods-0"]
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


def test_one_block_of_faults_ends_the_drive(make_tub: Any, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="needs opencv")
    plan = MethodsPlan(("mse",), width="narrow", epochs=1, seeds=2, one_block=True)
    page, results = run_methods_evaluation(Given([make_tub(160)]), plan, tmp_path / "out", tmp_path, Silent())
    for seed in range(2):
        labels = read_labels(tmp_path / "out/drives/tub/tubs" / f"methods-{seed}")
        wet = [index for label in labels for index in range(label.start_index, label.end_index)]
        assert sorted(wet) == list(range(140, 160)), "the last eighth, without a gap"
        assert sorted(label.kind for label in labels) == sorted(FAMILIES)
    assert "one block at the end" in page.read_text()
    places = [row.own_auc for row in results["tub"] if row.method == "mean frame, no faults"]
    assert places[0] == places[1], "the faults of a seed have no part in it"
    assert all(0 <= row.own_smoothed_auc <= 1 for row in results["tub"])


def test_a_held_out_car_is_judged_by_what_the_others_taught(make_tub: Any, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="needs opencv")
    tubs = [make_tub(120, name=name) for name in ("first", "second", "third")]
    methods = ("mse", "constriction_on", "mil")
    plan = MethodsPlan(methods, width="narrow", epochs=1, seeds=1, held_out=True)
    page, results = run_methods_evaluation(Given(tubs), plan, tmp_path / "out", tmp_path, Silent())
    assert list(results) == ["first", "second", "third"]
    found = [row.method for row in results["first"]]
    assert found == ["mean frame", "mean frame, no faults", *methods, "constriction_on on clean"]
    for held_out in results:
        for facts in (tmp_path / "out/drives" / held_out).rglob("run.json"):
            cars = {Path(tub).parts[-3] for tub in json.loads(facts.read_text())["tubs"]}
            assert cars == set(results) - {held_out}
            assert json.loads(facts.read_text())["frames"] == 240
    assert "each judged without its car" in page.read_text()
    assert "## All drives" in page.read_text()


def test_a_single_car_cannot_be_held_out(make_tub: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 car leaves none to train on when it is held out; give another tub"):
        run_methods_evaluation(Given([make_tub(70)]), MethodsPlan(held_out=True), tmp_path / "out", tmp_path, Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("frames", "expected"), [(902, 64), (1_200, 128), (18_000, 256)])
def test_the_batches_are_those_of_the_paper(frames: int, expected: int) -> None:
    assert MethodsPlan().settings("mle", 0, frames).batch_size == expected


def test_the_page_shows_the_range_over_the_seeds() -> None:
    rows = [MethodFigures("mse", seed, auc, 1 - auc, auc, auc, 60.0, 2_000, 1.0) for seed, auc in enumerate((0.2, 0.4))]
    assert methods_table(rows).splitlines()[2] == (
        "| mse | 0.300 (0.20–0.40) | 0.700 | 0.700 (0.60–0.80) | 0.700 | 0.300 (0.20–0.40) | 0.300 (0.20–0.40)"
        " | 60 s | 2 k | 1.0 |"
    )
