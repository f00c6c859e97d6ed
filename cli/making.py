"""The commands of the desktop: make drives, train, export, show it all. Heavy imports wait for their command."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..edge.errors import InputError
from ..edge.tubs.tub import Tub
from .app import Json, app, leave_for, print_figures, require_extra
from .console import Bar, console
from .tables import print_skipped

SECONDS_MAX = 36_000  # of a made-up drive: ten hours


@app.command()
def train(
    tubs: Annotated[
        list[Path], typer.Argument(metavar="TUB...", help="Drives, unlabelled; wet frames may be among them.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run there goes on.")],
    preset: Annotated[
        str, typer.Option(help="paper: the literal reading; robust: guarded against collapse.")
    ] = "robust",
    objective: Annotated[str | None, typer.Option(help="mle or mse.")] = None,
    width: Annotated[str | None, typer.Option(help="narrow, medium or wide.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the frames; 70 in the paper.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Frames a step; 256 in the paper.")] = None,
    lr: Annotated[float | None, typer.Option(help="Adam's learning rate; 5e-4 in the paper.")] = None,
    latent: Annotated[int | None, typer.Option(help="Numbers between encoder and decoder; 32 in the paper.")] = None,
    sigma: Annotated[float | None, typer.Option(help="Width of the entropy's kernel; 0.1 in the paper.")] = None,
    entropy_weight: Annotated[
        float | None, typer.Option("--lambda", help="Weight of the entropy; 1 in the paper.")
    ] = None,
    kernel: Annotated[str | None, typer.Option(help="joint or per_dimension.")] = None,
    squared_error: Annotated[str | None, typer.Option(help="sum or mean over the pixels.")] = None,
    latent_mode: Annotated[str | None, typer.Option(help="free, noisy, bounded or standardised.")] = None,
    entropy_start: Annotated[str | None, typer.Option(help="at_once or on_progress.")] = None,
    self_pairs: Annotated[bool | None, typer.Option(help="Count i = j in the entropy.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, or bfloat16 for a GPU or a CPU that computes in it.")
    ] = None,
    windows: Annotated[
        int | None, typer.Option(help="Faults rendered for the obscuration network, some 100 a second.")
    ] = None,
    held_out: Annotated[str | None, typer.Option(help="A kind of fault never to render, for studies.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same weights.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train the autoencoder and the obscuration network on recorded drives.

    With torchrun --nproc-per-node N --no-python before it, N processes share every batch.
    """
    require_extra("train", "torch", "safetensors")
    from ..training.parallel import joined
    from ..training.settings import PRESETS
    from ..training.train import pick_device, train_tubs
    from .train import TrainingDisplay

    if preset not in PRESETS:
        raise InputError(f"preset is {preset!r}; choose one of {', '.join(PRESETS)}")
    given: dict[str, Any] = {
        "objective": objective,
        "width": width,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": lr,
        "latent": latent,
        "sigma": sigma,
        "entropy_weight": entropy_weight,
        "kernel": kernel,
        "squared_error": squared_error,
        "latent_mode": latent_mode,
        "entropy_start": entropy_start,
        "self_pairs": self_pairs,
        "precision": precision,
        "windows": windows,
        "held_out": held_out,
        "seed": seed,
    }
    settings = replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
    drives = [Tub(tub) for tub in tubs]
    with joined(pick_device(device)) as processes:
        console.quiet = not processes.first
        with TrainingDisplay(settings.epochs) as display:
            cache = train_tubs(drives, settings, out, pick_device(device), display, processes)
    if not processes.first:
        return
    console.print(f"trained {out}; next: export-model {out} --out BUNDLE", markup=False)
    skipped = [skip for drive in drives for skip in drive.skipped] + cache.skipped
    if processes.count > 1 and skipped:  # torchrun takes any code but 0 for a failure
        print_skipped(skipped)
    else:
        leave_for(skipped)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished training.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; on the car it is models/lens.")],
    target: Annotated[str, typer.Option(help="onnx, pi or jetson: what the bundle is for.")] = "onnx",
    as_json: Json = False,
) -> None:
    """Export a trained run to a bundle, checked against PyTorch."""
    require_extra("export", "torch", "onnx")
    from ..export.bundle import export_bundle

    bundle = export_bundle(run, out, target)
    if target == "jetson":
        console.print(
            f"TensorRT can build every node; the engine is made on the Jetson: mle-uvad build-engine {out.name}",
            markup=False,
        )
    figures = {
        "bundle": str(out),
        "target": target,
        "bytes": len(bundle.model),
        "sha256": bundle.sha256,
        **bundle.parity,
    }
    print_figures(
        figures,
        f"{out}: {len(bundle.model) / 1e6:.2f} MB for frames {bundle.width}x{bundle.height}; PCC differs from PyTorch"
        f" by at most {bundle.parity['pcc_difference']:.1e} on {bundle.parity['frames']} frames",
        as_json,
    )


@app.command()
def generate(
    out: Annotated[Path, typer.Argument(metavar="TUB", help="Folder of the new drive.")],
    seconds: Annotated[float, typer.Option(help="How long it lasts.")] = 60.0,
    wet: Annotated[bool, typer.Option("--wet", help="Drops on the lens for one eighth of the time.")] = False,
    track: Annotated[int, typer.Option(min=0, help="Another number is another track and car.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Another number is another drive: path, light, drops.")] = 0,
) -> None:
    """Write a made-up drive as a Donkeycar tub, with labels.json saying when the lens was wet."""
    require_extra("train", "scipy")
    if not 1 <= seconds <= SECONDS_MAX:
        raise InputError(f"seconds is {seconds}; give 1 to {SECONDS_MAX}")
    import numpy as np

    from ..evaluation.simulation.drives import write_drive
    from ..evaluation.simulation.episodes import scattered_episodes
    from ..evaluation.simulation.track import Track

    episodes = scattered_episodes(seconds, np.random.default_rng(seed)) if wet else []
    with Bar("generating") as bar:
        world = Track(np.random.default_rng(track))
        write_drive(out, world, seed=seed, seconds=seconds, episodes=episodes, progress=bar)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the drives, the car and the figures.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another track.")] = 0,
) -> None:
    """The whole way on generated drives: train, export, calibrate, drive a real Donkeycar, look at the events."""
    require_extra("train,export,report,donkeycar", "torch", "onnx", "matplotlib", "donkeycar")
    from ..evaluation.demo import run_demo
    from .demo import DemoDisplay, print_result

    print_result(run_demo(out, seed, DemoDisplay()))
