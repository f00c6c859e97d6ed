"""`mle-uvad report`: the page of a car, a log and a tub, opened in Chromium."""

import base64
import io
import json
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import LAPTOP, PHONE, chromium
from made_events import ended, snapshot
from PIL import Image

from mle_uvad.calibration import Calibration
from mle_uvad.drive_report.sources import find_sources
from mle_uvad.parts.events.event import Event
from mle_uvad.parts.events.log import EventLog

pytest.importorskip("jinja2", reason="needs jinja2: pip install 'mle_uvad[report]'")
needs_mcap = pytest.mark.skipif(find_spec("mcap") is None, reason="needs mcap: pip install 'mle_uvad[mcap]'")

HOSTILE = "<script>document.title = 'taken'</script>\"'><img src=x onerror=\"document.title='taken'\">{{ 7 * 7 }}"


def write_log(path: Path, *events: Event) -> Path:
    log = EventLog(path)
    for event in events:
        log.write(event, snapshot(event.id))
    log.close()
    return path


def with_lens_fields(tub: Path, **changes: Any) -> Path:
    """Add to each record of a tub what the part says: obscured from the fifth record to the eighth."""
    catalog = tub / "catalog_0.catalog"
    lines = []
    for number, text in enumerate(catalog.read_text().splitlines()):
        wet = 5 <= number < 9
        lens = {
            "lens/pcc": 0.9,
            "lens/obscured": wet,
            "lens/coverage": 0.25 * wet,
            "lens/event_id": int(wet),
            "lens/status": "obscured" if wet else "ok",
        }
        lines.append(json.dumps(json.loads(text) | lens | changes) + "\n")
    catalog.write_text("".join(lines))
    return tub


