"""Multiple instance learning from drives that are tagged wet or dry as a whole, at a car's size.

What the weakly supervised video methods of 2025 have in common (segments of features, a small head, top-k pooling of a
bag), with the ranking, smoothness and sparsity terms of Sultani et al. (CVPR 2018). They take features of large
networks; here a segment is described by what a fault of a lens changes, see `training/segments.py`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

TOP_SHARE = 0.1  # of the segments of a bag speak for it
SMOOTHNESS = SPARSITY = 8e-5
EXTREME_TILES = 3  # of sixteen
DEVIATIONS_MAX = 5.0  # beyond, a feature says no more


def top_k_mean(scores: Tensor, share: float = TOP_SHARE) -> Tensor:
    """Return the mean of the largest of the scores [S] of a bag; the rest has no influence, and gets no gradient."""
    return scores.topk(max(1, round(share * len(scores)))).values.mean()


def share_pooled(progress: float) -> float:
    """Return the share of a bag that speaks for it after a share of the training, 0…1.

    It begins with all segments and narrows until the middle of the training: the few that an untrained head happens to
    put on top need not be abnormal, and the others would never get a gradient.
    """
    return max(TOP_SHARE, 1 - (1 - TOP_SHARE) * 2 * progress)


def mil_loss(wet: Sequence[Tensor], dry: Sequence[Tensor], share: float = TOP_SHARE) -> Tensor:
    """Return the loss of the scores, 0…1, of wet and dry bags, each [S] in the order of time.

    The pooled score of a bag against its tag; the pooled score of each wet bag ranked above that of each dry one, by a
    margin of 1; and for wet bags scores that change rarely and are seldom high.
    """
    bce = nn.functional.binary_cross_entropy
    of_wet, of_dry = (torch.stack([top_k_mean(bag, share) for bag in bags]) for bags in (wet, dry))
    pooled, tags = torch.cat([of_wet, of_dry]), torch.cat([torch.ones_like(of_wet), torch.zeros_like(of_dry)])
    loss = bce(pooled, tags) + (1 - of_wet[:, None] + of_dry).clamp_min(0).mean()
    for bag in wet:
        loss = loss + SMOOTHNESS * bag.diff().square().sum() + SPARSITY * bag.sum()
    return loss


class MilHead(nn.Module):
    """Scores segments by their features [S, kinds · tiles], measured in deviations from those of the dry drives.

    Of each kind the layers see the lowest, the middle and the highest tiles: a drop may sit anywhere, and a few drives
    would not show it everywhere.
    """

    def __init__(self, kinds: int, tiles: int) -> None:
        super().__init__()
        self.tiles, features = tiles, kinds * tiles
        self.centre: Tensor
        self.scale: Tensor
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.layers = nn.Sequential(
            nn.Linear(3 * kinds, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the score of each segment [S], 0…1."""
        deviations = ((features - self.centre) / self.scale).clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX)
        ordered = deviations.unflatten(1, (-1, self.tiles)).sort(2).values  # [S, kinds, tiles]
        parts = (
            ordered[..., :EXTREME_TILES],
            ordered[..., EXTREME_TILES:-EXTREME_TILES],
            ordered[..., -EXTREME_TILES:],
        )
        return self.layers(torch.cat([part.mean(2) for part in parts], 1)).squeeze(1)
