"""One graph for the car: camera frame in, PCC, measures by place and residual out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..edge.frame import LUMA_HALF, LUMA_SCALE, LUMA_WEIGHTS, SIZE, area_matrix
from ..edge.measures import SHARPNESS_FLOOR, TILE, TILES
from ..training.model import Autoencoder


class FrameGraph(nn.Module):
    """Preprocessing, autoencoder and score as one module, for camera frames uint8 [height, width, 3].

    Grey, area average and score stay in float32; the network is the trained one with its batch
    normalisations folded into the convolutions.
    """

    rows: Tensor
    columns: Tensor
    luma: Tensor
    bends: Tensor

    def __init__(self, model: Autoencoder, height: int, width: int) -> None:
        super().__init__()
        self.model = model
        model.encoder = _folded(model.encoder)
        model.decoder = _folded(model.decoder)
        self.register_buffer("rows", torch.tensor(area_matrix(height, SIZE)))  # [80, H]
        self.register_buffer("columns", torch.tensor(area_matrix(width, SIZE)).t().contiguous() / 255)  # [W, 80]
        self.register_buffer("luma", torch.tensor([LUMA_WEIGHTS], dtype=torch.float32) / LUMA_SCALE)  # [1, 3]
        self.register_buffer("bends", _second_differences(SIZE))  # [80, 80]

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """uint8 [H, W, 3] to pcc [], brightness [] and contrast [] (mean and spread of the grey, 0…1),
        maps [2, 10, 10] in the order of `edge.measures.MEASURES`, residual [80, 80] (frame − reconstruction).
        """
        grey = self.to_grey80(frame)  # [80, 80]
        reconstruction = self.model(grey.reshape(1, 1, SIZE, SIZE)).reshape(SIZE, SIZE)
        residual = grey - reconstruction
        brightness = grey.mean()
        varied, varied_again = grey - brightness, reconstruction - reconstruction.mean()
        contrast = varied.square().mean().sqrt()
        norm = contrast * varied_again.square().mean().sqrt()
        pcc = (varied * varied_again).mean() / norm.clamp_min(1e-12)  # eq. 2, sharing its terms with the contrast
        edges = self.bends @ grey + grey @ self.bends  # the Laplacian; a padded convolution takes twice as long
        sharpness = (_tile_mean(edges.square()) + SHARPNESS_FLOOR).log()
        maps = torch.cat([_tile_mean(residual.abs()), sharpness])
        return pcc, brightness, contrast, maps, residual

    def to_grey80(self, frame: Tensor) -> Tensor:
        """uint8 [H, W, 3] to float32 [80, 80] in 0…1, as `edge.frame.to_grey80`."""
        # Weights over 2^16 and sums below 2^8 are exact in float32: the floor gives the grey levels of integers.
        # A row of weights times the transposed pixels is the fastest of seven forms tried in ONNX Runtime.
        luma = torch.floor(self.luma @ frame.float().reshape(-1, 3).t() + LUMA_HALF / LUMA_SCALE)  # [1, H·W]
        return self.rows @ (luma.reshape(self.rows.shape[1], self.columns.shape[0]) @ self.columns)


def _second_differences(size: int) -> Tensor:
    """[size, size], symmetric: −1, 2, −1 along the diagonal; beyond the border the outermost value goes on."""
    matrix = 2 * torch.eye(size) - torch.eye(size).roll(1, 0) - torch.eye(size).roll(-1, 0)
    matrix[0, -1] = matrix[-1, 0] = 0
    matrix[0, 0] = matrix[-1, -1] = 1
    return matrix


def _tile_mean(picture: Tensor) -> Tensor:
    return F.avg_pool2d(picture.reshape(1, 1, SIZE, SIZE), TILE).reshape(1, TILES, TILES)


def _folded(layers: nn.Sequential) -> nn.Sequential:
    folded: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            before = folded.pop()
            assert isinstance(before, nn.Conv2d | nn.ConvTranspose2d)
            layer = fuse_conv_bn_eval(before, layer, transpose=isinstance(before, nn.ConvTranspose2d))
        folded.append(layer)
    return nn.Sequential(*folded)
