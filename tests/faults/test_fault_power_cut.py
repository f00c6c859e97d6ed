"""A power cut at any byte, and flipped bits: rows on the disk are read, no others are, and the car starts."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from made_events import ended

from mle_uvad.calibration import Calibration
from mle_uvad.edge import Bundle, InputError
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.parts.events.event import Event, read_events
from mle_uvad.parts.events.log import EventLog

ROWS = 8
WAL_STEP, WAL_START_STEP = 53, 2003  # bytes between two cuts that are read, and that a car starts from
FLIP_STEP = 113


def log_with_a_waiting_tail(folder: Path) -> tuple[Path, list[int], list[Event]]:
    """Return a log whose rows are all in the write-ahead log, the length of that file after each row, and the rows."""
    path, rows, sizes = folder / "lens.db", [ended(number + 1) for number in range(ROWS)], []
    EventLog(path).close()
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchone()  # an open reader keeps the write-ahead log where it is
        for row in rows:
            log = EventLog(path)
            log.write(row)
            log.close()
            sizes.append(path.with_name("lens.db-wal").stat().st_size)
        shutil.copytree(folder, folder.with_name("cut"))
    return folder.with_name("cut") / path.name, sizes, rows


def start_again(path: Path, known: list[Event]) -> None:
    """Start on the log, write the next event and check that all before it are there."""
    log = EventLog(path)
    row = ended(log.next_event_id)
    log.write(row)
    log.close()
    assert log.lost == 0
    assert read_events(path) == [*known, row]


def test_a_power_cut_at_any_byte_of_the_write_ahead_log_loses_no_event(tmp_path: Path, record_property: Any) -> None:
    (tmp_path / "whole").mkdir()
    path, sizes, rows = log_with_a_waiting_tail(tmp_path / "whole")
    wal, folder = path.with_name("lens.db-wal").read_bytes(), path.parent
    assert sizes == sorted(set(sizes))
    assert len(wal) == sizes[-1]
    main, cuts, starts, lost = path.read_bytes(), 0, 0, 0
    for cut in sorted({*range(0, len(wal), WAL_STEP), *sizes, *(size - 1 for size in sizes)}):
        for file in folder.iterdir():
            file.unlink()
        path.write_bytes(main)
        path.with_name("lens.db-wal").write_bytes(wal[:cut])
        on_the_disk = sum(size <= cut for size in sizes)
        found = read_events(path)
        assert found == rows[: len(found)], f"cut at {cut}: rows that nobody wrote"
        lost += max(0, on_the_disk - len(found))
        cuts += 1
        if cut % WAL_START_STEP < WAL_STEP:
            start_again(path, found)
            starts += 1
    assert lost == 0
    assert starts > 10
    record_property("cuts", cuts)
    record_property("starts after one", starts)
    record_property("events lost", lost)
    record_property("bytes between cuts of the log", WAL_STEP)


def test_a_flipped_bit_anywhere_in_the_log_does_not_stop_the_car(tmp_path: Path, record_property: Any) -> None:
    whole = tmp_path / "whole" / "lens.db"
    log = EventLog(whole)
    rows = [ended(number, frames=7 * number) for number in range(1, 31)]
    for row in rows:
        log.write(row)
    log.close()
    data, flips, aside, worst = whole.read_bytes(), 0, 0, 0
    path = tmp_path / "flipped" / "lens.db"
    for position in [*range(100), *range(100, len(data), FLIP_STEP)]:
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):  # any other error is a fault of the reader
            read_events(path)
        log = EventLog(path)
        log.write(ended(log.next_event_id))
        log.close()
        assert log.lost == 0, f"flipped at {position}"
        flips += 1
        if list(path.parent.glob("*.damaged-1")):
            aside += 1  # with all its rows
            continue
        found = {event.id: event for event in read_events(path)}
        worst = max(worst, sum(found.get(row.id) != row for row in rows))
    assert worst == 1
    record_property("bits flipped, one at a time", flips)
    record_property("logs moved aside whole", aside)
    record_property("longest list of rows changed by one", worst)


def refused(open_it: Callable[[], object], path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_it()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "step"), [("bundle.json", 23), ("model.onnx", 4099)])
def test_a_bundle_cut_at_any_byte_is_refused_before_the_car_moves(
    name: str, step: int, bundle_folder: Path, record_property: Any
) -> None:
    path = bundle_folder / name
    data = path.read_bytes()
    cuts = [*range(0, len(data) - 1, step), len(data) - 2]  # the last byte of the text is a line end
    for cut in cuts:
        path.write_bytes(data[:cut])
        refused(lambda: Bundle.load(bundle_folder), bundle_folder)
    record_property("cuts", len(cuts))
    record_property(f"bytes between cuts of {path.name}", step)


def test_a_calibration_cut_at_any_byte_is_refused(
    calibration: Calibration, tmp_path: Path, record_property: Any
) -> None:
    path = tmp_path / "calibration.json"
    calibration.save(path)
    data, step = path.read_bytes(), 23
    cuts = [*range(0, len(data) - 1, step), len(data) - 2]
    for cut in cuts:
        path.write_bytes(data[:cut])
        refused(lambda: Calibration.load(path), path)
    record_property("cuts", len(cuts))
    record_property(f"bytes between cuts of {path.name}", step)


@pytest.mark.parametrize("name", ["catalog_0.catalog", "manifest.json"])
def test_a_tub_cut_at_any_byte_keeps_its_whole_lines(name: str, make_tub: Any, record_property: Any) -> None:
    folder = make_tub(4)
    data = (folder / name).read_bytes()
    lines = (folder / "catalog_0.catalog").read_bytes().splitlines(keepends=True)
    first = len(lines[0]) if name == "catalog_0.catalog" else 0
    lost = 0
    for cut in range(first, len(data)):
        (folder / name).write_bytes(data[:cut])
        whole, kept = data[:cut].count(b"\n") if first else len(lines), len(Tub(folder).records)
        assert kept == whole
        lost += whole - kept
    record_property("cuts", len(data) - first)
    record_property("whole records lost", lost)


KILLED_SAVE = """
import os, sys
from pathlib import Path
from mle_uvad.edge.atomic_write import atomic_write
calls, last = [0], int(sys.argv[2])
def dying(real):
    def call(*arguments, **named):
        calls[0] += 1
        if calls[0] > last:
            os.kill(os.getpid(), 9)
        return real(*arguments, **named)
    return call
path = Path(sys.argv[1])
os.fsync, Path.replace, Path.write_bytes = map(dying, (os.fsync, Path.replace, Path.write_bytes))
with atomic_write(path) as draft:
    draft.write_bytes(b"new" * 10_000)
"""


def test_a_kill_at_any_call_of_a_save_leaves_the_old_file_or_the_new(tmp_path: Path, record_property: Any) -> None:
    path, kills, seen = tmp_path / "calibration.json", 0, set()
    for last in range(4):
        path.write_bytes(b"old")
        done = subprocess.run([sys.executable, "-c", KILLED_SAVE, str(path), str(last)], check=False, timeout=60)
        kills += done.returncode == -9
        seen.add(path.read_bytes())
    assert kills == 3
    torn = seen - {b"old", b"new" * 10_000}
    assert not torn
    assert len(seen) == 2
    record_property("kills, one at each call", kills)
    record_property("torn files", len(torn))
