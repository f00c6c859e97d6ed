"""Random lens faults for training, a batch at a time, on 80×80 grey frames.

Made to be various, not to be right: a mask of any shape and size, softened; behind it the scene bent and blurred by
any amount, dimmed, and light added. The lab's renderers (`optics`) trace light through water; that a detector which
was trained on these finds those is what the product protocol shows. All faults are affine in the scene.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..edge.frame import SIZE

KINDS = ("front_drop", "beads", "mud", "film", "spatter", "mixed")  # the first five as the lab's families
BLOB, DISCS, SHEET, PATCHES = range(4)  # shapes of a mask
SHAPE_SHARES = {  # of blob, discs, sheet and patches, for each kind
    "front_drop": (1.0, 0.0, 0.0, 0.0),
    "beads": (0.0, 1.0, 0.0, 0.0),
    "mud": (0.35, 0.35, 0.0, 0.3),
    "film": (0.0, 0.0, 1.0, 0.0),
    "spatter": (0.0, 1.0, 0.0, 0.0),
    "mixed": (0.3, 0.25, 0.2, 0.25),
}
MARGIN = 16  # around the frame, so that what is smoothed in circles does not come in on the other side
CANVAS = SIZE + 2 * MARGIN
PIXELS = SIZE * SIZE


class Draw:
    """Random numbers for a batch, [B] each."""

    def __init__(self, generator: torch.Generator, batch: int) -> None:
        self.generator = generator
        self.batch = batch

    def between(self, low: float, high: float) -> Tensor:
        return torch.rand(self.batch, generator=self.generator) * (high - low) + low

    def scale(self, low: float, high: float) -> Tensor:
        """Evenly distributed in the logarithm."""
        return self.between(math.log(low), math.log(high)).exp()

    def chance(self, share: float) -> Tensor:
        return torch.rand(self.batch, generator=self.generator) < share

    def noise(self, width: Tensor) -> Tensor:
        """Smooth noise [B, canvas, canvas] of deviation 1 whose bumps are about `width` pixels wide."""
        field = smooth(torch.randn(self.batch, CANVAS, CANVAS, generator=self.generator), width)
        return field / field.flatten(1).std(1).clamp_min(1e-9).view(-1, 1, 1)


@dataclass(frozen=True)
class Faults:
    """B faults: out = scene + opacity · (transmission · bent(scene) + light − scene)."""

    mask: Tensor  # [B, 80, 80] 0…1, where the fault is
    opacity: Tensor  # [B, 80, 80] 0…1
    transmission: Tensor  # [B, 80, 80]
    light: Tensor  # [B, 80, 80], grey levels 0…1
    blur: Tensor  # [B] pixels
    displacement_field: Tensor  # [B, 80, 80, 2] pixels, x and y

    def render(self, scenes: Tensor, strength: Tensor) -> Tensor:
        """Grey frames [B, K, 80, 80] seen through them, each at a strength [B, K] of 0…1."""
        padded = F.pad(scenes, (MARGIN,) * 4, mode="reflect")
        blurred = _inside(smooth(padded, self.blur))
        centres = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        where = torch.stack([x, y], -1) + self.displacement_field * (2 / SIZE)
        bent = F.grid_sample(blurred, where, padding_mode="reflection", align_corners=False)
        opacity = self.opacity.unsqueeze(1) * strength[..., None, None]
        return scenes + opacity * (self.transmission.unsqueeze(1) * bent + self.light.unsqueeze(1) - scenes)


def random_faults(generator: torch.Generator, kinds: list[str]) -> Faults:
    """One fault for each of the kinds named."""
    draw = Draw(generator, len(kinds))
    shares = torch.tensor([SHAPE_SHARES[kind] for kind in kinds])
    shape = torch.multinomial(shares, 1, generator=generator)[:, 0]
    radius = _radii(draw, kinds)
    mask, height = _masks(draw, kinds, shape, radius)
    is_drop, film = _among(kinds, "front_drop", "beads"), _among(kinds, "film")
    anything = _among(kinds, "mixed")
    small = anything | _among(kinds, "spatter")
    clear = is_drop | (small & draw.chance(0.45))  # water; the others are dirt, which adds its own light
    blur = torch.where(film, draw.scale(0.6, 4), draw.scale(0.7, 8))
    blur = torch.where((small | _among(kinds, "mud")) & draw.chance(0.4), torch.tensor(0.05), blur)
    displacement = torch.where(
        is_drop, draw.scale(1, 14), torch.where(small & draw.chance(0.6), draw.scale(0.5, 10), 0.0)
    )
    displacement_field = _slopes(height) * (displacement * torch.where(draw.chance(0.8), 1.0, -1.0)).view(-1, 1, 1, 1)
    texture = draw.noise(draw.scale(0.6, 8)) * torch.where(draw.chance(0.6), draw.between(0, 0.4), 0.0).view(-1, 1, 1)
    through = torch.where(
        clear, draw.between(0.8, 1.08), torch.where(film, draw.between(0.35, 0.95), draw.between(0, 0.85))
    )
    transmission = (through.view(-1, 1, 1) * (1 + 0.5 * texture)).clamp(0, 1.2)
    colour = (draw.between(0, 1).view(-1, 1, 1) * (1 + texture)).clamp(0, 1)
    share = torch.where(clear.view(-1, 1, 1), draw.between(0, 0.1).view(-1, 1, 1), 1 - transmission.clamp(max=1))
    rim = torch.where(_among(kinds, "beads") | anything, draw.between(-0.2, 0.6), 0.0).view(-1, 1, 1)
    transmission = transmission * (1 - rim * 4 * mask * (1 - mask))
    opacity = mask * torch.where(draw.chance(0.3), draw.between(0.4, 1), 1.0).view(-1, 1, 1)
    return Faults(
        _inside(mask), _inside(opacity), _inside(transmission), _inside(share * colour), blur, displacement_field
    )


def smooth(fields: Tensor, width: Tensor, width_x: Tensor | None = None) -> Tensor:
    """Gaussian blur of [B, …, H, W] in circles; `width` [B] is the deviation in pixels, `width_x` another along x."""
    height, length = fields.shape[-2:]
    y = torch.fft.fftfreq(height).view(-1, 1)
    x = torch.fft.rfftfreq(length).view(1, -1)
    one_each = (-1,) + (1,) * (fields.dim() - 1)
    along_x = width if width_x is None else width_x
    squares = (width.view(one_each) * y).square() + (along_x.view(one_each) * x).square()
    return torch.fft.irfft2(torch.fft.rfft2(fields) * (-2 * math.pi**2 * squares).exp(), s=(height, length))


def _radii(draw: Draw, kinds: list[str]) -> Tensor:
    """Of the discs, pixels [B]."""
    radius = torch.where(_among(kinds, "beads"), draw.scale(1.5, 8), draw.scale(0.5, 2.5))
    return torch.where(_among(kinds, "mud", "mixed"), draw.scale(0.5, 6), radius)


def _masks(draw: Draw, kinds: list[str], shape: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Soft masks and heights of the water [B, canvas, canvas], 0…1."""
    film, discs = _among(kinds, "film"), shape == DISCS
    coverage = torch.where(film, draw.between(0.1, 0.95), draw.scale(0.015, 0.6))
    size = (coverage * PIXELS / math.pi).sqrt()
    solid = torch.where(discs.view(-1, 1, 1), _discs(draw, radius), _area(draw, shape, coverage, size))
    softness = torch.where(film, draw.scale(2, 10), draw.scale(0.5, 6))
    softness = torch.where(discs, radius * draw.between(0.1, 0.9), softness)
    roundness = torch.where(discs, radius * draw.between(0.5, 1), draw.between(0.3, 0.8) * size).clamp(1, 20)
    return smooth(solid, softness).clamp(0, 1), smooth(solid, roundness)


