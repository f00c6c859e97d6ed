"""The defining property of each objective with a network of its own, and that all share the loop and its files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mle_uvad.edge.errors import InputError
from mle_uvad.training.batches import take_clips
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.model import Autoencoder
from mle_uvad.training.objectives.dast_lite import Cbam, DastLite
from mle_uvad.training.objectives.gan_lite import GanLite, adversarial_loss, block_flow
from mle_uvad.training.objectives.gcl import Gcl, above, negative_target
from mle_uvad.training.objectives.names import ON_CLIPS
from mle_uvad.training.objectives.roadmap_lite import EPSILON, RoadmapLite, tolerant_error
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
    generator = Autoencoder("narrow")
    method, frames = Gcl(generator, 32), drawn(8, 1, 80, 80)
    method.loss(frames, 1.0, torch.Generator()).backward()
    assert all(parameter.grad is not None for parameter in method.discriminator.parameters())
    found = [parameter.grad for parameter in generator.parameters()]
    target = negative_target(frames, above(method.scores(frames).sigmoid(), 0.1))
    alone = (method.expected(frames) - target).square().flatten(1).sum(1).mean()
    for ours, expected in zip(found, torch.autograd.grad(alone, list(generator.parameters())), strict=True):
        assert ours is not None
        assert torch.allclose(ours, expected, atol=1e-3), "of its own loss alone"


def test_tiles_come_together_again() -> None:
    clips = drawn(2, 8, 80, 80)
    assert torch.equal(to_frames(to_tokens(clips)), clips)
    assert torch.equal(to_tokens(clips)[1, 3, 7], clips[1, 3, 16:32, 32:48].flatten())


def test_the_masked_autoencoder_sees_no_masked_token() -> None:
    torch.manual_seed(0)
    method = Tmae(2).eval()
    clips = drawn(2, 8, 80, 80)
    for hidden in JUDGED:
        changed = clips.clone()
        changed[:, list(hidden)] = drawn(2, 4, 80, 80, seed=1)
        predicted, again = (method.predict(each, torch.tensor(hidden)) for each in (clips, changed))
        assert torch.equal(predicted, again)
        changed[:, min(set(range(8)) - set(hidden)), :16, :16] = 0
        assert not torch.allclose(method.predict(changed, torch.tensor(hidden)), predicted), "visible ones count"


def test_prediction_tolerates_noise_and_does_not_look_at_what_it_predicts() -> None:
    frames = drawn(4, 1, 80, 80)
    noisy = frames + (2 * drawn(4, 1, 80, 80, seed=1) - 1) * EPSILON
    assert float(tolerant_error(noisy, frames)) == 0
    assert float(tolerant_error(frames + 3 * EPSILON, frames)) == pytest.approx((2 * EPSILON) ** 2, rel=1e-4)
    torch.manual_seed(0)
    method, clips = RoadmapLite(4), drawn(2, 5, 80, 80)
    changed = clips.clone()
    changed[:, -1] = 0
    with torch.no_grad():
        assert torch.equal(method.expected(clips), method.expected(changed))
        changed[:, 0] = 0
        assert not torch.equal(method.expected(clips), method.expected(changed)), "the first frame is remembered"


def test_attention_only_attenuates_and_nothing_passes_around_the_bottleneck() -> None:
    torch.manual_seed(0)
    maps = drawn(3, 8, 10, 10)
    with torch.no_grad():
        weights = Cbam(8)(maps) / maps
        assert float(weights.min()) > 0
        assert float(weights.max()) < 1
        method = DastLite(4).eval()
        method.to_latent.weight.zero_()
        one, other = method.expected(drawn(1, 5, 80, 80)), method.expected(drawn(1, 5, 80, 80, seed=1))
        assert torch.equal(one, other), "with equal latents, all clips are reconstructed alike"


def test_the_flow_is_where_a_block_was() -> None:
    before = drawn(1, 1, 80, 80)
    now = torch.roll(before, (3, -2), (2, 3))
    flow = block_flow(before, now)[0, :, 16:64, 16:64]
    assert torch.equal(flow[0], torch.full((48, 48), -3 / 4))
    assert torch.equal(flow[1], torch.full((48, 48), 2 / 4))
    assert not block_flow(before, before).any()


def test_a_translation_and_its_judge_do_not_train_each_other() -> None:
    torch.manual_seed(0)
    judge, given, real = GanLite().frame_judge, drawn(2, 2, 80, 80), drawn(2, 1, 80, 80)
    made = drawn(2, 1, 80, 80, seed=1).requires_grad_()
    loss = adversarial_loss(judge, given, real, made)
    of_made, *of_judge = torch.autograd.grad(loss, [made, *judge.parameters()])
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    verdict = judge(torch.cat([given, made], 1))
    [convincing] = torch.autograd.grad(bce(verdict, torch.ones_like(verdict)), made)
    assert torch.allclose(of_made, convincing), "it learns to convince, not from the judge's own loss"
    on_real, on_made = judge(torch.cat([given, real], 1)), judge(torch.cat([given, made.detach()], 1))
    telling = (bce(on_real, torch.ones_like(on_real)) + bce(on_made, torch.zeros_like(on_made))) / 2
    for ours, theirs in zip(of_judge, torch.autograd.grad(telling, list(judge.parameters())), strict=True):
        assert torch.allclose(ours, theirs), "it learns to tell, not to be convinced"


def test_differences_are_measured_by_those_of_the_training() -> None:
    torch.manual_seed(0)
    method, clips = GanLite(4), drawn(4, 2, 80, 80)
    with torch.no_grad():
        method.loss(clips, 0.0, torch.Generator())
        flow = block_flow(clips[:, :1], clips[:, 1:])
        frame = 2 * clips[:, 1:] - 1
        of_flow, of_frame = (method.to_flow(frame) - flow).abs(), (method.to_frame(flow) - frame).abs()
        assert torch.allclose(method.usual, torch.stack([of_flow.mean(), of_frame.mean()])), "not the 1 of before"
        weighed = 2 * of_flow.mean(1) / of_flow.mean() + of_frame.mean(1) / of_frame.mean()
        worst = weighed.flatten(1).sort(1, descending=True).values[:, :320].mean(1)
        assert torch.allclose(method.scores(clips), worst, rtol=1e-4)


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
