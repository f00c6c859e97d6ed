"""Run the full workflow on generated drives: train, export, calibrate, drive a real Donkeycar, evaluate its events."""

import io
import json
import logging
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibration import Calibration, calibrate_on_tub
from ..edge.alarm import Alarm
from ..edge.backends import open_scorer
from ..edge.bundle import CALIBRATION_FILE, Bundle
from ..edge.errors import InputError
from ..edge.evidence import Evidence
from ..edge.monitor import Monitor
from ..edge.scorer import Scorer
from ..edge.tubs.image import read_image
from ..edge.tubs.replay import replay
from ..edge.tubs.tub import Tub
from ..export.bundle import export_bundle
from ..parts.events.event import Event, read_events
from ..parts.install.manage_py import ManagePy
from ..training.base_network import CONTINUED_WINDOWS, WIDTH, base_sha256
from ..training.settings import PRESETS
from ..training.train import train_tubs
from .car import configure, create_car, drive
from .protocols.detection import Verdict, judge
from .protocols.display import Display
from .report.timeline import draw_timeline
from .simulation.drives import write_drive
from .simulation.episodes import Episode
from .simulation.labels import read_labels
from .simulation.track import Track

HZ = 20.0
EPOCHS = 12  # fewer than `mle-uvad train` has, so that the demo takes minutes
WINDOWS = CONTINUED_WINDOWS
TRAIN_S, CLEAN_S, WET_S = 240.0, 120.0, 120.0
# One eighth of the training drive is wet and not labelled, as in the paper.
TRAIN_EPISODES = (Episode(40, 50, 0.2), Episode(110, 120, 0.4), Episode(180, 190, 0.3))
LAG_FRAMES_MAX = 10  # half a second
WET_EPISODES = (
    Episode(12, 20, 0.45),
    Episode(30, 38, 0.15),
    Episode(48, 56, 0.30),
    Episode(66, 74, 0.55),
    Episode(84, 92, 0.10),
    Episode(102, 110, 0.25),
)


@dataclass(frozen=True)
class DemoResult:
    """The result of the demo."""

    verdict: Verdict  # on what the car itself recorded
    pcc_alone: Verdict  # on the same frames with the PCC rule, without evidence by cell
    events: list[Event]
    pcc_difference: float  # maximum difference between the scores of the car and of a replay, on the same frames
    frames: int  # recorded by the car
    timeline: str  # path of the plot


def run_demo(out: Path, seed: int, display: Display) -> DemoResult:
    """Run the demo in the new folder `out`. Raises InputError if `out` is not empty."""
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; delete it or give another --out")
    display.step("1/5 generating three drives on one track: training (one eighth wet, unlabelled), clean, wet")
    track = Track(np.random.default_rng(seed))
    train_tub = _generate(out, "train", track, seed + 1, TRAIN_S, TRAIN_EPISODES, display)
    clean_tub = _generate(out, "clean", track, seed + 2, CLEAN_S, (), display)
    wet_tub = _generate(out, "wet", track, seed + 3, WET_S, WET_EPISODES, display)
    display.step("2/5 training an autoencoder and, from the one that ships, the obscuration network on rendered faults")
    settings = replace(PRESETS["robust"], width=WIDTH, epochs=EPOCHS, windows=WINDOWS, base=base_sha256(), seed=seed)
    with display.training(EPOCHS) as callback:
        train_tubs([Tub(train_tub)], settings, out / "runs" / "first", "cpu", callback)
    display.step("3/5 creating a stock Donkeycar, exporting the bundle to it, calibrating on the clean drive")
    car = out / "mycar"
    create_car(car)
    with display.bar("exporting"):
        bundle = export_bundle(out / "runs" / "first", car / "models" / "lens", "onnx")
    scorer = open_scorer(bundle)
    calibration, by_pcc = (_calibrate(scorer, clean_tub, rule, display) for rule in ("clean", "pcc"))
    calibration.save(bundle.folder / CALIBRATION_FILE)
    display.step("4/5 adding the part to its manage.py and driving the wet drive at 20 Hz")
    ManagePy.read(car).install()
    loops = round(WET_S * HZ) - 1  # the camera starts with the second image; one more loop would show the first again
    configure(car, wet_tub / "images", loops)
    with display.bar("driving") as progress:
        drive(car, loops, progress)
    display.step("5/5 evaluating the drive")
    with display.bar("evaluating"):
        return _judge(out, car, wet_tub, bundle, calibration, by_pcc)


