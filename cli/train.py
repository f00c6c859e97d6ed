"""`mle-uvad train`: train both networks, and show the progress."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..edge.errors import InputError
from ..edge.read_file import real_path
from ..edge.tubs.times import open_drive
from ..training.objectives.names import AUTOENCODER, OBJECTIVES, TAGGED
from .app import finish, require_extra
from .console import console, say_next
from .drives import CameraField, EveryTub, Hz, camera_of, one_tub, open_drives, print_failed, tubs_of
from .tables import print_skipped
from .training_display import TrainingDisplay

if TYPE_CHECKING:  # it needs torch, which the car does not have
    from ..training.settings import TrainSettings


def train(
    out: Annotated[Path, typer.Option(help="Folder of the run. An interrupted run in it is resumed.")],
    tubs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="TUB...",
            help="Recorded drives without labels; some frames may be wet.",
            show_default="none, with --wet and --dry",
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="paper: as the paper prints it; robust: guarded against a collapse of the latent.")
    ] = "robust",
    objective: Annotated[
        str | None,
        typer.Option(
            help=f"One of {', '.join(OBJECTIVES)}; docs/objectives.md says what they are.", show_default="mle"
        ),
    ] = None,
    width: Annotated[str | None, typer.Option(help="narrow, medium or wide.", show_default="medium")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the frames; 70 in the paper.", show_default="70")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Frames per step; 256 in the paper.", show_default="256")
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate of Adam; 5e-4 in the paper.", show_default="5e-4")
    ] = None,
    latent: Annotated[
        int | None, typer.Option(help="Size of the latent code; 32 in the paper.", show_default="32")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Kernel width of the entropy; 0.1 in the paper.", show_default="0.1")
    ] = None,
    entropy_weight: Annotated[
        float | None, typer.Option("--lambda", help="Weight of the entropy; 1 in the paper.", show_default="1")
    ] = None,
    kernel: Annotated[str | None, typer.Option(help="joint or per_dimension.", show_default="joint")] = None,
    squared_error: Annotated[str | None, typer.Option(help="sum or mean over the pixels.", show_default="sum")] = None,
    latent_mode: Annotated[
        str | None,
        typer.Option(help="free, noisy, bounded or standardised.", show_default="noisy; free with --preset paper"),
    ] = None,
    entropy_start: Annotated[
        str | None,
        typer.Option(help="at_once or on_progress.", show_default="on_progress; at_once with --preset paper"),
    ] = None,
    self_pairs: Annotated[
        bool | None,
        typer.Option(help="Count the pairs i = j in the entropy.", show_default="not; counted with --preset paper"),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float32, or bfloat16 on a GPU or CPU that computes in it.", show_default="float32"),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(
            help="Training windows rendered for the obscuration network, about 120 per second.",
            show_default="8192 from the network that ships, else 49152",
        ),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            help="shipped: the obscuration network goes on from the one that ships with the package; none: it starts"
            " from random weights, as it always does with --many-cars, --held-out or another --width than medium."
        ),
    ] = "shipped",
    held_out: Annotated[
        str | None,
        typer.Option(help="A family of faults that is not rendered, for studies.", show_default="all are rendered"),
    ] = None,
    many_cars: Annotated[
        bool, typer.Option("--many-cars", help="Each TUB is a car of its own: for a bundle that works on other cars.")
    ] = False,
    wet: Annotated[
        list[Path] | None,
        typer.Option(help="With --objective mil: a drive with a wet lens, in part or all of it.", show_default="none"),
    ] = None,
    dry: Annotated[
        list[Path] | None,
        typer.Option(help="With --objective mil: a drive with a dry lens. Both may be repeated.", show_default="none"),
    ] = None,
    every: EveryTub = False,
    camera: CameraField = None,
    hz: Hz = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same weights.", show_default="0")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train the autoencoder and the obscuration network on recorded drives.

    To share every batch among N processes: torchrun --nproc-per-node N --no-python mle-uvad train ...
    """
    require_extra("train", "torch", "safetensors")
    from ..training.base_network import CONTINUED_WINDOWS, WIDTH, base_sha256
    from ..training.parallel import joined
    from ..training.settings import PRESETS
    from ..training.train import pick_device, train_tubs

    if preset not in PRESETS:
        raise InputError(f"preset is {preset!r}; choose one of {', '.join(PRESETS)}")
    if base not in ("shipped", "none"):
        raise InputError(f"base is {base!r}; choose one of shipped, none")
    continues = base == "shipped" and not (many_cars or held_out) and width in (None, WIDTH)
    given: dict[str, Any] = {
        "base": base_sha256() if continues else "",
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
        "windows": CONTINUED_WINDOWS if continues and windows is None else windows,
        "held_out": held_out,
        "many_cars": many_cars,
        "seed": seed,
    }
    settings = replace(PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
    if settings.objective in TAGGED or wet or dry:
        _train_tagged(tubs or [], wet or [], dry or [], settings, out, camera, hz)
        return
    if not tubs:
        raise InputError("no TUB is given; give one or more recorded drives")
    given_folders, tubs = tubs, tubs_of(tubs, every=every)
    if len(given_folders) == 1:
        camera = camera_of(given_folders[0], tubs[0], camera)
    _require_outside(out, tubs)
    drives, failed = open_drives(tubs, camera, hz)
    with joined(pick_device(device)) as processes:
        console.quiet = not processes.first
        with TrainingDisplay(settings.epochs) as display:
            cache = train_tubs(drives, settings, out, pick_device(device), display, processes)
    if not processes.first:
        return
    exported = settings.objective in (*AUTOENCODER, "gcl")
    following = (
        f"export-model {shlex.quote(str(out))} --out BUNDLE"
        if exported
        else f"mle-uvad evaluate {shlex.join(map(str, tubs))} --protocol paper --methods {settings.objective}"
    )
    skipped = [skip for drive in drives for skip in drive.skipped] + cache.skipped
    print_failed(failed, "not trained on")
    print_skipped(skipped)
    say_next(following)
    if (skipped or failed) and processes.count == 1:  # torchrun takes any exit code but 0 for a failure
        raise typer.Exit(3)


def _train_tagged(
    tubs: list[Path],
    wet: list[Path],
    dry: list[Path],
    settings: TrainSettings,
    out: Path,
    camera: str | None,
    hz: float | None,
) -> None:
    """Train on drives that are tagged as a whole. Raises InputError unless there are drives of both tags alone."""
    from ..training.mil import train_tagged

    if settings.objective not in TAGGED:
        raise InputError(f"--wet and --dry are for the objective mil, not {settings.objective}; add --objective mil")
    if tubs or not (wet and dry):
        raise InputError("the objective mil learns from tagged drives; give --wet TUB and --dry TUB, and no other")
    _require_outside(out, [*wet, *dry])
    wet_drives, dry_drives = ([open_drive(one_tub(tub), camera, hz) for tub in given] for given in (wet, dry))
    with TrainingDisplay(settings.epochs) as display:
        train_tagged(wet_drives, dry_drives, settings, out, display)
    following = f"mle-uvad evaluate {shlex.join(map(str, dry))} --protocol paper --methods mil"
    finish([skip for drive in (*wet_drives, *dry_drives) for skip in drive.skipped], following)


def _require_outside(out: Path, tubs: Sequence[Path]) -> None:
    """Raise InputError for a run that would be written into a drive."""
    for tub in tubs:
        if real_path(out).is_relative_to(real_path(tub)):
            raise InputError(f"{out} lies in the tub {tub}; give another folder to --out")
