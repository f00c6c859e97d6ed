"""Steps between frames: gaps, and the clock that stops while the car stands."""

import pytest

from mle_uvad.edge.driving import GAP_S, DrivingClock, continuous_s, is_gap


@pytest.mark.parametrize(("step_s", "gap"), [(0.0, False), (0.05, False), (GAP_S, False), (2.01, True), (-0.01, True)])
def test_a_long_step_and_a_step_back_are_gaps(step_s: float, gap: bool) -> None:
    assert is_gap(step_s) is gap
    assert continuous_s(step_s) == (0.0 if gap else step_s)


def test_the_clock_stops_while_the_car_stands() -> None:
    clock = DrivingClock()
    assert clock.update(1.0, stationary=False) == 1.0
    assert clock.update(1.5, stationary=True) == 1.0
    assert clock.update(2.0, stationary=False) == 1.5


@pytest.mark.parametrize("step_s", [60.0, -5.0])
def test_a_gap_counts_in_full_even_while_the_car_stands(step_s: float) -> None:
    clock = DrivingClock()
    clock.update(1.0, stationary=False)
    assert clock.update(1.0 + step_s, stationary=True) == 1.0 + step_s


def test_a_restart_begins_at_0() -> None:
    clock = DrivingClock()
    clock.update(1.0, stationary=False)
    clock.restart()
    assert clock.update(0.5, stationary=False) == 0.5
