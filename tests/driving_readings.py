"""Readings of a moving car in front of a clear lens, without frames or a network."""

from typing import Any

import numpy as np

from mle_uvad.edge.alarm import AlarmState
from mle_uvad.edge.evidence import EvidenceState
from mle_uvad.edge.graph import FEATURE_MAPS
from mle_uvad.edge.monitor import Reading
from mle_uvad.edge.scorer import FrameScore


def driving_reading(
    rng: np.random.Generator,
    t_s: float,
    alarm: str,
    /,
    *,
    log_odds: Any = -5.0,
    spread: float = 1.0,
    feature_mean: float = 0.5,
    **changes: Any,
) -> Reading:
    """The reading at `t_s` seconds with this status of the alarm; `changes` are those of the score."""
    score: dict[str, Any] = {
        "status": "ok",
        "pcc": float(rng.uniform(0.7, 0.9)),
        "logits": rng.normal(log_odds, spread, (20, 20)).astype(np.float32),
        "feature_maps": rng.normal(feature_mean, 0.1, (FEATURE_MAPS, 10, 10)).astype(np.float32),
        "motion": 0.1,
        "warmed_up": True,
    }
    obscured = alarm == "obscured"
    decision = AlarmState(obscured, int(obscured), 0.0, alarm)
    return Reading(t_s, FrameScore(**{**score, **changes}), EvidenceState("ok"), decision)