def _calibrate(scorer: Scorer, clean_tub: Path, rule: str, display: Display) -> Calibration:
    with display.bar(f"calibrating, rule {rule}") as progress:
        return calibrate_on_tub(
            scorer,
            Tub(clean_tub),
            rule=rule,
            false_alarms_per_hour=1.0,
            now=datetime.now(timezone.utc),
            progress=progress,
        )


def _generate(
    out: Path, name: str, track: Track, seed: int, seconds: float, episodes: tuple[Episode, ...], display: Display
) -> Path:
    with display.bar(f"{name} drive") as progress:
        return write_drive(
            out / "drives" / name, track, seed=seed, seconds=seconds, hz=HZ, episodes=episodes, progress=progress
        )


def _judge(
    out: Path, car: Path, wet_tub: Path, bundle: Bundle, calibration: Calibration, by_pcc: Calibration
) -> DemoResult:
    """Align the car's recording with the drive it was shown, then compare, evaluate and plot."""
    source, labels = Tub(wet_tub), read_labels(wet_tub)
    readings = [reading for _, reading in replay(source, Monitor(open_scorer(bundle), calibration.thresholds))]
    evidence_by_pcc, alarm_by_pcc = Evidence(by_pcc.thresholds), Alarm()
    pcc_alone = [
        alarm_by_pcc.update(evidence_by_pcc.update(reading.score, reading.t_s), reading.t_s).obscured
        for reading in readings
    ]
    pccs = np.array([np.nan if reading.score.pcc is None else reading.score.pcc for reading in readings])
    times_s = np.arange(len(readings)) / HZ
    records = _recorded_by_donkeycar(car / "data")
    if not records:
        raise InputError(f"the car recorded nothing; see {car / 'logs' / 'drive.log'}")
    first = _source_index(source, car / "data" / "images" / records[0]["cam/image_array"])
    frames = first + np.arange(len(records))
    obscured = np.zeros(len(readings), bool)
    obscured[frames] = [record["lens/obscured"] for record in records]
    result = DemoResult(
        verdict=judge(labels, obscured, pccs, times_s),
        pcc_alone=judge(labels, np.array(pcc_alone), pccs, times_s),
        events=read_events(car / "logs" / "lens_events.db"),
        pcc_difference=_pcc_difference(np.array([record.get("lens/pcc", np.nan) for record in records]), pccs, frames),
        frames=len(records),
        timeline=str(out / "timeline.png"),
    )
    evidence = np.array([reading.evidence.value for reading in readings])
    draw_timeline(Path(result.timeline), labels, by_pcc.thresholds, pccs, evidence, obscured, HZ)
    (out / "result.json").write_text(json.dumps(asdict(result), indent=2))
    return result


def _recorded_by_donkeycar(folder: Path) -> list[dict[str, Any]]:
    """Read the records with donkeycar's own reader."""
    with redirect_stdout(io.StringIO()):  # importing donkeycar prints a banner
        from donkeycar.parts.tub_v2 import Tub as DonkeycarTub
    logging.getLogger().setLevel(logging.WARNING)  # and sets the level of the root logger
    tub = DonkeycarTub(str(folder), read_only=True)
    try:
        return list(tub)
    finally:
        tub.close()


def _source_index(source: Tub, recorded: Path) -> int:
    """Return the index of the source frame in a recorded image: recording begins once the web server is up."""
    image = read_image(recorded).astype(np.int16)
    errors = [np.abs(frame - image).mean() for _, frame in source.frames()]
    return int(np.argmin(errors))


def _pcc_difference(recorded: NDArray[np.float64], replayed: NDArray[np.float64], frames: NDArray[np.intp]) -> float:
    """Return the maximum difference between a recorded PCC and that of its frame.

    A threaded part returns its latest score, which belongs to this frame or to one of the few before.
    """
    lags = np.stack([np.abs(recorded - replayed[np.maximum(frames - lag, 0)]) for lag in range(LAG_FRAMES_MAX + 1)])
    return float(np.nanmax(lags.min(0)))
