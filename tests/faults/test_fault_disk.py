"""A disk that is full, read-only or gone while the car drives: the flag stays live, and no event is lost."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.edge import InputError
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events import log as event_log
from mle_uvad.parts.events.event import read_events

LOG = Path("logs", "lens.db")
# A limit on the size of files stands in for a full disk where the tests do not run as root: writes beyond it fail.
LIMITED = """
import resource, sys, time
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
from made_events import EVENT, snapshot
from mle_uvad.parts.events import log as event_log
event_log.RETRY_AFTER_S, event_log.CLOSE_WITHIN_S = 0.01, 60.0
log = event_log.EventLog(Path({path!r}))
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, unlimited[1]))
longest_s = 0.0
for number in range(1, 41):
    began_s = time.perf_counter()
    log.write(replace(EVENT, id=number), snapshot(number))
    longest_s = max(longest_s, time.perf_counter() - began_s)
time.sleep(0.2)  # some tries of the thread
written = Path({path!r}).with_name("lens_events").exists()
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
log.close()
print(written, log.lost, longest_s * 1e3)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: Any) -> None:
    monkeypatch.setattr(event_log, "RETRY_AFTER_S", 0.01)


def written(part: MLEAnomalyPart) -> None:
    """Wait until the log has taken everything it was given."""
    while len(part._log._queue):
        pass


class Timed:
    """The fixture `drive`, which also measures the longest call of the part."""

    def __init__(self, drive: Callable[..., Any]) -> None:
        self.drive = drive
        self.longest_s = 0.0

    def __call__(self, part: MLEAnomalyPart, frames: list[Any]) -> list[tuple[Any, ...]]:
        said = []
        for frame in frames:
            began_s = time.perf_counter()
            said += self.drive(part, [frame])
            self.longest_s = max(self.longest_s, time.perf_counter() - began_s)
        return said


def test_a_disk_that_fills_up_during_a_drive_loses_no_event(
    disk: Any, make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, tmp_path: Path, record_property: Any
) -> None:
    part, timed = make_part(), Timed(drive)
    timed(part, 2 * clear_frames)
    disk.fill()
    for number in (1, 2):
        assert timed(part, 3 * wet_frames)[-1][3] == number, "the flag is not live"
        assert not timed(part, 5 * clear_frames)[-1][1]
    assert disk.ballast.stat().st_size > 0
    # Neither event is on the disk; a reader finds the log as it was.
    assert read_events(tmp_path / LOG) == []
    disk.ballast.unlink()
    written(part)
    part.shutdown()
    events = read_events(tmp_path / LOG)
    assert [(event.id, event.state) for event in events] == [(1, "ended"), (2, "ended")]
    assert part._log.lost == 0
    record_property("events while it was full", len(events))
    record_property("events lost", 2 - len(events))
    record_property("longest run, inference included, ms", round(timed.longest_s * 1e3, 1))


def test_a_disk_that_stays_full_loses_events_and_does_not_block_the_shutdown(
    disk: Any, make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(event_log, "CLOSE_WITHIN_S", 0.2)
    part = make_part()
    drive(part, 2 * clear_frames)
    disk.fill()
    assert drive(part, 2 * wet_frames)[-1][1]
    part.shutdown()
    part._log._thread.join()
    assert part._log.lost >= 1
    assert read_events(tmp_path / LOG) == []
    with pytest.raises(InputError, match="set LENS_EVENT_LOG to another path"):
        make_part()
    disk.ballast.unlink()
    drive(make_part(), clear_frames)


def test_a_limit_on_the_size_of_files_loses_no_event(tmp_path: Path, record_property: Any) -> None:
    path = tmp_path / "lens.db"
    program = LIMITED.format(tests=str(Path(__file__).parents[1]), path=str(path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    pictures_written, lost, longest_ms = done.stdout.split()
    assert (pictures_written, lost) == ("False", "0")
    events = read_events(path)
    assert [event.id for event in events] == list(range(1, 41))
    record_property("events while it was full", 40)
    record_property("events lost", 40 - len(events))
    record_property("longest write into the queue, ms", round(float(longest_ms), 2))


def test_a_card_that_becomes_read_only_during_a_drive_loses_no_event(
    disk: Any, make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, tmp_path: Path, record_property: Any
) -> None:
    part, timed = make_part(), Timed(drive)
    assert timed(part, 2 * clear_frames + 3 * wet_frames)[-1][3] == 1
    written(part)
    disk.forbid()
    with pytest.raises(OSError, match="Read-only"):
        (disk.folder / "test").touch()
    assert not timed(part, 5 * clear_frames)[-1][1]
    assert timed(part, 3 * wet_frames)[-1][3] == 2
    (event,) = read_events(tmp_path / LOG)
    assert (event.id, event.state) == (1, "open")
    disk.allow()
    written(part)
    part.shutdown()
    events = read_events(tmp_path / LOG)
    assert [(event.id, event.state) for event in events] == [(1, "ended"), (2, "ended")]
    record_property("events lost", 2 - len(events))
    record_property("longest run, inference included, ms", round(timed.longest_s * 1e3, 1))


def test_a_log_whose_folder_is_removed_for_a_while_loses_no_event(
    make_part: Any, clear_frames: Any, wet_frames: Any, drive: Any, tmp_path: Path, record_property: Any
) -> None:
    part = make_part()
    assert drive(part, 2 * clear_frames + 3 * wet_frames)[-1][3] == 1
    written(part)
    (tmp_path / "logs").rename(tmp_path / "pulled out")
    assert not drive(part, 5 * clear_frames)[-1][1]
    assert drive(part, 3 * wet_frames)[-1][3] == 2
    (tmp_path / "pulled out").rename(tmp_path / "logs")
    written(part)
    part.shutdown()
    events = read_events(tmp_path / LOG)
    assert [(event.id, event.state) for event in events] == [(1, "ended"), (2, "ended")]
    record_property("events lost", 2 - len(events))


HOLDER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from made_events import ended
from mle_uvad.parts.events.log import EventLog
log = EventLog(Path({path!r}))
print("holds it", flush=True)
for line in sys.stdin:
    log.write(ended(int(line)))
log.close()
"""


def test_a_second_process_is_refused_and_the_first_loses_no_event(
    make_part: Any, tmp_path: Path, record_property: Any
) -> None:
    path = tmp_path / LOG
    program = HOLDER.format(tests=str(Path(__file__).parents[1]), path=str(path))
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "holds it\n"
        for number in range(1, 21):
            first.stdin.write(f"{number}\n")
            first.stdin.flush()
            with pytest.raises(InputError, match="another process writes"):
                make_part()
            assert len(read_events(path)) <= number
        first.stdin.close()
        assert first.wait(300) == 0
    events = read_events(path)
    assert [event.id for event in events] == list(range(1, 21))
    make_part()
    record_property("starts refused", 20)
    record_property("events lost", 20 - len(events))
