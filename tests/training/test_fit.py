"""The fit of the obscuration network learns rendered faults, is reproducible, and is resumed after an interruption."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.training import fit as fit_module
from mle_uvad.training import references as references_module
from mle_uvad.training import window_stream as window_stream_module
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.faults import KINDS
from mle_uvad.training.fit import fit_obscuration
from mle_uvad.training.references import car_references, drive_reference
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import TrainSettings
from mle_uvad.training.train import train_tubs
from mle_uvad.training.window_stream import BATCH_SIZE, FIXTURE_PROBABILITY, NO_FIXTURE, WindowStream
from mle_uvad.training.windows import WindowSampler

Small = Callable[..., TrainSettings]


@pytest.fixture(scope="module")
def drive(make_cache: Callable[..., FrameCache], moving_frames: Callable[..., list[np.ndarray]]) -> FrameCache:
    """Twenty seconds over a textured scene."""
    grey = np.stack(moving_frames(400)).mean(-1)[:, :, 20:140]  # [N, 120, 120]
    index = np.arange(80) * 3 // 2
    return make_cache(grey[:, index][:, :, index].astype(np.uint8))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the windows of a fit to a minimum."""
    monkeypatch.setattr(fit_module, "HELD_BACK", BATCH_SIZE)
    monkeypatch.setattr(references_module, "WINDOWS_PER_CAR", 40)
    monkeypatch.setattr(references_module, "EXCERPTS", 3)
    monkeypatch.setattr(references_module, "FIXTURES", 1)


def tensors(net: torch.nn.Module) -> list[torch.Tensor]:
    return list(net.state_dict().values())


def test_held_back_windows_with_faults_score_above_clean_ones(small: Small, drive: FrameCache, recorder: Any) -> None:
    callback = recorder()
    net, passes = fit_obscuration([drive], small(windows=1152, passes=8), "cpu", callback)
    assert passes == callback.passes
    assert [line.epoch for line in passes] == list(range(1, 11))
    assert passes[-1].loss < 0.6 * passes[0].loss
    assert passes[-1].auc > 0.7
    assert callback.renderings == [(1, 1)]
    assert callback.fittings[-1] == (1152, 1152), "each is shown eight times, and counted once"
    assert not net.training


@pytest.mark.usefixtures("few")
def test_the_same_seed_gives_the_same_network(small: Small, drive: FrameCache, recorder: Any) -> None:
    fits = [fit_obscuration([drive], small(windows=96, passes=2, seed=seed), "cpu", recorder()) for seed in (1, 1, 2)]
    (one, _), (again, _), (other, _) = fits
    assert all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(again), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


@pytest.mark.usefixtures("few")
def test_without_windows_all_logits_are_0_and_nothing_is_rendered(
    small: Small, drive: FrameCache, recorder: Any
) -> None:
    callback = recorder()
    net, passes = fit_obscuration([drive], small(windows=0), "cpu", callback)
    assert (passes, callback.renderings, callback.fittings) == ([], [], [])
    with torch.no_grad():
        logits = net.forward_head(torch.rand(2, FEATURE_MAPS, 40, 40), torch.zeros(2, FEATURE_MAPS, 40, 40))
    assert torch.equal(logits, torch.zeros(2, GRID_SIDE, GRID_SIDE))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("windows", [1, BATCH_SIZE - 1, BATCH_SIZE + 1])
def test_any_number_of_windows_trains(windows: int, small: Small, drive: FrameCache, recorder: Any) -> None:
    *_, line = fit_obscuration([drive], small(windows=windows, passes=1), "cpu", recorder())[1]
    assert math.isfinite(line.loss)


@pytest.mark.usefixtures("few")
def test_the_fault_held_out_is_not_rendered(
    small: Small, drive: FrameCache, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, ...]] = []

    class Sampler(WindowSampler):
        def __init__(self, cache: FrameCache, kinds: tuple[str, ...], seed: int) -> None:
            given.append(kinds)
            super().__init__(cache, kinds, seed)

    monkeypatch.setattr(window_stream_module, "WindowSampler", Sampler)
    for held_out in ("", "film"):
        fit_obscuration([drive], small(windows=1, passes=1, held_out=held_out), "cpu", recorder())
    assert given == [KINDS, tuple(kind for kind in KINDS if kind != "film")]


