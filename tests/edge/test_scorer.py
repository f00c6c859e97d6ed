"""The scorer on a real bundle: what it says of single frames, in whatever layout they come."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.scorer import FrameScore, Scorer

Frame = NDArray[np.uint8]


@pytest.fixture(scope="module")
def opened(bundle: Bundle) -> Scorer:
    return open_scorer(bundle)


@pytest.fixture
def scorer(opened: Scorer) -> Scorer:
    """At the start of a drive."""
    opened.restart()
    return opened


@pytest.fixture
def frame(bundle: Bundle, rng: np.random.Generator) -> Frame:
    coarse = rng.integers(30, 220, (bundle.height // 8, bundle.width // 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def same(first: FrameScore, second: FrameScore) -> bool:
    for score in (first, second):
        assert score.logits is not None
        assert score.feature_maps is not None
    return (
        (first.pcc, first.motion) == (second.pcc, second.motion)
        and np.array_equal(first.logits, second.logits)  # type: ignore[arg-type]
        and np.array_equal(first.feature_maps, second.feature_maps)  # type: ignore[arg-type]
    )


def first_score(scorer: Scorer, frame: Frame) -> FrameScore:
    """As the first frame of a drive."""
    scorer.restart()
    return scorer.score(frame, 0.0)


def test_a_good_frame_has_a_pcc_and_log_odds(scorer: Scorer, frame: Frame) -> None:
    score = scorer.score(frame, 0.0)
    assert score.status == "ok"
    assert type(score.pcc) is float
    assert -1 <= score.pcc <= 1
    for part, shape in ((score.logits, (20, 20)), (score.feature_maps, (20, 10, 10))):
        assert part is not None
        assert part.dtype == np.float32
        assert part.shape == shape
        assert np.isfinite(part).all()
    assert type(score.motion) is float
    assert score.motion == pytest.approx(0, abs=1e-3)  # nothing has changed yet
    assert not score.warmed_up
    assert score.detail == ""


def test_a_luma_frame_scores_as_the_rgb_frame_of_it(scorer: Scorer, frame: Frame) -> None:
    luma = frame[..., 1]
    rgb = first_score(scorer, np.stack([luma] * 3, axis=2))
    assert same(rgb, first_score(scorer, luma))
    assert same(rgb, first_score(scorer, luma[..., None]))


def test_any_layout_in_running_means_scores_alike_and_no_frame_is_written_to(scorer: Scorer, frame: Frame) -> None:
    expected = first_score(scorer, frame.copy())
    wide = np.zeros((frame.shape[0], 2 * frame.shape[1], 3), np.uint8)
    wide[:, ::2] = frame
    layouts = {
        "strided": wide[:, ::2],
        "flipped twice": frame[::-1, ::-1].copy()[::-1, ::-1],
        "Fortran": np.asfortranarray(frame),
        "BGR as RGB": np.ascontiguousarray(frame[..., ::-1])[..., ::-1],
    }
    for name, layout in layouts.items():
        assert not layout.flags.c_contiguous, name
        layout.flags.writeable = False
        assert same(expected, first_score(scorer, layout)), name
        assert np.array_equal(layout, frame), name


def test_black_is_dark_and_grey_is_flat(scorer: Scorer) -> None:
    height, width = scorer.bundle.height, scorer.bundle.width
    for level, status in ((0, "dark"), (5, "dark"), (9, "dark"), (11, "flat"), (128, "flat"), (255, "flat")):
        score = scorer.score(np.full((height, width, 3), level, np.uint8), 0.0)
        assert vars(score) == vars(FrameScore(status)), level


def test_a_dim_scene_is_still_scored(scorer: Scorer, frame: Frame) -> None:
    assert scorer.score(frame // 8 + 5, 0.0).status == "ok"


def test_cells_are_scored_at_the_interval_asked_for(scorer: Scorer, frame: Frame) -> None:
    def scored(times_s: list[float]) -> list[float]:
        return [t_s for t_s in times_s if scorer.score(frame, t_s).logits is not None]

    times_s = [number / 20 for number in range(9)]
    assert scored(times_s) == times_s  # those of every frame, unless asked otherwise
    scorer.restart()
    scorer.cells_every_s = 0.175
    try:
        assert scored(times_s) == [0.0, 0.2, 0.4]
        assert scored([0.45, 0.1, 0.15]) == [0.1]  # the clock stepped back: another drive
        assert scored([5.0, 5.05]) == [5.0]
        scorer.restart()
        assert scored([5.1]) == [5.1]
    finally:
        scorer.cells_every_s = 0.0


def test_a_frame_without_scored_cells_has_everything_else(scorer: Scorer, frame: Frame) -> None:
    scorer.score(frame, 0.0)
    expected = scorer.score(np.roll(frame, 5, axis=1), 0.05)
    scorer.restart()
    scorer.cells_every_s = 1.0
    try:
        scorer.score(frame, 0.0)
        score = scorer.score(np.roll(frame, 5, axis=1), 0.05)
    finally:
        scorer.cells_every_s = 0.0
    assert score.logits is score.feature_maps is None
    assert (score.status, score.pcc, score.motion, score.contrast) == (
        "ok",
        expected.pcc,
        expected.motion,
        expected.contrast,
    )
