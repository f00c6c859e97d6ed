"""Abnormal event detection with generative adversarial nets (Ravanbakhsh et al., ICIP 2017, 1708.09644), lite.

One network translates a frame to its optical flow, another one the flow to the frame, each trained with L1 and against
a discriminator on normal video. What they cannot translate is abnormal. Lite: flow by block matching, small U-Nets, the
frames compared as they are and not in the features of AlexNet, and a difference divided by its mean in training where
the paper divides by its maximum.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .clip_method import ClipMethod

BLOCK, REACH = 8, 4  # side of a block, and how far it is searched for, in pixels
L1_WEIGHT = 100.0  # against the adversarial term, as in pix2pix
WORST_SHARE = 0.05  # of the pixels make the score
FLOW_SHARE, FRAME_SHARE = 2.0, 1.0  # of the two differences


def block_flow(before: Tensor, now: Tensor) -> Tensor:
    """Return where each 8×8 block of the frames `now` [B, 1, 80, 80] was in `before`: [B, 2, 80, 80], in −1…1.

    The displacement with the smallest sum of absolute differences, up to four pixels in each direction, the smaller
    one where two are equal.
    """
    padded = nn.functional.pad(before, (REACH,) * 4, mode="replicate")
    steps = sorted(
        ((down, right) for down in range(-REACH, REACH + 1) for right in range(-REACH, REACH + 1)),
        key=lambda step: step[0] ** 2 + step[1] ** 2,
    )
    costs = []
    for down, right in steps:
        moved = padded[:, :, REACH + down : REACH + down + 80, REACH + right : REACH + right + 80]
        costs.append(nn.functional.avg_pool2d((now - moved).abs(), BLOCK))  # [B, 1, 10, 10]
    best = torch.cat(costs, 1).argmin(1)  # [B, 10, 10]
    flow = torch.tensor(steps, dtype=now.dtype, device=now.device)[best] / REACH  # [B, 10, 10, 2]
    return flow.permute(0, 3, 1, 2).repeat_interleave(BLOCK, 2).repeat_interleave(BLOCK, 3)


class UNet(nn.Module):
    """Two steps down, two up, with the maps of the way down passed across."""

    def __init__(self, source: int, target: int, width: int) -> None:
        super().__init__()
        self.first, self.second = _down(source, width), _down(width, 2 * width)
        self.rise = nn.Sequential(nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.ReLU())
        self.render = nn.Sequential(nn.ConvTranspose2d(2 * width, target, 4, 2, 1), nn.Tanh())

    def forward(self, maps: Tensor) -> Tensor:
        """Translate maps [B, source, 80, 80] to [B, target, 80, 80] in −1…1."""
        first = self.first(maps)
        return self.render(torch.cat([self.rise(self.second(first)), first], 1))


class GanLite(ClipMethod):
    """Translates frames to flow and flow to frames. `clips` hold the frame and the one before it."""

    frames = 2
    usual: Tensor

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.to_flow, self.to_frame = UNet(1, 2, width), UNet(2, 1, width)
        self.flow_judge, self.frame_judge = _patch_judge(width), _patch_judge(width)
        self.register_buffer("usual", torch.ones(2))  # mean differences in training, of flow and frame

    def loss(self, clips: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Return L1 and the adversarial terms of both translations, and the losses of both judges."""
        frame, flow = _centred(clips), block_flow(clips[:, :1], clips[:, 1:])
        made_flow, made_frame = self.to_flow(frame), self.to_frame(flow)
        differences = torch.stack([(made_flow - flow).abs().mean(), (made_frame - frame).abs().mean()])
        with torch.no_grad():
            self.usual.lerp_(differences, 0.05 if progress else 1.0)
        return (
            L1_WEIGHT * differences.sum()
            + adversarial_loss(self.flow_judge, frame, flow, made_flow)
            + adversarial_loss(self.frame_judge, flow, frame, made_frame)
        )

    def expected(self, clips: Tensor) -> Tensor:
        """Return the frame [B, 1, 80, 80] as its flow suggests it."""
        return (self.to_frame(block_flow(clips[:, :1], clips[:, 1:])) + 1) / 2

    def scores(self, clips: Tensor) -> Tensor:
        frame, flow = _centred(clips), block_flow(clips[:, :1], clips[:, 1:])
        of_flow = (self.to_flow(frame) - flow).abs().mean(1) / self.usual[0]
        of_frame = (self.to_frame(flow) - frame).abs().mean(1) / self.usual[1]
        differences = (FLOW_SHARE * of_flow + FRAME_SHARE * of_frame).flatten(1)  # [B, 6400]
        return differences.topk(int(WORST_SHARE * differences.shape[1])).values.mean(1)


def adversarial_loss(judge: nn.Module, given: Tensor, real: Tensor, made: Tensor) -> Tensor:
    """Return the loss of a translation against its judge plus that of the judge; neither trains the other's weights."""
    bce = nn.functional.binary_cross_entropy_with_logits
    fixed = {name: parameter.detach() for name, parameter in judge.named_parameters()}
    convinces = functional_call(judge, fixed, (torch.cat([given, made], 1),))
    on_real, on_made = judge(torch.cat([given, real], 1)), judge(torch.cat([given, made.detach()], 1))
    return (
        bce(convinces, torch.ones_like(convinces))
        + (bce(on_real, torch.ones_like(on_real)) + bce(on_made, torch.zeros_like(on_made))) / 2
    )


def _centred(clips: Tensor) -> Tensor:
    """Return the last frames [B, 1, 80, 80] in −1…1."""
    return 2 * clips[:, -1:] - 1


def _patch_judge(width: int) -> nn.Module:
    return nn.Sequential(_down(3, width), _down(width, 2 * width), nn.Conv2d(2 * width, 1, 3, padding=1))


def _down(source: int, target: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(source, target, 4, stride=2, padding=1), nn.LeakyReLU(0.2))
