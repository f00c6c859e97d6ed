"""Scoring of recorded drives as on the car: one, or many at a time on all cores."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..edge import strict_json
from ..edge.atomic_write import atomic_write, sweep_drafts
from ..edge.backends import open_scorer
from ..edge.bundle import CALIBRATION_FILE, FACTS_FILE, MODEL_FILE, Bundle
from ..edge.errors import InputError
from ..edge.monitor import Monitor
from ..edge.read_file import read_file, real_path
from ..edge.scorer import Scorer
from ..edge.tubs.replay import DriveMonitor, write_scores
from ..edge.tubs.times import open_drive
from ..edge.tubs.tub import Tub, commonest_camera
from .calibration import Calibration
from .drive_workers import run_in_workers
from .provisional import UncalibratedMonitor
from .score_fingerprint import fingerprint_of_file, fingerprint_of_inputs

KEPT_BYTES_MAX = 262_144
Progress = Callable[[int, int], None]


def score_drive(
    drive: Tub, bundle: Path, calibration: Path | None, out: Path, progress: Progress, kept: Path | None = None
) -> dict[str, Any]:
    """Write the scores of a drive to `out` and return its figures.

    `kept` is a file for the figures and the inputs they were made from: if it shows that `out` was made from the same
    inputs, the drive is not scored again, and `reused` is true in the figures. Raises InputError for a bundle or
    calibration that cannot be used, and when no frame can be scored.
    """
    scorer, made = open_for(drive, bundle, calibration)
    if calibration is None and made is not None:
        calibration = bundle / CALIBRATION_FILE
    inputs = {"camera": drive.camera, **fingerprint_of_inputs(drive, bundle, calibration)}
    if kept is not None and (figures := _read_figures(kept, inputs, out)):
        return figures
    tally = write_scores(drive, monitor_of(scorer, made), out, progress)
    if not tally.scored:
        drive.require_frames(0)
    if not tally.scored and tally.detail:
        raise InputError(f"no frame of {drive.folder} can be scored: {tally.detail}; give a drive of this camera")
    figures = {
        "scores": str(out),
        "records": tally.records,
        "scored": tally.scored,
        "mean_pcc": tally.pcc_sum / tally.scored if tally.scored else None,
        "events": tally.events,
        "status": dict(tally.status),
        "deleted": drive.deleted,
        "images_without_record": drive.uncatalogued,
        "skipped": drive.skipped_counts(),
        "reused": False,
    }
    if kept is not None:  # last: its presence says that the scores are complete
        with atomic_write(kept) as draft:
            about = {"rests_on": inputs, "scores_sha256": fingerprint_of_file(out), "figures": figures}
            draft.write_text(json.dumps(about, indent=2))
    return figures


def score_drives(
    tubs: Sequence[Path],
    bundle: Path,
    calibration: Path | None,
    folder: Path,
    jobs: int | None,
    progress: Progress,
    *,
    camera: str | None = None,
    hz: float | None = None,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Score drives into a folder, each in its own process. `camera` and `hz` are those of `open_drive`.

    Returns the figures of each drive in the order of the tubs, and for each tub that could not be scored the reason.
    Drives that an earlier call scored from the same records with the same bundle and calibration are not scored again.
    Raises InputError for two drives of one name and for a bundle or calibration that cannot be used.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs is {jobs}; give 1 or more")
    outs: dict[Path, Path] = {}
    for tub in tubs:
        out = folder / f"{'-'.join(real_path(tub).parts[-2:]).strip('/')}.csv"
        if out in outs:
            raise InputError(f"{tub} and {outs[out]} would both be {out.name}; score them into two folders")
        outs[require_new(out, tub, bundle, calibration or bundle / CALIBRATION_FILE)] = tub
    _open(bundle, calibration)
    folder.mkdir(parents=True, exist_ok=True)
    for out in outs:
        sweep_drafts(out)
    figures: dict[Path, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    calls = [(tub, bundle, calibration, out, camera, hz) for out, tub in outs.items()]
    workers = min(jobs or os.cpu_count() or 1, len(calls))
    for done, (number, result) in enumerate(run_in_workers(_score_one, calls, workers), start=1):
        tub, _, _, out, *_ = calls[number]
        if isinstance(result, InputError):
            failed[str(tub)] = str(result)
        else:
            figures[out] = result
        progress(done, len(calls))
    return [figures[out] for out in outs if out in figures], failed


def require_new(out: Path, tub: Path | None, bundle: Path, calibration: Path | None = None) -> Path:
    """Return `out`. Raises InputError, before any work is done, if writing it would overwrite an input."""
    if not out.name or out.is_dir():
        raise InputError(f"{out} is a folder; give the path of a file to --out")
    target = real_path(out)
    bundle_files = [real_path(bundle / name) for name in (MODEL_FILE, FACTS_FILE)]
    if calibration is not None:
        bundle_files.append(real_path(calibration))
    if target in bundle_files or (tub is not None and target.is_relative_to(real_path(tub))):
        raise InputError(f"{out} belongs to what is read; give another --out")
    return out


def open_for(drive: Tub, bundle: Path, calibration: Path | None) -> tuple[Scorer, Calibration | None]:
    """Open a bundle, and its calibration if it has one, for the frames of a drive; it leaves out those of other kinds.

    Raises InputError for a bundle or calibration that cannot be used.
    """
    kind = commonest_camera(drive)
    scorer, made = _open(bundle, calibration, kind)
    drive.leave_out_others(scorer.bundle.height, scorer.bundle.width, kind)
    return scorer, made


def monitor_of(scorer: Scorer, calibration: Calibration | None) -> DriveMonitor:
    """Return a monitor that judges as the part does on the car."""
    return (
        UncalibratedMonitor(Monitor(scorer, None)) if calibration is None else Monitor(scorer, calibration.thresholds)
    )


def _open(bundle: Path, calibration: Path | None, kind: str | None = None) -> tuple[Scorer, Calibration | None]:
    scorer, path = open_scorer(Bundle.load(bundle)), calibration or bundle / CALIBRATION_FILE
    if calibration is None and not path.exists():
        return scorer, None
    return scorer, Calibration.load_for(path, scorer.bundle, scorer.backend.name, kind)


def _score_one(
    tub: Path, bundle: Path, calibration: Path | None, out: Path, camera: str | None, hz: float | None
) -> dict[str, Any]:
    return score_drive(
        open_drive(tub, camera, hz), bundle, calibration, out, lambda done, total: None, out.with_suffix(".json")
    )


def _read_figures(path: Path, inputs: dict[str, Any], out: Path) -> dict[str, Any] | None:
    """Return the figures kept in a file if they rest on these inputs and the scores are still those, else None."""
    try:
        kept = strict_json.parse(read_file(path, KEPT_BYTES_MAX))
        if kept["rests_on"] != inputs or kept["scores_sha256"] != fingerprint_of_file(out):
            return None
        return {**kept["figures"], "reused": True}
    except (OSError, ValueError, KeyError, TypeError):
        return None
