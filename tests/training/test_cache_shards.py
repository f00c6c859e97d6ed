"""Several tubs, or a long one, in several files: what is there is not decoded again, together they are one drive."""

import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.driving import GAP_S
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.frame import to_grey80
from mle_uvad.edge.read_file import read_file
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.simulation.drives import write_drive
from mle_uvad.evaluation.simulation.track import Track
from mle_uvad.training import shards as shards_module
from mle_uvad.training.cache import FrameCache, build_cache, build_caches

MakeTub = Callable[..., Path]

# Dies as by the system's hand after 32 decoded records, in shards of 20 and pieces of 8: build.py FOLDER TUB...
KILLED = """
import os, signal, sys
from pathlib import Path
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.training import cache, shards

def progress(done, total):
    if done >= 32:
        os.kill(os.getpid(), signal.SIGKILL)

shards.SHARD_RECORDS, shards.CHUNK_FRAMES = 20, 8
cache.build_cache([Tub(tub) for tub in sys.argv[2:]], Path(sys.argv[1]), progress)
"""


class Calls(list[tuple[int, int]]):
    """Takes the progress."""

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def short_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "SHARD_RECORDS", 20)
    monkeypatch.setattr(shards_module, "CHUNK_FRAMES", 8)


def build(folder: Path, calls: Calls, *tubs: Path) -> FrameCache:
    return build_cache([Tub(tub) for tub in tubs], folder, calls)


def frames_of(cache: FrameCache) -> np.ndarray:
    return cache.take(np.arange(len(cache)))


def lose_images(tub: Path, *numbers: int) -> None:
    for number in numbers:
        (tub / "images" / f"{number}_cam_image_array_.jpg").write_bytes(b"")


def require_alike(one: FrameCache, other: FrameCache) -> None:
    assert np.array_equal(frames_of(one), frames_of(other))
    assert one.clock_s.tolist() == other.clock_s.tolist()
    assert one.starts.tolist() == other.starts.tolist()
    assert one.skipped == other.skipped
    assert one.fingerprint == other.fingerprint
    assert np.array_equal(one.samples, other.samples)


def test_the_drives_of_two_cars_follow_one_another(tmp_path: Path, calls: Calls) -> None:
    for number, name in enumerate(("first_car", "second_car")):
        track = Track(np.random.default_rng(number))
        write_drive(tmp_path / name, track, seed=number, seconds=2)
    tubs = Tub(tmp_path / "first_car"), Tub(tmp_path / "second_car")
    cache = build_cache(tubs, tmp_path / "cache", calls)
    assert calls == [(40, 80), (80, 80)]
    assert [shard.stat().st_size for shard in cache.shards] == [40 * 6400, 40 * 6400]
    feature_maps = [picture for tub in tubs for _, picture in tub.frames()]
    assert np.array_equal(frames_of(cache), [np.rint(to_grey80(picture) * 255) for picture in feature_maps])
    assert cache.starts.tolist() == [0] * 40 + [40] * 40
    steps_s = np.diff(cache.clock_s)
    assert steps_s[39] == pytest.approx(GAP_S)
    assert np.delete(steps_s, 39) == pytest.approx(0.05, abs=1e-3)


def test_another_tub_is_all_that_is_decoded(make_tub: MakeTub, tmp_path: Path, calls: Calls) -> None:
    first, second = make_tub(70, name="first"), make_tub(30, name="second")
    (shard,) = build(tmp_path / "cache", Calls(), first).shards
    written_ns = shard.stat().st_mtime_ns
    both = build(tmp_path / "cache", calls, second, first)
    assert calls == [(30, 30)]
    assert both.shards[1] == shard
    assert shard.stat().st_mtime_ns == written_ns
    require_alike(both, build(tmp_path / "afresh", Calls(), second, first))


def test_a_drive_more_in_a_tub_is_all_that_is_decoded(
    make_tub: MakeTub, tmp_path: Path, calls: Calls, short_shards: None
) -> None:
    build(tmp_path / "cache", Calls(), make_tub(70, name="yesterday"))
    longer = build(tmp_path / "cache", calls, make_tub(95, name="today"))
    assert calls[-1] == (35, 35)  # the fourth shard had ten frames, now twenty
    require_alike(longer, build(tmp_path / "afresh", Calls(), tmp_path / "today"))


def test_a_tub_given_twice_is_decoded_once(make_tub: MakeTub, tmp_path: Path, calls: Calls) -> None:
    tub = make_tub(70)
    twice = build(tmp_path / "cache", calls, tub, tub)
    assert calls == [(70, 70)]
    assert len(twice) == 140
    assert np.array_equal(frames_of(twice)[:70], frames_of(twice)[70:])


