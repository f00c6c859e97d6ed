"""`mle-uvad bench`: measure the speed of a bundle on this device."""

import shlex
from dataclasses import asdict
from typing import Annotated, Any

import typer

from ..edge.backends import open_scorer
from ..edge.bundle import Bundle
from ..edge.device.bench import Latency, Measured, Start, busy_processes, fresh_start, measure, unreachable_thresholds
from ..edge.device.machine import describe, load_average, temperatures
from ..edge.monitor import Monitor
from .app import BundleFolder, Json, print_figures
from .console import Lines, console, say_next


def bench(
    bundle: BundleFolder,
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="Length of each of the two measurements: back to back, and at 20 Hz.")
    ] = 10.0,
    stress: Annotated[
        int, typer.Option(min=0, help="Number of processes that copy memory at full speed meanwhile.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Measure the speed of a bundle on this device, from camera frame to alarm. Prints a table to paste."""
    loaded = Bundle.load(bundle)
    monitor = Monitor(open_scorer(loaded), unreachable_thresholds(loaded))
    machine = {**describe(loaded, monitor.scorer.backend), "load before": load_average()}
    console.print(f"measuring {bundle}; this takes {2 * seconds + 3:.0f} s")
    before = temperatures()
    # Lines and no bar: a bar is drawn ten times a second, beside the frames that are timed.
    with busy_processes(stress), Lines(lambda passed_s: f"measuring: {passed_s:.0f} s"):
        start = fresh_start(bundle)
        measured = measure(monitor, seconds)
    figures = {
        "machine": machine,
        "busy_processes": stress,
        "start": asdict(start),
        **asdict(measured),
        "temperature_before": before,
        "temperature_after": temperatures(),
    }
    print_figures(figures, _table(figures, start, measured), as_json)
    say_next(f"mle-uvad verify {shlex.quote(str(bundle))} --backend {'trt' if loaded.target == 'jetson' else 'ort'}")


def _table(figures: dict[str, Any], start: Start, measured: Measured) -> str:
    """Format the figures as Markdown whose columns line up as plain text."""
    facts = dict(figures["machine"])
    if figures["busy_processes"]:
        facts["stress"] = f"{figures['busy_processes']} processes that copy memory"
    for zone, after in figures["temperature_after"].items():
        facts[f"°C {zone}"] = f"{figures['temperature_before'].get(zone, after):.0f} before, {after:.0f} after"
    memory = "" if start.resident_mb is None else f"; {start.resident_mb:.0f} MB resident"
    facts["start"] = f"import {start.import_s:.2f} s, bundle {start.load_s:.2f} s{memory}"
    rows = [
        "| frame in, evidence out | frames | p50 ms | p99 ms | max ms | % of a core |",
        "|------------------------|-------:|-------:|-------:|-------:|------------:|",
        _row("back to back", measured.back_to_back, ""),
        _row("at 20 Hz", measured.paced, f"{measured.cpu_percent:.1f}"),
    ]
    return "\n".join([*(f"{name:<12} {value}" for name, value in facts.items()), "", *rows])


def _row(name: str, latency: Latency, cpu: str) -> str:
    times = " | ".join(f"{ms:6.2f}" for ms in (latency.p50, latency.p99, latency.max))
    return f"| {name:<22} | {latency.frames:6} | {times} | {cpu:>11} |"
