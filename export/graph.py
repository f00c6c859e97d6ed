"""The exported graph: camera frame and running means in; PCC, log odds and the updated running means out."""

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..edge.frame import LUMA_HALF, LUMA_SCALE, LUMA_WEIGHTS, SIZE, area_matrix
from ..edge.graph import FEATURE_MAPS, GRID_SIDE, REFERENCE_SIDE, RUNNING_MEANS_SIZE
from ..training.model import Autoencoder
from ..training.obscuration import ObscurationNet, coarse_maps, feature_maps, frame_moments, temporal_std


class FrameGraph(nn.Module):
    """Preprocessing, both networks and the score as one module, for camera frames uint8 [height, width, 3].

    Grey, area average, score and running means stay in float32; the autoencoder's batch normalisations are folded into
    its convolutions.
    """

    rows: Tensor
    columns: Tensor
    luma: Tensor

    def __init__(self, model: Autoencoder, net: ObscurationNet, height: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.model = model
        self.net = net
        model.encoder = _folded(model.encoder)
        model.decoder = _folded(model.decoder)
        self.register_buffer("rows", _area_block(height))  # [80 / g, H / g]
        self.register_buffer("columns", _area_block(width).t().contiguous() / 255)  # [W / g, 80 / g]
        self.register_buffer("luma", torch.tensor([LUMA_WEIGHTS], dtype=torch.float32) / LUMA_SCALE)  # [1, 3]

    def forward(
        self, frame: Tensor, running_means: Tensor, ema_weights: Tensor, reference: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute the outputs for one frame uint8 [H, W, 3].

        Inputs: running means [2, 17600], the weights of the frame in them [2], the enlarged reference
        [2, 20, 40, 40]. Outputs: pcc [], brightness [] and contrast [] (mean and standard deviation of the grey, 0…1),
        motion [] (mean standard deviation within the fast time constant, 0…1), logits [20, 20], coarse feature maps
        [20, 10, 10] and the running means with this frame [2, 17600].
        """
        grey = self.to_grey80(frame)  # [1, 1, 80, 80]
        reconstruction = self.model(grey)
        brightness = grey.mean()
        varied, varied_again = grey - brightness, reconstruction - reconstruction.mean()
        contrast = varied.square().mean().sqrt()
        norm = contrast * varied_again.square().mean().sqrt()
        pcc = (varied * varied_again).mean() / norm.clamp_min(1e-12)  # eq. 2, sharing its terms with the contrast
        # Shapes are stated here and below: the exporter loses them where it pads.
        moments = frame_moments(grey).reshape(1, RUNNING_MEANS_SIZE)
        updated = running_means + ema_weights.reshape(2, 1) * (moments - running_means)
        batch = updated.unsqueeze(0)
        motion = temporal_std(batch)[0].mean()
        maps = feature_maps(batch)  # [1, 20, 40, 40]
        logits = self.net(maps, reference.unsqueeze(0)).reshape(GRID_SIDE, GRID_SIDE)
        coarse = coarse_maps(maps).reshape(FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE)
        return pcc, brightness, contrast, motion, logits, coarse, updated

    def to_grey80(self, frame: Tensor) -> Tensor:
        """Convert uint8 [H, W, 3] to float32 [1, 1, 80, 80] in 0…1, as `edge.frame.to_grey80` does."""
        # Weights over 2^16 and sums below 2^8 are exact in float32: the floor gives the grey levels of integers.
        # A row of weights times the transposed pixels is the fastest of seven forms tried in ONNX Runtime.
        luma = torch.floor(self.luma @ frame.float().reshape(-1, 3).t() + LUMA_HALF / LUMA_SCALE)  # [1, H·W]
        lower = self.rows @ luma.reshape(-1, self.rows.shape[1], self.width)  # [g, 80 / g, W]
        return (lower.reshape(-1, self.columns.shape[0]) @ self.columns).reshape(1, 1, SIZE, SIZE)


def _area_block(side: int) -> Tensor:
    """Return the block that the area matrix [80, side] repeats along its diagonal, gcd(side, 80) times."""
    times = gcd(side, SIZE)
    return torch.tensor(area_matrix(side, SIZE)[: SIZE // times, : side // times])


def _folded(layers: nn.Sequential) -> nn.Sequential:
    folded: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            before = folded.pop()
            assert isinstance(before, nn.Conv2d | nn.ConvTranspose2d)
            layer = fuse_conv_bn_eval(before, layer, transpose=isinstance(before, nn.ConvTranspose2d))
        folded.append(layer)
    return nn.Sequential(*folded)
