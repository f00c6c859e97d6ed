"""The parts of a drive and the faults in them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch: pip install 'mle_uvad[train]'")

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.tub import Record
from mle_uvad.evaluation.protocols.plan import BANDS, LEAD_S, QUICK, Plan, band, cut, judged_passes, training_episodes
from mle_uvad.evaluation.simulation.episodes import check_episodes
from mle_uvad.evaluation.simulation.rerendered_drive import driving_s
from mle_uvad.optics import FAMILIES, TIME_PROFILES


def drive(seconds: float) -> list[Record]:
    return [Record(index, 1_700_000_000_000 + 50 * index, "", Path()) for index in range(round(seconds * 20))]


@pytest.mark.parametrize(("seconds", "calibrate_s"), [(56, 36), (250, 83.3), (700, 120)])
def test_the_parts_follow_one_another_and_leave_nothing_out(seconds: float, calibrate_s: float) -> None:
    records = drive(seconds)
    parts = cut(records, Plan())
    assert [*parts.train, *parts.calibrate, *parts.judge] == records
    assert driving_s(parts.calibrate)[-1] == pytest.approx(calibrate_s, abs=0.2)
    assert len(parts.train) > 0.8 * len(parts.judge)


def test_pauses_make_the_calibration_part_longer() -> None:
    whole = drive(100)
    paused = [replace(record, timestamp_ms=record.timestamp_ms + record.index // 160 * 60_000) for record in whole]
    long, longer = (driving_s(cut(records, Plan()).calibrate)[-1] for records in (whole, paused))
    assert long < 37 < 39 < longer  # of every eight seconds, five go to settling and two make a block


def test_a_drive_that_is_too_short_is_refused() -> None:
    with pytest.raises(InputError, match="too short"):
        cut(drive(45), Plan())


@pytest.mark.parametrize("seconds", [9.0, 40.0, 250.0])
def test_every_band_gets_its_episodes_within_the_judged_part(seconds: float) -> None:
    plan = Plan()
    for family in FAMILIES:
        passes = judged_passes(seconds, family, plan, np.random.default_rng(3))
        for episodes in passes:
            check_episodes(episodes, seconds)
            assert episodes[0].start_s >= LEAD_S
        together = [episode for episodes in passes for episode in episodes]
        assert {episode.kind for episode in together} == {family}
        assert {episode.time_profile for episode in together} == set(TIME_PROFILES)
        assert Counter(band(episode.coverage) for episode in together) == dict.fromkeys(range(5), plan.per_band)


def test_no_two_drives_share_their_random_numbers() -> None:
    seeds = {Plan(seed=seed).rng_seed(drive, name) for seed in (0, 1) for drive in "ab" for name in ("mud-0", "mud-1")}
    assert len(seeds) == 8
    assert Plan().rng_seed("a", "mud-0") == Plan().rng_seed("a", "mud-0")


def test_one_eighth_of_the_training_part_is_obscured_by_all_families_but_the_one_held_out() -> None:
    for held_out in (None, "film"):
        episodes = training_episodes(200.0, Plan(), held_out, np.random.default_rng(0))
        check_episodes(episodes, 200.0)
        assert sum(episode.end_s - episode.start_s for episode in episodes) == pytest.approx(25)
        assert {episode.kind for episode in episodes} == set(FAMILIES) - {held_out}


def test_bands_have_their_edges() -> None:
    assert [band(coverage) for coverage in (0.01, *BANDS[:-1], 0.9)] == [0, 0, 1, 2, 3, 4, 4]
    assert np.all(np.diff(BANDS) > 0)


def test_impossible_values_are_refused_at_once() -> None:
    for wrong in (
        {"width": "huge"},
        {"epochs": 0},
        {"windows": -1},
        {"held_out": ("paint",)},
        {"paper_seeds": 0},
        {"paper_s": 0.0},
    ):
        with pytest.raises(InputError):
            replace(QUICK, **wrong)


def test_the_windows_of_the_plan_reach_the_detectors_and_not_the_papers_models() -> None:
    plan = replace(QUICK, windows=77)
    assert plan.settings().windows == plan.settings("mud").windows == 77
    assert (plan.settings("mud").held_out, plan.settings("mud").epochs) == ("mud", 1)
    assert plan.paper_settings("paper", 0).windows == 0
