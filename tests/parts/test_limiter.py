"""The limiter: what it changes, when the limit starts and when it ends."""

import logging
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge import InputError
from mle_uvad.edge.status import STATUSES
from mle_uvad.parts import LensLimiter

DECIDED = ("ok", "obscured", "uncalibrated")
UNDECIDED = (
    *("warmup", "still", "calibrating", "drifting"),
    *("dark", "flat", "no_frame", "frozen", "stale", "error"),
)
CLEAR, OBSCURED = (False, "ok"), (True, "obscured")
ODD: list[Any] = [None, math.nan, math.inf, -math.inf, "fast", [0.5], {}, object, 10**400, np.zeros(3), np.nan, b"\0"]


def slow() -> LensLimiter:
    return LensLimiter("slow", slow_throttle=0.5)


@pytest.mark.parametrize(
    ("action", "forward", "backward"),
    [("none", 0.6, -0.6), ("warn", 0.6, -0.6), ("slow", 0.3, -0.6), ("stop", 0.0, 0.0)],
)
def test_each_action_on_the_autopilots_throttle(action: str, forward: float, backward: float) -> None:
    limiter = LensLimiter(action)
    assert limiter.run("local", 0.6, *CLEAR) == 0.6
    assert limiter.run("local", 0.6, *OBSCURED) == forward
    assert limiter.run("local", -0.6, *OBSCURED) == backward
    assert limiter.run("local", 0.0, *OBSCURED) == 0.0
    assert limiter.run("local", 0.6, *CLEAR) == 0.6, "not let go in the loop after the part says clear"


@pytest.mark.parametrize("mode", ["user", "local_angle"])
@pytest.mark.parametrize("action", ["none", "warn", "slow", "stop"])
def test_the_users_throttle_is_never_touched(action: str, mode: str) -> None:
    limiter = LensLimiter(action)
    for said in (CLEAR, OBSCURED, (True, "stale"), (None, None)):
        for throttle in (1.0, 0.31, 0.0, -0.7, 1):
            assert limiter.run(mode, throttle, *said) == throttle


@pytest.mark.parametrize("mode", ["local", "local_pilot", "pilot", None, 3])
def test_every_other_mode_is_the_autopilots_as_drive_mode_has_it(mode: Any) -> None:
    limiter = slow()
    assert limiter.run(mode, 0.6, *OBSCURED) == 0.3


def test_a_person_who_takes_over_is_free_at_once_and_the_autopilot_is_not() -> None:
    limiter = LensLimiter("stop")
    assert [limiter.run(mode, 0.6, *OBSCURED) for mode in ("local", "user", "local")] == [0.0, 0.6, 0.0]


@pytest.mark.parametrize("status", [*UNDECIDED, None, 7])
@pytest.mark.parametrize("obscured", [True, False, None])
def test_without_a_decision_nothing_begins_and_nothing_ends(status: Any, obscured: Any) -> None:
    limiter = slow()
    assert limiter.run("local", 0.6, obscured, status) == 0.6, "an action began without a decision"
    limiter.run("local", 0.6, *OBSCURED)
    for _ in range(1000):
        assert limiter.run("local", 0.6, obscured, status) == 0.3, "the action ended without a decision"
    assert limiter.run("local", 0.6, *CLEAR) == 0.6


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_word_starts_and_ends_the_limit_exactly_if_it_decides(status: str) -> None:
    assert {*DECIDED, *UNDECIDED} == set(STATUSES)
    limiter = slow()
    assert limiter.run("local", 0.6, True, status) == (0.3 if status in DECIDED else 0.6)
    limiter.run("local", 0.6, *OBSCURED)
    assert limiter.run("local", 0.6, False, status) == (0.6 if status in DECIDED else 0.3)


def test_a_calibration_that_is_lost_during_an_event_ends_the_action() -> None:
    limiter = slow()
    limiter.run("local", 0.6, *OBSCURED)
    assert limiter.run("local", 0.6, False, "uncalibrated") == 0.6


@pytest.mark.parametrize("throttle", ODD, ids=repr)
@pytest.mark.parametrize("mode", ["user", "local"])
def test_what_is_no_finite_number_becomes_neutral(mode: str, throttle: Any) -> None:
    limiter = slow()
    for said in (CLEAR, OBSCURED):
        out = limiter.run(mode, throttle, *said)
        assert (type(out), out) == (float, 0.0)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_nothing_else_that_it_is_given_makes_it_raise(odd: Any) -> None:
    limiter = LensLimiter("stop")
    for inputs in ((odd, 0.6, True, "obscured"), ("local", 0.6, odd, "ok"), ("local", 0.6, True, odd)):
        assert math.isfinite(limiter.run(*inputs))


def test_it_tells_the_change_once(caplog: Any) -> None:
    with caplog.at_level(logging.INFO):
        limiter = LensLimiter("warn")
        for said in (CLEAR, OBSCURED, OBSCURED, CLEAR, CLEAR):
            limiter.run("user", math.nan, *said)
    assert [record.getMessage() for record in caplog.records] == [
        "the throttle is nan, which is not a number; the drive train gets 0",
        "the lens is obscured; wipe it",
        "the lens is clear again",
    ]


def test_none_says_nothing(caplog: Any) -> None:
    limiter = LensLimiter("none")
    for said in (CLEAR, OBSCURED, CLEAR):
        limiter.run("local", 0.5, *said)
    assert not caplog.records


def test_it_is_built_from_the_cars_settings() -> None:
    limiter = LensLimiter.from_config(SimpleNamespace(LENS_ACTION="slow", LENS_SLOW_THROTTLE=0.25))
    assert limiter.run("local", 0.8, *OBSCURED) == pytest.approx(0.2)
    assert LensLimiter.from_config(SimpleNamespace()).run("local", 0.8, *OBSCURED) == 0.8
    assert type(LensLimiter.inputs) is type(LensLimiter.outputs) is list
    assert hash(limiter) == hash(limiter)


@pytest.mark.parametrize(("action", "share"), [("slwo", 0.5), (None, 0.5), ("slow", 1.5), ("slow", math.nan)])
def test_a_bad_setting_raises_before_the_car_moves(action: Any, share: float) -> None:
    with pytest.raises(InputError, match=r"LENS_\w+ is"):
        LensLimiter(action, slow_throttle=share)
