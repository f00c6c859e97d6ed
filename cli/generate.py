"""`mle-uvad generate`: write a synthetic drive."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..edge.errors import InputError
from .app import require_extra
from .console import Bar, say_next

SECONDS_MAX = 36_000  # ten hours


def generate(
    out: Annotated[Path, typer.Argument(metavar="TUB", help="Folder of the new drive.")],
    seconds: Annotated[float, typer.Option(help="Length of the drive in seconds.")] = 60.0,
    wet: Annotated[bool, typer.Option("--wet", help="Put drops on the lens for one eighth of the time.")] = False,
    track: Annotated[int, typer.Option(min=0, help="Each number is another track and car.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Each number is another drive: path, light, drops.")] = 0,
) -> None:
    """Generate a synthetic drive as a Donkeycar tub, with a labels.json that says when the lens was wet."""
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
    say_next(f"mle-uvad train {shlex.quote(str(out))} --out RUN")
