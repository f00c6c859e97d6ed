"""`mle-uvad events`: listing, filtering and exporting events."""

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_events import EVENT, ended, snapshot

from mle_uvad.parts.events.event import COLUMNS, read_events
from mle_uvad.parts.events.log import EventLog

FIRST = ended(1, began_at="2026-01-02T03:04:05.678+00:00", cleared_by="wiped", frames=50)
SECOND = ended(2, began_at="2026-01-03T00:00:00.000+00:00", worst_level="ERROR", worst_picture="", pcc=None)
THIRD = ended(3, began_at="2026-01-03T12:00:00.000+00:00", state="open", level="WARN", duration_s=None)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of three events, the last still open, two with snapshots."""
    path = tmp_path / "logs" / "lens.db"
    log = EventLog(path)
    for event in (FIRST, SECOND, THIRD):
        log.write(event, snapshot(event.id) if event is not SECOND else None)
    log.close()
    return path


def listed(run: Any, *arguments: object) -> list[int]:
    """The numbers of the events that these options select."""
    return [event["id"] for event in json.loads(run("events", *arguments, "--json").out)]


def test_it_lists_a_log(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "lens.db"
    log = EventLog(path)
    assert "no events" in run("events", path).out
    log.write(FIRST)
    log.write(ended(2, picture="", heat_map=""))
    log.close()
    first, second = run("events", path).out.splitlines()[1:]
    for text in ("1", "ended", "WARN", "2026-01-02 03:04:05", "2.5", "1.75", "25%", "wiped", "lens_events/000001.jpg"):
        assert text in first
    assert EVENT.cause in first
    assert "purged" in second


def test_on_a_narrow_terminal_an_event_takes_two_lines(run: Any, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)
    lines = run("events", log).out.splitlines()
    assert len(lines) == 6
    assert lines[0] == "1  2026-01-02 03:04:05, 2.5 s, WARN, ended (wiped) lens_events/000001.jpg"
    assert lines[1] == f"   {EVENT.cause}"
    assert max(map(len, lines)) <= 80
    assert lines[4] == "3  2026-01-03 12:00:00, WARN, open lens_events/000003.jpg"


def test_json_has_every_column(run: Any, log: Path) -> None:
    events = json.loads(run("events", log, "--json").out)
    assert [tuple(event) for event in events] == 3 * [COLUMNS]
    assert events[0]["advice"] == EVENT.advice
    assert events[2]["duration_s"] is None


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ((), [1, 2, 3]),
        (("--level", "ERROR"), [2]),
        (("--level", "WARN"), [1, 3]),
        (("--state", "open"), [3]),
        (("--state", "interrupted"), []),
        (("--since", "2026-01-03"), [2, 3]),
        (("--since", "2026-01-03T00:00:01"), [3]),
        (("--since", "2026-01-03T01:00:00+01:00"), [2, 3]),
        (("--since", "2026-01-03T12:00:00Z"), [3]),
        (("--since", "2026-01-03", "--state", "ended"), [2]),
    ],
)
def test_a_choice_of_events(options: tuple[str, ...], chosen: list[int], run: Any, log: Path) -> None:
    assert listed(run, log, *options) == chosen


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--level", "error"), "--level is error; give WARN or ERROR"),
        (("--state", "closed"), "--state is closed; give one of open, ended, interrupted"),
        (("--since", "yesterday"), "--since is yesterday; give a date in UTC, for example 2026-05-31"),
        (("--csv", "."), ". is a folder; give the path of a file to --csv"),
    ],
)
def test_an_invalid_filter_is_one_line(options: tuple[str, ...], line: str, run: Any, log: Path) -> None:
    assert line in run("events", log, *options).error_line


def test_csv_has_a_row_an_event(run: Any, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "events.csv"
    outcome = run("events", log, "--csv", out, "--since", "2026-01-03")
    assert outcome.code == 0
    assert f"{out}: 2 events" in outcome.err
    rows = list(csv.DictReader(out.open(newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["id"], row["worst_level"], row["pcc"], row["duration_s"]) for row in rows] == [
        ("2", "ERROR", "", "2.5"),
        ("3", "WARN", "0.51", ""),
    ]


def test_csv_never_replaces_the_log(run: Any, log: Path) -> None:
    before = read_events(log)
    for name in ("lens.db", "lens.db-wal", "lens.db.lock"):
        assert "belongs to the log" in run("events", log, "--csv", log.with_name(name)).error_line
    assert read_events(log) == before


def test_snapshots_are_copied_and_missing_ones_change_the_exit_code(run: Any, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = run("events", log, "--pictures", out)
    assert outcome.code == 3
    assert f"{out}: 4 pictures" in outcome.err
    assert (
        "skipped 2: picture is not beside the log (lens_events/000002.jpg, lens_events/000002_map.png)" in outcome.err
    )
    names = ["000001.jpg", "000001_map.png", "000003.jpg", "000003_map.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    for name in names:
        assert (out / name).read_bytes() == (log.parent / "lens_events" / name).read_bytes()
    assert "is not empty" in run("events", log, "--pictures", out).error_line
    assert run("events", log, "--pictures", tmp_path / "one", "--level", "WARN").code == 0


def test_a_log_from_elsewhere_takes_no_file_of_this_machine(run: Any, tmp_path: Path) -> None:
    path, secret = tmp_path / "logs" / "lens.db", tmp_path / "secret.jpg"
    secret.write_text("secret")
    log = EventLog(path)
    log.write(ended(1, picture="../secret.jpg", heat_map=str(secret), worst_picture="lens_events/../../secret.jpg"))
    log.write(ended(2))
    log.close()
    (path.parent / "lens_events").mkdir()
    (path.parent / "lens_events" / "000002.jpg").symlink_to(secret)
    out = tmp_path / "out"
    assert run("events", path, "--pictures", out).code == 3
    assert list(out.iterdir()) == []


HOSTILE = ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\x1b]0;title\x07", "[red]x[/blue]", "a\x1b[2Jb", "\x9b2J")


@pytest.mark.parametrize("columns", ["80", "200"])
def test_nothing_in_a_log_steers_a_terminal_or_a_spreadsheet(
    columns: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("TERM", "dumb"), ("COLUMNS", columns)):
        monkeypatch.setenv(name, value)
    path = tmp_path / "lens.db"
    log = EventLog(path)
    for number, text in enumerate(HOSTILE, start=1):
        log.write(replace(EVENT, id=number, cause=text, picture=text, cleared_by=text, level=text, worst_level=text))
    log.close()
    outcome = run("events", path, "--csv", tmp_path / "events.csv", "--pictures", tmp_path / "pictures")
    assert outcome.code == 3
    assert "[red]x[/blue]" in outcome.out
    for character in "\x1b\x07\x9b":
        assert character not in outcome.out + outcome.err
    with (tmp_path / "events.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert "'=HYPERLINK(1)" in cells


def test_columns_of_other_types_than_they_claim_are_listed(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "lens.db"
    log = EventLog(path)
    log.write(EVENT)
    log.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE events SET peak_evidence = 'much', duration_s = x'00ff', cause = x'1b5b'")
    assert run("events", path).code == 0
    assert run("events", path, "--json").code == 0


@pytest.mark.parametrize("since", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_a_time_beyond_the_calendar_is_refused_in_one_line(since: str, run: Any, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "lens.db")
    log.close()
    assert f"--since is {since}" in run("events", tmp_path / "lens.db", "--since", since).error_line