def test_the_length_of_the_shards_changes_nothing(
    make_tub: MakeTub, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    tubs = make_tub(70, name="first"), make_tub(30, name="second")
    lose_images(tubs[0], 0, 19, 20, 45)
    lose_images(tubs[1], 29)
    whole = build(tmp_path / "whole", Calls(), *tubs)
    monkeypatch.setattr(shards_module, "SHARD_RECORDS", 20)
    parted = build(tmp_path / "parted", calls, *tubs)
    assert (len(whole.shards), len(parted.shards)) == (2, 6)
    assert calls == [(20, 100), (40, 100), (60, 100), (70, 100), (90, 100), (100, 100)]
    require_alike(whole, parted)
    require_alike(whole, build(tmp_path / "parted", calls, *tubs))
    rng = np.random.default_rng(0)
    for numbers in (np.array([94, 0, 18, 94, 17, 66, 65]), rng.integers(0, 95, 300)):
        assert np.array_equal(parted.take(numbers), frames_of(whole)[numbers])


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_tub_without_any_readable_image_is_skipped(make_tub: MakeTub, tmp_path: Path, position: int) -> None:
    tubs = [make_tub(40, name="first"), make_tub(30, name="second")]
    expected = frames_of(build(tmp_path / "cache", Calls(), *tubs))
    tubs.insert(position, make_tub(10, name="torn"))
    lose_images(tubs[position], *range(10))
    for _ in range(2):
        cache = build(tmp_path / "cache", Calls(), *tubs)
        assert np.array_equal(frames_of(cache), expected)
        assert len(cache.skipped) == 10


def test_an_interrupted_decoding_goes_on_with_the_tub_it_stood_at(
    make_tub: MakeTub, tmp_path: Path, calls: Calls
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > 70:
            raise KeyboardInterrupt

    tubs = [Tub(make_tub(count, name=str(count))) for count in (70, 30, 25)]
    with pytest.raises(KeyboardInterrupt):
        build_cache(tubs, tmp_path / "cache", interrupt)
    cache = build_cache(tubs, tmp_path / "cache", calls)
    assert calls == [(30, 55), (55, 55)]
    require_alike(cache, build_cache(tubs, tmp_path / "afresh", Calls()))


def test_a_killed_decoding_goes_on_with_the_shard_it_stood_at(
    make_tub: MakeTub, tmp_path: Path, calls: Calls, short_shards: None
) -> None:
    tub = make_tub(70)
    command: list[str | Path] = [sys.executable, "-c", KILLED, tmp_path / "cache", tub]
    killed = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    cache = build(tmp_path / "cache", calls, tub)
    assert calls[-1] == (50, 50)
    require_alike(cache, build(tmp_path / "afresh", Calls(), tub))


@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_damaged_shard_alone_is_decoded_again(make_tub: MakeTub, tmp_path: Path, calls: Calls, damaged: int) -> None:
    counts = (70, 30, 25)
    tubs = [make_tub(count, name=str(count)) for count in counts]
    whole = build(tmp_path / "cache", Calls(), *tubs)
    shutil.copytree(tmp_path / "cache", tmp_path / "copy")
    shard = tmp_path / "copy" / whole.shards[damaged].name
    shard.write_bytes(shard.read_bytes()[:-17])
    again = build(tmp_path / "copy", calls, *tubs)
    assert calls == [(counts[damaged],) * 2]
    require_alike(whole, again)


def test_a_shard_that_is_cut_or_gone_while_it_is_read_is_told(make_tub: MakeTub, tmp_path: Path) -> None:
    cache = build(tmp_path / "cache", Calls(), make_tub(70, name="first"), make_tub(30, name="second"))
    shard = cache.shards[1]
    shard.write_bytes(shard.read_bytes()[:-17])
    cache.take(np.arange(99))
    with pytest.raises(InputError, match=f"{shard} was cut; give the same command again"):
        cache.take(np.arange(90, 100))
    shard.unlink()
    with pytest.raises(OSError, match=str(shard)):
        cache.take(np.array([70]))


def test_the_caches_of_all_and_of_each_tub_read_an_image_once(
    make_tub: MakeTub, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    tubs = make_tub(70, name="first"), make_tub(80, name="second")
    lose_images(tubs[1], 3)
    expected = [build(tmp_path / "cache", calls, *given) for given in (tubs, tubs[:1], tubs[1:])]
    read: Counter[Path] = Counter()

    def counted(path: Path, *arguments: Any, **options: Any) -> bytes:
        read[path] += path.suffix == ".jpg"
        return read_file(path, *arguments, **options)

    monkeypatch.setattr(shards_module, "read_file", counted)
    whole, each = build_caches([Tub(tub) for tub in tubs], tmp_path / "cache", calls)
    for found, one in zip([whole, *each], expected, strict=True):
        require_alike(found, one)
        assert found.fingerprint == one.fingerprint
    assert max(read.values()) == 1
    assert sum(read.values()) == 150


def test_each_tub_of_many_needs_enough_frames(make_tub: MakeTub, tmp_path: Path, calls: Calls) -> None:
    tubs = [Tub(make_tub(70, name="first")), Tub(make_tub(20, name="short"))]
    assert len(build_cache(tubs, tmp_path / "cache", calls)) == 90
    with pytest.raises(InputError, match="only 20 readable frames"):
        build_caches(tubs, tmp_path / "cache", calls)
