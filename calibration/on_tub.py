"""Calibrates a bundle on a recorded drive."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ..edge.driving import GAP_S, is_gap
from ..edge.errors import InputError
from ..edge.graph import TIME_CONSTANTS_S
from ..edge.reference import make_reference
from ..edge.scorer import FrameScore, Scorer
from ..edge.tubs.replay import drive_again
from ..edge.tubs.tub import Tub
from .calibration import Calibration
from .rules import block_probability, clean_thresholds, paper_thresholds, pcc_thresholds, require_usable

RULES = ("clean", "pcc", "paper")
UNUSABLE_SHARE_MAX = 0.2  # of the frames
STILL_SHARE_MAX = 0.5  # of the frames with a settled memory


@dataclass
class Watched:
    """What the frames of a drive said: those that could be scored, and why the others could not."""

    times_s: list[float] = field(default_factory=list)
    scores: list[FrameScore] = field(default_factory=list)
    unusable: Counter[str] = field(default_factory=Counter)
    detail: str = ""

    def driving_s(self) -> NDArray[np.float64]:
        """The times on the evidence's clock, which stops while the car stands."""
        steps_s = np.diff(self.times_s, prepend=self.times_s[:1]).tolist()
        return np.cumsum(
            [
                step_s if not score.is_stationary or is_gap(step_s) else 0.0
                for score, step_s in zip(self.scores, steps_s, strict=True)
            ]
        )

    def is_informative(self) -> list[int]:
        """Numbers of the scores with a settled memory on a car that moves."""
        return [i for i, score in enumerate(self.scores) if score.is_informative]


def calibrate_on_tub(
    scorer: Scorer,
    tub: Tub,
    *,
    rule: str,
    false_alarms_per_hour: float,
    now: datetime,
    progress: Callable[[int, int], None],
) -> Calibration:
    """Score a drive and make limits of it. `clean` and `pcc` want a wiped lens, `paper` takes the drive as it is.

    The rule clean looks twice: what the drive looks like at each place, then what the network says in that light.
    Raises InputError for a drive that is too short, mostly flat or dark, still or frozen, or of another size.
    """
    if rule not in RULES:
        raise InputError(f"rule is {rule!r}; choose one of {', '.join(RULES)}")
    if rule != "paper":
        block_probability(false_alarms_per_hour)  # a wrong rate is told before the drive is scored
    passes = 2 if rule == "clean" else 1
    scorer.reference = scorer.bundle.reference
    watched = _watch(scorer, tub, lambda done, total: progress(done, passes * total))
    pccs = np.array([score.pcc for score in watched.scores], np.float64)
    maxima = np.empty((2, 0))
    if rule == "paper":
        thresholds = paper_thresholds(pccs, scorer.bundle.reference)
    elif rule == "pcc":
        thresholds = pcc_thresholds(pccs, np.array(watched.times_s), scorer.bundle.reference, false_alarms_per_hour)
    else:
        require_usable(pccs)
        is_informative, warmed_up = watched.is_informative(), sum(score.warmed_up for score in watched.scores)
        if not warmed_up:
            raise InputError(
                f"the drive is torn into pieces shorter than {max(TIME_CONSTANTS_S):g} s; record another one"
            )
        if len(is_informative) <= (1 - STILL_SHARE_MAX) * warmed_up:
            raise InputError(
                f"the car stood in {1 - len(is_informative) / warmed_up:.0%} of the frames; calibrate while driving"
            )
        feature_maps = [seen for i in is_informative if (seen := watched.scores[i].feature_maps) is not None]
        scorer.reference = make_reference(np.stack(feature_maps))
        watched = _watch(scorer, tub, lambda done, total: progress(total + done, passes * total))
        is_informative = watched.is_informative()
        thresholds, maxima = clean_thresholds(
            pccs[is_informative],
            np.stack([odds for i in is_informative if (odds := watched.scores[i].logits) is not None]).astype(
                np.float64
            ),
            watched.driving_s()[is_informative],
            scorer.reference,
            false_alarms_per_hour,
        )
    steps_s = np.diff(watched.times_s)
    return Calibration.of(
        scorer,
        thresholds,
        maxima,
        rule=rule,
        false_alarms_per_hour=None if rule == "paper" else false_alarms_per_hour,
        frames=len(pccs),
        duration_s=float(steps_s[(steps_s > 0) & (steps_s <= GAP_S)].sum()),  # driven: pauses do not count
        now=now,
    )


def _watch(scorer: Scorer, tub: Tub, progress: Callable[[int, int], None]) -> Watched:
    """Score all frames of a drive. Raises InputError when too few of them can be."""
    watched = Watched()
    for done, (record, frame) in enumerate(drive_again(tub, scorer.restart), start=1):
        progress(done, len(tub.records))
        if frame is None:
            continue  # the tub counts what it cannot read
        score = scorer.score(frame, record.timestamp_ms / 1000)
        if score.pcc is None:
            watched.unusable[score.status] += 1
            watched.detail = score.detail or watched.detail
        else:
            watched.scores.append(score)
            watched.times_s.append(record.timestamp_ms / 1000)
    unusable = watched.unusable.total()
    if unusable > UNUSABLE_SHARE_MAX * (unusable + len(watched.scores)):
        kinds = ", ".join(f"{count} {status}" for status, count in watched.unusable.most_common())
        hint = f" ({watched.detail})" if watched.detail else ""
        raise InputError(
            f"{kinds} of {unusable + len(watched.scores)} frames of {tub.folder} cannot be scored{hint};"
            " give another drive"
        )
    if not watched.scores:
        raise InputError(f"no frame of {tub.folder} can be read; give another drive")
    return watched
