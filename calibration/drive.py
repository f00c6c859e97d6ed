"""Calibrates a bundle on a recorded drive."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import numpy as np

from ..edge.errors import InputError
from ..edge.evidence import GAP_S
from ..edge.scorer import Scorer
from ..edge.tub import Tub
from .calibration import Calibration
from .rules import clean_limits, paper_limits

RULES = ("clean", "paper")
UNUSABLE_SHARE_MAX = 0.2  # of the frames


def calibrate_on_tub(
    scorer: Scorer,
    tub: Tub,
    *,
    rule: str,
    false_alarms_per_hour: float,
    now: datetime,
    progress: Callable[[int, int], None],
) -> Calibration:
    """Score a drive and make limits of it. `clean` wants a wiped lens, `paper` takes the drive as it is.

    Raises InputError for a drive that is too short, mostly flat or dark, still or frozen, or of another size.
    """
    if rule not in RULES:
        raise InputError(f"rule is {rule!r}; choose one of {', '.join(RULES)}")
    pccs, maps, times_s = [], [], []
    unusable: Counter[str] = Counter()
    detail = ""
    for done, (record, frame) in enumerate(tub.frames(), start=1):
        score = scorer.score(frame)
        if score.pcc is None or score.maps is None:
            unusable[score.status] += 1
            detail = score.detail or detail
        else:
            pccs.append(score.pcc)
            maps.append(score.maps)
            times_s.append(record.timestamp_ms / 1000)
        progress(done, len(tub.records))
    total = unusable.total() + len(pccs)
    if unusable.total() > UNUSABLE_SHARE_MAX * total:
        kinds = ", ".join(f"{count} {status}" for status, count in unusable.most_common())
        hint = f" ({detail})" if detail else ""
        raise InputError(f"{kinds} of {total} frames of {tub.folder} cannot be scored{hint}; give another drive")
    if not pccs:
        raise InputError(f"no frame of {tub.folder} can be read; give another drive")
    series, steps_s, bundle = np.array(pccs), np.diff(times_s), scorer.bundle
    return Calibration(
        limits=paper_limits(series)
        if rule == "paper"
        else clean_limits(series, np.array(maps), np.array(times_s), false_alarms_per_hour),
        rule=rule,
        false_alarms_per_hour=None if rule == "paper" else false_alarms_per_hour,
        frames=len(pccs),
        duration_s=float(steps_s[(steps_s > 0) & (steps_s <= GAP_S)].sum()),  # driven: pauses do not count
        model_sha256=bundle.sha256,
        backend=scorer.backend.name,
        height=bundle.height,
        width=bundle.width,
        created_at=now.isoformat(timespec="seconds"),
    )
