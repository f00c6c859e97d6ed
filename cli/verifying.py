"""The commands of the device that runs a bundle: does it run there as on the desktop, and how fast."""

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ..edge.backends import open_backend, open_scorer
from ..edge.bundle import Bundle
from ..edge.device.bench import Latency, Measured, Start, busy_processes, fresh_start, measure, unreachable_thresholds
from ..edge.device.machine import describe, load_average, temperatures
from ..edge.device.verify import Verification
from ..edge.device.verify import verify as verify_bundle
from ..edge.errors import InputError
from ..edge.monitor import Monitor
from ..edge.tubs.tub import Tub
from .app import Json, app, print_figures
from .console import console
from .using import BundleFolder

FRAMES_MAX = 400  # of a tub; twenty seconds


@app.command()
def build_engine(bundle: BundleFolder) -> None:
    """Build the TensorRT engine of a bundle, on the very device that will run it. Takes minutes."""
    backend = open_backend(Bundle.load(bundle), "trt", rebuild=True)
    print(f"{bundle}: built for {backend.about}; next: mle-uvad verify {bundle} --backend trt")


@app.command()
def verify(
    bundle: BundleFolder,
    backend: Annotated[str, typer.Option(help="ort: ONNX Runtime; trt: TensorRT.")],
    tub: Annotated[Path | None, typer.Option(help="A drive of this camera; by default frames are made up.")] = None,
    as_json: Json = False,
) -> None:
    """Compare what a bundle says on this device with what it said on the desktop, and take its time.

    Prints a report to paste. Leaves with 2 when a difference is beyond what the alarm can bear.
    """
    loaded = Bundle.load(bundle)
    frames = []
    if tub is not None:
        frames = [frame for _, frame in islice(Tub(tub).frames(), FRAMES_MAX)]
        if not frames or frames[0].shape[:2] != (loaded.height, loaded.width):
            raise InputError(f"{tub} has no frame of {loaded.width}x{loaded.height}; give a drive of this camera")
    console.print(f"verifying {bundle}, which takes a quarter of a minute", markup=False)
    found = verify_bundle(loaded, backend, frames)
    figures = {**asdict(found), "problem": found.problem}
    print_figures(figures, _report(found), as_json)
    if found.problem:
        raise typer.Exit(2)


@app.command()
def bench(
    bundle: BundleFolder,
    seconds: Annotated[float, typer.Option(min=1, help="Of each measurement: back to back, and at 20 Hz.")] = 10.0,
    stress: Annotated[int, typer.Option(min=0, help="Processes that copy memory beside it, as fast as they can.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure how fast a bundle is here: camera frame in, evidence and alarm out. Prints a table to paste."""
    monitor = _monitor(bundle)
    machine = {**describe(monitor.scorer.bundle, monitor.scorer.backend), "load before": load_average()}
    console.print(f"measuring {bundle}, which takes {2 * seconds + 3:.0f} s", markup=False)
    before = temperatures()
    with busy_processes(stress):
        start = fresh_start(bundle)
        found = measure(monitor, seconds)
    figures = {
        "machine": machine,
        "busy_processes": stress,
        "start": asdict(start),
        **asdict(found),
        "temperature_before": before,
        "temperature_after": temperatures(),
    }
    print_figures(figures, _table(figures, start, found), as_json)


def _report(found: Verification) -> str:
    lines = [f"{name:<12} {value}" for name, value in found.machine.items()]
    for name, differences in (("the desktop", found.desktop), ("ONNX Runtime here", found.ort)):
        if differences is not None:
            told = f"PCC at most {differences.pcc:.1e}, log odds {differences.logits:.1e}"
            lines.append(f"differs from {name} by: {told}; {differences.frames} frames")
    for name, latency in (("back to back", found.back_to_back), ("at 20 Hz", found.paced)):
        lines.append(f"{name:<12} p50 {latency.p50:.2f} ms, p99 {latency.p99:.2f} ms, {latency.frames} frames")
    return "\n".join([*lines, f"FAIL: {found.problem}" if found.problem else "PASS"])


def _monitor(folder: Path) -> Monitor:
    bundle = Bundle.load(folder)
    return Monitor(open_scorer(bundle), unreachable_thresholds(bundle))


def _table(figures: dict[str, Any], start: Start, found: Measured) -> str:
    """Markdown, in columns that can be read as they are."""
    facts = dict(figures["machine"])
    if figures["busy_processes"]:
        facts["beside it"] = f"{figures['busy_processes']} processes that copy memory"
    for zone, after in figures["temperature_after"].items():
        facts[f"°C {zone}"] = f"{figures['temperature_before'].get(zone, after):.0f} before, {after:.0f} after"
    memory = "" if start.resident_mb is None else f"; {start.resident_mb:.0f} MB resident"
    facts["start"] = f"import {start.import_s:.2f} s, bundle {start.load_s:.2f} s{memory}"
    rows = [
        "| frame in, evidence out | frames | p50 ms | p99 ms | max ms | % of a core |",
        "|------------------------|-------:|-------:|-------:|-------:|------------:|",
        _row("back to back", found.back_to_back, ""),
        _row("at 20 Hz", found.paced, f"{found.cpu_percent:.1f}"),
    ]
    return "\n".join([*(f"{name:<12} {value}" for name, value in facts.items()), "", *rows])


def _row(name: str, latency: Latency, share: str) -> str:
    times = " | ".join(f"{ms:6.2f}" for ms in (latency.p50, latency.p99, latency.max))
    return f"| {name:<22} | {latency.frames:6} | {times} | {share:>11} |"
