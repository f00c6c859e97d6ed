"""`mle-uvad export`, also installed as `export-model`: turn a trained run into a bundle."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..edge.bundle import CALIBRATION_FILE, FACTS_FILE
from .app import Json, print_figures, require_extra
from .console import Bar, console, say_next


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished training run.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; on the car this is models/lens.")],
    target: Annotated[str, typer.Option(help="Where the bundle will run: onnx (anywhere), pi or jetson.")] = "onnx",
    as_json: Json = False,
) -> None:
    """Export a trained run to a bundle and check it against PyTorch."""
    require_extra("export", "torch", "onnx")
    from ..export.bundle import export_bundle

    replaced, calibrated = (out / FACTS_FILE).is_file(), (out / CALIBRATION_FILE).is_file()
    with Bar("exporting"):
        bundle = export_bundle(run, out, target)
    if replaced:
        stale = f"; its calibration fits no longer: mle-uvad calibrate {shlex.quote(str(out))} --tub TUB"
        console.print(f"replaced the bundle that was in {out}{stale if calibrated else ''}")
    if target == "jetson":
        console.print("TensorRT supports every node of the graph. The engine is built on the Jetson")
    figures = {
        "bundle": str(out),
        "target": target,
        "bytes": len(bundle.model),
        "sha256": bundle.sha256,
        **bundle.parity,
    }
    print_figures(
        figures,
        f"{out}: {len(bundle.model) / 1e6:.2f} MB, for frames of {bundle.width}x{bundle.height}; the PCC differs from"
        f" PyTorch by at most {bundle.parity['pcc_difference']:.1e} on {bundle.parity['frames']} frames",
        as_json,
    )
    on_device = f"on the Jetson, mle-uvad build-engine {shlex.quote(out.name)}"
    calibrate = f"mle-uvad calibrate {shlex.quote(str(out))} --tub TUB, with a drive whose lens was clean"
    say_next(on_device if target == "jetson" else calibrate)
