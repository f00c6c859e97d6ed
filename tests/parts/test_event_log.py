"""The event log on a real disk with real SQLite."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_events import EVENT, ended, snapshot

from mle_uvad.edge import InputError
from mle_uvad.parts.events.event import read_events
from mle_uvad.parts.events.event_queue import EVENTS_MAX, SNAPSHOTS_MAX
from mle_uvad.parts.events.log import EventLog

KILLED = """
import sys, os, signal
from pathlib import Path
sys.path.insert(0, {tests!r})
from made_events import EVENT
from dataclasses import replace
from mle_uvad.parts.events.log import EventLog
from mle_uvad.parts.events.event import read_events
path = Path({path!r})
log = EventLog(path)
for number in (1, 2, 3):
    log.write(replace(EVENT, id=number, state="open" if number == 3 else "ended"))
while len(read_events(path)) < 3:
    pass
os.kill(os.getpid(), signal.{signal})
"""


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lens.db"
    log = EventLog(path)
    assert log.next_event_id == 1
    ended = replace(EVENT, state="ended", duration_s=2.5, frames=50)
    log.write(EVENT)
    log.write(ended)
    log.write(replace(EVENT, id=2))
    log.close()
    log.close()
    assert read_events(path) == [ended, replace(EVENT, id=2)]
    again = EventLog(path)
    assert again.next_event_id == 3
    again.close()


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_loses_no_event_and_the_open_one_is_closed_as_interrupted(
    tmp_path: Path, kill: signal.Signals, record_property: Any
) -> None:
    path = tmp_path / "lens.db"
    program = KILLED.format(tests=str(Path(__file__).parents[1]), path=str(path), signal=kill.name)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, capture_output=True, timeout=60)
    assert done.returncode == -kill, done.stderr.decode()
    assert [event.state for event in read_events(path)] == ["ended", "ended", "open"]
    record_property("kills", 1)
    record_property("events lost", 3 - len(read_events(path)))
    log = EventLog(path)
    log.close()
    assert [event.state for event in read_events(path)] == ["ended", "ended", "interrupted"]
    assert log.next_event_id == 4


def test_a_reader_is_welcome_while_the_log_is_open(tmp_path: Path) -> None:
    path = tmp_path / "lens.db"
    log = EventLog(path)
    assert read_events(path) == []
    log.write(EVENT)
    log.close()
    assert read_events(path) == [EVENT]


def test_a_disk_that_fails_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mle_uvad.parts.events import log as event_log

    monkeypatch.setattr(event_log, "RETRY_AFTER_S", 0.001)
    real, failures = event_log.open_database, [0]
    path = tmp_path / "lens.db"
    log = EventLog(path)

    def failing(path: Path) -> sqlite3.Connection:
        failures[0] += 1
        if failures[0] <= 5:
            raise sqlite3.OperationalError("database or disk is full")
        return real(path)

    monkeypatch.setattr(event_log, "open_database", failing)
    log.write(EVENT)
    log.write(replace(EVENT, id=2))
    while failures[0] < 7:
        pass
    log.close()
    assert [event.id for event in read_events(path)] == [1, 2]
    assert log.lost == 0


def test_a_stuck_disk_never_holds_up_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mle_uvad.parts.events import log as event_log

    monkeypatch.setattr(event_log, "RETRY_AFTER_S", 0.001)
    monkeypatch.setattr(event_log, "CLOSE_WITHIN_S", 0.01)
    log = EventLog(tmp_path / "lens.db")

    def failing(path: Path) -> sqlite3.Connection:
        raise OSError("input/output error")

    monkeypatch.setattr(event_log, "open_database", failing)
    for number in range(EVENTS_MAX + 10):
        log.write(replace(EVENT, id=number + 1))
    assert log.lost == 10, "all that did not fit"
    log.close()


def test_snapshots_do_not_pile_up_while_the_disk_is_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mle_uvad.parts.events import log as event_log

    monkeypatch.setattr(event_log, "RETRY_AFTER_S", 0.001)
    stuck, real = threading.Event(), event_log.open_database
    log = EventLog(tmp_path / "lens.db")

    def waiting(path: Path) -> sqlite3.Connection:
        stuck.wait(10)
        return real(path)

    monkeypatch.setattr(event_log, "open_database", waiting)
    for number in range(1, 41):
        log.write(ended(number), snapshot(number))
    stuck.set()
    log.close()
    assert len(read_events(tmp_path / "lens.db")) == 40
    assert len(list((tmp_path / "lens_events").glob("*.jpg"))) == SNAPSHOTS_MAX


def test_a_full_disk_for_snapshots_keeps_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mle_uvad.parts.events import log as event_log

    monkeypatch.setattr(event_log, "RETRY_AFTER_S", 0.001)
    path = tmp_path / "lens.db"
    log = EventLog(path)
    (tmp_path / "lens_events").write_text("in the way")
    log.write(EVENT, snapshot(1))
    later = replace(EVENT, id=2, state="ended")
    log.write(later)
    log.close()
    assert read_events(path) == [EVENT, later]
    assert log.lost == 0


def test_a_row_that_cannot_be_written_does_not_block_the_next(tmp_path: Path) -> None:
    path = tmp_path / "lens.db"
    log = EventLog(path)
    log.write(replace(EVENT, peak_evidence=float("nan")))  # NaN is NULL to SQLite, and the column refuses it
    log.write(replace(EVENT, id=2))
    log.close()
    assert [event.id for event in read_events(path)] == [2]
    assert log.lost == 1


def test_a_second_writer_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lens.db"
    first = EventLog(path)
    first.write(EVENT)
    with pytest.raises(InputError, match="another process writes"):
        EventLog(path)
    first.close()
    assert read_events(path) == [EVENT]
    EventLog(path).close()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_what_is_no_log_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lens.db"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_events(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == content


def test_a_missing_log_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no event log"):
        read_events(tmp_path / "lens.db")
    assert os.listdir(tmp_path) == []
