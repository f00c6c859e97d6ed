"""A drive decoded once into a file of grey frames, whole or not at all."""

import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.frame import to_grey80
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.training import shards as shards_module
from mle_uvad.training.cache import FRAMES_MIN, SAMPLE_FRAMES, FrameCache, build_cache, require_live

MakeTub = Callable[..., Path]
Usage = namedtuple("Usage", "total used free")


class Calls(list[tuple[int, int]]):
    """Takes the progress."""

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))


def build(tub: Path, folder: Path, calls: Calls | None = None) -> FrameCache:
    return build_cache([Tub(tub)], folder, calls if calls is not None else Calls())


def frames_of(cache: FrameCache) -> np.ndarray:
    return cache.take(np.arange(len(cache)))


def refused(tub: Path, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        build(tub, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_frames_are_the_one_preprocessing_in_steps_of_a_grey_level(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = Tub(make_tub(70))
    cache = build_cache([tub], tmp_path / "cache", Calls())
    assert len(cache) == 70
    for frame, (_, picture) in zip(frames_of(cache), tub.frames(), strict=True):
        assert np.array_equal(frame, np.rint(to_grey80(picture) * 255))
    assert cache.skipped == []


def test_a_second_call_decodes_nothing(make_tub: MakeTub, tmp_path: Path) -> None:
    tub, first, second = make_tub(70), Calls(), Calls()
    one, two = build(tub, tmp_path / "cache", first), build(tub, tmp_path / "cache", second)
    assert (first, second) == ([(70, 70)], [])
    assert one.fingerprint == two.fingerprint
    assert np.array_equal(frames_of(one), frames_of(two))


def test_the_cache_goes_by_content_not_by_name(make_tub: MakeTub, tmp_path: Path) -> None:
    tub, calls = make_tub(70), Calls()
    build(tub, tmp_path / "cache")
    build(Path(shutil.copytree(tub, tmp_path / "copy")), tmp_path / "cache", calls)
    assert calls == []


def test_one_other_picture_is_another_cache(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(70)
    one = build(tub, tmp_path / "cache")
    images = tub / "images"
    shutil.copy(images / "3_cam_image_array_.jpg", images / "4_cam_image_array_.jpg")
    two = build(tub, tmp_path / "cache")
    assert one.fingerprint != two.fingerprint
    assert len(list((tmp_path / "cache").glob("*.u8"))) == 2
    assert np.array_equal(*two.take(np.array([3, 4])))


def test_drives_follow_one_another(make_tub: MakeTub, tmp_path: Path) -> None:
    first, second = Tub(make_tub(40, name="a")), Tub(make_tub(30, name="b"))
    forward = build_cache([first, second], tmp_path / "cache", Calls())
    backward = build_cache([second, first], tmp_path / "cache", Calls())
    assert len(forward) == 70
    assert forward.fingerprint != backward.fingerprint
    assert np.array_equal(frames_of(forward)[40:], frames_of(backward)[:30])


def test_unreadable_pictures_are_listed_also_from_the_file(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(70)
    images = tub / "images"
    (images / "5_cam_image_array_.jpg").write_bytes(b"")
    (images / "6_cam_image_array_.jpg").unlink()
    torn = images / "7_cam_image_array_.jpg"
    torn.write_bytes(torn.read_bytes()[:500])
    for _ in range(2):
        cache = build(tub, tmp_path / "cache")
        assert len(cache) == 67
        assert [skip.where for skip in cache.skipped] == [f"images/{n}_cam_image_array_.jpg" for n in (5, 6, 7)]


def test_too_few_frames_are_refused(make_tub: MakeTub, tmp_path: Path) -> None:
    line = refused(make_tub(FRAMES_MIN - 1), tmp_path / "cache")
    assert "63" in line
    assert "64" in line


def test_enough_frames_among_many_missing_ones_will_do(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(200)
    for number in range(200):
        if number % 5 not in (1, 2):  # the samples would be every fifth picture
            (tub / "images" / f"{number}_cam_image_array_.jpg").unlink()
    cache = build(tub, tmp_path / "cache")
    assert len(cache) == 80
    assert len(cache.samples) == SAMPLE_FRAMES


def test_no_picture_at_all_is_refused(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(70)
    shutil.rmtree(tub / "images")
    line = refused(tub, tmp_path / "cache")
    assert "none of 70 records" in line
    assert f"image is missing (70); copy {tub}/images from the car too" in line


def test_a_pipe_among_the_pictures_does_not_make_us_wait(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(70)
    pipe = tub / "images" / "9_cam_image_array_.jpg"
    pipe.unlink()
    os.mkfifo(pipe)
    assert len(build(tub, tmp_path / "cache")) == 69


def test_a_disk_that_is_too_full_is_told_before_anything_is_written(
    make_tub: MakeTub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module.shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 1_000_000))
    line = refused(make_tub(70), tmp_path / "cache")
    assert "70 frames" in line
    assert "1 MB free" in line
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_interrupted_decoding_leaves_nothing_that_looks_whole(
    make_tub: MakeTub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    monkeypatch.setattr(shards_module, "CHUNK_FRAMES", 16)
    tub = make_tub(70)
    with pytest.raises(KeyboardInterrupt):
        build_cache([Tub(tub)], tmp_path / "cache", interrupt)
    assert list((tmp_path / "cache").iterdir()) == []
    calls = Calls()
    assert len(build(tub, tmp_path / "cache", calls)) == 70
    assert calls == [(16, 70), (32, 70), (48, 70), (64, 70), (70, 70)]


@pytest.mark.parametrize("lost", ["*.u8", "*.json"])
def test_half_of_a_cache_is_made_again(make_tub: MakeTub, tmp_path: Path, lost: str) -> None:
    tub = make_tub(70)
    build(tub, tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob(lost)
    file.unlink()
    calls = Calls()
    assert len(build(tub, tmp_path / "cache", calls)) == 70
    assert calls == [(70, 70)]


DAMAGED_LISTS = {
    "torn": lambda text: text[:-1],
    "of an older version": lambda text: "[]",
    "of a number beyond": lambda text: text.replace('"5"', '"70"'),
    "of no number": lambda text: text.replace('"5"', '"five"'),
    "of a skip too many": lambda text: text.replace("}}", '}, "6": {"reason": "", "where": ""}}'),
    "of half a skip": lambda text: text.replace('"reason"', '"season"'),
}


@pytest.mark.parametrize("damage", ["frames are cut", "frames are zeroed", "one bit", *DAMAGED_LISTS])
def test_a_damaged_cache_is_made_again(make_tub: MakeTub, tmp_path: Path, damage: str) -> None:
    tub = make_tub(70)
    (tub / "images" / "5_cam_image_array_.jpg").write_bytes(b"")
    whole = frames_of(build(tub, tmp_path / "cache"))
    (data,), (sidecar,) = ((tmp_path / "cache").glob(name) for name in ("*.u8", "*.json"))
    if damage == "frames are cut":
        data.write_bytes(data.read_bytes()[: -6400 - 17])
    elif damage == "frames are zeroed":
        data.write_bytes(bytes(data.stat().st_size))
    elif damage == "one bit":
        flipped = bytearray(data.read_bytes())
        flipped[6400] ^= 1
        data.write_bytes(flipped)
    else:
        text = sidecar.read_text()
        sidecar.write_text(DAMAGED_LISTS[damage](text))
        assert sidecar.read_text() != text
    calls = Calls()
    assert np.array_equal(frames_of(build(tub, tmp_path / "cache", calls)), whole)
    assert calls == [(70, 70)]
    assert list(json.loads(sidecar.read_text())) == ["5"]


def test_samples_are_whole_pictures_spread_over_the_drive(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = Tub(make_tub(128))
    samples = build_cache([tub], tmp_path / "cache", Calls()).samples
    assert samples.shape == (SAMPLE_FRAMES, 120, 160, 3)
    frames = [frame for _, frame in tub.frames()]
    cells = [next(i for i, frame in enumerate(frames) if np.array_equal(frame, sample)) for sample in samples]
    assert cells[0] == 0
    assert cells[-1] > 90
    assert cells == sorted(set(cells))


def test_frames_are_taken_as_copies_in_any_number(make_tub: MakeTub, tmp_path: Path) -> None:
    cache = build(make_tub(70), tmp_path / "cache")
    frames = frames_of(cache)
    for numbers in (np.arange(70), np.array([3, 3, 69]), np.arange(0, 70, 2), np.arange(0)):
        taken = cache.take(numbers)
        assert np.array_equal(taken, frames[numbers])
        assert taken.flags.writeable


@pytest.mark.parametrize(("frozen", "accepted"), [(30, True), (60, False), (99, False)])
def test_a_drive_is_refused_if_the_camera_froze_for_most_of_it(
    make_tub: MakeTub, moving_frames: Callable[..., list[np.ndarray]], tmp_path: Path, frozen: int, accepted: bool
) -> None:
    frames = moving_frames(100 - frozen)
    cache = build(make_tub([*frames, *[frames[-1]] * frozen]), tmp_path / "cache")
    if accepted:
        require_live(cache)
    else:
        with pytest.raises(InputError, match=rf"^{frozen / 99:.0%} of the frames repeat .* the camera froze"):
            require_live(cache)
