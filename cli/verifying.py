"""The commands of the device that runs a bundle: does it run there as on the desktop, and how fast."""

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from ..edge.backend import open_backend
from ..edge.bundle import Bundle
from ..edge.errors import InputError
from ..edge.tub import Tub
from ..edge.verify import Verification
from ..edge.verify import verify as verify_bundle
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


def _report(found: Verification) -> str:
    lines = [f"{name:<12} {value}" for name, value in found.machine.items()]
    for name, differences in (("the desktop", found.desktop), ("ONNX Runtime here", found.ort)):
        if differences is not None:
            told = f"PCC at most {differences.pcc:.1e}, log odds {differences.logits:.1e}"
            lines.append(f"differs from {name} by: {told}; {differences.frames} frames")
    for name, latency in (("back to back", found.back_to_back), ("at 20 Hz", found.paced)):
        lines.append(f"{name:<12} p50 {latency.p50:.2f} ms, p99 {latency.p99:.2f} ms, {latency.frames} frames")
    return "\n".join([*lines, f"FAIL: {found.problem}" if found.problem else "PASS"])
