"""A contact sheet: frames of each run of records that is to be deleted, to look at before it is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..atomic_write import atomic_write
from .cleaning import Run
from .tub import Tub

COLUMNS = 8  # frames per run, evenly spaced
THUMBNAIL = (160, 120)
CAPTION = 16  # height of the line above each row of frames
RUNS_MAX = 60  # rows of a sheet that a viewer still opens


def write_contact_sheet(path: Path, drive: Tub, runs: Sequence[Run]) -> int:
    """Write one row of frames per run as PNG or JPEG, by the name of the file; return the number of rows.

    The longest sixty runs are shown, in order. A frame that cannot be read stays grey.
    """
    shown = sorted(sorted(runs, key=lambda run: -len(run.records))[:RUNS_MAX], key=lambda run: run.records[0].index)
    width, height = THUMBNAIL
    sheet = Image.new("RGB", (COLUMNS * width, max(1, len(shown)) * (height + CAPTION)), (64, 64, 64))
    draw = ImageDraw.Draw(sheet)
    for row, run in enumerate(shown):
        top = row * (height + CAPTION)
        first, last = run.records[0].index, run.records[-1].index
        draw.text((4, top + 2), f"records {first} to {last}, {run.seconds:.1f} s", fill=(255, 255, 255))
        numbers = np.unique(np.linspace(0, len(run.records) - 1, COLUMNS).round().astype(int))
        for column, number in enumerate(numbers.tolist()):
            frame = drive.frame(run.records[number])
            if frame is not None:
                sheet.paste(Image.fromarray(frame).convert("RGB").resize(THUMBNAIL), (column * width, top + CAPTION))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        sheet.save(draft, "PNG" if path.suffix.lower() == ".png" else "JPEG")
    return len(shown)
