"""Generated drives as Donkeycar v2 tubs, with labels of when the lens was obscured.

The layout is the one donkeycar 5 writes; donkeycar is not needed. Frames pass scene, lens, exposure, sensor
noise and JPEG in the order of a real camera (`optics.camera`). The same arguments give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...edge.errors import InputError
from ...optics import expose, sensor_noise
from .episodes import Episode, EpisodeRenderer, check_episodes
from .labels import write_labels
from .track import HEIGHT, WIDTH, Track
from .tub_writer import TubWriter, require_empty

START_MS = 1_767_225_600_000  # 2026-01-01 00:00:00 UTC
EXPOSURE_TARGET_U8 = 118.0  # mean brightness that the exposure control aims at
EXPOSURE_SETTLING_S = 1.0
PATH, NOISE = 0, 1  # random streams, besides that of the faults


def write_drive(
    folder: Path,
    track: Track,
    *,
    seed: int,
    seconds: float,
    hz: float = 20.0,
    episodes: Sequence[Episode] = (),
    progress: Callable[[int, int], None] | None = None,
    start_ms: int = START_MS,
) -> Path:
    """Write one drive on the track as a tub and return its folder; `progress` gets (records done, all).

    The manifest is written last, so the folder of an interrupted run is not mistaken for a tub.
    Raises InputError if the folder holds anything, or for episodes outside the drive or overlapping.
    """
    require_empty(folder)
    _check(seconds, hz, episodes)
    total = round(seconds * hz)
    lens = EpisodeRenderer(episodes, HEIGHT, WIDTH, seed)
    session = datetime.fromtimestamp(start_ms / 1000, timezone.utc).strftime("%y-%m-%d") + "_0"
    tub = TubWriter(folder)
    camera = _camera_output(track, lens, seed, seconds, hz)
    for done, (t_s, frame, angle, throttle) in enumerate(camera, start=1):
        fields = {"user/angle": angle, "user/throttle": throttle, "user/mode": "user"}
        tub.add(frame, start_ms + round(t_s * 1000), session, fields)
        if progress is not None:
            progress(done, total)
    write_labels(folder, lens.labels(np.arange(total) / hz), total, seed)
    tub.close()
    return folder


def _camera_output(
    track: Track, lens: EpisodeRenderer, seed: int, seconds: float, hz: float
) -> Iterator[tuple[float, NDArray[np.uint8], float, float]]:
    """Yield the drive as the camera delivers it, before JPEG: time in s, frame, steering, throttle."""
    noise = np.random.default_rng((seed, NOISE))
    gain: float | None = None
    for t_s, scene, angle, throttle in track.drive(np.random.default_rng((seed, PATH)), seconds, hz):
        scene = lens.render(scene, t_s)
        wanted = float(np.clip(EXPOSURE_TARGET_U8 / max(float(scene.mean()), 1.0), 0.4, 3.0))
        gain = wanted if gain is None else gain + (wanted - gain) / max(EXPOSURE_SETTLING_S * hz, 1.0)
        yield t_s, sensor_noise(expose(scene, gain), noise, gain), angle, throttle


def _check(seconds: float, hz: float, episodes: Sequence[Episode]) -> None:
    if not (0 < hz <= 1000 and seconds * hz >= 1):
        raise InputError(f"a drive needs at least one record, not {seconds} s at {hz} Hz")
    check_episodes(episodes, seconds)
    for episode in episodes:
        if round(episode.end_s * hz) <= round(episode.start_s * hz):
            raise InputError(f"{episode} is shorter than a frame at {hz} Hz")
