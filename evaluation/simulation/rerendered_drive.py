"""Write a segment of a recorded drive as a new tub with lens faults rendered into its frames.

The recorded frames already contain sensor noise, which a blurring fault removes. Therefore a little noise is added
after the fault to every frame, clear or not, and all frames are encoded again. Otherwise a detector could look for
missing noise or for the traces of a second JPEG.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...edge.driving import GAP_S, continuous_s
from ...edge.errors import InputError
from ...edge.frame import to_rgb
from ...edge.tubs.manifest import read_field_types
from ...edge.tubs.tub import Record, Tub
from ...optics import sensor_noise
from .episodes import Episode, EpisodeRenderer, check_episodes
from .labels import write_labels
from .tub_writer import COLUMNS, TubWriter, require_empty

NOISE = 1  # random stream of the sensor noise
COPIED_TYPES = ("int", "float", "str", "boolean", "vector", "list")  # of fields; other images are not copied


def driving_s(records: Sequence[Record]) -> NDArray[np.float64]:
    """Return the seconds of driving up to each record [N], from 0; gaps and steps back of the clock do not count."""
    steps_s = np.diff([record.timestamp_ms / 1000 for record in records])
    driving = [continuous_s(step_s) for step_s in steps_s.tolist()]
    return np.concatenate(([0.0], np.cumsum(driving)))


def segment(records: Sequence[Record], start_s: float, end_s: float) -> list[Record]:
    """Return the records between two times of `driving_s`; the end is exclusive."""
    first, last = np.searchsorted(driving_s(records), [start_s, end_s])
    return list(records[first:last])


def write_rerendered_drive(
    folder: Path,
    tub: Tub,
    records: Sequence[Record],
    *,
    seed: int,
    episodes: Sequence[Episode] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write these records of a tub as a new one, with `episodes` in seconds of driving.

    Times, gaps, sessions and the driver's fields stay as recorded; records are counted from 0. A record without a
    readable frame is left out. Raises InputError if the folder holds anything, for episodes outside the segment or
    overlapping, and for a segment without a readable frame or with frames of several sizes.
    """
    require_empty(folder)
    times_s = driving_s(records)
    check_episodes(
        episodes, float(times_s[-1]) + GAP_S
    )  # the last frame lasts until the next one, which is not part of the segment
    columns = _columns(tub.folder)
    fields = {record.index: record.kept for record in Tub(tub.folder, tub.camera, keep=tuple(columns)).records}
    noise = np.random.default_rng((seed, NOISE))
    lens: EpisodeRenderer | None = None
    kept_s: list[float] = []
    copy = TubWriter(folder, columns)
    for done, (record, t_s) in enumerate(zip(records, times_s.tolist(), strict=True), start=1):
        frame = tub.frame(record)
        if frame is not None:
            frame = to_rgb(frame)
            lens = lens or EpisodeRenderer(episodes, frame.shape[0], frame.shape[1], seed)
            if frame.shape != (lens.height, lens.width, 3):
                raise InputError(f"{record.image} is no image of {lens.width}x{lens.height} like the others")
            copy.add(
                sensor_noise(lens.render(frame, t_s), noise),
                record.timestamp_ms,
                record.session_id,
                fields.get(record.index, {}),
            )
            kept_s.append(t_s)
        if progress is not None:
            progress(done, len(records))
    if lens is None:
        raise InputError(f"no frame of {tub.folder} can be read; give another drive")
    write_labels(folder, lens.labels(np.array(kept_s)), len(kept_s), seed)
    copy.close()
    return folder


def _columns(folder: Path) -> dict[str, str]:
    """Return the fields of a tub's records and their types, without other images; donkeycar's defaults if torn."""
    return COLUMNS | {name: kind for name, kind in read_field_types(folder).items() if kind in COPIED_TYPES}
