"""The defining property of each objective with a network of its own, and that all share the loop and its files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mle_uvad.edge.errors import InputError
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.clips import take_clips
from mle_uvad.training.model import Autoencoder
from mle_uvad.training.objectives.gcl import Gcl, above, negative_target
from mle_uvad.training.objectives.names import ON_CLIPS
from mle_uvad.training.objectives.tmae import JUDGED, Tmae, to_frames, to_tokens
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import TrainSettings

Small = Callable[..., TrainSettings]
RunTraining = Callable[..., RunFolder]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_the_negative_target_reverses_the_gradient_of_the_generator() -> None:
    frames = 0.2 + 0.2 * drawn(4, 1, 80, 80)
    rendered = (frames + 0.1).requires_grad_()  # brighter than the frame, darker than white
    abnormal = torch.tensor([False, True, False, False])
    (rendered - negative_target(frames, abnormal)).square().sum().backward()
    assert rendered.grad is not None
    darker = rendered.grad.flatten(1).sign()
    assert (darker[[0, 2, 3]] == 1).all(), "towards the frame"
    assert (darker[1] == -1).all(), "away from it"


def test_each_network_labels_for_the_other_without_a_gradient() -> None:
    assert above(torch.tensor([1.0, 1.0, 1.0, 9.0]), 1.0).tolist() == [False, False, False, True]
    torch.manual_seed(0)
    method = Gcl(Autoencoder("narrow"), 32)
    bias = next(method.discriminator.parameters())
    method.loss(drawn(8, 1, 80, 80), 1.0, torch.Generator()).backward()
    assert bias.grad is not None
    assert bias.grad.any()
    encoder = [parameter.grad.clone() for parameter in method.autoencoder.parameters() if parameter.grad is not None]
    method.zero_grad()
    target = negative_target(drawn(8, 1, 80, 80), above(method.scores(drawn(8, 1, 80, 80)).sigmoid(), 0.1))
    (method.expected(drawn(8, 1, 80, 80)) - target).square().flatten(1).sum(1).mean().backward()
    alone = [parameter.grad for parameter in method.autoencoder.parameters() if parameter.grad is not None]
    assert all(torch.allclose(ours, theirs) for ours, theirs in zip(encoder, alone, strict=True))


def test_tiles_come_together_again() -> None:
    clips = drawn(2, 8, 80, 80)
    assert torch.equal(to_frames(to_tokens(clips)), clips)
    assert torch.equal(to_tokens(clips)[1, 3, 7], clips[1, 3, 16:32, 32:48].flatten())


def test_the_masked_autoencoder_sees_no_masked_token() -> None:
    torch.manual_seed(0)
    method = Tmae(width=16, layers=1, decoder_width=8, decoder_layers=1).eval()
    clips = drawn(2, 8, 80, 80)
    for hidden in JUDGED:
        changed = clips.clone()
        changed[:, list(hidden)] = drawn(2, 4, 80, 80, seed=1)
        predicted, again = (method.predict(each, torch.tensor(hidden)) for each in (clips, changed))
        assert torch.equal(predicted, again)
        changed[:, min(set(range(8)) - set(hidden)), :16, :16] = 0
        assert not torch.allclose(method.predict(changed, torch.tensor(hidden)), predicted), "visible ones count"


def test_a_clip_ends_with_its_frame_and_reaches_over_no_gap(make_cache: Callable[..., FrameCache]) -> None:
    frames = np.repeat(np.arange(100, dtype=np.uint8), 6400).reshape(100, 80, 80)
    starts = np.repeat([0, 60], [60, 40])
    clips = take_clips(make_cache(frames, starts=starts), np.array([1, 59, 61]), 4, "cpu")
    assert (clips[:, :, 0, 0] * 255).round().tolist() == [[0, 0, 0, 1], [56, 57, 58, 59], [60, 60, 60, 61]]


@pytest.mark.parametrize("objective", ON_CLIPS)
def test_each_trains_in_the_loop_and_resumes_as_if_uninterrupted(
    objective: str, small: Small, run_training: RunTraining, recorder: Callable[..., object], power_cut: type[Exception]
) -> None:
    settings = small(objective=objective, batch_size=55)
    whole = run_training(settings, name="whole")
    with pytest.raises(power_cut):
        run_training(settings, name="cut", callback=recorder(stop_after_epoch=1))
    assert run_training(settings, name="cut").weights_file.read_bytes() == whole.weights_file.read_bytes()
    method = whole.load_network()
    clips = drawn(3, method.frames, 80, 80)  # type: ignore[arg-type]
    with torch.no_grad():
        assert method.expected(clips).shape == (3, 1, 80, 80)  # type: ignore[operator]
        alone = torch.cat([method.scores(clip[None]) for clip in clips])  # type: ignore[operator]
        assert alone.tolist() == pytest.approx(method.scores(clips).tolist(), rel=1e-3)  # type: ignore[operator]


def test_what_no_car_can_run_says_so_when_exported(small: Small, run_training: RunTraining, tmp_path: Path) -> None:
    bundle = pytest.importorskip("mle_uvad.export.bundle")
    run_training(small(objective="tmae", epochs=1, batch_size=55))
    with pytest.raises(InputError, match="looks at 8 frames at once and cannot run on a car"):
        bundle.export_bundle(tmp_path / "run", tmp_path / "lens", "onnx")
    assert isinstance(run_training(small(objective="gcl", epochs=1), name="gcl").load_model(), Autoencoder)
