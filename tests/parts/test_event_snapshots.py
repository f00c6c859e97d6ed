"""The snapshots beside the log, and their budget."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_events import ended, snapshot
from PIL import Image

from mle_uvad.parts.events.event import Event, read_events
from mle_uvad.parts.events.log import EventLog
from mle_uvad.parts.events.snapshots import Snapshot, SnapshotFolder, SnapshotPaths


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "lens_events").iterdir())


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "lens_events").iterdir())


def write_events(folder: Path, numbers: range, pictures_mb: float) -> None:
    log = EventLog(folder / "lens.db", pictures_mb=pictures_mb)
    for number in numbers:
        log.write(ended(number), snapshot(number))
        while len(log._queue) > 8:  # the queue is not what is tested here
            pass
    log.close()
    assert log.lost == 0


@pytest.mark.parametrize("shape", [(24, 32, 3), (24, 32, 1), (24, 32)])
def test_the_frame_and_a_map_of_its_size_are_kept(shape: tuple[int, ...], tmp_path: Path) -> None:
    frame, heat_map = np.full(shape, 90, np.uint8), np.zeros((20, 20), np.float32)
    heat_map[:, :10] = 1
    SnapshotFolder(tmp_path, 1).save(Snapshot(frame, heat_map, SnapshotPaths.of(3, "worst")))
    assert names_in(tmp_path) == ["000003_worst.jpg", "000003_worst_map.png"]
    assert np.abs(np.asarray(Image.open(tmp_path / "lens_events" / "000003_worst.jpg")).astype(int) - 90).max() <= 1
    shown = np.asarray(Image.open(tmp_path / "lens_events" / "000003_worst_map.png"))
    assert shown.shape == (24, 32)
    assert shown[:, :12].min() > 250 > 5 > shown[:, 20:].max()


def test_a_worse_moment_replaces_the_one_before_and_is_counted_once(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path, 1)
    for _ in range(5):
        folder.save(snapshot(1, moment="worst"))
    folder.save(snapshot(1))
    assert len(names_in(tmp_path)) == 4
    assert folder._bytes == {1: size_of(tmp_path)} == SnapshotFolder(tmp_path, 1)._bytes


def test_the_oldest_snapshots_go_first_their_rows_stay_and_say_so(tmp_path: Path, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        write_events(tmp_path, range(1, 41), pictures_mb=0.05)
    assert 0.03e6 < size_of(tmp_path) <= 0.05e6
    events = read_events(tmp_path / "lens.db")
    assert [event.id for event in events] == list(range(1, 41))
    kept = {event.id for event in events if event.picture}
    purged = set(range(1, 41)) - kept
    assert purged
    assert max(purged) < min(kept)
    assert {event.heat_map for event in events if event.id in purged} == {""}
    on_disk = {name for event in events for name in (event.picture, event.heat_map) if name}
    assert on_disk == {f"lens_events/{name}" for name in names_in(tmp_path)}
    assert caplog.text.count("LENS_PICTURES_MB") == 1


def test_a_locked_log_keeps_old_snapshots_and_costs_no_new_one(tmp_path: Path, caplog: Any) -> None:
    path = tmp_path / "lens.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        class LockedAfterTheSecondRow(EventLog):
            def _write_row(self, event: Event) -> None:
                super()._write_row(event)
                if event.id == 2:
                    other.execute("BEGIN IMMEDIATE")

        log = LockedAfterTheSecondRow(path, pictures_mb=1e-6)
        for number in (1, 2):
            log.write(ended(number), snapshot(number))
        log.close()
    assert names_in(tmp_path) == ["000001.jpg", "000001_map.png", "000002.jpg", "000002_map.png"]
    assert [record.getMessage() for record in caplog.records] == [
        "the oldest snapshots of lens events cannot be deleted (database is locked); tried with the next"
    ]


def test_all_that_fits_stays(tmp_path: Path) -> None:
    write_events(tmp_path, range(1, 11), pictures_mb=1)
    assert len(names_in(tmp_path)) == 20


def test_a_smaller_budget_holds_from_the_next_snapshot_on_and_the_newest_event_keeps_its_own(tmp_path: Path) -> None:
    write_events(tmp_path, range(1, 11), pictures_mb=1)
    write_events(tmp_path, range(11, 12), pictures_mb=1e-6)
    assert names_in(tmp_path) == ["000011.jpg", "000011_map.png"]


def test_files_that_are_not_ours_are_never_counted_nor_removed(tmp_path: Path) -> None:
    folder = tmp_path / "lens_events"
    folder.mkdir()
    strange = ["holiday.jpg", "7.jpg", "000001.jpg.bak", "000001_best.jpg", "notes"]
    for name in strange:
        (folder / name).write_bytes(bytes(100_000))
    write_events(tmp_path, range(1, 6), pictures_mb=1e-6)
    assert names_in(tmp_path) == sorted([*strange, "000005.jpg", "000005_map.png"])


def test_what_a_power_cut_left_half_written_goes(tmp_path: Path) -> None:
    folder = tmp_path / "lens_events"
    folder.mkdir()
    (folder / ".000001.jpg.123.tmp").write_bytes(b"half")
    assert SnapshotFolder(tmp_path, 1).last_event_id == 0
    assert names_in(tmp_path) == []
