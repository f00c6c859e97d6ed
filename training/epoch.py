"""One epoch of the autoencoder: the squared error plus λ times the latent entropy, or what an objective has instead."""

import torch
from torch import Tensor

from .batches import backward, epoch_batches, epoch_generator, to_batch
from .cache import FrameCache
from .latent_loss import References, encode_references, latent_term, reconstruction_loss, reference_numbers
from .metrics import EpochCallback
from .model import Autoencoder
from .objectives.mle import latent_entropy, standardise
from .parallel import Processes
from .schedule import EntropySchedule
from .settings import TrainSettings


def train_epoch(
    model: Autoencoder,
    optimizer: torch.optim.Adam,
    schedule: EntropySchedule,
    cache: FrameCache,
    epoch: int,
    callback: EpochCallback,
    processes: Processes,
) -> tuple[float, float]:
    """One pass. Returns the mean squared error a pixel and the mean entropy of the full batches."""
    settings, count = schedule.settings, len(cache)
    device = str(next(model.parameters()).device)
    noise = epoch_generator(settings, epoch, device)
    full_share = min(settings.batch_size, count) // processes.count
    errors, entropies, done = 0.0, [], 0
    references = _references(model, cache, settings)
    model.train()
    for number, whole_batch in enumerate(epoch_batches(count, settings, epoch), start=1):
        numbers = processes.share(whole_batch)
        if not len(numbers):
            continue
        x = to_batch(cache.take(numbers), device)  # [B, 1, 80, 80], of several processes each has its share
        size = len(x) * processes.count
        z, reconstruction = _forward(model, x, noise, settings, processes)
        progress = (epoch - 1 + done / count) / settings.epochs
        error = processes.mean(reconstruction_loss(x, reconstruction, settings, progress))
        loss = error
        if len(x) == full_share:  # the bound of eq. 6 is log B: a shorter last batch would weigh differently
            whole = processes.gather(z)
            entropy = _entropy(whole, schedule)
            entropies.append(entropy.item())
            if schedule.entropy_weight and settings.objective == "mle":
                loss = loss + schedule.entropy_weight * entropy
            elif schedule.entropy_weight:
                taken = processes.gather(torch.from_numpy(numbers).to(device))
                loss = loss + schedule.entropy_weight * latent_term(settings.objective, whole, taken, references)
        backward(loss, optimizer, epoch, number)
        processes.average_gradients(model)
        optimizer.step()
        pixels = x[0].numel() if settings.squared_error == "sum" else 1
        errors += error.item() / pixels * size
        done += size
        if processes.first:
            callback.batch(epoch, done, count)
    return errors / done, sum(entropies) / len(entropies)


def _forward(
    model: Autoencoder, x: Tensor, noise: torch.Generator, settings: TrainSettings, processes: Processes
) -> tuple[Tensor, Tensor]:
    """Return the latents [B, latent] and the reconstructions [B, 1, 80, 80] of this process's share of a batch."""
    mixed = torch.autocast(x.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16")
    with mixed:
        z = model.encode(x).to(x.dtype)
    seen = z
    if settings.latent_mode == "noisy":
        size = len(x) * processes.count
        drawn = torch.randn((size, settings.latent), generator=noise, device=x.device)
        seen = z + settings.sigma * processes.share(drawn)
    with mixed:
        return z, model.decode(seen).to(x.dtype)


def _references(model: Autoencoder, cache: FrameCache, settings: TrainSettings) -> References | None:
    if settings.objective != "reference":
        return None
    numbers, device = reference_numbers(len(cache), settings.seed), str(next(model.parameters()).device)
    return encode_references(model, to_batch(cache.take(numbers), device), numbers)


def _entropy(z: Tensor, schedule: EntropySchedule) -> Tensor:
    settings = schedule.settings
    return latent_entropy(as_measured(z, settings), schedule.sigma, settings.kernel, settings.self_pairs)


def as_measured(z: Tensor, settings: TrainSettings) -> Tensor:
    """The latents [B, latent] that the entropy sees."""
    return standardise(z) if settings.latent_mode == "standardised" else z
