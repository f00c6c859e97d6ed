"""The page /lens of a running donkeycar Vehicle with its own web server, in Chromium and by plain requests."""

import http.client
import io
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from chromium import LAPTOP, PHONE, chromium
from made_events import ended
from PIL import Image

from mle_uvad.calibration import Calibration
from mle_uvad.edge import Bundle
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.live.view import EVENTS_SHOWN, LivePage, LiveView

if find_spec("donkeycar") is None:
    pytest.skip("needs donkeycar: pip install 'mle_uvad[donkeycar]'", allow_module_level=True)

STARTS_WITHIN_S = 60.0


class Car:
    """A running car and its web server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.page = f"http://127.0.0.1:{port}/lens"

    @contextmanager
    def wet(self) -> Iterator[None]:
        """Keep the lens wet meanwhile. It is dried also when the test fails: the other tests share the car."""
        (self.folder / "wet").touch()
        try:
            yield
        finally:
            (self.folder / "wet").unlink()

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request and return the status, the headers and the body of the reply."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        text = None if body is None else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, text, named)
        reply = connection.getresponse()
        result = reply.status, reply.headers, reply.read()
        connection.close()
        return result

    def state(self) -> Any:
        return json.loads(self.ask("GET", "/lens/state")[2])

    def token(self) -> str:
        [token] = re.findall(r'name="lens-token" content="([^"]+)"', self.ask("GET", "/lens")[2].decode())
        return str(token)

    def wait_for(self, kind: str) -> None:
        until = time.monotonic() + STARTS_WITHIN_S
        while (state := self.state())["kind"] != kind:
            assert time.monotonic() < until, state
            time.sleep(0.1)


@pytest.fixture(scope="module")
def car(
    bundle: Bundle, calibration: Calibration, clear_frames: Any, wet_frames: Any, tmp_path_factory: Any
) -> Iterator[Car]:
    """A car that drives past its scene, with a clear lens."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "lens").mkdir()
    for path in bundle.folder.iterdir():
        (folder / "lens" / path.name).write_bytes(path.read_bytes())
    _of_a_wide_reference(calibration).save(folder / "lens" / "calibration.json")
    np.save(folder / "clear.npy", np.array(clear_frames))
    np.save(folder / "wet.npy", np.array(wet_frames))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command: list[str | Path] = [sys.executable, Path(__file__).with_name("page_drive.py"), folder, str(port)]
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "output.txt").read_text()
                assert time.monotonic() < until, (folder / "output.txt").read_text()
                time.sleep(0.1)
        yield Car(folder, port)
        assert process.poll() is None, "the car must still drive"
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (folder / "output.txt").read_text()


def _of_a_wide_reference(calibration: Calibration) -> Calibration:
    """Four times the scales: the three seconds that the camera repeats would drift from the scene of the calibration.

    They would do so after half a minute of driving, sooner where a busy machine scores fewer frames a second.
    """
    reference = calibration.thresholds.reference * np.array([1, 4], np.float32).reshape(2, 1, 1, 1)
    return replace(calibration, thresholds=replace(calibration.thresholds, reference=reference))


