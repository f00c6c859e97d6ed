"""The obscuration network: from what the last seconds looked like to where the lens is obscured.

Three steps, all in the exported graph. `statistics` measures one frame: its grey and, on half the size, the energy of
its grey and of its edges. The car averages them over time (`edge.memory`). `pictures` turns the averages into what
tells a lens fault: how much a place changes, how sharp it is on the whole, and what stands still there. The network
sees each picture as it is and as its deviation from this car's clean drive, and answers where the lens is obscured.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..edge.frame import SIZE
from ..edge.graph import FEATURE_MAPS, FEATURE_SIDE, MOMENT_MAPS, REFERENCE_SIDE

FLOOR = 0.004  # grey levels, 0…1: weaker edges and changes are noise
LOG_SCALE = 1 / 5.6  # the logarithm of the floor is −5.5: pictures lie in 0…1.2
DEVIATION_MAX = 6.0  # spreads; beyond, a place is as unlike the clean drive as can be

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
    """Grey frames [B, 1, 80, 80] in 0…1 to [B, 17600]: the frame, then its energies on [7, 40, 40]."""
    parts = grey, _pool(grey * grey), _pooled_edges(grey, POOLED_EDGES), _edges(_pool(grey), EDGES)
    return torch.cat([part.flatten(1) for part in parts], 1)


def change(running_means: Tensor) -> Tensor:
    """Averaged statistics [B, 2, 17600] to the spread over time of each place, [2 B, 1, 40, 40] in grey levels, 0…1."""
    mean, energy, _ = _parts(running_means)
    return (energy - _pool(mean * mean)).clamp_min(0).sqrt()


def feature_maps(running_means: Tensor) -> Tensor:
    """Averaged statistics [B, 2, 17600], a row a time span, to pictures [B, 20, 40, 40] in 0…1.2.

    Of each span ten: mean, change, edges on two scales, and the edges of the mean.
    """
    mean, _, edges = _parts(running_means)
    half = _pool(mean)
    # What stands still keeps its edges in the mean; what moves leaves none there but plenty in the energies.
    standing = [_pooled_edges(mean, POOLED_CURVATURE), _edges(half, CURVATURE)]
    energetic = torch.cat([change(running_means), edges, *standing], 1)  # [2 B, 9, 40, 40]
    seen = torch.cat([half, 1 + (energetic + FLOOR).log() * LOG_SCALE], 1)
    return seen.reshape(-1, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE)


def coarse_maps(seen: Tensor) -> Tensor:
    """Pictures [B, 20, 40, 40] on the grid of a reference, [B, 20, 10, 10]."""
    return F.avg_pool2d(seen, FEATURE_SIDE // REFERENCE_SIDE)


class ObscurationNet(nn.Module):
    """A small convolutional network with three scales; no coordinates, so that it cannot learn a place by heart."""

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

    def forward(self, seen: Tensor, reference: Tensor) -> Tensor:
        """Pictures [B, 20, 40, 40] and the enlarged reference [B or 1, 2, 20, 40, 40] to logits [B, 20, 20]."""
        return self.forward_head(seen, self.deviation(seen, reference))

    def zero_init_head(self) -> None:
        """Answer 0 everywhere, whatever is seen."""
        for parameter in self.head[-1].parameters():
            nn.init.zeros_(parameter)

    @staticmethod
    def deviation(seen: Tensor, reference: Tensor) -> Tensor:
        """How far each picture lies from the enlarged reference, [B, 20, 40, 40] in half spreads, −3…3."""
        return ((seen - reference[:, 0]) / reference[:, 1]).clamp(-DEVIATION_MAX, DEVIATION_MAX) * 0.5

    def forward_head(self, seen: Tensor, deviation: Tensor) -> Tensor:
        """Logits [B, 20, 20] from the pictures and their deviation; 0 where that is unknown."""
        fine = self.fine(self.enter(self.mix(torch.cat([self.scale(seen), deviation], 1))))
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
    """Averaged statistics [B, 2, 17600], the spans side by side: the mean frames [2 B, 1, 80, 80], the energies of
    their grey [2 B, 1, 40, 40] and of their edges [2 B, 6, 40, 40].
    """
    mean, energies = (
        running_means[:, :, : SIZE * SIZE],
        running_means[:, :, SIZE * SIZE :].reshape(-1, MOMENT_MAPS, FEATURE_SIDE, FEATURE_SIDE),
    )
    return mean.reshape(-1, 1, SIZE, SIZE), energies[:, :1], energies[:, 1:]


def _pool(picture: Tensor) -> Tensor:
    return F.avg_pool2d(picture, 2)


def _edges(picture: Tensor, kernels: Tensor, stride: int = 1) -> Tensor:
    """[B, 1, H, W] to what each kernel finds, [B, K, …] ≥ 0; beyond the border the outermost pixels go on."""
    return F.conv2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), kernels.to(picture), stride=stride).abs()


def _pooled_edges(picture: Tensor, kernels: Tensor) -> Tensor:
    """Of [B, 1, 80, 80], the edges that shifted kernels find, pooled: at half the cost of all edges and then a pool."""
    return _edges(picture, kernels, stride=2).reshape(-1, len(kernels) // 4, 4, FEATURE_SIDE, FEATURE_SIDE).mean(2)
