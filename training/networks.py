"""Builds the network that an objective trains: the autoencoder, or one of its own that looks at clips."""

from collections.abc import Callable

import torch

from ..edge.errors import InputError
from .model import WIDTHS, Autoencoder
from .objectives.clip_method import ClipMethod
from .objectives.dast_lite import DastLite
from .objectives.gan_lite import GanLite
from .objectives.gcl import Gcl
from .objectives.names import ON_CLIPS, TAGGED
from .objectives.roadmap_lite import RoadmapLite
from .objectives.tmae import Tmae
from .settings import TrainSettings

BY_CHANNELS: dict[str, Callable[[int], ClipMethod]] = {
    "tmae": Tmae,
    "roadmap_lite": RoadmapLite,
    "dast_lite": DastLite,
    "gan_lite": GanLite,
}


def make_model(settings: TrainSettings) -> Autoencoder:
    """Build an untrained autoencoder for these settings; its initial weights follow from the seed."""
    model = make_network(settings)
    if not isinstance(model, Autoencoder):
        raise InputError(f"the objective {settings.objective} trains no autoencoder; choose another")
    return model


def make_network(settings: TrainSettings) -> Autoencoder | ClipMethod:
    """Build the untrained network of the objective: the autoencoder, or one of its own.

    Raises InputError for an objective that has none for frames.
    """
    if settings.objective in TAGGED:
        raise InputError(
            f"the objective {settings.objective} trains on tagged drives and has no network that a car can run; judge"
            " it with `mle-uvad evaluate --protocol paper --methods`"
        )
    torch.manual_seed(settings.seed)
    if settings.objective in ON_CLIPS:
        return _make_clip_method(settings)
    return Autoencoder(settings.width, settings.latent, bounded=settings.latent_mode == "bounded")


def _make_clip_method(settings: TrainSettings) -> ClipMethod:
    """Build the untrained network of an objective of `ON_CLIPS`, as wide as the autoencoder of the same settings."""
    if settings.objective == "gcl":
        return Gcl(Autoencoder(settings.width, settings.latent), settings.latent)
    return BY_CHANNELS[settings.objective](WIDTHS[settings.width][0])
