"""Calibration on a recorded drive."""

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from ..edge.driving import continuous_s
from ..edge.ema import WARM_UP_S
from ..edge.errors import InputError
from ..edge.evidence import Thresholds
from ..edge.scorer import FrameScore, Scorer
from ..edge.tubs.reasons import advice_for
from ..edge.tubs.replay import drive_again
from ..edge.tubs.tub import Record, Tub, commonest_camera
from .calibration import Calibration
from .obscured_spans import ObscuredSpans, careful_thresholds
from .phases import maxima_from_drive, reference_from_drive, thresholds_from_drive
from .rules import (
    FRAMES_MIN,
    RULES,
    RULES_WITHOUT_RATE,
    block_probability,
    median_thresholds,
    paper_thresholds,
    pcc_thresholds,
    require_usable,
)

UNUSABLE_SHARE_MAX = 0.2  # of the frames
STRETCHES, STRETCH_FRAMES = 8, 1000  # what the rule clean uses of a longer drive, to bound its memory
STILL_SHARE_MAX = 0.5  # of the frames with warmed-up running means


def calibrate_on_tub(
    scorer: Scorer,
    tub: Tub,
    *,
    rule: str,
    false_alarms_per_hour: float,
    now: datetime,
    progress: Callable[[int, int], None],
    warn: Callable[[str], None] = lambda line: None,
) -> Calibration:
    """Make thresholds from a recorded drive, by one of `RULES`.

    The rules clean and pcc take a drive with a wiped lens, the rules paper and median take the drive as it is. The rule
    clean plays the drive once for each phase of the calibration; of a drive longer than 8000 records it plays eight
    stretches that hold so many, seven minutes at 20 Hz. `progress` gets the records scored so far and their total over
    all phases; the scorer keeps the reference it was given last. For the rule clean, `warn` gets a line if part of the
    drive looks obscured to a monitor without a calibration. Raises InputError for a drive that is too short, mostly
    dark or flat, still or frozen. Frames of another size than the bundle's, or of another kind of camera than most, are
    left out and counted by the tub.
    """
    if rule not in RULES:
        raise InputError(f"rule is {rule!r}; choose one of {', '.join(RULES)}")
    if rule not in RULES_WITHOUT_RATE:
        block_probability(false_alarms_per_hour)  # refuses a wrong rate before the drive is scored
    if rule == "clean":
        tub = _stretches(tub)
    records, phases = len(tub.records), 2 if rule == "clean" else 1
    scorer.reference = scorer.bundle.reference
    tub.leave_out_others(scorer.bundle.height, scorer.bundle.width, commonest_camera(tub))
    clean = rule == "clean"
    scored = _score_drive(scorer, tub, lambda done: progress(done, phases * records), logits=clean, maps=clean)
    times_s, pccs = np.array([t_s for t_s, _ in scored]), np.array([score.pcc for _, score in scored], np.float64)
    maxima = np.empty((2, 0))
    if rule == "paper":
        thresholds = paper_thresholds(pccs, scorer.reference)
    elif rule == "median":
        thresholds = median_thresholds(pccs, times_s, scorer.reference)
    elif rule == "pcc":
        thresholds = pcc_thresholds(pccs, times_s, scorer.reference, false_alarms_per_hour)
    else:
        require_usable(pccs)
        _require_motion([score for _, score in scored])
        _warn_of_faults(careful_thresholds(scorer.bundle), scored, warn)
        scorer.reference = reference_from_drive(score for _, score in scored)
        scored = _score_drive(scorer, tub, lambda done: progress(records + done, phases * records), maps=False)
        thresholds, maxima = thresholds_from_drive(scored, scorer.reference, false_alarms_per_hour)
    return Calibration.of(
        scorer,
        thresholds,
        maxima,
        rule=rule,
        false_alarms_per_hour=None if rule in RULES_WITHOUT_RATE else false_alarms_per_hour,
        frames=len(pccs),
        duration_s=_duration_s(scored),
        now=now,
    )


