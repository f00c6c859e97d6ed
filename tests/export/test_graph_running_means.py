"""The running means of the graph are the exponential averages of the frame moments, and its only state."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mle_uvad.edge.ema import RunningMeans
from mle_uvad.edge.frame import to_grey80
from mle_uvad.edge.graph import RUNNING_MEANS_SIZE, TIME_CONSTANTS_S
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.obscuration import frame_moments

Frame = NDArray[np.uint8]
Floats = NDArray[np.float32]
EMPTY = np.zeros((len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE), np.float32)
REFERENCE = np.full((2, 20, 40, 40), 0.5, np.float32)


@pytest.fixture
def run(graph: FrameGraph, session_of: Callable[..., Any]) -> Callable[..., dict[str, Floats]]:
    return session_of(graph, 120, 160)


def run_all(run: Callable[..., dict[str, Floats]], frames: list[Frame], times_s: list[float]) -> dict[str, Floats]:
    """The outputs of the graph for the last of these frames."""
    state, outputs = RunningMeans(), {"memory_out": EMPTY}
    for frame, t_s in zip(frames, times_s, strict=True):
        outputs = run(frame, outputs["memory_out"], state.weights(t_s), REFERENCE)
    return outputs


def moments(frames: list[Frame]) -> Floats:
    """The moments of each frame, [N, 17600]."""
    return frame_moments(torch.from_numpy(np.stack([to_grey80(frame) for frame in frames])).unsqueeze(1)).numpy()


def test_the_first_frames_count_alike(run: Any, moving_frames: Callable[..., list[Frame]]) -> None:
    frames = moving_frames(6)
    running_means = run_all(run, frames, [0.05 * number for number in range(6)])["memory_out"]
    assert running_means == pytest.approx(np.broadcast_to(moments(frames).mean(0), running_means.shape), abs=1e-5)


def test_later_frames_fade_with_their_time_constant(run: Any, moving_frames: Callable[..., list[Frame]]) -> None:
    frames, step_s = moving_frames(60), 0.25
    each = moments(frames).astype(np.float64)
    for row, time_constant_s in enumerate(TIME_CONSTANTS_S):
        expected, share = each[0], 1 - math.exp(-step_s / time_constant_s)
        for number, one in enumerate(each[1:], start=2):
            expected = expected + max(share, 1 / number) * (one - expected)
        running_means = run_all(run, frames, [step_s * number for number in range(60)])["memory_out"]
        assert np.abs(running_means[row] - expected).max() < 1e-5


def test_the_graph_itself_holds_nothing(run: Any, moving_frames: Callable[..., list[Frame]]) -> None:
    first, other = moving_frames(2)
    given = (EMPTY + 0.1, np.array([0.5, 0.2], np.float32), REFERENCE)
    one = run(first, *given)
    run(other, *given)
    again = run(first, *given)
    assert all(np.array_equal(one[name], again[name]) for name in one)


def test_the_reference_changes_the_logits_alone(run: Any, moving_frames: Callable[..., list[Frame]]) -> None:
    given = (moving_frames(1)[0], EMPTY, np.ones(2, np.float32))
    one, other = run(*given, REFERENCE), run(*given, REFERENCE * np.float32(0.4))
    assert [name for name in one if not np.array_equal(one[name], other[name])] == ["logits"]


@pytest.mark.parametrize(("sigma", "low", "high"), [(0.0, 0.0, 0.1), (2.0, 0.5, 1.3), (10.0, 3.0, 7.0)])
def test_motion_is_the_change_within_the_fast_time_constant_in_grey_levels(
    run: Any, moving_frames: Callable[..., list[Frame]], rng: np.random.Generator, sigma: float, low: float, high: float
) -> None:
    scene = moving_frames(1)[0].astype(np.float32)
    noisy = [scene + rng.normal(0, sigma, (120, 160, 1)) for _ in range(20)]
    frames = [frame.round().clip(0, 255).astype(np.uint8) for frame in noisy]
    motion = float(run_all(run, frames, [0.05 * number for number in range(20)])["motion"])
    assert low <= 255 * motion <= high
