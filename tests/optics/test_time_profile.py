"""Courses of faults over time, and faults that move."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.optics import FAMILIES, TIME_PROFILES, Fault, Mud, State, TimeProfile, coverage_at, mask_at, render_at

Picture = NDArray[np.uint8]


def fault(family: str, seed: int = 0, coverage: float = 0.2) -> Fault:
    return FAMILIES[family].random(np.random.default_rng(seed), 120, 160, coverage)


def scene(seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 200, (120, 160, 3), dtype=np.uint8)


def spot() -> Mud:
    """A black spot in the middle of a frame [120, 160]."""
    y, x = np.mgrid[:120, :160]
    mask = np.clip((20 - np.hypot(y - 60, x - 80)) / 4, 0, 1).astype(np.float32)
    return Mud(mask, np.ones_like(mask), np.zeros((120, 160, 3), np.float32))


def centre(mask: NDArray[np.float32]) -> tuple[float, float]:
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return float((y * mask).sum() / mask.sum()), float((x * mask).sum() / mask.sum())


def test_a_sudden_fault_is_there_soon_stays_and_is_wiped_off() -> None:
    time_profile = TimeProfile(onset_s=0.3, wipe_s=0.15)
    strengths = [time_profile.state(t_s, 10.0).strength for t_s in (0.0, 0.15, 0.3, 5.0, 9.85, 9.925, 10.0)]
    assert strengths == pytest.approx([0, 0.5, 1, 1, 1, 0.5, 0])
    assert time_profile.state(-0.1, 10.0).strength == time_profile.state(10.1, 10.0).strength == 0
    assert all(time_profile.state(t_s, 10.0).in_place for t_s in (0.0, 1.0, 9.9))


def test_growth_slide_and_drying() -> None:
    growth, slide = TimeProfile(growth_s=4.0), TimeProfile(slide_per_s=0.05)
    assert growth.state(0.5, 10).scale < growth.state(2, 10).scale < growth.state(4, 10).scale == 1
    assert slide.state(4, 10).slide == pytest.approx(0.2)
    assert TimeProfile(fading_s=5.0).state(5, 20).strength == pytest.approx(np.exp(-1))
    assert TimeProfile(shrinking_s=5.0).state(2.5, 20).scale == pytest.approx(np.exp(-0.5))
    assert TimeProfile(onset_s=0, wipe_s=0).state(0, 1) == TimeProfile(onset_s=0, wipe_s=0).state(1, 1) == State()


@pytest.mark.parametrize("kind", TIME_PROFILES)
def test_random_courses_stay_within_their_ranges(kind: str) -> None:
    for seed in range(20):
        time_profile = TimeProfile.random(np.random.default_rng(seed), kind)
        assert time_profile == TimeProfile.random(np.random.default_rng(seed), kind)
        assert 0.05 <= time_profile.wipe_s <= 0.2
        for t_s in np.linspace(0, 12, 30).tolist():
            state = time_profile.state(t_s, 12.0)
            assert 0 <= state.strength <= 1
            assert 0 < state.scale <= 1
            assert 0 <= state.slide <= 0.075 * 12
    with pytest.raises(ValueError, match="sudden, growth"):
        TimeProfile.random(np.random.default_rng(0), "explosion")


@pytest.mark.parametrize("family", FAMILIES)
def test_in_place_the_fault_is_as_it_was_made(family: str) -> None:
    made, frame = fault(family), scene()
    assert np.array_equal(render_at(made, frame, State()), made.render(frame))
    assert np.array_equal(render_at(made, frame, State(strength=0.3)), made.render(frame, 0.3))
    assert np.array_equal(mask_at(made, State()), made.mask)
    assert coverage_at(made, State()) == made.coverage


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("state", [State(slide=0.11), State(scale=0.6), State(0.7, 0.053, 0.83)])
def test_moved_faults_leave_the_rest_of_the_frame_alone(family: str, state: State) -> None:
    made, frame = fault(family), scene()
    before = frame.copy()
    seen, mask = render_at(made, frame, state), mask_at(made, state)
    change = np.abs(seen.astype(int) - frame).mean(axis=2)
    assert seen.dtype == np.uint8
    assert mask.dtype == np.float32
    assert 0 <= mask.min() <= mask.max() <= 1
    assert np.array_equal(frame, before)
    assert change[mask == 0].max() <= 1
    assert change[mask > 0.5].mean() > 8
    assert np.array_equal(render_at(made, frame, State(0.0, state.slide, state.scale)), frame)


def test_a_slide_moves_the_mask_down() -> None:
    made = spot()
    for slide in (0.05, 0.1, 0.1037):
        y, x = centre(mask_at(made, State(slide=slide)))
        assert y == pytest.approx(60 + 160 * slide, abs=0.1)
        assert x == pytest.approx(80, abs=0.1)
    assert coverage_at(made, State(slide=0.1)) == pytest.approx(made.coverage, rel=0.05)
    assert coverage_at(made, State(slide=1.0)) == 0


def test_scale_shrinks_the_mask_about_its_middle() -> None:
    made = spot()
    for scale in (0.9, 0.5, 0.3):
        state = State(scale=scale)
        assert coverage_at(made, state) == pytest.approx(made.coverage * scale**2, rel=0.1)
        assert centre(mask_at(made, state)) == pytest.approx((60, 80), abs=0.3)


def test_a_fault_cut_off_by_the_border_shrinks_towards_it() -> None:
    mask = np.zeros((120, 160), np.float32)
    mask[:40, :60] = 1.0
    corner = Mud(mask, np.ones_like(mask), np.zeros((120, 160, 3), np.float32))
    shrunk = mask_at(corner, State(scale=0.5))
    assert shrunk[0, 0] == 1
    assert shrunk[:18, :28].min() > 0.9
    assert shrunk[22:].max() == shrunk[:, 32:].max() == 0


def test_what_is_seen_through_a_moved_fault_is_the_scene_at_its_new_place() -> None:
    half = np.full((120, 160), 0.5, np.float32)
    made = Mud(spot().mask, half, np.zeros((120, 160, 3), np.float32))  # darkens to one half
    frame = np.full((120, 160, 3), 100, np.uint8)
    frame[70:100] = 200
    seen = render_at(made, frame, State(slide=0.1))[..., 0].astype(int)
    mask = mask_at(made, State(slide=0.1))
    assert np.abs(seen - frame[..., 0] * (1 - 0.5 * mask)).max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_coverage_follows_growth(family: str) -> None:
    made = fault(family, 1, 0.5)
    covered = [coverage_at(made, State(scale=scale)) for scale in (0.3, 0.5, 0.7, 0.85, 1.0)]
    assert covered == sorted(covered)
    assert covered[0] < 0.35 * covered[-1]


def test_wrong_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="120, 160"):
        render_at(spot(), np.zeros((160, 120, 3), np.uint8), State(slide=0.1))
