"""A world that changed, told from a fault on the lens, on synthetic scores."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.drift import AVERAGED_S, SHIFT_MAX, Drift
from mle_uvad.edge.graph import FEATURE_MAPS
from mle_uvad.edge.reference import distribution_shift
from mle_uvad.edge.scorer import FrameScore

HZ = 10.0
REFERENCE = np.stack([np.full((FEATURE_MAPS, 10, 10), 0.5), np.full((FEATURE_MAPS, 10, 10), 0.1)]).astype(np.float32)


def score(feature_maps: float | np.ndarray = 0.5, **changes: Any) -> FrameScore:
    seen = np.broadcast_to(np.float32(feature_maps), (FEATURE_MAPS, 10, 10))
    return replace(FrameScore("ok", 0.8, np.zeros((20, 20), np.float32), seen, 0.1, True), **changes)


def faulty(share: float) -> np.ndarray:
    """Pictures with so many columns far from the reference."""
    seen = np.full((FEATURE_MAPS, 10, 10), 0.5)
    seen[:, :, : round(share * 10)] = 2.0
    return seen


class Follower:
    """Feeds a Drift for so many seconds at a time."""

    def __init__(self) -> None:
        self.drift = Drift(REFERENCE)
        self.frame = 0

    def drive(self, seconds: float, seen: FrameScore, *, obscured: bool = False) -> list[bool]:
        said = []
        for _ in range(round(seconds * HZ)):
            self.frame += 1
            said.append(self.drift.update(seen, self.frame / HZ, obscured=obscured))
        return said


@pytest.mark.parametrize(
    ("seen", "informative"),
    [
        (score(), True),
        (score(warmed_up=False), False),
        (score(motion=0.0), False),
        (FrameScore("dark"), False),
        (score(pcc=None), False),
    ],
)
def test_a_frame_tells_something_of_a_warmed_up_running_means_on_a_moving_car(
    seen: FrameScore, informative: bool
) -> None:
    assert seen.is_informative == informative


def test_what_three_of_four_cells_exceed_counts() -> None:
    assert distribution_shift(np.full((FEATURE_MAPS, 10, 10), 0.57), REFERENCE) == pytest.approx(0.7, abs=1e-5)
    assert distribution_shift(faulty(0.7), REFERENCE) == pytest.approx(0, abs=1e-6)
    assert distribution_shift(faulty(0.8), REFERENCE) > 10


def test_the_calibrated_world_never_drifts() -> None:
    assert not any(Follower().drive(200, score(0.53)))


def test_another_world_is_told_after_half_a_minute_of_driving_and_settles() -> None:
    follower = Follower()
    said = follower.drive(40, score(0.7))
    assert said.index(True) / HZ == pytest.approx(AVERAGED_S, abs=0.5)
    assert all(said[said.index(True) :])
    assert not follower.drive(120, score(0.5))[-1]


def test_a_world_that_changes_slowly_is_told_too() -> None:
    follower = Follower()
    follower.drive(60, score())
    said = [follower.drive(1, score(0.5 + 0.001 * second))[-1] for second in range(120)]
    assert said[-1]
    assert not any(said[: round(SHIFT_MAX * 100) - 1]), "before the picture had moved that far"


def test_a_fault_on_any_share_of_the_lens_is_no_drift_where_the_world_fitted_before() -> None:
    for share in (0.1, 0.6, 1.0):
        follower = Follower()
        assert not any(follower.drive(60, score()))
        assert not any(follower.drive(300, score(faulty(share)), obscured=True))
        assert not any(follower.drive(60, score())), "wiped"


def test_an_alarm_from_the_start_is_examined_half_a_minute_later() -> None:
    assert not any(Follower().drive(300, score(faulty(0.6)), obscured=True)), "a part of the lens"
    said = Follower().drive(60, score(0.7), obscured=True)
    assert said.index(True) / HZ == pytest.approx(AVERAGED_S, abs=0.5)


def test_short_alarms_in_an_unknown_world_add_up_to_nothing() -> None:
    follower = Follower()
    for _ in range(20):
        assert not any(follower.drive(8, score(faulty(0.9)), obscured=True))
        assert not any(follower.drive(7, score()))


def test_alarms_in_a_changed_world_do_not_hide_it() -> None:
    follower = Follower()
    follower.drive(60, score())
    said = []
    for _ in range(8):
        said += follower.drive(5, score(0.7), obscured=True) + follower.drive(10, score(0.7))
    assert said[-1]


def test_standing_dark_and_torn_stretches_count_for_nothing() -> None:
    follower = Follower()
    follower.drive(20, score(0.7))
    for seen in (score(0.7, motion=0.0), FrameScore("dark"), score(0.7, warmed_up=False)):
        assert not any(follower.drive(60, seen))
    assert any(follower.drive(12, score(0.7))), "what was driven before is kept"


def test_a_gap_and_a_clock_that_steps_back_are_no_driving() -> None:
    drift = Drift(REFERENCE)
    times_s = [0.0, 100.0, 50.0, 1e9, 3.0]
    assert not any(drift.update(score(0.9), t_s, obscured=False) for t_s in times_s)


def test_another_drive_begins_afresh() -> None:
    follower = Follower()
    assert any(follower.drive(40, score(0.7)))
    follower.drift.restart()
    assert not follower.drift.drifting
    assert not any(follower.drive(AVERAGED_S - 1, score(0.7)))