@pytest.fixture
def car(make_tub: Callable[..., Path], stand_in_car: Path, calibration: Calibration) -> Path:
    """A car with a recorded drive, two logged events and a calibration."""
    calibration.save(stand_in_car / "models" / "lens" / "calibration.json")
    write_log(
        stand_in_car / "logs" / "lens_events.db",
        ended(1, versions='{"mle_uvad": "0.0.1", "numpy": "1.26.4"}', cleared_by="wiped"),
        ended(2, worst_level="ERROR", cause="The lens is obscured in the upper left, 9 % of the picture."),
    )
    with_lens_fields(make_tub(40)).rename(stand_in_car / "data")
    return stand_in_car


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_of_a_car_opens_in_chromium(
    run: Any, car: Path, tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    out = tmp_path / "out" / "report.html"
    outcome = run("report", car, "--out", out)
    assert outcome.code == 0, outcome
    assert f"{out}: 1 drive, 2 logged events" in outcome.out
    with chromium(tmp_path / "profile") as page:
        page.open(out.as_uri(), size, scheme)
        text = page.run("document.body.innerText")
        for expected in (
            "The lens was obscured 2 times, 10.0\xa0% of the recorded frames.",
            "The lens is obscured in the upper left, 9 % of the picture.",
            "Wipe the lens; the car drives on.",
            "wiped",
            "1 false alarm an hour",
            "0.0.1",
            "1.26.4",
        ):
            assert expected in text
        assert page.run("[...document.images].map(i => i.complete && i.naturalWidth > 0)") == [True] * 6
        assert page.run("document.querySelectorAll('svg.track path').length") == 3
        shades = page.run(
            "[...document.querySelectorAll('svg.track .shade')].map(s => s.getBoundingClientRect().width)"
        )
        assert len(shades) == 3
        assert min(shades) > 5
        assert page.run("document.documentElement.scrollWidth") <= size[0], "it must not scroll sideways"
        dark = page.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
        assert dark == (scheme == "dark")
        assert page.requested == [out.as_uri()], "it loads nothing"
        assert page.complaints == []


def test_text_from_a_log_is_shown_and_never_run(run: Any, tmp_path: Path) -> None:
    hostile = ended(
        1,
        cause=HOSTILE,
        advice=HOSTILE,
        began_at=HOSTILE,
        cleared_by=HOSTILE,
        state="ended",
        calibrated_at=HOSTILE,
        model_sha256=HOSTILE,
        versions=json.dumps({HOSTILE: HOSTILE}),
    )
    log = write_log(tmp_path / "logs" / "lens.db", hostile)
    shutil.copy(log, tmp_path / "logs" / f"{HOSTILE[:8]}.db")
    out = tmp_path / "report.html"
    assert run("report", tmp_path / "logs" / f"{HOSTILE[:8]}.db", "--out", out).code == 0
    assert "<script" not in out.read_text()
    with chromium(tmp_path / "profile") as page:
        page.open(out.as_uri())
        assert HOSTILE in page.run("document.body.innerText")
        assert page.run("document.title") == f"Lens report: {HOSTILE[:8]}.db"
        assert page.run("document.scripts.length") == 0
        assert page.complaints == []


@pytest.mark.parametrize(
    "changes",
    [
        {"lens/status": HOSTILE, "user/mode": HOSTILE, "user/throttle": HOSTILE},
        {"lens/pcc": HOSTILE, "lens/coverage": [1], "lens/obscured": "yes", "lens/event_id": HOSTILE},
        {"lens/coverage": 1e308, "lens/pcc": -1e308, "user/throttle": 10**400, "lens/event_id": 10**400},
    ],
)
def test_fields_of_a_tub_of_another_kind_are_left_out(
    changes: dict[str, Any], run: Any, make_tub: Callable[..., Path], tmp_path: Path
) -> None:
    tub, out = with_lens_fields(make_tub(12), **changes), tmp_path / "report.html"
    assert run("report", tub, "--out", out).code == 0
    page = out.read_text()
    assert "taken" not in page
    assert "308" not in page


def test_a_tub_alone_shows_its_events_with_their_pictures(
    run: Any, make_tub: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    assert run("report", with_lens_fields(make_tub(20)), "--out", out).code == 0
    page = out.read_text()
    assert "The lens was obscured 1 time," in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert "25 %" in page


def test_scores_add_the_evidence_to_a_drive_without_the_part(
    run: Any,
    make_tub: Callable[..., Path],
    bundle_folder: Path,
    calibration: Calibration,
    stand_in_car: Path,
    tmp_path: Path,
) -> None:
    calibration.save(bundle_folder / "calibration.json")
    tub, scores, out = make_tub(200), tmp_path / "scores.csv", tmp_path / "report.html"
    assert run("score", tub, "--bundle", bundle_folder, "--out", scores).code == 0
    assert run("report", tub, "--out", out).code == 0
    assert 'aria-label="evidence"' not in out.read_text()
    assert run("report", tub, "--out", out, "--scores", scores).code == 0
    assert 'aria-label="evidence"' in out.read_text()
    tub.rename(stand_in_car / "data")
    assert run("report", stand_in_car, "--out", out, "--scores", scores).code == 0
    assert 'aria-label="evidence"' in out.read_text()


def test_a_tub_is_written_for_foxglove_too(run: Any, make_tub: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("mcap", reason="needs mcap: pip install 'mle_uvad[mcap]'")
    out = tmp_path / "drive.mcap"
    outcome = run("report", with_lens_fields(make_tub(12)), "--out", tmp_path / "report.html", "--mcap", out)
    assert outcome.code == 0, outcome
    assert f"{out}: 12 images of 12 records" in outcome.out


def test_scores_of_another_drive_are_refused(run: Any, make_tub: Callable[..., Path], tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    scores.write_text("index,timestamp_ms,status,pcc,evidence,coverage,obscured,event_id\n0,5,ok,0.9,0.1,0,0,0\n")
    line = run("report", make_tub(12), "--out", tmp_path / "report.html", "--scores", scores).error_line
    assert "the scores are of another drive" in line


def test_all_tubs_of_a_car_are_shown_by_time(
    run: Any, make_tub: Callable[..., Path], stand_in_car: Path, tmp_path: Path
) -> None:
    for name in ("tub_10", "tub_2"):
        tub = with_lens_fields(make_tub(12, name=name))
        tub.rename(stand_in_car / name)
    (stand_in_car / "data").mkdir()
    (stand_in_car / "tub_2").rename(stand_in_car / "data" / "tub_2")
    catalog = stand_in_car / "tub_10" / "catalog_0.catalog"
    catalog.write_text(catalog.read_text().replace('"_timestamp_ms": 17', '"_timestamp_ms": 18'))
    (stand_in_car / "tub_10").rename(stand_in_car / "data" / "tub_10")
    out = tmp_path / "report.html"
    outcome = run("report", stand_in_car, "--out", out)
    assert "2 drives" in outcome.out
    page = out.read_text()
    assert page.index("2027-01-15") < page.index("2023-11-14"), "the newest first"
    assert page.count("Not in this report:") == 2, "there is neither a log nor a calibration"


def test_the_tubs_of_a_car_are_those_that_other_commands_find(
    make_tub: Callable[..., Path], stand_in_car: Path
) -> None:
    for number in (2, 10):
        make_tub(3, name=f"{stand_in_car.name}/data/tub_{number}")
    (stand_in_car / "data" / "tub_2" / "manifest.json").unlink()  # not copied from the car, or never written
    assert [tub.folder.name for tub in find_sources(stand_in_car).tubs] == ["tub_2", "tub_10"]


def test_a_status_that_changes_every_frame_does_not_blow_up_the_page(
    run: Any, make_tub: Callable[..., Path], tmp_path: Path
) -> None:
    tub = make_tub(1)
    record = json.loads((tub / "catalog_0.catalog").read_text())
    with (tub / "catalog_0.catalog").open("w") as file:
        for index in range(20_000):
            wet = index % 2 == 1
            image = f"{index}_cam_image_array_.jpg"
            if index:
                os.link(tub / "images" / record["cam/image_array"], tub / "images" / image)
            changed = {"_index": index, "_timestamp_ms": record["_timestamp_ms"] + 50 * index, "lens/obscured": wet}
            changed["cam/image_array"] = image
            changed |= {"lens/status": "obscured" if wet else "ok", "lens/event_id": index * wet}
            file.write(json.dumps(record | changed) + "\n")
    out = tmp_path / "report.html"
    assert run("report", tub, "--out", out).code == 0
    assert "The newest 100 of 10000." in out.read_text()
    assert out.stat().st_size < 2_000_000


def test_a_drive_is_split_at_a_pause(run: Any, make_tub: Callable[..., Path], tmp_path: Path) -> None:
    tub = make_tub(12, hz=1 / 61)
    assert "12 drives" in run("report", tub, "--out", tmp_path / "report.html").out


def test_a_snapshot_outside_its_folder_is_not_taken(run: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    snapshot_file = tmp_path / "logs" / "lens_events" / "000001.jpg"
    log = write_log(tmp_path / "logs" / "lens.db", ended(1, picture=str(secret), heat_map="../secret.jpg"))
    secret.write_bytes(snapshot_file.read_bytes())
    snapshot_file.unlink()
    snapshot_file.symlink_to(secret)
    log = write_log(log, ended(2, picture="lens_events/000001.jpg", heat_map=""))
    out = tmp_path / "report.html"
    assert run("report", log, "--out", out).code == 0
    assert "data:image" not in out.read_text()


def test_only_the_newest_events_are_shown(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mle_uvad.drive_report.page.EVENTS_SHOWN", 2)
    log = write_log(tmp_path / "logs" / "lens.db", ended(1), ended(2), ended(3))
    out = tmp_path / "report.html"
    assert run("report", log, "--out", out).code == 0
    page = out.read_text()
    assert "The newest 2 of 3." in page
    assert ("Event 1 " in page, "Event 2 " in page, "Event 3 " in page) == (False, True, True)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nowhere",), "there is nothing at nowhere; give a car's folder"),
        ((".", "--out", "lens.db"), "lens.db is no HTML file; give --out a name that ends with .html"),
        (("empty",), "no Donkeycar v2 tub: empty is empty"),
        (("car",), "has neither a recorded drive nor an event log; drive first"),
        pytest.param(("car", "--mcap", "manage.py"), "manage.py is no MCAP file", marks=needs_mcap),
        (("car", "--scores", "x.csv"), "has neither a recorded drive"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], line: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "car").mkdir()
    (tmp_path / "car" / "config.py").touch()
    assert line in run("report", *arguments).error_line
    assert not (tmp_path / "report.html").exists()


def test_scores_of_something_else_are_one_line(run: Any, make_tub: Callable[..., Path], tmp_path: Path) -> None:
    tub, scores, out = make_tub(12), tmp_path / "scores.csv", tmp_path / "report.html"
    scores.write_text("a,b\n1,2\n")
    assert (
        "holds no scores (its first line is not index,timestamp_ms,"
        in run("report", tub, "--out", out, "--scores", scores).error_line
    )
    scores.write_text("index,timestamp_ms,status,pcc,evidence,coverage,obscured,event_id\n0,0,ok,x,,,0,0\n")
    assert "holds no scores (could not convert" in run("report", tub, "--out", out, "--scores", scores).error_line
    scores.write_bytes(b"\xff\xfe\x00")
    assert "holds no scores" in run("report", tub, "--out", out, "--scores", scores).error_line
    assert "belongs to one tub" in run("report", write_log(tmp_path / "l.db"), "--scores", scores).error_line


def test_heat_maps_lie_over_the_frame_as_red(tmp_path: Path) -> None:
    from mle_uvad.drive_report.pictures import HEAT, heat_map_uri

    stored = np.zeros((120, 160), np.uint8)  # as a snapshot's
    stored[0, 0] = 255
    Image.fromarray(stored).save(tmp_path / "map.png")
    uri = heat_map_uri(tmp_path / "map.png")
    assert uri is not None
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    assert tuple(shown[0, 0]) == (*HEAT, 178)
    assert shown.shape == (120, 160, 4)
    assert not shown.reshape(-1, 4)[1:, 3].any()
