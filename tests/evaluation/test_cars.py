"""The protocol of held-out cars: no network sees the car it is evaluated on, and what was made is not made again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.protocols import cars as cars_module
from mle_uvad.evaluation.protocols.artifact_cache import ArtifactCache
from mle_uvad.evaluation.protocols.cars import CALIBRATIONS_S, CONTINUED, HELD_OUT, CarFigures, CarsPlan, run_cars
from mle_uvad.evaluation.protocols.cars_summary import by_car, summaries, summarise
from mle_uvad.evaluation.protocols.figures import EVIDENCE, EpisodeFigures, PassFigures
from mle_uvad.evaluation.protocols.predictions import Predictions
from mle_uvad.evaluation.report.cars_page import write_cars_page
from mle_uvad.evaluation.report.false_alarms import find_false_alarms
from mle_uvad.evaluation.simulation.drives import write_drive
from mle_uvad.evaluation.simulation.track import Track
from mle_uvad.training.obscuration import ObscurationNet
from mle_uvad.training.settings import TrainSettings

PLAN = CarsPlan(width="narrow", windows=0, continued_windows=1, folds=2, seeds=1)


class Quiet:
    """A display that records the headings."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    @contextmanager
    def bar(self, name: str) -> Iterator[Any]:
        yield lambda done, total: None

    @contextmanager
    def training(self, epochs: int) -> Iterator[Any]:
        raise AssertionError("nothing is trained here")
        yield


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stand in for the trainings: the names of the cars of each, which return an untrained network."""
    trainings: list[list[str]] = []

    def network(
        self: ArtifactCache,
        name: str,
        cars: Sequence[Tub],
        settings: TrainSettings,
        start: ObscurationNet | None = None,
    ) -> ObscurationNet:
        assert (start is None) == (settings.windows == PLAN.windows)
        trainings.append([car.folder.name for car in cars])
        net = ObscurationNet(settings.width)
        net.zero_init_head()
        return net.eval()

    monkeypatch.setattr(ArtifactCache, "network", network)
    monkeypatch.setattr(cars_module, "FAMILIES", {"mud": cars_module.FAMILIES["mud"]})
    monkeypatch.setattr(cars_module, "JUDGED_BANDS", (0.1, 0.2))
    return trainings


@pytest.fixture(scope="module")
def tubs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tub]:
    """Three cars, each on a track of its own, for half a minute."""
    folder = tmp_path_factory.mktemp("cars")
    for number in range(3):
        track = Track(np.random.default_rng(number))
        write_drive(folder / f"car-{number}", track, seed=number, seconds=30, hz=10)
    return {f"car-{number}": Tub(folder / f"car-{number}") for number in range(3)}


def test_each_car_is_held_out_from_the_network_that_judges_it(
    tubs: dict[str, Tub], trained_on: list[list[str]], tmp_path: Path
) -> None:
    display = Quiet()
    artifacts = ArtifactCache(tmp_path, display)
    results = run_cars(tubs, [], PLAN, artifacts)
    assert trained_on == [
        ["car-1"],
        ["car-0-partly-wet"],
        ["car-2-partly-wet"],
        ["car-0", "car-2"],
        ["car-1-partly-wet"],
    ]
    assert [(each.car, each.network, each.calibration) for each in results] == [
        (car, network, calibration)
        for car in ("car-0", "car-2", "car-1")
        for network in (HELD_OUT, CONTINUED)
        for calibration in CALIBRATIONS_S
    ]
    for each in results:
        assert [row.family for row in each.episodes] == ["mud"]
        assert each.episodes[0].delay_s is None, "an untrained network detects nothing"
        assert sum(row.false_alarms for row in each.passes) == 0
        assert bool(each.refused) == (each.calibration != "none"), "fifteen seconds are too short to calibrate on"
    exported = len(display.steps)
    assert run_cars(tubs, [], PLAN, artifacts) == results
    assert len(display.steps) == exported, "the same call exports and evaluates nothing again"
    page = write_cars_page(tmp_path / "page" / "cars.md", results, [], PLAN, "0.1.0", 0).read_text()
    assert "| held out, none | 0.500 / 0.500 | 0.0% |" in page
    assert "| continued, 2 min | 0.500 / 0.500 | 0.0% |" in page
    assert "- car-0, held out, 30 s, seed 0: no calibration (" in page


def test_a_false_alarm_is_shown_with_its_frame(
    tubs: dict[str, Tub], trained_on: list[list[str]], tmp_path: Path
) -> None:
    artifacts = ArtifactCache(tmp_path, Quiet())
    results = run_cars(tubs, [], replace(PLAN, continued_windows=0), artifacts)
    assert list(find_false_alarms(results, artifacts)) == []
    stored = tmp_path / "observed" / "car-0-seed-0" / "clean-uncalibrated.npz"
    predictions = Predictions.load(stored)
    predictions.obscured[40:50] = True
    predictions.maps[40] = 0
    predictions.maps[40, :10, :10] = 255
    predictions.save(stored)
    first = replace(results[0], passes=[replace(results[0].passes[0], false_alarms=1)])
    (alarm,) = find_false_alarms([first], artifacts)
    assert (alarm.passed, alarm.t_s) == ("clean", predictions.times_s[40])
    page = write_cars_page(tmp_path / "page" / "cars.md", results, [alarm], PLAN, "0.1.0", 0).read_text()
    assert "| car-0 | held out, none, seed 0 | clean, " in page
    assert "![false alarm 1](false_alarms/1.png)" in page
    painted = np.asarray(Image.open(tmp_path / "page" / "false_alarms" / "1.png"), int)
    height, width = alarm.frame.shape[:2]
    assert painted.shape == (2 * height, 2 * width, 3)
    redder = painted[..., 0] - painted[..., 1:].mean(-1)
    assert redder[: height // 2, : width // 2].mean() > 50 + redder[-height // 2 :].mean()


def test_fewer_cars_than_folds_are_refused(tubs: dict[str, Tub], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 cars cannot be held out in 4 folds"):
        run_cars(tubs, [], CarsPlan(), ArtifactCache(tmp_path, Quiet()))
    with pytest.raises(InputError, match="at least two folds"):
        CarsPlan(folds=1)


def figures(car: str, seed: int, aucs: Sequence[float], delays: Sequence[float | None], alarms: int) -> CarFigures:
    episodes = [
        EpisodeFigures("mud", False, "wet-0", n, "sudden", 0.1, delay, 10, 12, {EVIDENCE: auc}, {}, None, None)
        for n, (auc, delay) in enumerate(zip(aucs, delays, strict=True))
    ]
    small = EpisodeFigures("mud", False, "wet-0", 9, "sudden", 0.03, 1.0, 10, 12, {EVIDENCE: 0.1}, {}, None, None)
    return CarFigures(
        car, seed, HELD_OUT, "2 min", "", [*episodes, small], [PassFigures("", "", "clean", alarms, 1800.0, 0, {})]
    )


def test_the_summary_averages_cars_and_counts_all_clean_time() -> None:
    results = [figures("a", 0, (1.0, 0.8), (1.0, None), 0), figures("b", 0, (0.6, 0.6), (2.0, 3.0), 1)]
    row = summarise(results, HELD_OUT, "2 min", 0)
    assert (row.auc, row.worst_auc) == pytest.approx((0.75, 0.6))
    assert (row.recall, row.recall_small, row.median_delay_s) == (0.75, 1.0, 2.0)
    assert (row.false_alarms, row.clean_minutes) == (1, 60.0)
    assert row.rate_bound_per_hour == pytest.approx(4.74, abs=0.01)
    assert by_car(results, HELD_OUT, "2 min")["b"].auc == pytest.approx(0.6)


def test_every_training_has_a_row_beside_that_of_all() -> None:
    results = [
        CarFigures(each.car, each.seed, HELD_OUT, calibration, "", each.episodes, each.passes)
        for calibration in CALIBRATIONS_S
        for each in (figures("a", 0, (0.9,), (1.0,), 0), figures("a", 1, (0.7,), (None,), 0))
    ]
    rows = [row for row in summaries(results) if row.calibration == "none"]
    assert [(row.seed, round(row.auc, 3), row.recall) for row in rows] == [(None, 0.8, 0.5), (0, 0.9, 1.0), (1, 0.7, 0)]
