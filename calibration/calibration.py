"""calibration.json: the limits of one vehicle, tied to the model, backend and camera they were made with."""

import json
import math
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..edge import strict_json
from ..edge.atomic_write import atomic_write
from ..edge.bundle import Bundle
from ..edge.errors import InputError
from ..edge.evidence import Thresholds
from ..edge.frame import CAMERAS
from ..edge.graph import GRID_SIDE
from ..edge.reference import read_reference, write_reference
from ..edge.scorer import Scorer
from .blocks import BLOCKS_MIN
from .rules import excess_thresholds

SCHEMA = 3
BYTES_MAX = 262_144


@dataclass(frozen=True)
class Calibration:
    """Limits, and what they rest on."""

    thresholds: Thresholds
    maxima: NDArray[np.float64]  # [2, K] of the clean drive's blocks, which the limits rest on; none but for rule clean
    rule: str  # clean, pcc or paper
    false_alarms_per_hour: float | None  # the budget of the rules clean and pcc
    frames: int
    duration_s: float
    model_sha256: str
    backend: str
    camera: str  # of the frames: rgb, or the luma that the camera made itself
    height: int
    width: int
    created_at: str  # ISO 8601, UTC

    def mismatch(self, bundle: Bundle, backend: str, camera: str | None = None) -> str:
        """Why this calibration does not hold for a bundle, backend and camera, in one line; empty when it does.

        `camera` is `rgb` or `luma`, or None before there is a frame.
        """
        pairs = (
            ("model", self.model_sha256[:12], bundle.sha256[:12]),
            ("backend", self.backend, backend),
            ("camera frames", self.camera, self.camera if camera is None else camera),
            ("camera size", f"{self.width}x{self.height}", f"{bundle.width}x{bundle.height}"),
        )
        for name, made_for, found in pairs:
            if made_for != found:
                # A tub holds RGB: limits for luma are made on the car alone.
                remedy = "--car MYCAR" if (camera or self.camera) == "luma" else f"{bundle.folder} --tub TUB"
                holder = "car" if name == "camera frames" else "bundle"
                return (
                    f"the calibration is for {name} {made_for}, the {holder} has {found};"
                    f" run `mle-uvad calibrate {remedy}`"
                )
        return ""

    @classmethod
    def of(
        cls,
        scorer: Scorer,
        thresholds: Thresholds,
        maxima: NDArray[np.float64],
        *,
        rule: str,
        false_alarms_per_hour: float | None,
        frames: int,
        duration_s: float,
        now: datetime,
    ) -> "Calibration":
        """Limits just made with a scorer and its frames, the maxima [2, K] they rest on, and what they hold for."""
        bundle = scorer.bundle
        return cls(
            thresholds=thresholds,
            maxima=maxima,
            rule=rule,
            false_alarms_per_hour=false_alarms_per_hour,
            frames=frames,
            duration_s=duration_s,
            model_sha256=bundle.sha256,
            backend=scorer.backend.name,
            camera=scorer.camera,
            height=bundle.height,
            width=bundle.width,
            created_at=now.isoformat(timespec="seconds"),
        )

    @classmethod
    def load_for(cls, path: Path, bundle: Bundle, backend: str, camera: str | None = None) -> "Calibration":
        """Load a calibration for which there is no `mismatch`. Raises InputError also when there is one."""
        calibration = cls.load(path)
        if problem := calibration.mismatch(bundle, backend, camera):
            raise InputError(problem)
        return calibration

    def at(self, false_alarms_per_hour: float) -> "Calibration":
        """The same drive's limits for another rate; those of the rule paper promise none and stay.

        Raises InputError for the rule pcc, which keeps no blocks, and for what is no rate.
        """
        if self.rule == "paper" or false_alarms_per_hour == self.false_alarms_per_hour:
            return self
        if not self.maxima.size:
            raise InputError(
                f"limits by the rule {self.rule} cannot be made for {false_alarms_per_hour:g} false alarms an hour"
                " without the drive; run `mle-uvad calibrate BUNDLE --tub TUB`"
            )
        thresholds = replace(self.thresholds, excess=excess_thresholds(self.maxima, false_alarms_per_hour))
        return replace(self, thresholds=thresholds, false_alarms_per_hour=false_alarms_per_hour)

    def save(self, path: Path) -> None:
        """Write the file whole or not at all, and to the disk before it counts."""
        facts = {
            "schema": SCHEMA,
            "rule": self.rule,
            "false_alarms_per_hour": self.false_alarms_per_hour,
            "frames": self.frames,
            "duration_s": self.duration_s,
            "model_sha256": self.model_sha256,
            "backend": self.backend,
            "camera": self.camera,
            "height": self.height,
            "width": self.width,
            "created_at": self.created_at,
            "averaging_s": self.thresholds.averaging_s,
            "pcc": list(self.thresholds.pcc),
            "ordinary": [float(f"{value:.6g}") for value in self.thresholds.baseline.ravel()],
            "maxima": self.maxima.round(6).tolist(),
            # JSON has no infinity: null is a limit that is never reached.
            "limit": [limit if math.isfinite(limit) else None for limit in self.thresholds.excess],
            "reference": write_reference(self.thresholds.reference),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(facts, allow_nan=False))

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read and check. Raises InputError for a file that is missing, damaged or of another version."""
        if not path.is_file():
            raise InputError(f"no calibration at {path}; run `mle-uvad calibrate BUNDLE --tub TUB`")
        try:
            if path.stat().st_size > BYTES_MAX:
                raise ValueError(f"more than {BYTES_MAX} bytes")
            facts: dict[str, Any] = strict_json.parse(path.read_bytes())
            if facts["schema"] != SCHEMA:
                raise ValueError(f"schema {facts['schema']!r}, this version reads {SCHEMA}")
            if facts["camera"] not in CAMERAS:
                raise ValueError(f"camera {facts['camera']!r}, not one of {', '.join(CAMERAS)}")
            return cls(
                thresholds=_limits(facts),
                maxima=_maxima(facts),
                rule=str(facts["rule"]),
                false_alarms_per_hour=facts["false_alarms_per_hour"],
                frames=int(facts["frames"]),
                duration_s=float(facts["duration_s"]),
                model_sha256=str(facts["model_sha256"]),
                backend=str(facts["backend"]),
                camera=facts["camera"],
                height=int(facts["height"]),
                width=int(facts["width"]),
                created_at=str(facts["created_at"]),
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise InputError(f"{path} is damaged ({error}); run `mle-uvad calibrate BUNDLE --tub TUB` again") from None


def _maxima(facts: dict[str, Any]) -> NDArray[np.float64]:
    maxima = np.array(facts["maxima"], np.float64).reshape(2, -1)
    if not np.isfinite(maxima).all() or 0 < maxima.shape[1] < BLOCKS_MIN - 1:  # cut in two, a drive holds one less
        raise ValueError("the maxima of the blocks are too few or out of range")
    return maxima


def _limits(facts: dict[str, Any]) -> Thresholds:
    low, middle, high = (float(value) for value in facts["pcc"])
    quick, lasting = (math.inf if limit is None else float(limit) for limit in facts["limit"])
    averaging_s = float(facts["averaging_s"])
    baseline = np.array(facts["ordinary"], np.float32).reshape(2, GRID_SIDE, GRID_SIDE)
    if not (-1 <= low < middle < high <= 1 and np.isfinite(baseline).all()):
        raise ValueError("limits are not in order")
    if not (quick > 0 and lasting > 0 and 0 <= averaging_s < math.inf):
        raise ValueError("a limit is out of range")
    return Thresholds((low, middle, high), baseline, (quick, lasting), averaging_s, read_reference(facts["reference"]))
