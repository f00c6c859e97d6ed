"""Learning from drives that are tagged as a whole: top-k pooling, the terms of the loss, and that drops are found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mle_uvad.edge.errors import InputError
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.mil import train_head
from mle_uvad.training.objectives.mil import mil_loss, top_k_mean
from mle_uvad.training.run import RunFolder
from mle_uvad.training.segments import segment_features
from mle_uvad.training.settings import TrainSettings


def moving(count: int, wet: range, seed: int) -> np.ndarray:
    """Noise that moves past; in the wet frames a quarter of it is a still grey."""
    rng = np.random.default_rng(seed)
    scene = rng.integers(0, 255, (80, 80 + 2 * count)).astype(np.uint8)
    frames = np.stack([scene[:, 2 * number : 2 * number + 80] for number in range(count)])
    frames[wet.start : wet.stop, 20:60, 20:60] = 128
    return frames


def test_top_k_pooling_ignores_the_rest() -> None:
    scores = torch.linspace(0, 1, 30).requires_grad_()
    pooled = top_k_mean(scores)
    assert pooled.item() == pytest.approx(scores.detach()[-3:].mean().item())
    [pulled] = torch.autograd.grad(pooled, scores)
    assert pulled.tolist() == [0.0] * 27 + [pytest.approx(1 / 3)] * 3
    changed = scores.detach().clone()
    changed[:27] /= 2
    assert top_k_mean(changed) == pooled.detach()


def test_the_loss_ranks_wet_above_dry_and_prefers_few_and_steady_high_scores() -> None:
    dry = torch.full((40,), 0.1)
    block, scattered, many = torch.full((3, 40), 0.1)
    block[10:14] = 0.9
    scattered[[3, 13, 23, 33]] = 0.9
    many[:20] = 0.9
    assert mil_loss([block], [dry]) < mil_loss([scattered], [dry])
    assert mil_loss([block], [dry]) < mil_loss([many], [dry])
    assert mil_loss([block], [dry]) < mil_loss([dry], [block]) - 1


def test_segments_are_seconds_and_reach_over_no_gap(make_cache: Callable[..., FrameCache]) -> None:
    frames = moving(70, range(40, 70), 0)
    clock_s = np.concatenate([np.arange(30) / 20, 3.5 + np.arange(40) / 20])
    cache = make_cache(frames, clock_s, np.repeat([0, 30], [30, 40]))
    features, segment_of = segment_features(cache)
    assert features.shape == (4, 48)
    assert segment_of.tolist() == [0] * 20 + [1] * 10 + [2] * 20 + [3] * 20
    covered, clear = features[3].reshape(3, 16)[:, 5], features[0].reshape(3, 16)[:, 5]
    assert covered[0] < clear[0] - 3, "less sharp"
    assert covered[2] < clear[2] - 3, "changes less"


def test_wet_seconds_are_found_from_the_tags_alone(
    make_cache: Callable[..., FrameCache],
    small: Callable[..., TrainSettings],
    recorder: Callable[[], Any],
    tmp_path: Path,
) -> None:
    wet, dry = make_cache(moving(400, range(200, 260), 1)), make_cache(moving(400, range(0), 2))
    settings = small(objective="mil", epochs=10)
    run = RunFolder(tmp_path / "run")
    run.start(settings, wet, ["wet"])
    head = train_head([wet], [dry], run, settings, recorder())
    with torch.no_grad():
        scores = head(torch.from_numpy(segment_features(wet)[0]))
    assert scores.argsort()[-3:].sort().values.tolist() == [10, 11, 12]
    with pytest.raises(InputError, match="no network that a car can run"):
        run.load_model()
