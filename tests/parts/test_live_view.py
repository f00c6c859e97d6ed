"""The words and the picture of the live page."""

import io
from dataclasses import replace

import numpy as np
import pytest
from made_events import cells, reading
from PIL import Image

from mle_uvad.edge.alarm import AlarmState
from mle_uvad.edge.status import STATUSES
from mle_uvad.parts.live.view import WIDTH_MAX, LiveView, verdict


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_a_title_and_a_colour(status: str) -> None:
    said = replace(reading(10.0, 0.1), alarm=AlarmState(status == "obscured", int(status == "obscured"), 0.0, status))
    kind, title, _ = verdict(said, 10.1)
    assert kind == {"ok": "clear", "obscured": "obscured", "warmup": "quiet", "still": "quiet"}.get(status, "attention")
    assert title[0].isupper()


def test_an_obscured_lens_says_where_to_wipe() -> None:
    assert verdict(reading(10.0, 1.5, event_id=1), 10.1) == (
        "obscured",
        "Wipe the lens in the upper left",
        "6 % of the picture is obscured.",
    )
    by_pcc = reading(10.0, 1.5, event_id=1, heat_map=np.zeros((20, 20), np.float32))
    assert verdict(by_pcc, 10.1) == ("obscured", "Wipe the lens", "")


def test_a_lens_that_was_obscured_stays_red_while_nothing_is_decided() -> None:
    held = replace(reading(10.0, 1.5, event_id=1), alarm=AlarmState(True, 1, 9.0, "still"))
    assert verdict(held, 10.1) == ("obscured", "Wipe the lens in the upper left", "The car stands; drive.")
    assert verdict(held, 12.0)[2] == "No frame was scored within the last second; see the log of manage.py."


def test_an_old_reading_is_never_called_clear() -> None:
    assert verdict(reading(10.0, 0.1), 10.9)[:2] == ("clear", "Lens clear")
    assert verdict(reading(10.0, 0.1), 11.1)[0] == "attention"
    assert verdict(None, 0.0)[:2] == ("quiet", "Starting")


def test_the_picture_is_red_where_the_lens_is_obscured() -> None:
    view = LiveView()
    assert view.picture() is None
    view.observe(np.full((120, 160, 3), 90, np.uint8), reading(1.0, 1.5, heat_map=cells()))
    encoded = view.picture()
    assert encoded is not None
    assert view.picture() is encoded, "viewers share it"
    shown = np.asarray(Image.open(io.BytesIO(encoded))).astype(int)
    assert shown[10, 10, 0] > 160
    assert shown[10, 10, 1] < 80
    assert abs(shown[100, 100] - 90).max() < 8


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        (np.zeros((120, 160), np.uint8), (160, 120)),
        (np.zeros((120, 160, 1), np.uint8), (160, 120)),
        (np.zeros((720, 1280, 3), np.uint8), (WIDTH_MAX, 180)),
        (None, None),
        ("x", None),
        (np.zeros((120, 160, 3)), None),
        (np.zeros((0, 160, 3), np.uint8), None),
        (np.zeros((120, 160, 7), np.uint8), None),
    ],
)
def test_any_frame_gives_a_picture_or_none(frame: object, size: tuple[int, int] | None) -> None:
    view = LiveView()
    view.observe(frame, reading(1.0, 0.1))
    encoded = view.picture()
    assert (None if encoded is None else Image.open(io.BytesIO(encoded)).size) == size
    assert view.state(1.0)["picture"] == (size is not None)