def test_the_page_shows_a_clear_lens_an_obscured_one_and_the_way_back(car: Car, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as page:
        page.open(car.page, PHONE)
        page.wait_for("document.getElementById('title').textContent === 'Lens clear'")
        green = page.run("getComputedStyle(document.getElementById('verdict')).backgroundColor")
        assert green == "rgb(10, 122, 56)"
        page.wait_for("document.getElementById('picture').naturalWidth > 0")
        with car.wet():
            page.wait_for("document.getElementById('title').textContent === 'Wipe the lens on the left'")
            red = page.run("getComputedStyle(document.getElementById('verdict')).backgroundColor")
            assert red == "rgb(196, 18, 47)"
            page.wait_for("document.getElementById('events').innerText.includes('on the left')")
            assert page.run("document.documentElement.scrollWidth") <= PHONE[0], "it must not scroll sideways"
        page.wait_for("document.getElementById('title').textContent === 'Lens clear'")
        page.wait_for("document.getElementById('curve').getAttribute('d').length > 50")
        assert page.complaints == []
        allowed = re.compile(rf"{re.escape(car.page)}(/state|/picture\.jpg\?\d+)?")
        assert page.requested
        assert all(allowed.fullmatch(address) for address in page.requested), (
            "nothing of donkeycar's, nothing of others"
        )


# What donkeycar's page shows in the corners of its video: top left, top right, bottom left, bottom right.
COLOUR = """(() => {
  const video = document.getElementById("mpeg-image"), canvas = document.createElement("canvas");
  canvas.width = 160; canvas.height = 120;
  const drawn = canvas.getContext("2d");
  drawn.drawImage(video, 0, 0, 160, 120);
  const near = (pixel, colour) => colour.every((value, channel) => Math.abs(value - pixel[channel]) < 40);
  const shade = (x, y) => { const pixel = drawn.getImageData(x, y, 1, 1).data;
    return near(pixel, [200, 20, 20]) ? "red" : near(pixel, [10, 122, 56]) ? "green" : "none"; };
  return [shade(1, 1), shade(158, 1), shade(1, 118), shade(158, 118)].join();
})()"""


def test_the_drivers_video_has_a_tick_while_clear_and_a_badge_beside_the_fault(car: Car, tmp_path: Path) -> None:
    """The left half of the lens is wet, so the badge stands at the right; the scene decides whether above or below."""
    car.wait_for("clear")
    with chromium(tmp_path / "profile") as page:
        page.open(f"http://127.0.0.1:{car.port}/drive")
        page.wait_for("document.getElementById('mpeg-image').naturalWidth === 160")
        page.wait_for(f"{COLOUR} === 'green,none,none,none'")
        with car.wet():
            page.wait_for(f"['none,red,none,none', 'none,none,none,red'].includes({COLOUR})")
        page.wait_for(f"{COLOUR} === 'green,none,none,none'")


def test_a_calibration_is_started_and_cancelled_on_the_page(car: Car, tmp_path: Path) -> None:
    car.wait_for("clear")
    with chromium(tmp_path / "profile") as page:
        page.open(car.page, LAPTOP, "dark")
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
        page.wait_for("!document.getElementById('calibrate').disabled")
        assert page.run("document.getElementById('calibration').textContent") == "Calibrated 2026-01-01 00:00 UTC."
        page.run("document.getElementById('calibrate').click()")
        page.wait_for("document.getElementById('calibrate').textContent === 'Cancel calibration'")
        page.wait_for("document.getElementById('progress').value > 0")
        assert "calibrating" in page.run("document.getElementById('calibration').textContent")
        page.wait_for("!document.getElementById('calibrate').disabled")
        page.run("document.getElementById('calibrate').click()")
        page.wait_for("document.getElementById('calibration').textContent === 'calibration cancelled'")
        assert page.run("document.getElementById('progress').hidden")
        assert page.complaints == []


def test_only_a_post_with_the_token_of_this_run_has_an_effect(car: Car) -> None:
    token, start = car.token(), {"action": "start"}
    for status, method, body, headers in (
        (405, "GET", None, {"X_Lens_Token": token}),
        (403, "POST", start, {}),
        (403, "POST", start, {"X_Lens_Token": token[:-1]}),
        (403, "POST", start, {"X_Lens_Token": token, "Origin": "http://evil.example"}),
        (403, "POST", start, {"X_Lens_Token": token, "Origin": "null"}),
        (403, "POST", start, {"X_Lens_Token": token, "Host": "evil.example"}),
        (400, "POST", {"action": "format"}, {"X_Lens_Token": token}),
        (400, "POST", ["start"], {"X_Lens_Token": token}),
        (400, "POST", {"action": "start", "more": "x" * 1000}, {"X_Lens_Token": token}),
    ):
        got, _, text = car.ask(method, "/lens/calibration", body, **headers)
        assert got == status, (method, body, headers)
        assert b"Traceback" not in text
    time.sleep(0.3)
    assert car.state()["progress"] is None
    own = {"X_Lens_Token": token, "Origin": f"http://127.0.0.1:{car.port}"}
    assert car.ask("POST", "/lens/calibration", {"action": "cancel"}, **own)[0] == 202


@pytest.mark.parametrize("path", ["/lens", "/lens/state", "/lens/picture.jpg"])
def test_the_names_of_other_sites_are_refused(car: Car, path: str) -> None:
    for host, status in (
        (f"127.0.0.1:{car.port}", 200),
        ("donkeypi.local", 200),
        (f"[::1]:{car.port}", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("local", 200),
    ):
        got, headers, _ = car.ask("GET", path, Host=host)
        assert got == status, host
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_a_look_costs_little(car: Car) -> None:
    """A page asks for two states and at most five pictures a second."""
    car.wait_for("clear")
    kind, _, picture = car.ask("GET", "/lens/picture.jpg")
    assert kind == 200
    assert Image.open(io.BytesIO(picture)).size == (160, 120)
    assert 2 * len(car.ask("GET", "/lens/state")[2]) + 5 * len(picture) < 60_000, "bytes a second"


@pytest.mark.parametrize("wanted", [True, False])
def test_the_page_is_there_unless_the_owner_switches_it_off(
    wanted: bool, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[Any] = []

    def add_page(parts: Any, page: LivePage) -> str:
        added.append(parts)
        return ""

    monkeypatch.setattr("mle_uvad.parts.live.web.add_page", add_page)
    cfg = SimpleNamespace(CAR_PATH=tmp_path, LENS_BUNDLE=str(bundle.folder), **({} if wanted else {"LENS_PAGE": False}))
    part = MLEAnomalyPart.from_config(cfg)
    part.show_page([])
    part.shutdown()
    assert added == ([[]] if wanted else [])


def test_a_car_without_a_web_server_or_with_a_broken_one_drives_on(
    make_part: Any, caplog: pytest.LogCaptureFixture
) -> None:
    part = make_part()
    part.show_page([{"part": part}])
    assert "no page" not in caplog.text
    part.show_page([{"something": "else"}])
    assert "no page /lens: KeyError" in caplog.text


def test_donkeycars_own_pages_are_untouched(car: Car) -> None:
    assert car.ask("GET", "/drive")[0] == 200
    assert car.ask("GET", "/lens/other")[0] == 404


def test_without_a_look_nothing_is_encoded_and_nothing_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    from made_events import reading

    view = LiveView()
    monkeypatch.setattr("mle_uvad.parts.live.view._encode", lambda *_: pytest.fail("encoded for nobody"))
    frame = np.zeros((120, 160, 3), np.uint8)
    for number in range(20_000):
        view.observe(frame, reading(number / 20, 0.1))
        view.observe_event(ended(number))
    state = view.state(1000.0)
    assert len(state["history"]) == 120
    assert state["history"][0][0] == pytest.approx(60, abs=1)
    assert [event["id"] for event in state["events"]] == [*range(19_999, 19_999 - EVENTS_SHOWN, -1)]
