"""The methods that look at clips, several frames at once, with a network of their own; and the clips themselves."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .cache import FrameCache
from .model import WIDTHS, Autoencoder
from .objectives.clip_method import ClipMethod
from .objectives.dast_lite import DastLite
from .objectives.gan_lite import GanLite
from .objectives.gcl import Gcl
from .objectives.roadmap_lite import RoadmapLite
from .objectives.tmae import Tmae
from .settings import TrainSettings

BY_CHANNELS: dict[str, Callable[[int], ClipMethod]] = {
    "tmae": Tmae,
    "roadmap_lite": RoadmapLite,
    "dast_lite": DastLite,
    "gan_lite": GanLite,
}


def make_clip_method(settings: TrainSettings) -> ClipMethod:
    """Build the untrained network of an objective of `ON_CLIPS`, as wide as the autoencoder of the same settings."""
    if settings.objective == "gcl":
        return Gcl(Autoencoder(settings.width, settings.latent), settings.latent)
    return BY_CHANNELS[settings.objective](WIDTHS[settings.width][0])


def take_clips(cache: FrameCache, numbers: NDArray[np.intp], frames: int, device: str) -> Tensor:
    """Read the clips that end with these frames, float [B, T, 80, 80] in 0…1; none reaches over a gap."""
    wanted = np.maximum(numbers[:, None] + np.arange(1 - frames, 1), cache.starts[numbers][:, None])  # [B, T]
    unique, places = np.unique(wanted, return_inverse=True)
    taken = cache.take(unique)[places.reshape(wanted.shape)]
    return torch.from_numpy(taken).to(device).to(torch.get_default_dtype()) / 255
