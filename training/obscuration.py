"""The obscuration network: from running means of the last seconds to where the lens is obscured.

Three steps, all in the exported graph. `frame_moments` measures one frame: its grey and, at half the size, the second
moment of its grey and the strength of its edges. The car averages them over time (`edge.ema`). `feature_maps` turns the
running means into maps that show a lens fault: how much a place changes, how sharp it is on average, and what is fixed
there. The network sees each map as it is and as its deviation from the car's reference, and returns log odds that the
lens is obscured, on 20×20 cells.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..edge.frame import SIZE
from ..edge.graph import FEATURE_MAPS, FEATURE_SIDE, MOMENT_MAPS, REFERENCE_SIDE

FLOOR = 0.004  # grey levels, 0…1: weaker edges and changes are noise
LOG_SCALE = 1 / 5.6  # the logarithm of the floor is −5.5: feature maps lie in 0…1.2
DEVIATION_MAX = 6.0  # scales of the reference; larger deviations are clipped

# Channels behind the pointwise layer, the first convolution, and the three scales. Multiply-adds: 4.3, 8.4, 18.6 M.
CHANNELS = {
    "narrow": (12, 16, 14, 20, 32),
    "medium": (16, 24, 20, 28, 48),
    "wide": (24, 32, 32, 48, 64),
}


CURVATURE = torch.tensor([[[[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]]]])
SLOPE_X = torch.tensor([[[[0.0, 0.0, 0.0], [-0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]]])
EDGES = torch.cat([CURVATURE, SLOPE_X, SLOPE_X.transpose(2, 3)])  # [3, 1, 3, 3]: the Laplacian and both slopes
# Shifted to each of the four pixels that are pooled, [4 K, 1, 4, 4].
SHIFTS = [(x, 1 - x, y, 1 - y) for y in (0, 1) for x in (0, 1)]
POOLED_CURVATURE, POOLED_EDGES = (
    torch.stack([F.pad(kernels, shift) for shift in SHIFTS], 1).flatten(0, 1) for kernels in (CURVATURE, EDGES)
)


def frame_moments(grey: Tensor) -> Tensor:
    """Measure grey frames [B, 1, 80, 80] in 0…1: [B, 17600], the frame and then seven moment maps [7, 40, 40]."""
    parts = grey, _pool(grey * grey), _pooled_edges(grey, POOLED_EDGES), _edges(_pool(grey), EDGES)
    return torch.cat([part.flatten(1) for part in parts], 1)


def temporal_std(running_means: Tensor) -> Tensor:
    """Standard deviation over time of each place, [2 B, 1, 40, 40] in grey levels 0…1, from running means."""
    mean, second_moment, _ = _parts(running_means)
    return (second_moment - _pool(mean * mean)).clamp_min(0).sqrt()


def feature_maps(running_means: Tensor) -> Tensor:
    """Compute the feature maps [B, 20, 40, 40] in 0…1.2 from running means [B, 2, 17600], one row per time constant.

    Ten for each time constant: mean, standard deviation over time, edges on two scales, and the edges of the mean.
    """
    mean, _, edges = _parts(running_means)
    half = _pool(mean)
    # What is fixed keeps its edges in the mean; what moves leaves none there, but plenty in the mean of the edges.
    fixed = [_pooled_edges(mean, POOLED_CURVATURE), _edges(half, CURVATURE)]
    strengths = torch.cat([temporal_std(running_means), edges, *fixed], 1)  # [2 B, 9, 40, 40]
    maps = torch.cat([half, 1 + (strengths + FLOOR).log() * LOG_SCALE], 1)
    return maps.reshape(-1, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE)


def coarse_maps(maps: Tensor) -> Tensor:
    """Average feature maps [B, 20, 40, 40] to the grid of a reference, [B, 20, 10, 10]."""
    return F.avg_pool2d(maps, FEATURE_SIDE // REFERENCE_SIDE)


class ObscurationNet(nn.Module):
    """A small convolutional network with three scales; no coordinates, so that it cannot memorise a place."""

    def __init__(self, width: str = "medium") -> None:
        super().__init__()
        point, first, fine, middle, low = CHANNELS[width]
        self.scale = nn.BatchNorm2d(FEATURE_MAPS)
        self.mix = _block(2 * FEATURE_MAPS, point, kernel=1)
        self.enter = _block(point, first, stride=2)  # [20, 20]
        self.fine = _block(first, fine)
        self.middle = nn.Sequential(_block(fine, middle, stride=2), _block(middle, middle))  # [10, 10]
        self.low = nn.Sequential(_block(middle, low, stride=2), _block(low, low))  # [5, 5]
        self.join = _block(fine + middle + low, fine, kernel=1)
        self.head = nn.Sequential(_block(fine, fine), nn.Conv2d(fine, 1, 1))

    def forward(self, maps: Tensor, reference: Tensor) -> Tensor:
        """Return logits [B, 20, 20] of feature maps [B, 20, 40, 40] and enlarged references [B or 1, 2, 20, 40, 40]."""
        return self.forward_head(maps, self.deviation(maps, reference))

    def zero_init_head(self) -> None:
        """Set the last layer to zero, so that all logits are 0."""
        for parameter in self.head[-1].parameters():
            nn.init.zeros_(parameter)

    @staticmethod
    def deviation(maps: Tensor, reference: Tensor) -> Tensor:
        """Deviation of each feature map from the enlarged reference, [B, 20, 40, 40], in half scales, −3…3."""
        return ((maps - reference[:, 0]) / reference[:, 1]).clamp(-DEVIATION_MAX, DEVIATION_MAX) * 0.5

    def forward_head(self, maps: Tensor, deviation: Tensor) -> Tensor:
        """Return logits [B, 20, 20] of feature maps and their deviation, which is 0 where it is unknown."""
        fine = self.fine(self.enter(self.mix(torch.cat([self.scale(maps), deviation], 1))))
        middle = self.middle(fine)
        low = self.low(middle)
        scales = [fine, F.interpolate(middle, scale_factor=2.0), F.interpolate(low, scale_factor=4.0)]
        return self.head(self.join(torch.cat(scales, 1)))[:, 0]


def _block(source: int, target: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(source, target, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(target),
        nn.ReLU(inplace=True),
    )


def _parts(running_means: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Split running means [B, 2, 17600] into mean frames [2 B, 1, 80, 80], second moments of the grey
    [2 B, 1, 40, 40] and strengths of the edges [2 B, 6, 40, 40].
    """
    mean = running_means[:, :, : SIZE * SIZE].reshape(-1, 1, SIZE, SIZE)
    moments = running_means[:, :, SIZE * SIZE :].reshape(-1, MOMENT_MAPS, FEATURE_SIDE, FEATURE_SIDE)
    return mean, moments[:, :1], moments[:, 1:]


def _pool(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 2)


def _edges(image: Tensor, kernels: Tensor, stride: int = 1) -> Tensor:
    """Absolute response of each kernel, [B, K, …], to [B, 1, H, W] with replicated borders."""
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernels.to(image), stride=stride).abs()


def _pooled_edges(image: Tensor, kernels: Tensor) -> Tensor:
    """Pooled response to [B, 1, 80, 80], by shifted kernels: half the cost of computing all edges and then pooling."""
    return _edges(image, kernels, stride=2).reshape(-1, len(kernels) // 4, 4, FEATURE_SIDE, FEATURE_SIDE).mean(2)
