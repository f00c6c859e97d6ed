"""The mark on the web page: drawn into a copy, beside the fault, at next to no cost while the lens is clear."""

import math
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.status import STATUSES
from mle_uvad.parts import LensOverlay
from mle_uvad.parts import overlay as overlay_module

CLEAR_MS_MAX = 0.3
MARKED = [
    (True, "obscured"),
    (True, "frozen"),
    *(
        (False, status)
        for status in (
            "uncalibrated",
            "calibrating",
            "drifting",
            "dark",
            "flat",
            "no_frame",
            "frozen",
            "stale",
            "error",
        )
    ),
]


@pytest.fixture
def picture(rng: np.random.Generator) -> Any:
    frame = rng.integers(60, 120, (120, 160, 3), np.uint8)
    frame.flags.writeable = False
    return frame


@pytest.mark.parametrize("said", [(False, "still"), (False, "warmup"), (None, None), (False, None), (True, None)])
def test_the_very_picture_comes_back_when_there_is_nothing_to_say(said: Any, picture: Any) -> None:
    assert LensOverlay().run(picture, *said) is picture


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_word_but_two_is_labelled(status: str, picture: Any) -> None:
    assert (LensOverlay().run(picture, False, status) is picture) == (status in ("warmup", "still"))


def test_a_clear_lens_has_a_small_green_sign(picture: Any) -> None:
    shown = LensOverlay().run(picture, False, "ok")
    changed = (shown != picture).any(2)
    assert changed[:13, :13].all()
    assert changed.sum() == 13 * 13
    green = shown[0, 0].astype(int)
    assert green[1] > 2 * max(green[0], green[2])
    assert (shown[:13, :13] == 255).all(2).any(), "the tick"


def heat_map(rows: slice, columns: slice) -> Any:
    cells = np.zeros((20, 20), np.float32)
    cells[rows, columns] = 1
    return cells


ALL = slice(None)
FAULTS = {
    "upper left": heat_map(slice(0, 7), slice(0, 7)),
    "upper right": heat_map(slice(0, 7), slice(13, 20)),
    "lower left": heat_map(slice(13, 20), slice(0, 7)),
    "top": heat_map(slice(0, 5), ALL),
    "bottom": heat_map(slice(15, 20), ALL),
    "left": heat_map(ALL, slice(0, 5)),
    "right": heat_map(ALL, slice(15, 20)),
    "middle": heat_map(slice(8, 13), slice(8, 13)),
}


