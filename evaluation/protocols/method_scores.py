"""The scores that a trained method gives the frames of a drive: its own, and the PCC with what it expected to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from torch import Tensor

from ...training.batches import take_clips, to_batch
from ...training.cache import FrameCache
from ...training.model import Autoencoder
from ...training.objectives.clip_method import ClipMethod
from ...training.objectives.mle import pearson
from ...training.objectives.names import SPR
from ...training.objectives.spr import tile_errors, worst_tile

SCORED_AT_ONCE = 64  # frames
TIMED_FRAMES = 30
MEDIAN_S = 5.0  # window of the smoothed score, centred
BY_ERROR = ("constriction_inside", "constriction_on")  # their score, the PSNR, orders frames as the error does

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """The two scores of the frames [N] of a drive; higher is more abnormal."""

    own: Floats
    low_pcc: Floats


def score(network: Autoencoder | ClipMethod, cache: FrameCache, objective: str) -> Scores:
    """Score all frames of a cache with a trained network."""
    own, pccs = [], []
    with torch.no_grad():
        for start in range(0, len(cache), SCORED_AT_ONCE):
            numbers = np.arange(start, min(start + SCORED_AT_ONCE, len(cache)))
            values, batch_pccs = _score_batch(network, cache, numbers)
            own.append(values)
            pccs.append(batch_pccs)
    low_pcc = -torch.cat(pccs).double().numpy()
    values = torch.cat(own)
    if isinstance(network, ClipMethod):
        return Scores(values.double().numpy(), low_pcc)
    if objective in SPR:
        return Scores(worst_tile(values).double().numpy(), low_pcc)
    return Scores(values.sum(1).double().numpy() if objective in BY_ERROR else low_pcc, low_pcc)


def _score_batch(network: Autoencoder | ClipMethod, cache: FrameCache, numbers: NDArray[np.intp]) -> tuple[Tensor, ...]:
    """Return the scores [B] of a method with a network of its own, else the tile errors [B, 16]; and the PCCs [B]."""
    if isinstance(network, ClipMethod):
        clips = take_clips(cache, numbers, network.frames, "cpu")
        return network.scores(clips), pearson(clips[:, -1:], network.expected(clips))
    frames = to_batch(cache.take(numbers), "cpu")
    rendered = network(frames)
    return tile_errors(frames, rendered), pearson(frames, rendered)


def smoothed(values: Floats, clock_s: Floats, starts: NDArray[np.intp]) -> Floats:
    """Smooth values [N] by a centred median filter of five seconds that reaches over no gap."""
    window = 2 * round(MEDIAN_S / float(np.median(np.diff(clock_s))) / 2) + 1
    firsts = np.unique(starts)[1:]
    return np.concatenate([median_filter(part, window, mode="nearest") for part in np.split(values, firsts)])


def frame_ms(network: Autoencoder | ClipMethod, cache: FrameCache, clock_s: Callable[[], float]) -> float:
    """Return the median milliseconds that the scoring of a single frame takes on one thread."""
    threads, seconds = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            for number in range(TIMED_FRAMES):
                started_s = clock_s()
                _score_batch(network, cache, np.array([number]))
                seconds.append(clock_s() - started_s)
    finally:
        torch.set_num_threads(threads)
    return 1000 * float(np.median(seconds))
