"""Generated drives: the world, the motion, the tub on disk and its labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mle_uvad.edge.errors import InputError
from mle_uvad.evaluation.simulation import tub_writer
from mle_uvad.evaluation.simulation.drives import write_drive
from mle_uvad.evaluation.simulation.episodes import Episode
from mle_uvad.evaluation.simulation.labels import read_labels
from mle_uvad.evaluation.simulation.track import Pose, Track


@pytest.fixture(scope="module")
def track() -> Track:
    return Track(np.random.default_rng(0))


def frames_of(folder: Path) -> list[np.ndarray]:
    images = folder / "images"
    names = [f"{i}_cam_image_array_.jpg" for i in range(len(list(images.iterdir())))]
    return [np.asarray(Image.open(images / name)).astype(int) for name in names]


def test_seed_makes_the_world(track: Track) -> None:
    x_m, y_m = track.line_m[100]
    pose = Pose(x_m, y_m, heading_rad=1.0)
    again, other = (Track(np.random.default_rng(seed)) for seed in (0, 1))
    assert np.array_equal(track.frame(pose), again.frame(pose))
    assert not np.array_equal(track.line_m, other.line_m)
    assert np.abs(track.frame(pose).astype(int) - other.frame(pose)).mean() > 10


def test_paths_differ_by_seed_and_the_car_always_moves(track: Track) -> None:
    runs = [list(track.drive(np.random.default_rng(seed), 2.0, 20.0)) for seed in (0, 1)]
    assert not np.array_equal(runs[0][0][1], runs[1][0][1])
    for run in runs:
        assert [t for t, *_ in run] == pytest.approx(np.arange(40) / 20)
        frames = np.stack([frame for _, frame, _, _ in run]).astype(int)
        assert frames.shape == (40, 120, 160, 3)
        assert np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3)).min() > 0.5
        assert all(-1 <= steering <= 1 and 0 < throttle <= 1 for *_, steering, throttle in run)


def test_turning_left_moves_the_scene_right_and_light_brightens_it(track: Track) -> None:
    x_m, y_m = track.line_m[0]
    ahead, turned = (track.frame(Pose(x_m, y_m, heading)).astype(int)[20:60, 10:-10] for heading in (1.5, 1.5 + 4 / 78))
    errors = [np.abs(np.roll(ahead, shift, axis=1) - turned)[:, 10:-10].mean() for shift in (-4, 0, 4)]
    assert int(np.argmin(errors)) == 2
    pose = Pose(x_m, y_m, 1.5)
    assert track.frame(pose, 0.5).mean() == pytest.approx(track.frame(pose).mean() / 2, rel=0.02)


def test_wet_and_clean_drive_differ_by_the_episode_alone(track: Track, tmp_path: Path) -> None:
    episode = Episode(1.0, 1.5, 0.3)
    wet = write_drive(tmp_path / "wet", track, seed=5, seconds=2.0, episodes=[episode])
    clean = write_drive(tmp_path / "clean", track, seed=5, seconds=2.0)
    difference = [np.abs(a - b).mean() for a, b in zip(frames_of(wet), frames_of(clean), strict=True)]
    assert max(difference[:20]) == 0
    assert min(difference[21:30]) > 0
    assert difference[20] < 0.5 * np.mean(difference[28:30])  # it appears gradually
    assert max(difference[30:]) < 0.7 * np.mean(difference[28:30])  # wiped: exposure settles
    [label] = read_labels(wet)
    assert (label.kind, label.start_index, label.end_index) == ("front_drop", 20, 30)
    assert label.cells().mean() == pytest.approx(0.3, abs=0.1)
    assert label.coverage == pytest.approx(0.3, abs=0.05)
    assert read_labels(clean) == []


def test_same_arguments_give_the_same_bytes(track: Track, tmp_path: Path) -> None:
    episodes = [Episode(0.2, 0.4, 0.2)]
    first, second = (write_drive(tmp_path / name, track, seed=1, seconds=0.5, episodes=episodes) for name in "ab")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 10 + 4
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)


def test_donkeycar_reads_every_record(track: Track, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tub_v2 = pytest.importorskip("donkeycar.parts.tub_v2")
    monkeypatch.setattr(tub_writer, "CATALOG_RECORDS", 20)  # three catalogs from 45 records
    seen: list[tuple[int, int]] = []
    folder = write_drive(tmp_path / "tub", track, seed=2, seconds=2.25, progress=lambda *p: seen.append(p))
    assert seen == [(i + 1, 45) for i in range(45)]
    manifests = [folder / f"catalog_{i}.catalog_manifest" for i in range(3)]
    assert [json.loads(path.read_text())["start_index"] for path in manifests] == [0, 20, 40]
    tub = tub_v2.Tub(str(folder), read_only=True)
    records = list(tub)
    tub.close()
    assert [record["_index"] for record in records] == list(range(45))
    assert [r["_timestamp_ms"] - records[0]["_timestamp_ms"] for r in records[:3]] == [0, 50, 100]
    for record in records:
        with Image.open(folder / "images" / record["cam/image_array"]) as image:
            assert image.size == (160, 120)
        assert {"user/angle", "user/throttle", "user/mode", "_session_id"} <= record.keys()


def test_interrupted_drive_is_no_tub_and_is_not_overwritten(track: Track, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_drive(tmp_path / "tub", track, seed=2, seconds=1.0, progress=interrupt)
    assert not (tmp_path / "tub" / "manifest.json").exists()
    with pytest.raises(InputError, match="delete it"):
        write_drive(tmp_path / "tub", track, seed=2, seconds=1.0)


@pytest.mark.parametrize(
    "episodes",
    [
        [Episode(0.5, 2.0, 0.2)],
        [Episode(0.5, 0.5, 0.2)],
        [Episode(0.1, 0.5, 1.5)],
        [Episode(0.1, 0.5, 0.2), Episode(0.4, 0.8, 0.2)],
        [Episode(0.1, 0.5, 0.2, kind="paint")],
    ],
)
def test_bad_episodes_are_refused_before_anything_is_written(
    track: Track, tmp_path: Path, episodes: list[Episode]
) -> None:
    with pytest.raises(InputError):
        write_drive(tmp_path / "tub", track, seed=0, seconds=1.0, episodes=episodes)
    assert not (tmp_path / "tub").exists()
