"""Measure the latency and the start-up cost of the part: `python benchmarks/part.py`.

Goals: a median of `run_threaded` below 0.1 ms; import and bundle below 0.5 s and 100 MB; no forbidden module loaded.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from scoring import camera_frames, make_bundle

from mle_uvad.parts import MLEAnomalyPart

HZ = 20.0
PACED_CALLS = 200
BACK_TO_BACK_CALLS = 20_000
STARTS = 3
LOAD = """
import json, sys, time
began = time.perf_counter()
from mle_uvad.parts import MLEAnomalyPart
imported = time.perf_counter()
from pathlib import Path
bundle, log = map(Path, sys.argv[1:])
part = MLEAnomalyPart(bundle, bundle / "calibration.json", log)
loaded = time.perf_counter()
import numpy
part.run(numpy.zeros((120, 160, 3), numpy.uint8))
part.shutdown()
heavy = ["torch", "onnx", "donkeycar", "tensorrt", "tornado", "matplotlib", "scipy", "typer"]
print(json.dumps({
    "import_s": imported - began,
    "load_s": loaded - imported,
    # Not getrusage: its peak includes that of the process which started this one.
    "rss_mb": int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024,
    "forbidden": [name for name in heavy if name in sys.modules],
}))
"""


def calls(part: MLEAnomalyPart, count: int, hz: float) -> tuple[float, float]:
    """Return median and 99th percentile of `run_threaded` in ms while the worker scores; `hz` 0 means back to back."""
    frames = list(camera_frames(8))
    worker = threading.Thread(target=part.update)
    worker.start()
    times, began_s = [], time.perf_counter()
    for number in range(count):
        if hz:
            time.sleep(max(0.0, began_s + number / hz - time.perf_counter()))
        frame = frames[number % 8].copy()  # a new object, as from a camera
        started_s = time.perf_counter()
        part.run_threaded(frame)
        times.append(time.perf_counter() - started_s)
    part.shutdown()
    worker.join()
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    return float(p50), float(p99)


def fresh_start(bundle: Path, log: Path) -> dict[str, float | list[str]]:
    """Import the part and load a bundle in a new interpreter; return what it measured."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(bundle), str(log)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder), "medium").folder
        print("run_threaded      p50 ms  p99 ms")
        for name, count, hz in (("at 20 Hz", PACED_CALLS, HZ), ("back to back", BACK_TO_BACK_CALLS, 0.0)):
            part = MLEAnomalyPart(bundle, bundle / "calibration.json", Path(folder) / f"{name}.db")
            p50, p99 = calls(part, count, hz)
            print(f"{name:16} {p50:7.4f} {p99:7.4f}")
        print("fresh start       import s  bundle s  peak MB  forbidden modules")
        for number in range(STARTS):
            seen = fresh_start(bundle, Path(folder) / "fresh.db")
            figures = f"{seen['import_s']:9.2f} {seen['load_s']:9.2f} {seen['rss_mb']:8.0f}"
            print(f"{number + 1:<16} {figures}  {', '.join(seen['forbidden']) or 'none'}")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
