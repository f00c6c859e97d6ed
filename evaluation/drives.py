"""Generated drives as Donkeycar v2 tubs, with labels of when the lens was wet.

The layout is the one donkeycar 5 writes; donkeycar is not needed. Frames pass scene, lens, exposure, sensor
noise and JPEG in the order of a real camera (`optics.camera`). The same arguments give the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..edge.errors import InputError
from ..optics import FrontDrop, encode_jpeg, expose, sensor_noise
from .track import HEIGHT, WIDTH, Track

LABELS_NAME = "labels.json"
LABELS_SCHEMA = 1
CATALOG_RECORDS = 1000
START_MS = 1_767_225_600_000  # 2026-01-01 00:00:00 UTC
EPISODE_EVERY_S = 80.0
ONSET_S = 0.5  # from the first touch of the drop until it is fully there
EXPOSURE_TARGET_U8 = 118.0  # mean brightness the camera settles at
EXPOSURE_SETTLING_S = 1.0
PATH, NOISE, DROPS = 0, 1, 2  # a random stream each: wet and clean drives of one seed differ by water alone
COLUMNS = {"cam/image_array": "image_array", "user/angle": "float", "user/throttle": "float", "user/mode": "str"}


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of a drive with water on the lens, wiped off at once at its end."""

    start_s: float
    end_s: float  # exclusive
    coverage: float  # share of the frame, 0.02..0.9
    kind: str = "front_drop"


@dataclass(frozen=True, slots=True)
class Label:
    """Which records of a tub show an episode."""

    kind: str
    start_index: int
    end_index: int  # exclusive
    coverage: float  # as rendered, 0..1


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
    """Writes one drive on the track as a tub and returns the folder; progress gets (records done, all).

    The manifest comes last: a folder left by an interrupted run has none, and is no tub to anyone.
    Raises InputError if the folder holds anything, or for episodes outside the drive or over one another.
    """
    _check(folder, seconds, hz, episodes)
    total = round(seconds * hz)
    drops = [
        FrontDrop.random(np.random.default_rng((seed, DROPS, number)), HEIGHT, WIDTH, episode.coverage)
        for number, episode in enumerate(episodes)
    ]
    labels = [
        Label(episode.kind, round(episode.start_s * hz), round(episode.end_s * hz), drop.coverage)
        for episode, drop in zip(episodes, drops, strict=True)
    ]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    session = datetime.fromtimestamp(start_ms / 1000, timezone.utc).strftime("%y-%m-%d") + "_0"
    wet = list(zip(labels, drops, strict=True))
    lines: list[str] = []
    for t_s, frame, angle, throttle in _photographed(track, wet, seed, seconds, hz):
        index = len(lines)
        name = f"{index}_cam_image_array_.jpg"
        (folder / "images" / name).write_bytes(encode_jpeg(frame))
        record = {
            "_index": index,
            "_session_id": session,
            "_timestamp_ms": start_ms + round(t_s * 1000),
            "cam/image_array": name,
            "user/angle": angle,
            "user/throttle": throttle,
            "user/mode": "user",
        }
        lines.append(json.dumps(record, sort_keys=True) + "\n")
        if progress is not None:
            progress(index + 1, total)
    catalogs = _write_catalogs(folder, lines, start_ms)
    labelled = {
        "schema_version": LABELS_SCHEMA,
        "hz": hz,
        "seed": seed,
        "records": total,
        "episodes": [asdict(label) for label in labels],
    }
    (folder / LABELS_NAME).write_text(json.dumps(labelled, indent=1) + "\n")
    _write_manifest(folder, catalogs, total, session, start_ms)
    return folder


def _photographed(
    track: Track, wet: list[tuple[Label, FrontDrop]], seed: int, seconds: float, hz: float
) -> Iterator[tuple[float, NDArray[np.uint8], float, float]]:
    """The drive as the camera delivers it, before JPEG: time in s, frame, steering, throttle."""
    noise = np.random.default_rng((seed, NOISE))
    gain: float | None = None
    for index, (t_s, scene, angle, throttle) in enumerate(
        track.drive(np.random.default_rng((seed, PATH)), seconds, hz)
    ):
        for label, drop in wet:
            if label.start_index <= index < label.end_index:
                grown = (index - label.start_index + 1) / (ONSET_S * hz)
                scene = drop.render(scene, strength=min(1.0, grown))
        wanted = float(np.clip(EXPOSURE_TARGET_U8 / max(float(scene.mean()), 1.0), 0.4, 3.0))
        gain = wanted if gain is None else gain + (wanted - gain) / max(EXPOSURE_SETTLING_S * hz, 1.0)
        yield t_s, sensor_noise(expose(scene, gain), noise, gain), angle, throttle


