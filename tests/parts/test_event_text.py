"""The two lines of text of an event."""

import numpy as np
import pytest
from made_events import cells

from mle_uvad.parts.events.text import advice, cause

ALL = slice(0, 20)
LOW, MIDDLE, HIGH = slice(0, 6), slice(7, 13), slice(14, 20)


@pytest.mark.parametrize(
    ("rows", "columns", "where"),
    [
        (LOW, LOW, "in the upper left"),
        (LOW, HIGH, "in the upper right"),
        (HIGH, LOW, "in the lower left"),
        (HIGH, HIGH, "in the lower right"),
        (LOW, ALL, "at the top"),
        (HIGH, MIDDLE, "at the bottom"),
        (ALL, LOW, "on the left"),
        (MIDDLE, HIGH, "on the right"),
        (MIDDLE, MIDDLE, "in the middle"),
        (ALL, ALL, "almost everywhere"),
    ],
)
def test_where_the_lens_is_obscured(rows: slice, columns: slice, where: str) -> None:
    heat_map = cells(rows, columns)
    coverage = float((heat_map >= 1).mean())
    assert cause(coverage, heat_map) == f"The lens is obscured {where}, {round(100 * coverage)} % of the picture."


def test_two_drops_are_not_said_to_lie_between_them() -> None:
    both = cells(slice(0, 3), slice(0, 3)) + cells(slice(17, 20), slice(17, 20))
    assert cause(0.045, both) == "The lens is obscured in several places, 4 % of the picture."
    top = cells(slice(0, 3), slice(0, 3)) + cells(slice(0, 3), slice(17, 20))
    assert "at the top" in cause(0.045, top)


def test_what_is_nearly_obscured_does_not_count_and_a_speck_is_a_percent() -> None:
    heat_map = cells(slice(19, 20), slice(19, 20))
    heat_map[:10] = 0.99
    assert cause(1 / 400, heat_map) == "The lens is obscured in the lower right, 1 % of the picture."


@pytest.mark.parametrize("heat_map", [None, np.zeros((20, 20), np.float32), np.full((20, 20), 0.9, np.float32)])
def test_without_cells_it_says_what_it_knows(heat_map: np.ndarray | None) -> None:
    assert cause(0.0, heat_map) == "The lens is obscured."


@pytest.mark.parametrize(
    ("level", "action", "line"),
    [
        ("WARN", "none", "Wipe the lens; the car drives on."),
        ("WARN", "warn", "Wipe the lens; the car drives on."),
        ("ERROR", "warn", "Stop and wipe the lens; the car drives on."),
        ("WARN", "slow", "Wipe the lens; the autopilot is slowed until then."),
        ("ERROR", "stop", "Stop and wipe the lens; the autopilot stands until then."),
    ],
)
def test_what_to_do(level: str, action: str, line: str) -> None:
    assert advice(level, action) == line