@pytest.mark.usefixtures("few")
def test_a_loss_that_is_not_finite_is_one_error_line(
    small: Small, drive: FrameCache, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "_loss", lambda *_: torch.tensor(math.nan))
    with pytest.raises(InputError, match="no longer finite; give another --seed"):
        fit_obscuration([drive], small(windows=48, passes=1), "cpu", recorder())


@pytest.mark.usefixtures("few")
def test_a_run_interrupted_in_the_fit_resumes_there(
    small: Small, make_tub: Any, recorder: Any, power_cut: type[Exception], tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="needs onnx: pip install 'mle_uvad[export]'")
    from mle_uvad.export.bundle import export_bundle

    tub, settings, again = Tub(make_tub(70)), small(epochs=1, windows=48, passes=2), recorder()
    run = RunFolder(tmp_path / "run")
    with pytest.raises(power_cut):
        train_tubs([tub], settings, run.folder, "cpu", recorder(stop_after_pass=1))
    weights = run.weights_file.read_bytes()
    assert not run.passes_file.exists()
    with pytest.raises(InputError) as refused:
        export_bundle(run.folder, tmp_path / "lens", "onnx")
    assert str(refused.value) == f"run {run.folder} is not finished; give the same `mle-uvad train` command again"
    assert not (tmp_path / "lens").exists()

    train_tubs([tub], settings, run.folder, "cpu", again)
    assert (again.decodings, again.batches) == ([], []), "nothing is decoded or trained twice"
    assert run.weights_file.read_bytes() == weights
    assert [json.loads(line)["epoch"] for line in run.passes_file.read_text().splitlines()] == [1, 2, 3]
    assert export_bundle(run.folder, tmp_path / "lens", "onnx").reference.shape == (2, FEATURE_MAPS, 10, 10)

    finished, third = run.obscuration_file.read_bytes(), recorder()
    train_tubs([tub], settings, run.folder, "cpu", third)
    assert third.renderings == []
    assert run.obscuration_file.read_bytes() == finished


@pytest.mark.usefixtures("few")
def test_cars_have_equally_many_windows_and_their_own_references(make_cache: Callable[..., FrameCache]) -> None:
    dark, bright = (make_cache(np.full((count, 80, 80), level, np.uint8)) for count, level in ((80, 40), (300, 200)))
    stream = WindowStream([dark, bright], KINDS, 0, lambda done, total: None)
    stream.render(60)
    assert np.bincount(stream._car[:60]).tolist() == [30, 30]
    for slot in range(60):
        level = (40, 200)[stream._car[slot]] / 255
        if stream._fixture[slot] == NO_FIXTURE:
            assert np.median(stream._reference(slot)[0, 0]) == pytest.approx(level, abs=0.15)


def test_the_reference_of_a_window_is_from_another_excerpt(make_cache: Callable[..., FrameCache]) -> None:
    levels = np.repeat(np.arange(400, dtype=np.uint8) // 2, 6400).reshape(400, 80, 80)  # ever brighter frames
    cache = make_cache(levels)
    references = car_references(WindowSampler(cache, KINDS, 0), cache, KINDS, 0)
    assert references.enlarged.shape == (references_module.EXCERPTS, 2, FEATURE_MAPS, 40, 40)
    assert references.with_fixture.shape == (references_module.FIXTURES, 2, FEATURE_MAPS, 40, 40)
    whole = drive_reference(cache, 0)
    scales = references.enlarged[:, 1, 0, 0, 0]
    assert np.median(scales) < 0.9 * whole[1, 0, 0, 0], "an excerpt varies less than the whole drive"
    rng = np.random.default_rng(0)
    for newest in range(20, 400, 40):
        chosen = references.choose(rng, newest)
        (number,) = np.flatnonzero((references.enlarged == chosen).all((1, 2, 3, 4)))[:1]
        assert not references.first[number] <= newest <= references.last[number]


@pytest.mark.usefixtures("few")
def test_some_windows_show_a_fixture(drive: FrameCache) -> None:
    stream = WindowStream([drive], KINDS, 0, lambda done, total: None)
    stream.render(300)
    assert (stream._fixture[:300] != NO_FIXTURE).mean() == pytest.approx(FIXTURE_PROBABILITY, abs=0.06)
