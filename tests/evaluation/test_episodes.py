"""The faults of a drive: when an episode is visible, its coverage and its time profile."""

import numpy as np
import pytest

from mle_uvad.evaluation.simulation.episodes import Episode, EpisodeRenderer, scattered_episodes
from mle_uvad.optics import FAMILIES, TIME_PROFILES

TIMES_S = np.arange(400) / 20
SCENE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def change(lens: EpisodeRenderer, t_s: float) -> float:
    return float(np.abs(lens.render(SCENE, t_s).astype(int) - SCENE).mean())


@pytest.mark.parametrize("time_profile", TIME_PROFILES)
@pytest.mark.parametrize("kind", FAMILIES)
def test_coverage_is_the_average_of_the_episode_for_every_time_profile(kind: str, time_profile: str) -> None:
    lens = EpisodeRenderer([Episode(2.0, 10.0, 0.15, kind, time_profile)], 120, 160, seed=3)
    [label] = lens.labels(TIMES_S)
    assert (label.kind, label.time_profile, label.start_index) == (kind, time_profile, 40)
    least = 0.02 if time_profile == "slide" else 0.08  # what slides leaves the frame at its border
    assert least < label.coverage < 0.22
    assert label.cells().mean() == pytest.approx(label.coverage, abs=0.15)
    assert change(lens, 1.9) == change(lens, 10.0) == 0
    assert change(lens, 3.0) > 0.1
    assert change(lens, (label.end_index - 6) / 20) > 0.1  # shortly before it is gone there is something to see


def test_a_fault_that_stays_ends_with_the_wipe_and_one_that_fades_when_it_is_faint() -> None:
    for seed in range(40):
        [label] = EpisodeRenderer([Episode(2.0, 18.0, 0.3, "front_drop", "drying")], 120, 160, seed).labels(TIMES_S)
        [stays] = EpisodeRenderer([Episode(2.0, 18.0, 0.3)], 120, 160, seed).labels(TIMES_S)
        assert stays.end_index == 360
        if label.end_index < 360:
            break
    else:
        pytest.fail("no drop of forty faded within sixteen seconds")
    lens = EpisodeRenderer([Episode(2.0, 18.0, 0.3, "front_drop", "drying")], 120, 160, seed)
    assert change(lens, label.end_index / 20 + 0.5) < 0.4 * change(lens, 2.5)


def test_an_episode_between_two_records_has_no_label() -> None:
    lens = EpisodeRenderer([Episode(1.01, 1.04, 0.3), Episode(2.0, 3.0, 0.3)], 120, 160, seed=0)
    assert [label.start_index for label in lens.labels(TIMES_S)] == [40]


def test_every_family_gets_an_episode_however_short_the_drive(rng: np.random.Generator) -> None:
    episodes = scattered_episodes(20.0, rng, tuple(FAMILIES), TIME_PROFILES)
    assert {episode.kind for episode in episodes} == set(FAMILIES)
    assert sum(episode.end_s - episode.start_s for episode in episodes) == pytest.approx(2.5)
    plain = scattered_episodes(240.0, rng)
    assert [(episode.kind, episode.time_profile) for episode in plain] == [("front_drop", "sudden")] * 3
