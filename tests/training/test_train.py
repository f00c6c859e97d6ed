"""The loop learns, tells how it goes, and stops when it does not."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from mle_uvad.edge.errors import InputError
from mle_uvad.training import epoch as epoch_module
from mle_uvad.training import train as train_module
from mle_uvad.training.batches import to_batch
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.metrics import EpochMetrics
from mle_uvad.training.objectives.names import AUTOENCODER, LATENT_TERMS
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import CHOICES, TrainSettings

OTHER_CHOICES = sorted(CHOICES.keys() - {"objective", "width", "held_out"})
Small = Callable[..., TrainSettings]
RunTraining = Callable[..., RunFolder]


def metrics_of(run: RunFolder) -> list[EpochMetrics]:
    return [EpochMetrics(**json.loads(line)) for line in run.metrics_file.read_text().splitlines()]


def test_the_same_seed_gives_the_same_bytes(small: Small, run_training: RunTraining) -> None:
    for preset in ("paper", "robust"):
        settings = small(preset)
        one, two = (run_training(settings, name=f"{preset}{number}").weights_file.read_bytes() for number in (1, 2))
        assert one == two


def test_another_seed_gives_another_model(small: Small, run_training: RunTraining) -> None:
    one, two = (run_training(small(seed=seed), name=f"run{seed}").weights_file.read_bytes() for seed in (1, 2))
    assert one != two


def test_each_epoch_writes_one_line_with_all_its_figures(small: Small, run_training: RunTraining) -> None:
    lines = metrics_of(run_training(small(epochs=3)))  # EpochMetrics(**line) takes no field more and no field less
    assert [line.epoch for line in lines] == [1, 2, 3]
    for line in lines:
        figures = [value for value in vars(line).values() if not isinstance(value, str)]
        assert all(math.isfinite(value) for value in figures)
        assert 0 <= line.entropy <= math.log(48) + 1e-5
        assert line.entropy_share == pytest.approx(line.entropy / math.log(48))
        assert 1 <= line.effective_neighbours <= 110
        assert (line.entropy_weight, line.sigma) == (1.0, 0.1)


def test_the_watcher_sees_every_step_and_every_epoch(
    small: Small, run_training: RunTraining, recorder: Callable[..., object]
) -> None:
    callback = recorder()
    run = run_training(small(), callback=callback)
    assert callback.batches == [(epoch, done, 110) for epoch in (1, 2) for done in (48, 96, 110)]  # type: ignore[attr-defined]
    assert callback.epochs == metrics_of(run)  # type: ignore[attr-defined]


def test_easy_frames_are_learned_beyond_their_mean(small: Small, run_training: RunTraining) -> None:
    lines = metrics_of(run_training(small(objective="mse", epochs=8, batch_size=16, learning_rate=3e-3)))
    assert lines[-1].squared_error < lines[0].squared_error / 3
    assert lines[-1].mean_pcc > lines[-1].mean_frame_pcc + 0.1
    assert lines[-1].mean_pcc > 0.9


def test_the_mean_frame_is_the_mean_of_all_frames(small: Small, run_training: RunTraining, cache: FrameCache) -> None:
    frames = cache.take(np.arange(len(cache)))
    mean = frames.mean(0).ravel()
    expected = np.mean([np.corrcoef(frame.ravel(), mean)[0, 1] for frame in frames])
    assert metrics_of(run_training(small(epochs=1)))[0].mean_frame_pcc == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        *[
            (name, choice)
            for name in CHOICES
            if name not in ("width", "held_out", "objective")
            for choice in CHOICES[name]
        ],
        *[("objective", choice) for choice in AUTOENCODER],
    ],
)
def test_every_choice_trains(small: Small, run_training: RunTraining, name: str, choice: str) -> None:
    (line,) = metrics_of(run_training(small(epochs=1, **{name: choice})))
    assert math.isfinite(line.squared_error)
    has_term = name != "objective" or choice in LATENT_TERMS
    assert (line.entropy_weight > 0) is (has_term and choice != "on_progress")


def test_bfloat16_is_of_the_layers_alone(small: Small, run_training: RunTraining) -> None:
    runs = {name: run_training(small("robust", precision=name), name=name) for name in CHOICES["precision"]}
    exact, mixed = (metrics_of(runs[name])[-1] for name in ("float32", "bfloat16"))
    assert mixed.squared_error != exact.squared_error, "the layers computed as before"
    assert mixed.squared_error == pytest.approx(exact.squared_error, rel=0.01)
    assert mixed.mean_pcc == pytest.approx(exact.mean_pcc, abs=0.02)
    assert {tensor.dtype for tensor in runs["bfloat16"].load_model().parameters()} == {torch.float32}


def test_without_self_pairs_and_with_a_last_batch_of_one(
    small: Small, run_training: RunTraining, make_cache: Callable[..., FrameCache], cache: FrameCache
) -> None:
    frames = make_cache(cache.take(np.arange(65)))
    for mode in CHOICES["latent_mode"]:
        settings = small(epochs=1, batch_size=64, self_pairs=False, latent_mode=mode)
        assert math.isfinite(metrics_of(run_training(settings, name=mode, frames=frames))[0].entropy)


def test_a_batch_larger_than_the_drive_is_the_drive(small: Small, run_training: RunTraining) -> None:
    (line,) = metrics_of(run_training(small(epochs=1, batch_size=4096)))
    assert line.entropy_share == pytest.approx(line.entropy / math.log(110))


def test_a_kernel_out_of_reach_is_called_dead(small: Small, run_training: RunTraining) -> None:
    assert {line.latent for line in metrics_of(run_training(small(sigma=1e-4)))} == {"dead"}


def test_an_entropy_that_wins_is_called_collapsed(small: Small, run_training: RunTraining) -> None:
    lines = metrics_of(run_training(small(epochs=4, entropy_weight=1e7, sigma=3.0, batch_size=32)))
    assert lines[-1].latent == "collapsed"


def test_mse_is_never_called_dead(small: Small, run_training: RunTraining) -> None:
    assert metrics_of(run_training(small(objective="mse", sigma=1e-4)))[-1].latent == "healthy"


def test_a_loss_that_is_not_finite_stops_with_epoch_and_batch(
    small: Small, run_training: RunTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def fail_in_fifth_step(*arguments: object) -> torch.Tensor:
        steps.append(1)
        return torch.tensor(math.nan if len(steps) == 5 else 1.0, requires_grad=True)

    monkeypatch.setattr(epoch_module, "reconstruction_loss", fail_in_fifth_step)
    with pytest.raises(InputError, match=r"nan in epoch 2, batch 2") as caught:
        run_training(small(objective="mse"))
    assert "--lr" in str(caught.value)


@pytest.mark.parametrize("batch_size", [48, 4096])
def test_a_learning_rate_far_too_high_never_ends_in_a_model(
    small: Small, run_training: RunTraining, batch_size: int
) -> None:
    with pytest.raises(InputError, match="epoch 1"):
        run_training(small(epochs=1, learning_rate=1e30, batch_size=batch_size))


def test_a_device_that_is_absent_is_refused() -> None:
    assert train_module.pick_device("cpu") == "cpu"
    assert train_module.pick_device("auto") in ("cpu", "cuda")
    with pytest.raises(InputError, match="'tpu'"):
        train_module.pick_device("tpu")


def test_frames_become_a_batch_in_zero_to_one(cache: FrameCache) -> None:
    frames = cache.take(np.arange(5))
    batch = to_batch(frames, "cpu")
    assert batch.shape == (5, 1, 80, 80)
    assert torch.equal(batch[:, 0], torch.tensor(frames).float() / 255)
