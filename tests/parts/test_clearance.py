"""How an event ended."""

from collections.abc import Callable

import numpy as np
import pytest
from made_events import cells, reading

from mle_uvad.parts.events.clearance import STAYS_CLEAR_S, ClearanceClassifier, same_cells

HZ = 20


def classify(
    evidence_at: Callable[[float], float], seconds: float, classifier: ClearanceClassifier | None = None
) -> tuple[str, float]:
    """Return the label and its time; an empty label and the end when there is none."""
    classifier = classifier or ClearanceClassifier()
    for frame in range(round(seconds * HZ)):
        t_s = frame / HZ
        if label := classifier.update(reading(t_s, evidence_at(t_s)).evidence, t_s):
            return label, t_s
    return "", seconds


def falling(over_s: float) -> Callable[[float], float]:
    """Return evidence that stays at 1.4 for ten seconds and then falls linearly to 0.3."""
    return lambda t_s: float(np.interp(t_s, [10, 10 + over_s], [1.4, 0.3]))


@pytest.mark.parametrize(("over_s", "label"), [(0.1, "wiped"), (2, "wiped"), (20, "faded"), (60, "faded")])
def test_a_wipe_is_quick_and_a_drop_dries_slowly(over_s: float, label: str) -> None:
    said, at_s = classify(falling(over_s), 200)
    assert said == label
    below_s = 10 + over_s * (1.4 - 0.8) / (1.4 - 0.3)
    assert at_s == pytest.approx(below_s + STAYS_CLEAR_S, abs=0.11)


def test_evidence_that_has_long_come_down_and_shakes_at_the_threshold_is_no_wipe() -> None:
    def shaking(t_s: float) -> float:
        slow = float(np.interp(t_s, [10, 50], [1.8, 0.3]))
        return slow + (0.15 if t_s % 2 < 1 else -0.15)

    assert classify(shaking, 100)[0] == "faded"


def test_nothing_is_returned_before_it_has_stayed_clear() -> None:
    assert classify(lambda t_s: 1.4 if t_s % 4 < 1 else 0.2, 100)[0] == ""


def test_a_moment_above_the_clear_level_but_below_the_threshold_does_no_harm() -> None:
    assert classify(lambda t_s: 1.4 if t_s < 5 else 0.95 if 7 < t_s < 7.2 else 0.2, 20)[0] == "wiped"


def test_only_informative_frames_count_so_a_car_may_stand_while_it_is_wiped() -> None:
    classifier = ClearanceClassifier()
    assert classify(lambda _: 1.4, 5, classifier)[0] == ""
    for second in range(5, 600):  # it stands; the evidence is held
        assert classifier.update(reading(second, 1.4, status="still").evidence, second) == ""
    said = [classifier.update(reading(600 + n / HZ, 0.3).evidence, 600 + n / HZ) for n in range(round(6 * HZ))]
    assert said.index("wiped") / HZ == pytest.approx(STAYS_CLEAR_S, abs=0.11)


def test_a_gap_between_frames_does_not_count_either() -> None:
    classifier = ClearanceClassifier()
    classify(lambda _: 1.4, 5, classifier)
    assert classifier.update(reading(100, 0.2).evidence, 100) == ""
    assert classifier.update(reading(200, 0.2).evidence, 200) == ""


def test_cells_are_the_same_when_half_of_the_fewer_are_common() -> None:
    one = cells(slice(0, 4), slice(0, 4))
    assert same_cells(one, one)
    assert same_cells(one, cells(slice(0, 20), slice(0, 20)))
    assert same_cells(one, cells(slice(0, 4), slice(2, 6)))
    assert not same_cells(one, cells(slice(0, 4), slice(3, 7)))
    assert not same_cells(one, cells(slice(10, 20), slice(10, 20)))
    assert not same_cells(one, np.zeros((20, 20), np.float32))
    assert not same_cells(np.zeros((20, 20), np.float32), np.zeros((20, 20), np.float32))
    assert not same_cells(None, one)
