"""Measure the cost of the part in Donkeycar's drive loop at 20 Hz: `python benchmarks/drive_loop.py [--stress N]`.

The manage.py of a stock `complete` car drives on a generated drive, in turns without the part and with it. With
`--stress`, N other processes copy memory as fast as they can meanwhile.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scoring import make_bundle

from mle_uvad.edge.device.bench import HZ, busy_processes
from mle_uvad.evaluation.car import configure, create_car
from mle_uvad.evaluation.simulation.drives import write_drive
from mle_uvad.evaluation.simulation.track import Track
from mle_uvad.parts.install.manage_py import ManagePy

LOOPS = 400
ROUNDS = 3
WARM_UP_LOOPS = 40  # the web server and the tub start in the first two seconds
# Runs manage.py as `python manage.py drive` does and times each update of the parts.
RUNNER = """
import json, runpy, sys, time
from donkeycar.vehicle import Vehicle
times, update_parts = [], Vehicle.update_parts
def timed(vehicle):
    began = time.perf_counter()
    update_parts(vehicle)
    times.append((began, time.perf_counter()))
Vehicle.update_parts = timed
sys.argv = ["manage.py", "drive"]
try:
    runpy.run_path("manage.py", run_name="__main__")
finally:
    with open("times.json", "w") as file:
        json.dump(times, file)
"""


def drive_times(car: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Drive the car and return work and period of each loop in ms."""
    (car / "timed_drive.py").write_text(RUNNER)
    environment = {name: value for name, value in os.environ.items() if name != "WEB_CONTROL_PORT"}
    with (car / "drive.log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "timed_drive.py"], cwd=car, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise SystemExit(f"the car stopped early:\n{(car / 'drive.log').read_text()[-2000:]}")
    times = np.array(json.loads((car / "times.json").read_text()))[WARM_UP_LOOPS:] * 1e3  # [N, 2] began, ended
    return times[:, 1] - times[:, 0], np.diff(times[:, 0])


def make_car(folder: Path, name: str, images: Path) -> Path:
    """Create a stock car whose camera shows the images of a drive."""
    car = folder / name
    create_car(car)
    configure(car, images, LOOPS)
    return car


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the cost of the part in the drive loop.")
    parser.add_argument(
        "--stress", type=int, default=0, metavar="N", help="number of processes that copy memory meanwhile"
    )
    stress = parser.parse_args().stress
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drive = write_drive(folder / "drive", Track(np.random.default_rng(0)), seed=1, seconds=LOOPS / HZ, hz=HZ)
        plain, monitored = (make_car(folder, name, drive / "images") for name in ("plain", "monitored"))
        make_bundle(folder, "medium").folder.rename(monitored / "models" / "lens")
        ManagePy.read(monitored).install()
        taken: dict[Path, list[tuple[NDArray[np.float64], ...]]] = {plain: [], monitored: []}
        with busy_processes(stress):
            for _ in range(ROUNDS):
                for car, rounds in taken.items():
                    rounds.append(drive_times(car))
    rows = {}
    for label, rounds in (("without the part", taken[plain]), ("with the part", taken[monitored])):
        work_and_period = (np.concatenate(times) for times in zip(*rounds, strict=True))
        rows[label] = [float(np.percentile(times, q)) for times in work_and_period for q in (50, 99)]
    rows["difference"] = [b - a for a, b in zip(*rows.values(), strict=True)]
    print(f"{ROUNDS} drives of {LOOPS} loops at 20 Hz each, {stress} other busy processes")
    print("                   work p50 ms  p99 ms | period p50 ms  p99 ms")
    for label, (work, work_99, period, period_99) in rows.items():
        print(f"{label:18} {work:11.2f} {work_99:7.2f} | {period:13.2f} {period_99:7.2f}")


if __name__ == "__main__":
    main()
