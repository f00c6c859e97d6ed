"""Two trainings into one folder: the second is refused; whatever ends the first, the next one goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import TrainSettings
from mle_uvad.training.train import CACHE_FOLDER, train_tubs

Small = Callable[..., TrainSettings]
HOLD = """
import sys, time
from pathlib import Path
from mle_uvad.training.run import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


def of_a_dead_process() -> int:
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_second_training_is_refused_until_the_first_ends_however_it_ends(
    end: signal.Signals, small: Small, make_tub: Callable[..., Path], recorder: Callable[..., object], tmp_path: Path
) -> None:
    folder, tub = tmp_path / "runs" / "one", Tub(make_tub(70))
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"locked\n"
        with pytest.raises(InputError, match=r"another training writes .*one; wait for its end, or give another"):
            train_tubs([tub], small(epochs=1), folder, "cpu", recorder())  # type: ignore[arg-type]
        assert not any(folder.iterdir())
        first.send_signal(end)
    train_tubs([tub], small(epochs=1), folder, "cpu", recorder())  # type: ignore[arg-type]
    RunFolder(folder).load_obscuration()


def test_a_training_that_is_refused_lets_go_and_leaves_no_folder(
    small: Small, make_tub: Callable[..., Path], recorder: Callable[..., object], tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "one"
    for _ in range(2):
        with pytest.raises(InputError, match="readable frames"):
            train_tubs([Tub(make_tub(3, name=f"tub{_}"))], small(), folder, "cpu", recorder())  # type: ignore[arg-type]
    assert not folder.exists()


def test_drafts_of_killed_trainings_are_deleted_and_those_of_living_ones_stay(
    small: Small, make_tub: Callable[..., Path], recorder: Callable[..., object], tmp_path: Path
) -> None:
    folder, cache = tmp_path / "runs" / "one", tmp_path / "runs" / CACHE_FOLDER
    dead = of_a_dead_process()
    left = [folder / f".state.safetensors.{dead}.tmp", folder / ".run.json.1.tmp", cache / f".a.u8.{dead}.tmp"]
    living = cache / f".b.u8.{os.getppid()}.tmp"  # of another run that decodes at this moment
    for draft in (*left, living):
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(b"half")
    train_tubs([Tub(make_tub(70))], small(epochs=1), folder, "cpu", recorder())  # type: ignore[arg-type]
    assert not any(draft.exists() for draft in left)
    assert living.exists()


def test_drafts_in_a_folder_that_is_no_run_stay(
    small: Small, make_tub: Callable[..., Path], recorder: Callable[..., object], tmp_path: Path
) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    kept = [folder / "chapter.tex", folder / ".chapter.tex.1.tmp"]
    for path in kept:
        path.write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        train_tubs([Tub(make_tub(70))], small(), folder, "cpu", recorder())  # type: ignore[arg-type]
    assert all(path.exists() for path in kept)
