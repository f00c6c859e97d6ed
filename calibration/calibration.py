"""calibration.json: the thresholds of one vehicle, and the model, backend and camera they are valid for."""

import json
import math
import shlex
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
from ..edge.read_file import read_file
from ..edge.scorer import Scorer
from .blocks import BLOCK_S, BLOCKS_MIN
from .rules import RULES, RULES_WITHOUT_RATE, excess_thresholds
from .thresholds_json import read_thresholds, write_thresholds

SCHEMA = 3
BYTES_MAX = 262_144
BLOCKS_MAX = 3600  # two hours; more would not fit into the file


@dataclass(frozen=True, eq=False)
class Calibration:
    """The thresholds of one vehicle, the drive they rest on, and what they are valid for.

    Example:
        Thresholds for fewer false alarms are higher, and need no new drive.

        >>> reference = np.stack([np.full((20, 10, 10), 0.5), np.full((20, 10, 10), 0.1)]).astype(np.float32)
        >>> thresholds = Thresholds((-1.0, 0.9, 1.0), np.zeros((2, 20, 20), np.float32), (4.0, 3.0), 0.3, reference)
        >>> calibration = Calibration(
        ...     thresholds,
        ...     maxima=np.random.default_rng(0).gumbel(0.0, 0.3, (2, 36)),
        ...     rule="clean",
        ...     false_alarms_per_hour=1.0,
        ...     frames=2400,
        ...     duration_s=120.0,
        ...     model_sha256="3f" * 32,
        ...     backend="ort",
        ...     camera="rgb",
        ...     height=120,
        ...     width=160,
        ...     created_at="2026-01-02T03:04:05+00:00",
        ... )
        >>> rarely, often = calibration.at(0.1), calibration.at(20.0)
        >>> rarely.thresholds.excess[0] > often.thresholds.excess[0]
        True
    """

    thresholds: Thresholds
    maxima: NDArray[np.float64]  # [2, K] block maxima, which the thresholds rest on; K is 0 but for the rule clean
    rule: str  # clean, pcc, paper or median
    false_alarms_per_hour: float | None  # that the rules clean and pcc were given
    frames: int  # of the drive that were used
    duration_s: float  # of driving
    model_sha256: str
    backend: str
    camera: str  # kind of frames: rgb, or the luma that the camera made itself
    height: int
    width: int
    created_at: str  # ISO 8601, UTC

    @property
    def observable_rate(self) -> float | None:
        """The false-alarm rate, 1/h, that the drive alone shows not to be exceeded; None without block maxima."""
        blocks = self.maxima.shape[1]
        # Of K + 1 blocks alike, any one is the largest with a chance of 1/(K + 1); there are two filters.
        return 2 / (blocks + 1) * 3600 / BLOCK_S if blocks else None

    def mismatch(self, bundle: Bundle, backend: str, camera: str | None = None) -> str:
        """Return one line that says why this calibration is not valid for a bundle, backend and camera, else nothing.

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
                holder = "car" if name == "camera frames" else "bundle"
                remedy = self._remedy(bundle, camera)
                return f"the calibration is for {name} {made_for}, the {holder} has {found}; {remedy}"
        return ""

    def _remedy(self, bundle: Bundle, camera: str | None) -> str:
        on_tub = f"mle-uvad calibrate {shlex.quote(str(bundle.folder))} --tub TUB"
        # A car may give luma and record RGB: thresholds for luma are always right when made on the car.
        if (camera or self.camera) == "luma":
            return "run `mle-uvad calibrate --car MYCAR`"
        if self.camera == "luma":  # those of the car stay: for the drives that it records in RGB there are others
            return (
                f"run `mle-uvad calibrate --car MYCAR`, or for recorded drives alone `{on_tub} --out FILE`, and give"
                " FILE to --calibration"
            )
        return f"run `{on_tub}`"

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
        """Describe thresholds that were made with a scorer just now: they are valid for its bundle, backend and camera.

        `maxima` [2, K] are the block maxima they rest on.
        """
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
        """Load a calibration that is valid for a bundle, backend and camera. Raises InputError for any other."""
        calibration = cls.load(path)
        if problem := calibration.mismatch(bundle, backend, camera):
            raise InputError(problem)
        return calibration

    def at(self, false_alarms_per_hour: float) -> "Calibration":
        """Return the calibration with thresholds for another rate, from the same drive.

        Those of the rules paper and median are for no rate and stay. Raises InputError for the rule pcc, which keeps
        no block maxima, and for a rate below 1e-6.
        """
        if self.rule in RULES_WITHOUT_RATE or false_alarms_per_hour == self.false_alarms_per_hour:
            return self
        if not self.maxima.size:
            raise InputError(
                f"thresholds by the rule {self.rule} for {false_alarms_per_hour:g} false alarms an hour cannot be made"
                " without the drive; run `mle-uvad calibrate BUNDLE --tub TUB`"
            )
        thresholds = replace(self.thresholds, excess=excess_thresholds(self.maxima, false_alarms_per_hour))
        return replace(self, thresholds=thresholds, false_alarms_per_hour=false_alarms_per_hour)

    def with_drive(
        self, maxima: NDArray[np.float64], *, frames: int, duration_s: float, now: datetime
    ) -> "Calibration":
        """Return the calibration with the block maxima [2, K] of a further drive, over the same baseline.

        Of more than two hours the latest count. The rule is clean.
        """
        assert self.false_alarms_per_hour is not None  # the rule clean has a rate
        together = np.concatenate([self.maxima, maxima], axis=1)[:, -BLOCKS_MAX:]
        return replace(
            self,
            thresholds=replace(self.thresholds, excess=excess_thresholds(together, self.false_alarms_per_hour)),
            maxima=together,
            frames=self.frames + frames,
            duration_s=self.duration_s + duration_s,
            created_at=now.isoformat(timespec="seconds"),
        )

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises InputError when it cannot be written."""
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
            "maxima": self.maxima.round(6).tolist(),
            **write_thresholds(self.thresholds),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(facts, allow_nan=False))

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Load and check the file. Raises InputError when it is missing, damaged or of another version."""
        if not path.is_file():
            raise InputError(f"no calibration at {path}; run `mle-uvad calibrate BUNDLE --tub TUB`")
        try:
            if path.stat().st_size > BYTES_MAX:
                raise ValueError(f"more than {BYTES_MAX} bytes")
            facts: dict[str, Any] = strict_json.parse(read_file(path, BYTES_MAX, follow=True))
            if facts["schema"] != SCHEMA:
                raise ValueError(f"schema {facts['schema']!r}, this version reads {SCHEMA}")
            if facts["camera"] not in CAMERAS:
                raise ValueError(f"camera {facts['camera']!r}, not one of {', '.join(CAMERAS)}")
            if facts["rule"] not in RULES:
                raise ValueError(f"rule {facts['rule']!r}, not one of {', '.join(RULES)}")
            return cls(
                thresholds=read_thresholds(facts),
                maxima=_read_maxima(facts),
                rule=facts["rule"],
                false_alarms_per_hour=_read_rate(facts),
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


def _read_maxima(facts: dict[str, Any]) -> NDArray[np.float64]:
    maxima = np.array(facts["maxima"], np.float64).reshape(2, -1)
    # A drive that a gap splits in two may hold one block less.
    if not np.isfinite(maxima).all() or 0 < maxima.shape[1] < BLOCKS_MIN - 1:
        raise ValueError("the block maxima are too few or out of range")
    return maxima


def _read_rate(facts: dict[str, Any]) -> float | None:
    """Return the false-alarm rate, which the rules clean and pcc have, and no other."""
    rate = facts["false_alarms_per_hour"]
    if facts["rule"] in RULES_WITHOUT_RATE:
        if rate is not None:
            raise ValueError(f"false_alarms_per_hour {rate!r} of the rule {facts['rule']}, which is for none")
        return None
    if type(rate) not in (int, float) or not 0 < float(rate) < math.inf:
        raise ValueError(f"false_alarms_per_hour {rate!r}, not a positive number")
    return float(rate)
