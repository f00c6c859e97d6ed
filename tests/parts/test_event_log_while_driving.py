"""An event log that is damaged, replaced or deleted while it is written: no later event is lost."""

import logging
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_events import ended, snapshot
from PIL import Image

from mle_uvad.edge import InputError
from mle_uvad.parts.events import log as event_log
from mle_uvad.parts.events.event import CREATE, ID_MAX, read_events
from mle_uvad.parts.events.log import EventLog


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until


def written(log: EventLog, *numbers: int) -> None:
    for number in numbers:
        log.write(ended(number))
    wait_for(lambda: not len(log._queue))


def flip_schema(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"PRIMARY KEY", b"PRIMARY KEI", 1))


def plant_trigger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events WHERE id = new.id; END")


def replace_by(make: Callable[[Path], Any]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def replace_shared_memory(path: Path) -> None:
    memory = path.with_name(path.name + "-shm")
    memory.unlink(missing_ok=True)
    memory.mkdir()


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "overwritten": lambda path: path.write_bytes(b"no database" * 1000),
    "cut": lambda path: os.truncate(path, 5000),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "schema flipped": flip_schema,
    "trigger planted": plant_trigger,
    "a later version": lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 99"),
    "a folder": replace_by(Path.mkdir),
    "a pipe": replace_by(os.mkfifo),
    "a dangling link": replace_by(lambda path: path.symlink_to("nowhere")),
    "a link to a text": replace_by(lambda path: path.symlink_to(Path(__file__))),
    "a device": replace_by(lambda path: path.symlink_to("/dev/zero")),
    "a folder for the write-ahead log": lambda path: path.with_name(path.name + "-wal").mkdir(),
    "a folder for the shared memory": replace_shared_memory,
    "deleted": Path.unlink,
    "emptied": lambda path: os.truncate(path, 0),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_while_driving_loses_no_later_event_and_is_said_once(kind: str, tmp_path: Path, caplog: Any) -> None:
    path = tmp_path / "logs" / "lens.db"
    log = EventLog(path)
    written(log, 1, 2)
    with caplog.at_level(logging.WARNING):
        DAMAGES[kind](path)
        written(log, 3, 4)
        log.close()
    assert log.lost == 0
    assert [event.id for event in read_events(path)] == [3, 4]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == (0 if kind in ("deleted", "emptied") else 1)
    assert all("moved to" in line for line in lines)


def test_a_folder_that_is_deleted_for_good_is_made_again_at_the_latest_when_the_drive_ends(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "lens.db"
    log = EventLog(path)
    written(log, 1)
    shutil.rmtree(path.parent)
    log.write(ended(2))
    log.close()
    assert log.lost == 0
    assert [event.id for event in read_events(path)] == [2]


def test_a_lock_file_that_is_deleted_is_locked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "CHECK_LOCK_EVERY_S", 0.01)
    path, lock = tmp_path / "lens.db", tmp_path / "lens.db.lock"
    log = EventLog(path)
    lock.unlink()
    wait_for(lock.exists)

    def locked_again() -> bool:
        try:
            return event_log.is_locked(path, log._lock)
        except OSError:  # the writer closes the old lock while it is looked at from here
            return False

    wait_for(locked_again)
    with pytest.raises(InputError, match="another process writes"):
        EventLog(path)
    log.close()


def test_nothing_of_the_log_follows_a_link(tmp_path: Path) -> None:
    path, victim = tmp_path / "lens.db", tmp_path / "victim"
    victim.write_text("precious")
    log = EventLog(path)
    folder = tmp_path / "lens_events"
    folder.mkdir()
    (folder / "000001.jpg").symlink_to(victim)
    (folder / f".000001_map.png.{os.getpid()}.tmp").symlink_to(victim)
    log.write(ended(1), snapshot(1))
    log.close()
    assert victim.read_text() == "precious"
    assert Image.open(folder / "000001.jpg").size == Image.open(folder / "000001_map.png").size == (32, 32)
    for file in (path, path.with_name("lens.db.lock"), folder / "000001.jpg", folder / "000001_map.png"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    path.with_name("lens.db.lock").unlink()
    path.with_name("lens.db.lock").symlink_to(victim)
    with pytest.raises(InputError, match="cannot be opened"):
        EventLog(path)
    assert victim.read_text() == "precious"


def test_odd_things_among_the_snapshots_do_not_keep_the_car_from_starting(tmp_path: Path) -> None:
    folder = tmp_path / "lens_events"
    folder.mkdir()
    (folder / "000001.jpg").mkdir()
    (folder / ".000002.jpg.7.tmp").mkdir()
    (folder / "000003.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "000004.jpg")
    log = EventLog(tmp_path / "lens.db")
    assert log.next_event_id == 1
    log.close()


@pytest.mark.parametrize("number", [2**63 - 1, ID_MAX + 1, -1])
def test_a_row_with_an_impossible_number_costs_no_later_event(number: int, tmp_path: Path) -> None:
    path = tmp_path / "lens.db"
    log = EventLog(path)
    written(log, 5, number)
    log.close()
    again = EventLog(path)
    assert again.next_event_id == 6
    written(again, 6)
    again.close()
    assert again.lost == 0
    assert {event.id for event in read_events(path)} == {5, 6, number}


@pytest.mark.parametrize("number", [2**63, 10**40])
def test_a_picture_with_an_impossible_number_costs_no_later_event(number: int, tmp_path: Path) -> None:
    (tmp_path / "lens_events").mkdir()
    (tmp_path / "lens_events" / f"{number}.jpg").write_bytes(b"x")
    (tmp_path / "lens_events" / "000007.jpg").write_bytes(b"x")
    log = EventLog(tmp_path / "lens.db")
    assert log.next_event_id == 8
    log.close()


def test_what_another_program_keeps_from_being_written_is_counted_and_closing_takes_five_seconds(
    tmp_path: Path, caplog: Any
) -> None:
    path = tmp_path / "lens.db"
    log = EventLog(path)
    written(log, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, caplog.at_level(logging.ERROR):
        other.execute("BEGIN IMMEDIATE")
        for number in range(2, 42):
            log.write(ended(number))
        began_s = time.monotonic()
        log.close()
        took_s = time.monotonic() - began_s
        other.execute("ROLLBACK")
    assert took_s < 5.5
    assert log.lost == 40
    assert "40 changes are lost" in caplog.text


def test_a_program_that_lets_go_before_the_end_loses_no_event(tmp_path: Path) -> None:
    path = tmp_path / "lens.db"
    log = EventLog(path)
    written(log, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(2, 42):
            log.write(ended(number))
        other.execute("ROLLBACK")
    log.close()
    assert log.lost == 0
    assert [event.id for event in read_events(path)] == list(range(1, 42))


def test_changes_that_wait_for_the_disk_take_no_place_of_a_later_event(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(event_log, "RETRY_AFTER_S", 0.01)
    path = tmp_path / "lens.db"
    log = EventLog(path)
    opened = ended(1, state="open", duration_s=None)
    log.write(opened)
    wait_for(lambda: not len(log._queue))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for frames in range(2, 302):
            log.write(replace(opened, frames=frames), snapshot(1, moment="worst"))
        log.write(ended(1, frames=302))
        log.write(ended(2), snapshot(2))
        other.execute("ROLLBACK")
    log.close()
    assert log.lost == 0
    assert read_events(path) == [ended(1, frames=302), ended(2)]
    assert (tmp_path / "lens_events" / "000001_worst.jpg").exists()
    assert (tmp_path / "lens_events" / "000002.jpg").exists()


def test_a_reader_that_never_ends_keeps_no_event_from_being_written(tmp_path: Path) -> None:
    path = tmp_path / "lens.db"
    log = EventLog(path)
    written(log, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
        written(log, *range(2, 42))
        log.close()
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert log.lost == 0
    assert [event.id for event in read_events(path)] == list(range(1, 42))


def test_every_bit_of_the_schema_matters(tmp_path: Path) -> None:
    """A sample of the bits of the text that makes the table: a flip costs no event after it, and no start."""
    path = tmp_path / "lens.db"
    log = EventLog(path)
    written(log, 1)
    log.close()
    data = path.read_bytes()
    at = data.index(CREATE.strip().encode())
    for bit in range(0, 8 * len(CREATE.strip().encode()), 397):
        flipped = bytearray(data)
        flipped[at + bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        again = EventLog(path)
        again.write(ended(again.next_event_id))
        again.close()
        assert again.lost == 0, bit
        assert read_events(path)[-1].id == again.next_event_id, bit
        for file in tmp_path.glob("lens.db*"):
            file.unlink()


def test_a_part_that_is_run_after_its_shutdown_answers_and_writes_nothing(
    make_part: Any, drive: Any, clear_frames: Any, wet_frames: Any, tmp_path: Path
) -> None:
    part = make_part()
    drive(part, clear_frames)
    part.shutdown()
    before = sorted((file, file.stat().st_mtime_ns) for file in tmp_path.rglob("*"))
    outputs = drive(part, [*wet_frames, *wet_frames])
    assert {output[4] for output in outputs} == {"stale"}
    part.run(wet_frames[0], True)
    part.shutdown()
    assert sorted((file, file.stat().st_mtime_ns) for file in tmp_path.rglob("*")) == before
