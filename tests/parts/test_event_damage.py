"""A log that is damaged, of another version or no log at all: the car starts, and nothing is lost."""

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from made_events import ended, snapshot

from mle_uvad.edge import InputError
from mle_uvad.parts.events.event import SCHEMA, read_events
from mle_uvad.parts.events.log import EventLog

SCHEMA_1 = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('open', 'ended', 'interrupted')),
    began_at TEXT NOT NULL, duration_s REAL, pcc REAL, peak_evidence REAL NOT NULL, peak_coverage REAL NOT NULL,
    frames INTEGER NOT NULL, picture TEXT NOT NULL, heat_map TEXT NOT NULL, drive TEXT NOT NULL,
    model_sha256 TEXT NOT NULL, calibrated_at TEXT NOT NULL, version TEXT NOT NULL
);
INSERT INTO events VALUES
    (6, 'ended', '2025-12-31T00:00:00.000+00:00', 2.5, 0.5, 1.7, 0.25, 50, 'p.jpg', 'm.png', 'd', 'sha', 'c', '0.1.0'),
    (7, 'open', '2026-01-01T00:00:00.000+00:00', NULL, NULL, 1.2, 0.1, 1, 'p.jpg', 'm.png', 'd', 'sha', '', '0.1.0');
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of forty events, the last of which has snapshots."""
    path = tmp_path / "logs" / "lens_events.db"
    log = EventLog(path)
    log.write(ended(40), snapshot(40))
    for number in range(1, 40):
        log.write(ended(number))
    log.close()
    assert log.lost == 0
    return path


def begin_anew(path: Path) -> EventLog:
    """The log opens and can be written and read."""
    log = EventLog(path)
    log.write(ended(log.next_event_id))
    log.close()
    assert log.lost == 0
    assert read_events(path)[-1].id == log.next_event_id
    return log


def damage(path: Path, kind: str) -> None:
    data = bytearray(path.read_bytes())
    if kind == "text":
        path.write_text("a holiday diary")
    elif kind == "zeroed header":
        path.write_bytes(bytes(100) + data[100:])
    elif kind == "half":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "zeroed page":
        path.write_bytes(data[:4096] + bytes(4096) + data[8192:])
    elif kind == "another database":
        path.unlink()
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE recipes (cake TEXT)")
    elif kind == "another table":
        path.unlink()
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE events (cake TEXT)")
            database.execute(f"PRAGMA user_version = {SCHEMA}")
    else:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA user_version = 99")


KINDS = ["text", "zeroed header", "half", "zeroed page", "another database", "another table", "later version"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_log_is_moved_aside_whole_and_the_numbers_go_on(kind: str, path: Path, caplog: Any) -> None:
    damage(path, kind)
    before = path.read_bytes()
    with caplog.at_level(logging.WARNING):
        log = begin_anew(path)
    aside = path.with_name("lens_events.db.damaged-1")
    assert aside.read_bytes() == before
    assert log.next_event_id == 41, "a snapshot would be overwritten"
    assert [event.id for event in read_events(path)] == [41]
    (line,) = [record.getMessage() for record in caplog.records]
    assert str(path) in line
    assert str(aside) in line
    assert "\n" not in line


def test_the_second_that_is_damaged_gets_the_next_number(path: Path) -> None:
    for number in (1, 2, 3):
        path.write_text(f"diary {number}")
        begin_anew(path)
    assert [path.with_name(f"{path.name}.damaged-{n}").read_text() for n in (1, 2, 3)] == [
        "diary 1",
        "diary 2",
        "diary 3",
    ]


@pytest.mark.parametrize("content", [b"no database" * 1000, b"", None])
def test_what_the_log_still_waits_to_take_over_moves_with_it(content: bytes | None, path: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("SELECT * FROM events").fetchone()  # an open reader keeps the write-ahead log where it is
        log = EventLog(path)
        log.write(ended(log.next_event_id))
        log.close()
        shutil.copytree(path.parent, killed)
    path = killed / path.name
    wal = path.with_name(path.name + "-wal").read_bytes()
    assert wal
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    begin_anew(path)
    assert path.with_name("lens_events.db.damaged-1-wal").read_bytes() == wal


def test_cut_at_any_place_the_car_starts_and_no_number_comes_twice(path: Path) -> None:
    data = path.read_bytes()
    assert len(data) >= 3 * 4096
    for cut in [*range(0, len(data), 509), len(data) - 1]:
        for other in path.parent.glob(f"{path.name}*"):
            other.unlink()
        path.write_bytes(data[:cut])
        log = begin_anew(path)
        assert log.next_event_id == 41, f"cut at {cut}"
        kept = list(path.parent.glob("*.damaged-*"))
        assert cut == 0 or path.parent / "lens_events.db.damaged-1" in kept, f"cut at {cut}"


def test_a_log_of_schema_1_is_read_as_it_is_and_brought_up_to_date_by_the_car(tmp_path: Path, caplog: Any) -> None:
    path = tmp_path / "lens.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA_1)
    before = path.read_bytes()
    six, seven = read_events(path)
    assert path.read_bytes() == before
    assert (six.id, six.level, six.worst_level, six.coverage, six.cleared_by) == (6, "WARN", "WARN", 0.25, "")
    assert (six.versions, six.cause, six.worst_picture) == ('{"mle_uvad": "0.1.0"}', "", "")
    assert seven.state == "open"
    with caplog.at_level(logging.WARNING):
        log = begin_anew(path)
    assert not caplog.records
    assert log.next_event_id == 8
    old = read_events(path)
    assert old[0] == six
    assert [event.state for event in old] == ["ended", "interrupted", "ended"]


def test_a_log_of_a_later_version_is_refused_to_readers_in_one_line(path: Path) -> None:
    damage(path, "later version")
    with pytest.raises(InputError, match="schema 99, not 2"):
        read_events(path)


def test_a_full_or_forbidden_disk_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mle_uvad.parts.events import database as event_database

    def full(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    before = path.read_bytes()
    monkeypatch.setattr(event_database.sqlite3, "connect", full)
    with pytest.raises(InputError, match="disk is full"):
        EventLog(path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*damaged*"))


def test_without_a_log_the_numbers_go_on_after_the_snapshots(path: Path) -> None:
    path.unlink()
    assert begin_anew(path).next_event_id == 41
