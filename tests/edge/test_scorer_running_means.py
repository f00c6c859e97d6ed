"""What the scorer keeps of the frames before, and when it forgets them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.driving import GAP_S
from mle_uvad.edge.scorer import STILL_MOTION, FrameScore, Scorer

Frame = NDArray[np.uint8]
HZ = 20.0
Values = tuple[Any, ...]


def values(score: FrameScore) -> Values:
    """All but the time it took, to the last bit."""
    logits, feature_maps = (None if part is None else part.tobytes() for part in (score.logits, score.feature_maps))
    return (score.status, score.pcc, logits, feature_maps, score.motion, score.warmed_up)


def scores(scorer: Scorer, frames: list[Frame], start_s: float = 0.0) -> list[FrameScore]:
    return [scorer.score(frame, start_s + i / HZ) for i, frame in enumerate(frames)]


@pytest.fixture(scope="module")
def opened(bundle: Bundle) -> Scorer:
    if (bundle.height, bundle.width) != (120, 160):
        pytest.skip(f"the frames of these tests are 160x120, the bundle given takes {bundle.width}x{bundle.height}")
    return open_scorer(bundle)


@pytest.fixture
def scorer(opened: Scorer) -> Scorer:
    opened.reference = opened.bundle.reference
    opened.restart()
    return opened


@pytest.fixture(scope="module")
def frames(moving_frames: Callable[..., list[Frame]]) -> list[Frame]:
    return moving_frames(70)


def test_the_same_drive_gives_the_same_scores_to_the_last_bit(scorer: Scorer, frames: list[Frame]) -> None:
    first = [values(score) for score in scores(scorer, frames)]
    scorer.restart()
    assert [values(score) for score in scores(scorer, frames)] == first
    assert [values(score) for score in scores(open_scorer(scorer.bundle), [frame.copy() for frame in frames])] == first


def test_a_score_depends_on_the_frames_before_and_its_pcc_does_not(scorer: Scorer, frames: list[Frame]) -> None:
    after_others = scores(scorer, frames)[-1]
    scorer.restart()
    alone = scores(scorer, frames[-1:])[0]
    assert after_others.pcc == alone.pcc
    assert after_others.logits is not None
    assert not np.array_equal(after_others.logits, alone.logits)  # type: ignore[arg-type]


@pytest.mark.parametrize("step_s", [GAP_S + 0.1, 3600.0, -1.0, -1e5])
def test_a_gap_and_a_step_back_begin_afresh_to_the_last_bit(scorer: Scorer, frames: list[Frame], step_s: float) -> None:
    scores(scorer, frames[::-1])
    start_s = (len(frames) - 1) / HZ + step_s
    after = [values(score) for score in scores(scorer, frames[:10], start_s)]
    scorer.restart()
    assert [values(score) for score in scores(scorer, frames[:10], start_s)] == after


def test_a_pause_below_a_gap_is_the_same_drive(scorer: Scorer, frames: list[Frame]) -> None:
    before = scores(scorer, frames)
    assert before[-1].warmed_up
    assert scores(scorer, frames[:1], (len(frames) - 1) / HZ + 0.5)[0].warmed_up
    (after,) = scores(scorer, frames[:1], (len(frames) - 1) / HZ + 0.5 + GAP_S - 0.01)
    assert not np.array_equal(after.logits, before[0].logits), "a gap would begin afresh"  # type: ignore[arg-type]


def test_it_is_warmed_up_after_three_seconds(scorer: Scorer, frames: list[Frame]) -> None:
    assert [score.warmed_up for score in scores(scorer, frames)] == [False] * 60 + [True] * 10


@pytest.mark.parametrize("kind", ["dark", "flat", "error"])
def test_a_frame_that_would_spoil_the_running_means_empties_it(
    scorer: Scorer, frames: list[Frame], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [values(score) for score in scores(scorer, frames[:5], 3.0)]
    scores(scorer, frames)

    def fail(*_: object) -> None:
        raise RuntimeError("device lost")

    level = {"dark": 0, "flat": 128, "error": 200}[kind]
    with monkeypatch.context() as broken:
        if kind == "error":
            broken.setattr(scorer.backend, "run", fail)
        assert scores(scorer, [np.full((120, 160, 3), level, np.uint8)], 2.6)[0].status == kind
    assert [values(score) for score in scores(scorer, frames[:5], 3.0)] == expected


def test_no_frame_at_all_leaves_the_running_means(scorer: Scorer, frames: list[Frame]) -> None:
    expected = [values(score) for score in scores(scorer, frames)]
    scorer.restart()
    scores(scorer, frames[:45])
    for nothing in (None, np.zeros((60, 80, 3), np.uint8)):
        assert scorer.score(nothing, 44.5 / HZ).pcc is None
    assert [values(score) for score in scores(scorer, frames[45:], 45 / HZ)] == expected[45:]


def test_another_reference_changes_the_log_odds_alone(scorer: Scorer, frames: list[Frame]) -> None:
    by_default = scores(scorer, frames)
    scorer.restart()
    scorer.reference = scorer.bundle.reference * np.array([1.5, 0.5], np.float32).reshape(2, 1, 1, 1)
    by_another = scores(scorer, frames)
    for one, other in zip(by_default, by_another, strict=True):
        assert values(one)[:2] == values(other)[:2]
        assert values(one)[3:] == values(other)[3:]
    assert not np.array_equal(by_default[-1].logits, by_another[-1].logits)  # type: ignore[arg-type]


def test_a_standing_car_is_told_from_a_moving_one(
    scorer: Scorer, frames: list[Frame], rng: np.random.Generator
) -> None:
    moving = [score.motion for score in scores(scorer, frames)]
    scorer.restart()
    noise = rng.normal(0, 2, (50, 120, 160, 1))  # of the sensor
    standing = [(frames[0] + one).clip(0, 255).astype(np.uint8) for one in noise]
    still = [score.motion for score in scores(scorer, standing)]
    assert min(moving[3:]) > 4 * STILL_MOTION
    assert max(still) < STILL_MOTION
    assert min(still[10:]) > 0


def test_it_stops_as_the_car_stops(scorer: Scorer, frames: list[Frame]) -> None:
    scores(scorer, frames)
    stopped = scores(scorer, [frames[-1]] * 80, len(frames) / HZ)
    still_after = next(i for i, score in enumerate(stopped) if score.motion < STILL_MOTION) / HZ
    assert 0.5 < still_after < 4.0
    assert all(score.motion < STILL_MOTION for score in stopped[round(still_after * HZ) :])
