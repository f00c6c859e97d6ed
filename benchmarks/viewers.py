"""Measure what an open browser costs the drive loop and the network: `python benchmarks/viewers.py`. Needs Chromium.

A stock `complete` car with the part drives on a generated drive at 20 Hz, in turns: while nobody looks, with the page
`/lens` open, and with the video of Donkeycar's own page open; without the overlay (`LENS_ACTION = "none"`) and with it.
"""

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from drive_loop import LOOPS, drive_times, make_car
from scoring import make_bundle

from mle_uvad.edge.device.bench import HZ
from mle_uvad.evaluation.simulation.drives import write_drive
from mle_uvad.evaluation.simulation.track import Track
from mle_uvad.parts.install.manage_py import ManagePy

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from chromium import chromium

ROUNDS = 2
CASES = (  # label, action, page that is open
    ("nobody looks, no overlay", "none", ""),
    ("nobody looks", "warn", ""),
    ("/lens open", "warn", "/lens"),
    ("Donkeycar's page open, no overlay", "none", "/drive"),
    ("Donkeycar's page open", "warn", "/drive"),
)


@contextmanager
def viewer(port: int, path: str) -> Iterator[list[float]]:
    """Have a page open while the car drives; yields the kB/s that it received, at the end."""
    rate: list[float] = []
    stopped = threading.Event()

    def look() -> None:
        with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as page:
            while not stopped.wait(0.1):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
            page.open(f"http://127.0.0.1:{port}{path}")
            began_s, before = time.monotonic(), page.received_bytes
            while not stopped.wait(0.2):
                page.run("1")  # takes in what the browser has reported
                if time.monotonic() - began_s > LOOPS / HZ / 2:
                    break
            rate.append((page.received_bytes - before) / (time.monotonic() - began_s) / 1000)
            stopped.wait()

    thread = threading.Thread(target=look)
    if path:
        thread.start()
    try:
        yield rate
    finally:
        stopped.set()
        if path:
            thread.join()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drive = write_drive(folder / "drive", Track(np.random.default_rng(0)), seed=1, seconds=LOOPS / HZ, hz=HZ)
        bundle = make_bundle(folder, "medium")
        cars = {}
        for action in ("none", "warn"):
            cars[action] = car = make_car(folder, action, drive / "images")
            (car / "models" / "lens").symlink_to(bundle.folder)
            ManagePy.read(car).install()
            with (car / "myconfig.py").open("a") as file:
                file.write(f'LENS_ACTION = "{action}"\n')
        taken: dict[str, list[tuple[np.ndarray, list[float]]]] = {label: [] for label, _, _ in CASES}
        for _ in range(ROUNDS):
            for label, action, path in CASES:
                with viewer(_port(cars[action]), path) as rate:
                    work, _ = drive_times(cars[action])
                taken[label].append((work, rate))
    print(f"{ROUNDS} drives of {LOOPS} loops at 20 Hz each: work of one loop, and what the browser received")
    for label, drives in taken.items():
        p50, p99 = np.percentile(np.concatenate([work for work, _ in drives]), (50, 99))
        received = ", ".join(f"{each:.0f}" for _, rate in drives for each in rate) or "0"
        print(f"{label:34} p50 {p50:5.2f} ms  p99 {p99:5.2f} ms  {received} kB/s")


def _port(car: Path) -> int:
    [line] = [line for line in (car / "myconfig.py").read_text().splitlines() if line.startswith("WEB_CONTROL_PORT")]
    return int(line.split("=")[1])


if __name__ == "__main__":
    main()