def scattered_episodes(seconds: float, rng: np.random.Generator) -> list[Episode]:
    """Drops on the lens for one eighth of a drive, as in the paper: an episode for every 80 s or part of it."""
    stretch_s = seconds / max(1, round(seconds / EPISODE_EVERY_S))
    starts = np.arange(0, seconds - stretch_s / 2, stretch_s) + rng.uniform(0.2, 0.6) * stretch_s
    return [Episode(start, start + stretch_s / 8, rng.uniform(0.1, 0.5)) for start in starts.tolist()]


def read_labels(folder: Path) -> list[Label]:
    """The episodes of a generated tub in the order of time. Raises InputError."""
    path = folder / LABELS_NAME
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"no {path}: only generated drives have labels") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("schema_version") != LABELS_SCHEMA:
        raise InputError(f"{path} is not of schema version {LABELS_SCHEMA}: generate the drive again")
    try:
        labels = [_label(entry, content["records"]) for entry in content["episodes"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} has a bad episode ({error}): generate the drive again") from None
    return sorted(labels, key=lambda label: label.start_index)


def _label(entry: dict[str, Any], records: int) -> Label:
    label = Label(**entry)
    indexes = (label.start_index, label.end_index)
    if any(type(index) is not int for index in indexes) or not isinstance(label.kind, str):
        raise ValueError(f"field of another type in {entry}")
    if not 0 <= label.start_index < label.end_index <= records or not 0 <= label.coverage <= 1:
        raise ValueError(f"value out of range in {entry}")
    return label


def _check(folder: Path, seconds: float, hz: float, episodes: Sequence[Episode]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not an empty folder: delete it or give another name")
    if not (0 < hz <= 1000 and seconds * hz >= 1):
        raise InputError(f"a drive needs at least one record, not {seconds} s at {hz} Hz")
    wiped_s = 0.0
    for episode in sorted(episodes, key=lambda e: e.start_s):
        if episode.kind != "front_drop":
            raise InputError(f"unknown kind of episode {episode.kind!r}: the one known is 'front_drop'")
        if not wiped_s <= episode.start_s < episode.end_s <= seconds:
            raise InputError(f"{episode} must lie within the drive of {seconds} s and after the one before")
        if round(episode.end_s * hz) <= round(episode.start_s * hz):
            raise InputError(f"{episode} is shorter than a frame at {hz} Hz")
        if not 0.02 <= episode.coverage <= 0.9:
            raise InputError(f"{episode} needs a coverage within 0.02..0.9")
        wiped_s = episode.end_s


def _write_catalogs(folder: Path, lines: list[str], start_ms: int) -> list[str]:
    names = []
    for start in range(0, len(lines), CATALOG_RECORDS):
        part = lines[start : start + CATALOG_RECORDS]
        name = f"catalog_{start // CATALOG_RECORDS}.catalog"
        (folder / name).write_text("".join(part))
        about = {
            "created_at": start_ms / 1000,
            "line_lengths": [len(line) for line in part],
            "path": f"{name}_manifest",
            "start_index": start,
        }
        (folder / f"{name}_manifest").write_text(json.dumps(about, sort_keys=True) + "\n")
        names.append(name)
    return names


def _write_manifest(folder: Path, catalogs: list[str], total: int, session: str, start_ms: int) -> None:
    sessions = {"all_full_ids": [session], "last_id": 0, "last_full_id": session}
    parts: list[Any] = [
        list(COLUMNS),
        list(COLUMNS.values()),
        {},
        {"created_at": start_ms / 1000, "sessions": sessions},
        {"paths": catalogs, "current_index": total, "max_len": CATALOG_RECORDS, "deleted_indexes": []},
    ]
    partial = folder / "manifest.json.partial"
    partial.write_text("".join(json.dumps(part) + "\n" for part in parts))
    os.replace(partial, folder / "manifest.json")