def hidden_share(shown: Any, picture: Any, cells: Any) -> float:
    """The share of the fault that the label hides."""
    fault = cells.repeat(picture.shape[0] // 20, 0).repeat(picture.shape[1] // 20, 1) >= 1
    return float((shown != picture).any(2)[fault].mean())


@pytest.mark.parametrize("shape", [(120, 160, 3), (240, 320, 3), (480, 640, 3)])
@pytest.mark.parametrize("where", FAULTS)
def test_the_badge_stands_beside_the_fault(where: str, shape: Any) -> None:
    picture, cells = np.full(shape, 90, np.uint8), FAULTS[where]
    shown = LensOverlay().run(picture, True, "obscured", "", float(cells.mean()), cells)
    assert (shown != picture).any()
    assert hidden_share(shown, picture, cells) == 0


def test_the_badge_avoids_what_may_become_a_fault_too() -> None:
    picture, cells = np.full((120, 160, 3), 90, np.uint8), FAULTS["top"].copy()
    cells[17:, :8] = 0.9
    shown = LensOverlay().run(picture, True, "obscured", "", 0.25, cells)
    assert (shown[-2:, -2:] != 90).all(), "it stands at the lower right"


def test_the_badge_names_place_and_size(picture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    draw = overlay_module._draw

    def noting(text: str, *colours: Any) -> Any:
        drawn.append(text)
        return draw(text, *colours)

    monkeypatch.setattr(overlay_module, "_draw", noting)
    scattered = np.zeros((20, 20), np.float32)
    scattered[::19, ::19] = 1
    for coverage, cells, status in (
        (0.1225, FAULTS["upper left"], "obscured"),
        (0.25, FAULTS["bottom"], "still"),
        (0.8, np.ones((20, 20), np.float32), "obscured"),
        (0.01, scattered, "obscured"),
        (0.0, np.zeros((20, 20), np.float32), "obscured"),
        (0.0, None, "obscured"),
    ):
        shown = LensOverlay().run(picture, True, status, "", coverage, cells)
        assert (shown == picture)[:, -2:].all() or (shown == picture)[:, :2].all(), "the label is cut"
    assert drawn == [
        "wipe upper left, 12 %",
        "wipe bottom, 25 %\nlens still",
        "wipe everywhere, 80 %",
        "wipe several places, 1 %",
        "wipe the lens",
        "wipe the lens",
    ]


def test_the_badge_stays_until_another_corner_is_clearly_better() -> None:
    picture, overlay = np.full((120, 160, 3), 90, np.uint8), LensOverlay()

    def is_at_the_top(cells: Any) -> bool:
        return bool((overlay.run(picture, True, "obscured", "", 0.1, cells)[:12] != 90).any())

    assert not is_at_the_top(FAULTS["top"])
    assert not is_at_the_top(FAULTS["middle"]), "it moved without need"
    assert is_at_the_top(FAULTS["bottom"])
    assert is_at_the_top(FAULTS["left"])
    overlay.run(picture, False, "dark")
    assert is_at_the_top(FAULTS["middle"])
    overlay.run(picture, True, "obscured", "", 0.25, FAULTS["left"])
    assert (overlay.run(picture, True, "obscured", "", 1.0, FAULTS["middle"])[0, -1] != 90).all(), "a wider one moved"


@pytest.mark.parametrize("said", MARKED)
def test_the_mark_is_in_a_copy_at_the_top_left(said: Any, picture: Any) -> None:
    before = picture.copy()
    shown = LensOverlay().run(picture, *said)
    assert (picture == before).all()
    assert shown.shape == picture.shape
    assert shown.dtype == np.uint8
    changed = (shown != picture).any(2)
    assert changed[:12, :40].mean() > 0.9
    assert not changed[36:].any()
    paper = shown[0, 0].astype(int)
    assert (paper[1] < 60) == said[0], "an obscured lens is red, all else is yellow"
    spread = shown[:12, :40].reshape(-1, 3).std(0)
    assert spread.max() > 20, "there is no text in the mark"


def test_how_a_calibration_goes_stands_there_even_when_all_is_well(picture: Any) -> None:
    overlay = LensOverlay()

    def rows(*said: Any) -> int:
        return int((overlay.run(picture, *said) != picture).any(2).any(1).sum())

    assert overlay.run(picture, False, "still", "") is picture
    assert overlay.run(picture, False, "still", None) is picture
    one_line = rows(False, "ok", "calibrating 43 %")
    assert 8 <= one_line <= 20
    assert rows(True, "obscured", "calibrating 43 %") > 1.5 * one_line, "the alarm and the news"
    assert rows(False, "ok", "not calibrated: the car stood for 90 s, at 2%; calibrate while driving") > 2 * one_line
    assert rows(False, "ok", "long " * 200) < 120, "some of the picture is left"
    shares = {overlay.run(picture, False, "ok", f"calibrating {share} %").tobytes() for share in range(100)}
    assert len(shares) == 100


def test_different_words_look_different(picture: Any) -> None:
    overlay = LensOverlay()
    assert len({overlay.run(picture, *said).tobytes() for said in MARKED}) == len(MARKED)


@pytest.mark.parametrize("shape", [(120, 160), (120, 160, 1), (480, 640, 3), (5, 7, 3), (1, 1), (2, 300, 1)])
def test_pictures_of_any_size_and_one_channel(shape: Any) -> None:
    picture = np.full(shape, 90, np.uint8)
    shown = LensOverlay().run(picture, True, "obscured")
    assert shown.shape == shape
    assert (shown != picture).any()


def test_letters_grow_with_the_picture() -> None:
    def marked(height: int) -> int:
        picture = np.full((height, height, 3), 90, np.uint8)
        return int((LensOverlay().run(picture, True, "obscured") != picture).any(2).sum())

    assert marked(480) == pytest.approx(16 * marked(120), rel=0.2)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "x",
        np.asarray(None),
        np.zeros((120, 160, 3), np.float32),
        np.zeros((120, 160, 4), np.uint8),
        np.zeros((0, 160, 3), np.uint8),
    ],
    ids=lambda odd: str(getattr(odd, "shape", odd)),
)
def test_what_is_no_picture_comes_back_as_it_is(odd: Any) -> None:
    assert LensOverlay().run(odd, True, "obscured") is odd


@pytest.mark.parametrize("coverage", [None, "x", math.nan, math.inf, 1e308, -1, [0.1]])
@pytest.mark.parametrize(
    "cells",
    [None, "x", np.ones(400), np.ones((0, 20)), np.ones((2, 20, 20)), np.full((20, 20), "x"), FAULTS["top"]],
    ids=lambda odd: str(getattr(odd, "shape", odd)),
)
def test_an_unknown_place_or_size_of_the_fault_is_left_out(coverage: Any, cells: Any, picture: Any) -> None:
    shown = LensOverlay().run(picture, True, "obscured", "", coverage, cells)
    at_the_bottom = cells is FAULTS["top"]
    plain = LensOverlay().run(picture, True, "obscured")
    assert (shown[-12:] != picture[-12:]).any() if at_the_bottom else (shown == plain).all()


def test_odd_words_do_no_harm_and_do_not_pile_up(picture: Any) -> None:
    overlay = LensOverlay()
    for number in range(200):
        overlay.run(picture, False, f"{number} größer\n\0 als \N{SNOWMAN} erlaubt ist und noch viel länger")
    for obscured in (np.zeros(3), "yes", 1):
        overlay.run(picture, obscured, "dark")
    assert len(overlay._labels) <= 32


def test_the_action_none_shows_nothing(picture: Any) -> None:
    assert LensOverlay.from_config(SimpleNamespace(LENS_ACTION="none")).run(picture, *MARKED[0]) is picture
    assert LensOverlay.from_config(SimpleNamespace()).run(picture, *MARKED[0]) is not picture


def test_a_clear_picture_costs_next_to_nothing(picture: Any) -> None:
    overlay = LensOverlay()
    started_s = time.thread_time()
    for _ in range(100):
        overlay.run(picture, False, "ok")
    assert (time.thread_time() - started_s) * 1e3 / 100 < CLEAR_MS_MAX


def test_the_page_says_how_a_car_that_stands_obscured_gets_going() -> None:
    image = np.full((120, 160, 3), 90, np.uint8)
    quiet, stops = (LensOverlay.from_config(SimpleNamespace(LENS_ACTION=action)) for action in ("warn", "stop"))
    assert (stops.run(image, True, "still") != quiet.run(image, True, "still")).any()
    for said in ((True, "obscured"), (False, "dark"), (False, "ok")):
        assert (stops.run(image, *said) == quiet.run(image, *said)).all()
