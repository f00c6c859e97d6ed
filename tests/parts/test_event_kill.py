"""kill -9 at any moment: what was on the disk once stays there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from mle_uvad.parts.events.event import read_events
from mle_uvad.parts.events.log import EventLog

ROWS = (1, 2, 3, 4, 5, 8, 13, 21)  # before the kill
CAR = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
from made_events import ended, snapshot
from mle_uvad.parts.events.log import EventLog

class Telling(EventLog):
    def _write_row(self, event):
        super()._write_row(event)
        print(event.id, event.state, event.frames, flush=True)

log = Telling(Path({path!r}))
number = log.next_event_id
while True:
    begun = ended(number, state="open", level="WARN", duration_s=None)
    log.write(begun, snapshot(number))
    log.write(replace(begun, frames=20), snapshot(number, moment="worst"))
    log.write(replace(begun, state="ended", frames=30))
    number += 1
    while len(log._queue) > 4:
        pass
"""


def drive_until_killed(path: Path, rows: int) -> list[tuple[int, str, int]]:
    """What a car said it had on its disk before it was killed, some time after so many rows: event, state, frames."""
    program = CAR.format(tests=str(Path(__file__).parents[1]), path=str(path))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=path.parent) as car:
        assert car.stdout is not None
        said = "".join(car.stdout.readline() for _ in range(rows))
        car.kill()
        said += car.stdout.read()
    lines = re.findall(r"^(\d+) (\w+) (\d+)$", said, re.MULTILINE)
    assert len(lines) >= rows
    return [(int(number), state, int(frames)) for number, state, frames in lines]


def test_no_event_that_was_on_the_disk_is_lost_whenever_the_car_is_killed(tmp_path: Path, record_property: Any) -> None:
    path, on_the_disk = tmp_path / "lens.db", 0
    for rows in ROWS:
        said = drive_until_killed(path, rows)
        last = {number: (state, frames) for number, state, frames in said}
        events = {event.id: event for event in read_events(path)}
        on_the_disk += len(last)
        record_property("kills", 1)
        record_property("events lost", len(last.keys() - events.keys()))
        for number, (state, frames) in last.items():
            kept = events[number]
            assert kept.frames >= frames, f"event {number} is older than what was on the disk"
            assert kept.state == state or number == max(last)
        log = EventLog(path)
        log.close()
        assert log.next_event_id > max(events)
        states = [event.state for event in read_events(path)]
        assert "open" not in states
        assert len(states) == len(events)
    assert not list(tmp_path.glob("*damaged*"))
    for picture in (tmp_path / "lens_events").glob("0*"):
        with Image.open(picture) as image:
            image.load()  # whole, or not there
    record_property("events on the disk before a kill", on_the_disk)
