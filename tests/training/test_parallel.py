"""Two processes on one batch are one process: loss, gradients and weights; and the usual mistakes are told apart."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from train_in_parallel import VARIANTS

from mle_uvad.edge import InputError
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.parallel import Processes
from mle_uvad.training.run import RunFolder

SCRIPT = Path(__file__).parents[1] / "train_in_parallel.py"
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
Runs = dict[int, Path]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache: FrameCache) -> Runs:
    """The folders of what one process trained, and of what two did, in float64."""
    folder = tmp_path_factory.mktemp("parallel")
    (folder / "frames.u8").write_bytes(cache.take(np.arange(64)).tobytes())
    runs = {count: folder / str(count) for count in (1, 2)}
    for count, variants in ((1, ("step", "epochs")), (2, tuple(VARIANTS))):
        python(*(TORCHRUN if count > 1 else []), SCRIPT, folder / "frames.u8", runs[count], *variants)
    return runs


def python(*arguments: str | Path) -> str:
    """Run this Python to its end, on one thread a process, and return what it told."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def gradients(run: Path) -> torch.Tensor:
    """Adam's first moments after its first step: a tenth of the gradients."""
    state = load_file(run / "state.safetensors")
    names = sorted(name for name in state if name.endswith(".exp_avg"))
    assert len(names) > 20
    return 10 * torch.cat([state[name].flatten() for name in names])


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((one - other).abs().max() / one.abs().max())


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_loss_and_gradients_of_a_step_are_those_of_one_process(runs: Runs) -> None:
    one, two = (metrics(runs[count] / "step")[0] for count in (1, 2))
    assert one["entropy"] > 0.1, "an entropy without a gradient would prove nothing"
    for name in ("squared_error", "entropy", "mean_pcc", "latent_std"):
        assert two[name] == pytest.approx(one[name], rel=1e-10), name
    expected = gradients(runs[1] / "step")
    assert expected.dtype == torch.float64
    assert apart(expected, gradients(runs[2] / "step")) < 1e-10


@pytest.mark.parametrize("mistake", ["detached", "own_entropy", "own_statistics"])
def test_the_usual_mistakes_fail_the_same_comparison(runs: Runs, mistake: str) -> None:
    wrong = apart(gradients(runs[1] / "step"), gradients(runs[2] / mistake))
    print(f"{mistake}: {wrong:.3g}")
    assert wrong > 1e-3


def test_a_detached_gather_cannot_be_seen_in_the_loss(runs: Runs) -> None:
    """Which is why the gradients are compared."""
    right, wrong = (metrics(runs[2] / name)[0]["entropy"] for name in ("step", "detached"))
    assert wrong == pytest.approx(right, rel=1e-10)


def test_epochs_with_noise_and_a_short_batch_end_in_the_same_weights(runs: Runs) -> None:
    """Batches of 24, 24 and 16; the noise of the preset robust is drawn for the whole batch."""
    one, two = (load_file(runs[count] / "epochs" / "weights.safetensors") for count in (1, 2))
    assert list(one) == list(two), "a run of several processes is read as any other"
    for name in one:
        assert torch.allclose(one[name], two[name], rtol=0, atol=1e-10), name
    assert [line["epoch"] for line in metrics(runs[2] / "epochs")] == [1, 2, 3]


def test_the_command_under_torchrun(make_tub: Callable[..., Path], tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("mle-uvad")
    command: list[str | Path] = [program, "train", make_tub(70), "--out", tmp_path / "run"]
    options = ["--width", "narrow", "--epochs", "2", "--batch-size", "32", "--windows", "0"]
    told = python(*TORCHRUN, "--no-python", *command, *options)
    assert told.count("epoch   2/2") == 1, "one of them tells how it goes"
    assert told.count("next: export-model") == 1
    run = RunFolder(tmp_path / "run")
    run.load_model()
    assert len(metrics(run.folder)) == 2


def test_shares_are_even_and_leave_out_what_cannot_be_shared() -> None:
    rows = np.arange(11)
    shares = [Processes(number, 3).share(rows) for number in range(3)]
    assert [list(share) for share in shares] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert list(Processes().share(rows)) == list(rows)
    assert not len(Processes(0, 3).share(rows[:2]))
    Processes(0, 3).require_even(255)
    with pytest.raises(InputError, match="--batch-size is 256, which 3 processes cannot share"):
        Processes(0, 3).require_even(256)
