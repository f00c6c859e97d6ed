"""A car that stopped for its lens: it drives on once the lens is wiped, in donkeycar's own Vehicle."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.parts import LensLimiter, MLEAnomalyPart
from mle_uvad.parts.trial_drive import SETTLED_S, TRIAL_S, WIPE_S, TrialDrive

HZ = 20.0
PILOT = 0.6
Frame = NDArray[np.uint8]


class World:
    """A camera on a car that moves on only while it has throttle, and the person beside it."""

    def __init__(self, clock: Any, clear: list[Frame], wet: list[Frame]) -> None:
        self._clock, self._clear, self._wet = clock, clear, wet
        self._rng = np.random.default_rng(5)
        self._place = self.loop = 0
        self.wet_from, self.wiped_from = 100, 10_000  # loops
        self.hand: range = range(0)
        self.by_person: range = range(0)
        self.throttles: list[float] = []
        self.said: list[tuple[Any, ...]] = []

    def run(self, throttle: Any) -> tuple[Frame, str, float]:
        self.loop += 1
        self._clock.now_s += 1 / HZ
        self._place += bool(throttle)
        is_wet = self.wet_from <= self.loop < self.wiped_from
        frame = (self._wet if is_wet else self._clear)[self._place % len(self._clear)].astype(np.int16)
        frame = frame + self._rng.integers(-1, 2, frame.shape)  # the noise of a sensor: no two frames are equal
        if self.loop in self.hand:
            frame[:, self.loop * 7 % 100 :][:, :60] = self._rng.integers(60, 200, (120, 1, 1))
        mode = "user" if self.loop in self.by_person else "local"
        return frame.clip(0, 255).astype(np.uint8), mode, 0.0 if mode == "user" else PILOT

    def note(self, throttle: float, *said: Any) -> None:
        self.throttles.append(throttle)
        self.said.append(said)


class Notes:
    """The drive train's place: notes what it is given."""

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, throttle: float, *said: Any) -> None:
        self.world.note(throttle, *said)


def drive(world: World, part: MLEAnomalyPart, limiter: LensLimiter, loops: int) -> list[float]:
    if find_spec("donkeycar") is None:
        pytest.skip("needs donkeycar: pip install 'mle_uvad[donkeycar]'")
    from donkeycar.vehicle import Vehicle

    vehicle = Vehicle()
    vehicle.add(world, inputs=["throttle"], outputs=["cam/image_array", "user/mode", "throttle"])
    vehicle.add(part, inputs=["cam/image_array"], outputs=part.outputs)
    vehicle.add(limiter, inputs=limiter.inputs, outputs=limiter.outputs)
    vehicle.add(Notes(world), inputs=["throttle", "lens/status", "lens/obscured"])
    vehicle.start(rate_hz=10_000, max_loop_count=loops)
    return world.throttles


@pytest.fixture
def world(clock: Any, clear_frames: list[Frame], wet_frames: list[Frame]) -> World:
    there_and_back = [*clear_frames, *clear_frames[::-1]]
    return World(clock, there_and_back, [*wet_frames, *wet_frames[::-1]])


def car(make_part: Callable[[], MLEAnomalyPart], clock: Any, action: str) -> tuple[MLEAnomalyPart, LensLimiter]:
    return make_part(), LensLimiter(action, slow_throttle=0.0 if action == "slow" else 0.5, clock=clock)


@pytest.mark.parametrize("action", ["stop", "slow"])
def test_a_car_that_stopped_drives_on_after_a_hand_wiped_its_lens(
    world: World, make_part: Any, clock: Any, action: str
) -> None:
    world.hand, world.wiped_from = range(300, 340), 320
    throttles = drive(world, *car(make_part, clock, action), 600)
    assert throttles[250] == 0.0
    assert throttles[339] == 0.0, "it drove while the hand was there"
    assert set(throttles[-150:]) == {PILOT}
    assert world.said[-1] == ("ok", False)


def test_a_car_that_stopped_drives_on_after_it_was_wiped_unseen_and_handed_over(
    world: World, make_part: Any, clock: Any
) -> None:
    world.by_person, world.wiped_from = range(300, 340), 320
    throttles = drive(world, *car(make_part, clock, "stop"), 600)
    assert throttles[250] == 0.0
    assert set(throttles[-200:]) == {PILOT}
    assert world.said[-1] == ("ok", False)


@pytest.mark.parametrize("seen", [True, False])
def test_a_lens_that_is_still_wet_stops_the_car_again_within_five_seconds(
    world: World, make_part: Any, clock: Any, seen: bool
) -> None:
    world.hand, world.by_person = (range(300, 340), range(0)) if seen else (range(0), range(300, 340))
    throttles = drive(world, *car(make_part, clock, "stop"), 700)
    tried = [loop for loop, throttle in enumerate(throttles) if loop > 250 and throttle]
    assert 0 < len(tried) <= TRIAL_S * HZ + 1
    assert throttles[-100:] == [0.0] * 100


def test_a_car_beside_which_nothing_happens_stands(world: World, make_part: Any, clock: Any) -> None:
    assert set(drive(world, *car(make_part, clock, "stop"), 1500)[250:]) == {0.0}


def trial_of(*seconds: tuple[str, float, bool]) -> list[bool]:
    """Whether there is a trial after each stretch of a status, its length in seconds and who drives."""
    trial, t_s, after = TrialDrive(), 0.0, []
    for status, length_s, by_person in seconds:
        for _ in range(round(length_s * HZ)):
            t_s += 1 / HZ
            granted = trial.update(status, t_s, by_person=by_person)
        after.append(granted)
    return after


@pytest.mark.parametrize("hand", ["obscured", "dark", "flat", "warmup", "drifting"])
def test_a_disturbance_counts_as_a_wipe_if_it_lasts_and_is_over(hand: str) -> None:
    stands = ("still", 4.0, False)
    assert trial_of(stands, (hand, WIPE_S + 0.2, False), ("still", SETTLED_S + 0.2, False)) == [False, False, True]
    assert not any(trial_of(stands, (hand, WIPE_S + 0.2, False), ("still", SETTLED_S - 0.2, False)))
    assert not any(trial_of(stands, (hand, WIPE_S - 0.2, False), stands))
    assert not any(trial_of((hand, 9.0, False), stands)), "a car that comes to a stand was not wiped"


@pytest.mark.parametrize("status", ["stale", "error", "no_frame", "frozen", "calibrating", ""])
def test_a_failed_monitor_is_no_wipe(status: str) -> None:
    assert not any(trial_of(("still", 4.0, False), (status, 5.0, False), ("still", 4.0, False)))


def test_a_person_who_takes_over_ends_a_trial_and_the_handover_of_a_moving_car_begins_none() -> None:
    assert trial_of(("still", 1, True), ("still", 1, False), ("obscured", 1, True), ("obscured", 3, False)) == [
        *(False, True, False, False)
    ]