def _stretches(tub: Tub) -> Tub:
    """Return the tub with the records of stretches from all over the drive, or all of them if it is not longer."""
    spare = len(tub.records) - STRETCHES * STRETCH_FRAMES
    if spare <= 0:
        return tub
    shorter = copy.copy(tub)  # it counts what it skips in the same list
    starts = [stretch * spare // (STRETCHES - 1) + stretch * STRETCH_FRAMES for stretch in range(STRETCHES)]
    shorter.records = [record for start in starts for record in tub.records[start : start + STRETCH_FRAMES]]
    return shorter


def add_drive(
    scorer: Scorer,
    tub: Tub,
    calibration: Calibration,
    *,
    now: datetime,
    progress: Callable[[int, int], None],
    warn: Callable[[str], None] = lambda line: None,
) -> Calibration:
    """Return a calibration by the rule clean with a further clean drive added.

    Reference and baseline stay, so what is learnt is how far another drive exceeds them: the thresholds rise after a
    drive that exceeds them more than expected, and else come closer to what clean driving reaches. `warn` gets a line
    if the drive has an event by the thresholds so far. Raises InputError for a calibration of another rule or bundle,
    and for a drive that cannot be used.
    """
    if calibration.rule != "clean" or calibration.false_alarms_per_hour is None:
        raise InputError(
            f"the calibration is by the rule {calibration.rule}; only one by the rule clean can be added to"
        )
    tub = _stretches(tub)
    camera = commonest_camera(tub)
    if problem := calibration.mismatch(scorer.bundle, scorer.backend.name, camera):
        raise InputError(problem)
    tub.leave_out_others(scorer.bundle.height, scorer.bundle.width, camera)
    thresholds = calibration.thresholds
    scorer.reference, scorer.crawl_below = thresholds.reference, thresholds.crawl_below
    scored = _score_drive(scorer, tub, lambda done: progress(done, len(tub.records)), maps=False)
    _require_motion([score for _, score in scored])
    _warn_of_faults(thresholds, scored, warn)
    return calibration.with_drive(
        maxima_from_drive(scored, thresholds), frames=len(scored), duration_s=_duration_s(scored), now=now
    )


def _warn_of_faults(
    thresholds: Thresholds | None, scored: Sequence[tuple[float, FrameScore]], warn: Callable[[str], None]
) -> None:
    spans = ObscuredSpans(thresholds)
    for t_s, score in scored:
        spans.update(score, t_s)
    if spans.warning:
        warn(spans.warning)


def _duration_s(scored: Sequence[tuple[float, FrameScore]]) -> float:
    return sum(continuous_s(step_s) for step_s in np.diff([t_s for t_s, _ in scored]).tolist())


def _score_drive(
    scorer: Scorer, tub: Tub, progress: Callable[[int], None], *, maps: bool = True, logits: bool = True
) -> list[tuple[float, FrameScore]]:
    """Return the times in seconds and scores of the frames that can be scored.

    Without `maps` or `logits` the scores come without feature maps or logits, which take kilobytes a frame. Raises
    InputError when there are none, or too many others.
    """
    scorer.cells_every_s = 0.0
    scored: list[tuple[float, FrameScore]] = []
    unusable: list[tuple[Record, FrameScore]] = []
    for done, (record, frame) in enumerate(drive_again(tub, scorer.restart), start=1):
        progress(done)
        if frame is None:
            continue  # the tub counts what it cannot read
        t_s = record.timestamp_ms / 1000
        score = scorer.score(frame, t_s)
        if score.pcc is None:
            unusable.append((record, score))
        else:
            kept = replace(
                score, feature_maps=score.feature_maps if maps else None, logits=score.logits if logits else None
            )
            scored.append((t_s, kept))
    tub.require_frames(len(scored) + len(unusable))
    total = len(scored) + len(unusable)
    if len(unusable) > UNUSABLE_SHARE_MAX * total:
        counts = Counter(score.status for _, score in unusable).most_common()
        listed = ", ".join(f"{count} {status}" for status, count in counts)
        details = [score.detail for _, score in unusable if score.detail]
        hint = f" ({details[-1]})" if details else ""
        advice = advice_for(f"frame is {counts[0][0]}", tub.folder)
        raise InputError(f"{listed} of {total} frames of {tub.folder} cannot be scored{hint}; {advice}")
    for record, score in unusable:
        tub.leave_out(record, f"frame is {score.status}")
    tub.require_frames(len(scored), FRAMES_MIN)
    return scored


def _require_motion(scores: Sequence[FrameScore]) -> None:
    """Raise InputError for a drive whose scores never warm up, or on which the car stood most of the time."""
    warmed_up = sum(score.warmed_up for score in scores)
    if not warmed_up:
        raise InputError(f"no part of the drive lasts {WARM_UP_S:g} s without a gap; record another drive")
    still = 1 - sum(score.is_informative for score in scores) / warmed_up
    if still >= STILL_SHARE_MAX:
        raise InputError(f"the car stood in {still:.0%} of the frames; calibrate while driving")
