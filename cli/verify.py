"""`mle-uvad verify`: compare a bundle on this device with the desktop that exported it."""

import shlex
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from ..edge.bundle import Bundle
from ..edge.device.verify import Verification
from ..edge.device.verify import verify as verify_bundle
from ..edge.frame import to_rgb
from ..edge.tubs.tub import Tub
from .app import BundleFolder, Json, print_figures
from .console import Lines, console, say_next
from .drives import CameraField, one_tub

FRAMES_MAX = 400  # of a tub; twenty seconds


def verify(
    bundle: BundleFolder,
    backend: Annotated[str, typer.Option(help="ort: ONNX Runtime; trt: TensorRT.")],
    tub: Annotated[
        Path | None, typer.Option(help="Drive recorded with this camera. Default: synthetic frames.")
    ] = None,
    camera: CameraField = None,
    as_json: Json = False,
) -> None:
    """Compare the scores of a bundle on this device with those of the desktop that exported it, and time it.

    Prints a report to paste. Exits with 2 when the scores differ by more than the alarm tolerates.
    """
    loaded = Bundle.load(bundle)
    frames = []
    if tub is not None:
        drive = Tub(one_tub(tub), camera)
        drive.leave_out_others(loaded.height, loaded.width)
        frames = [to_rgb(frame) for _, frame in islice(drive.frames(), FRAMES_MAX)]
        drive.require_frames(len(frames))
    console.print(f"verifying {bundle}; this takes about 15 seconds")
    # Lines and no bar: a bar is drawn ten times a second, beside the frames that are timed.
    with Lines(lambda seconds: f"verifying: {seconds:.0f} s"):
        verification = verify_bundle(loaded, backend, frames)
    figures = {**asdict(verification), "problem": verification.problem}
    print_figures(figures, _report(verification), as_json)
    quoted = shlex.quote(str(bundle))
    say_next(f"mle-uvad bench {quoted}" if verification.problem else f"mle-uvad calibrate {quoted} --tub TUB")
    if verification.problem:
        raise typer.Exit(2)


def _report(verification: Verification) -> str:
    lines = [f"{name:<12} {value}" for name, value in verification.machine.items()]
    for name, parity in (("the desktop", verification.desktop), ("ONNX Runtime here", verification.ort)):
        if parity is not None:
            largest = f"PCC at most {parity.pcc:.1e}, log odds {parity.logits:.1e}"
            lines.append(f"differs from {name} by: {largest}; {parity.frames} frames")
    for name, latency in (("back to back", verification.back_to_back), ("at 20 Hz", verification.paced)):
        lines.append(f"{name:<12} p50 {latency.p50:.2f} ms, p99 {latency.p99:.2f} ms, {latency.frames} frames")
    return "\n".join([*lines, f"FAIL: {verification.problem}" if verification.problem else "PASS"])
