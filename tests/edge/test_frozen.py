"""A camera that hands out one frame for ever: when it is called frozen, and when it is again trusted."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mle_uvad.edge.evidence import FROZEN_AFTER_S, FROZEN_FRAMES, Evidence, EvidenceState, Thresholds
from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE, REFERENCE_SIDE
from mle_uvad.edge.scorer import FrameScore

# By the PCC alone: what is frozen is told by it, whatever the cells say.
REFERENCE = np.ones((2, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE), np.float32)
NOWHERE = np.zeros((GRID_SIDE, GRID_SIDE), np.float32)
THRESHOLDS = Thresholds(
    (0.5, 0.7, 0.9), np.stack([NOWHERE, NOWHERE]), excess=(math.inf, math.inf), averaging_s=1.0, reference=REFERENCE
)


def feed(evidence: Evidence, pccs: list[float], start_s: float = 0.0, hz: float = 20.0) -> list[EvidenceState]:
    return [evidence.update(FrameScore("ok", pcc, NOWHERE), start_s + i / hz) for i, pcc in enumerate(pccs)]


def jitter(pcc: float, count: int) -> list[float]:
    """No two neighbours are equal, as of a live camera."""
    return [pcc + 1e-6 * (i % 2) for i in range(count)]


def test_a_restart_forgets_the_last_frame_too() -> None:
    evidence = Evidence(THRESHOLDS)
    feed(evidence, [0.7] * 3)
    evidence.restart()
    # Ten equal frames within a tenth of a second: too short to be frozen, however long ago the last drive was.
    assert {state.status for state in feed(evidence, [0.7] * 10, start_s=9.0, hz=100.0)} == {"warmup"}


@pytest.mark.parametrize("hz", [5.0, 20.0, 60.0, 200.0])
def test_a_camera_is_frozen_after_ten_equal_frames_and_half_a_second(hz: float) -> None:
    states = feed(Evidence(THRESHOLDS), [*jitter(0.6, 40), *[0.7] * 150], hz=hz)
    frozen = [state.status for state in states].index("frozen") - 40 + 1  # the n-th equal frame
    needed = max(FROZEN_FRAMES, math.ceil(FROZEN_AFTER_S * hz) + 1)
    assert abs(frozen - needed) <= (1 if needed > FROZEN_FRAMES else 0)  # the clock of the test rounds
    assert {state.status for state in states[40 + frozen :]} == {"frozen"}


def test_a_frozen_camera_keeps_the_evidence() -> None:
    evidence = Evidence(THRESHOLDS)
    clear = feed(evidence, jitter(0.7, 60))[-1]
    states = feed(evidence, [0.3] * 100, start_s=3.0)
    held = [state for state in states if state.status == "frozen"]
    assert len(held) > 80
    assert {state.value for state in held} == {states[100 - len(held) - 1].value}
    assert held[0].value > clear.value


def test_healthy_repeats_never_freeze() -> None:
    for repeats in (2, 3):
        pccs = [0.7 + 1e-5 * (i // repeats % 5) for i in range(400)]
        assert "frozen" not in {state.status for state in feed(Evidence(THRESHOLDS), pccs)}


def test_the_first_frame_that_differs_ends_it() -> None:
    evidence = Evidence(THRESHOLDS)
    feed(evidence, jitter(0.6, 40))
    assert feed(evidence, [0.7] * 20, start_s=2.0)[-1].status == "frozen"
    assert feed(evidence, [0.7001], start_s=3.0)[0].status == "ok"
    after_nine = feed(evidence, [0.7002] * 9, start_s=3.05)
    assert {state.status for state in after_nine} == {"ok"}


def test_a_frozen_camera_is_told_without_thresholds_too() -> None:
    assert feed(Evidence(None), [0.7] * 60)[-1].status == "frozen"


def test_after_a_long_freeze_the_average_starts_afresh() -> None:
    evidence = Evidence(THRESHOLDS)
    feed(evidence, [*jitter(0.3, 40), *[0.3] * 100])  # nothing new for more than a gap
    state = feed(evidence, [0.7], start_s=7.0)[0]
    assert (state.status, state.value) == ("warmup", pytest.approx(0.0, abs=1e-6))


def test_a_camera_that_freezes_on_a_standing_car_is_frozen_and_not_still() -> None:
    evidence = Evidence(replace(THRESHOLDS, excess=(1.0, 1.0)))
    scores = [FrameScore("ok", 0.7, NOWHERE, motion=0.0, warmed_up=True)] * 20
    states = [evidence.update(score, i / 20) for i, score in enumerate(scores)]
    assert [state.status for state in states] == ["still"] * 10 + ["frozen"] * 10
