"""The part in donkeycar's own Vehicle and in a stock car."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.calibration import Calibration
from mle_uvad.edge import Bundle, Monitor
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.tubs.replay import replay
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.car import configure, create_car, drive
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events.event import read_events
from mle_uvad.parts.install.manage_py import ManagePy

if find_spec("donkeycar") is None:
    pytest.skip("needs donkeycar: pip install 'mle_uvad[donkeycar]'", allow_module_level=True)

TYPES = {"lens/pcc": float, "lens/obscured": bool, "lens/coverage": float, "lens/event_id": int, "lens/status": str}


class Camera:
    """Outputs one frame a loop, as donkeycar's image list does."""

    def __init__(self, frames: list[Any]) -> None:
        self.frames = iter(frames)

    def run(self) -> Any:
        return next(self.frames)


class Notebook:
    """Keeps the outputs of the part."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def run(self, *values: Any) -> None:
        self.said.append(values)


def run_vehicle(part: Any, frames: list[Any]) -> list[tuple[Any, ...]]:
    from donkeycar.vehicle import Vehicle

    vehicle, notebook = Vehicle(), Notebook()
    vehicle.add(Camera(frames), outputs=["cam/image_array"])
    vehicle.add(part, inputs=["cam/image_array"], outputs=part.outputs)
    vehicle.add(notebook, inputs=part.outputs)
    vehicle.start(rate_hz=10_000, max_loop_count=len(frames))
    return notebook.said


class Ticking:
    """A clock that advances to the next frame of the recording at each call, since `run` calls it once a frame."""

    def __init__(self, times_s: list[float]) -> None:
        self.times_s = iter(times_s)

    def __call__(self) -> float:
        return next(self.times_s)


def test_the_part_and_the_replay_agree_to_the_last_bit(
    bundle: Bundle,
    calibration: Calibration,
    make_tub: Callable[..., Path],
    tmp_path: Path,
    clear_frames: Any,
    wet_frames: Any,
) -> None:
    calibration.save(tmp_path / "calibration.json")
    tub = Tub(make_tub([*clear_frames, *wet_frames, *clear_frames, *clear_frames]))
    times_s = [record.timestamp_ms / 1000 for record in tub.records]
    clock = Ticking([*times_s, times_s[-1]])  # once more at the shutdown
    part = MLEAnomalyPart(bundle.folder, tmp_path / "calibration.json", tmp_path / "lens.db", clock=clock)
    said = run_vehicle(part, [frame for _, frame in tub.frames()])
    kept = Calibration.load(tmp_path / "calibration.json")
    replayed = [reading for _, reading in replay(tub, Monitor(open_scorer(bundle), kept.thresholds))]
    assert [values[:-1] for values in said] == [
        (one.score.pcc, one.alarm.obscured, one.evidence.coverage, one.alarm.event_id, one.alarm.status, "")
        for one in replayed
    ]
    assert all(
        values[-1] is None if one.evidence.map is None else (values[-1] == one.evidence.map).all()
        for values, one in zip(said, replayed, strict=True)
    )
    assert {"warmup", "ok", "obscured"} <= {values[4] for values in said}  # else anything would agree
    assert max(values[2] for values in said) > 0.3


def test_no_frame_stops_the_vehicle(make_part: Any, clear_frames: Any) -> None:
    odd = [None, np.asarray(None), "x", np.zeros((3, 3)), np.full((120, 160, 3), np.nan), clear_frames[0]]
    said = run_vehicle(make_part(), odd * 3)
    assert len(said) == 18
    assert all(len(values) == 7 for values in said)


def test_a_stock_car_records_the_five_fields_and_logs_the_event(
    tmp_path: Path,
    bundle_folder: Path,
    calibration: Calibration,
    make_tub: Callable[..., Path],
    clear_frames: Any,
    wet_frames: Any,
) -> None:
    car = tmp_path / "mycar"
    create_car(car)
    bundle_folder.rename(car / "models" / "lens")
    calibration.save(car / "models" / "lens" / "calibration.json")
    source = make_tub([*clear_frames, *clear_frames, *wet_frames, *clear_frames])
    ManagePy.read(car).install()
    loops = 239
    configure(car, source / "images", loops)
    progress = []
    drive(car, loops, lambda done, total: progress.append((done, total)))
    assert progress[-1][1] == loops
    from donkeycar.parts.tub_v2 import Tub as DonkeycarTub

    tub = DonkeycarTub(str(car / "data"), read_only=True)
    records = list(tub)
    tub.close()
    assert len(records) > 100, "recording began too late"
    for record in records[5:]:
        assert {name: type(record[name]) for name in TYPES} == TYPES
    assert any(record["lens/obscured"] for record in records)
    (event,) = read_events(car / "logs" / "lens_events.db")
    assert event.state == "ended"
    assert {record["lens/event_id"] for record in records} == {0, event.id}