def _area(draw: Draw, shape: Tensor, coverage: Tensor, size: Tensor) -> Tensor:
    """Blobs, sheets and patches that cover this share of the frame, [B, canvas, canvas], 0 or 1."""
    steps = torch.arange(CANVAS) - float(MARGIN)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    centre_x, centre_y = draw.between(0, SIZE).view(-1, 1, 1), draw.between(0, SIZE).view(-1, 1, 1)
    angle = draw.between(0, math.pi).view(-1, 1, 1)
    stretch = torch.where(shape == SHEET, draw.scale(1, 6), draw.scale(1, 1.8)).sqrt().view(-1, 1, 1)
    along = (x - centre_x) * angle.cos() + (y - centre_y) * angle.sin()
    across = (y - centre_y) * angle.cos() - (x - centre_x) * angle.sin()
    reach = size.view(-1, 1, 1)
    field = -torch.hypot(along / stretch, across * stretch) / reach * 2
    beside_x = centre_x + draw.between(-1.5, 1.5).view(-1, 1, 1) * reach
    beside_y = centre_y + draw.between(-1.5, 1.5).view(-1, 1, 1) * reach
    second = -torch.hypot(x - beside_x, y - beside_y) / reach * 2 - draw.between(0, 1.5).view(-1, 1, 1)
    half_plane = ((shape == SHEET) & draw.chance(0.5)).view(-1, 1, 1)
    field = torch.where(half_plane, along / 20, torch.maximum(field, second))
    bumps = torch.where(shape == BLOB, size * draw.between(0.2, 0.5), draw.scale(2, 12)).clamp(1, 20)
    weight = torch.where(shape == PATCHES, 50.0, draw.between(0, 0.5)).view(-1, 1, 1)
    field = field + weight * draw.noise(bumps)
    ordered = _inside(field).flatten(1).sort(1).values
    limit = ordered.gather(1, ((1 - coverage) * (PIXELS - 1)).long().unsqueeze(1))
    return (field > limit.unsqueeze(2)).float()


def _discs(draw: Draw, radius: Tensor) -> Tensor:
    """Scattered or clustered discs about this large, [B, canvas, canvas], 0…1."""
    density = draw.scale(0.01, 0.4) / (math.pi * radius.square())
    cluster = torch.where(draw.chance(0.5).view(-1, 1, 1), (1.5 * draw.noise(draw.scale(6, 25)) - 1.1).exp(), 1.0)
    canvas = (draw.batch, CANVAS, CANVAS)
    seeds = torch.rand(canvas, generator=draw.generator) < density.view(-1, 1, 1) * cluster
    sizes = (torch.rand(canvas, generator=draw.generator) * 1.5 - 0.3).exp()
    bumps = smooth(seeds * sizes, radius) * (2 * math.pi * radius.square()).view(-1, 1, 1)
    return torch.where((radius < 0.9).view(-1, 1, 1), bumps.clamp(0, 1), (bumps > 0.75).float())


def _slopes(height: Tensor) -> Tensor:
    """The direction of the slope [B, 80, 80, 2], 1 long where it is steepest."""
    slope_y, slope_x = torch.gradient(height, dim=(1, 2))
    slopes = torch.stack([slope_x, slope_y], -1)
    steepest = slopes.norm(dim=-1).flatten(1).amax(1).clamp_min(1e-6)
    return slopes[:, MARGIN:-MARGIN, MARGIN:-MARGIN] / steepest.view(-1, 1, 1, 1)


def _among(kinds: list[str], *names: str) -> Tensor:
    return torch.tensor([kind in names for kind in kinds])


def _inside(canvas: Tensor) -> Tensor:
    return canvas[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
