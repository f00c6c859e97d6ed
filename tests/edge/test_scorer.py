"""The scorer never raises, never returns NaN, and says of every frame how far to trust it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.frame import to_grey80
from mle_uvad.edge.measures import MEASURES, pearson, residual_map, sharpness_map
from mle_uvad.edge.scorer import FrameScore, Scorer

Frame = NDArray[np.uint8]


class StandInBackend:
    """Answers what it is told to, or raises it."""

    name = "stand-in"

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.frames: list[Frame] = []

    def run(self, frame: Frame) -> Any:
        self.frames.append(frame)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(scope="module")
def scorer(bundle: Bundle) -> Scorer:
    return Scorer(bundle)


@pytest.fixture
def stand_in() -> Any:
    """`stand_in(answer)`: a scorer of frames [120, 160, 3] with a backend that needs no model."""

    def make(answer: Any) -> Scorer:
        scorer = object.__new__(Scorer)  # its constructor opens a real backend
        scorer.bundle = Bundle(Path(), b"", "", 120, 160, {}, {})
        scorer.backend = StandInBackend(answer)  # type: ignore[assignment]
        return scorer

    return make


@pytest.fixture
def frame(bundle: Bundle, rng: np.random.Generator) -> Frame:
    coarse = rng.integers(30, 220, (bundle.height // 8, bundle.width // 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def same(first: FrameScore, second: FrameScore) -> bool:
    assert first.maps is not None
    assert second.maps is not None
    return first.pcc == second.pcc and np.array_equal(first.maps, second.maps)


def test_a_good_frame_has_a_pcc_and_maps(scorer: Scorer, frame: Frame) -> None:
    score = scorer.score(frame)
    assert score.status == "ok"
    assert type(score.pcc) is float
    assert -1 <= score.pcc <= 1
    assert score.maps is not None
    assert score.maps.dtype == np.float32
    assert score.maps.shape == (len(MEASURES), 10, 10)
    assert np.isfinite(score.maps).all()
    assert score.infer_ms > 0
    assert score.detail == ""


def test_the_score_is_that_of_the_numpy_reference(scorer: Scorer, frame: Frame) -> None:
    grey = to_grey80(frame)
    reconstruction = grey - scorer.backend._session.run(["residual"], {"frame": frame})[0]
    score = scorer.score(frame)
    assert score.pcc == pytest.approx(pearson(grey, reconstruction), abs=1e-5)
    assert score.maps is not None
    assert np.abs(score.maps[0] - residual_map(grey, reconstruction)).max() < 1e-5
    assert np.abs(score.maps[1] - sharpness_map(grey)).max() < 1e-3


def test_the_same_frame_gives_the_same_score_to_the_last_bit(bundle: Bundle, scorer: Scorer, frame: Frame) -> None:
    first = scorer.score(frame)
    scorer.score(255 - frame)  # nothing of it stays
    assert same(first, scorer.score(frame))
    assert same(first, Scorer(bundle).score(frame.copy()))
    assert not same(first, scorer.score(255 - frame))


def test_a_luma_frame_scores_as_the_rgb_frame_of_it(scorer: Scorer, frame: Frame) -> None:
    luma = frame[..., 1]
    rgb = scorer.score(np.stack([luma] * 3, axis=2))
    assert same(rgb, scorer.score(luma))
    assert same(rgb, scorer.score(luma[..., None]))


def test_any_layout_in_memory_scores_alike_and_no_frame_is_written_to(scorer: Scorer, frame: Frame) -> None:
    expected = scorer.score(frame.copy())
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
        assert same(expected, scorer.score(layout)), name
        assert np.array_equal(layout, frame), name


def test_black_is_dark_and_grey_is_flat(scorer: Scorer) -> None:
    height, width = scorer.bundle.height, scorer.bundle.width
    for level, status in ((0, "dark"), (5, "dark"), (9, "dark"), (11, "flat"), (128, "flat"), (255, "flat")):
        score = scorer.score(np.full((height, width, 3), level, np.uint8))
        assert score.status == status, level
        assert score.pcc is None
        assert score.maps is None


def test_a_dim_scene_is_still_scored(scorer: Scorer, frame: Frame) -> None:
    assert scorer.score(frame // 8 + 5).status == "ok"


def test_bad_frames_get_a_status_and_never_reach_the_model(stand_in: Any) -> None:
    scorer = stand_in(AssertionError("the model was run"))
    statuses = {
        "no_frame": [None, np.asarray(None), [], "text", 1.0],
        "error": [
            np.zeros((120, 160, 4), np.uint8),
            np.zeros((60, 80, 3), np.uint8),
            np.zeros((120, 160, 3), np.float64),
            np.zeros((120, 160), bool),
        ],
    }
    for status, frames in statuses.items():
        for frame in frames:
            score = scorer.score(frame)
            assert (score.status, score.pcc, score.maps) == (status, None, None)
            assert score.detail
    assert scorer.backend.frames == []


def test_whatever_a_backend_throws_becomes_a_status_with_its_reason(stand_in: Any) -> None:
    for error in (RuntimeError("device lost"), MemoryError(), ValueError("shape"), OSError(5, "I/O")):
        score = stand_in(error).score(np.zeros((120, 160, 3), np.uint8))
        assert (score.status, score.pcc, score.maps) == ("error", None, None)
        assert type(error).__name__ in score.detail


GOOD_MAPS = np.ones((2, 10, 10), np.float32)
BAD_MAPS = np.where(np.arange(200).reshape(2, 10, 10) == 77, np.nan, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((0.9, 0.5, 0.2, GOOD_MAPS), "ok"),
        ((float("nan"), 0.5, 0.2, GOOD_MAPS), "error"),
        ((float("inf"), 0.5, 0.2, GOOD_MAPS), "error"),
        ((0.9, 0.5, 0.2, BAD_MAPS), "error"),
        ((float("nan"), float("nan"), float("nan"), GOOD_MAPS), "error"),
        ((0.9, 10.1 / 255, 2.1 / 255, GOOD_MAPS), "ok"),
        ((0.9, 9.9 / 255, 0.2, GOOD_MAPS), "dark"),
        ((0.9, 9.9 / 255, 1.9 / 255, GOOD_MAPS), "dark"),
        ((0.9, 0.5, 1.9 / 255, GOOD_MAPS), "flat"),
        ((float("nan"), 0.5, 0.0, GOOD_MAPS), "flat"),
    ],
)
def test_what_the_model_answers_decides_the_status(stand_in: Any, answer: Any, status: str) -> None:
    score = stand_in(answer).score(np.zeros((120, 160, 3), np.uint8))
    assert score.status == status
    assert (score.pcc is None) == (score.maps is None) == (status != "ok")
    assert bool(score.detail) == (status == "error")


def test_the_backend_sees_rgb_whatever_the_camera_gives(stand_in: Any, rng: np.random.Generator) -> None:
    luma = rng.integers(0, 256, (120, 160), dtype=np.uint8)
    for given in (luma, luma[..., None], np.stack([luma] * 3, axis=2)):
        scorer = stand_in((0.9, 0.5, 0.2, GOOD_MAPS))
        scorer.score(given)
        [seen] = scorer.backend.frames
        assert seen.shape == (120, 160, 3)
        assert all(np.array_equal(seen[..., channel], luma) for channel in range(3))
