"""A run folder: cut anywhere it goes on, damaged or foreign it is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hand_made import finish_run
from safetensors.torch import load_file, save_file

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import TrainSettings
from mle_uvad.training.train import CACHE_FOLDER, train_tubs

Small = Callable[..., TrainSettings]
RunTraining = Callable[..., RunFolder]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("preset", ["paper", "robust"])
@pytest.mark.parametrize("cut", [{"stop_after_epoch": 2}, {"stop_in_epoch": 3}, {"stop_in_epoch": 1}])
def test_a_run_that_was_cut_ends_in_the_same_bytes(
    small: Small,
    run_training: RunTraining,
    recorder: Callable[..., object],
    power_cut: type[Exception],
    preset: str,
    cut: dict[str, int],
) -> None:
    settings = small(preset, epochs=3, learning_rate=3e-3)
    whole = run_training(settings, name="whole")
    with pytest.raises(power_cut):
        run_training(settings, name="cut", callback=recorder(**cut))
    resumed = run_training(settings, name="cut")
    assert resumed.weights_file.read_bytes() == whole.weights_file.read_bytes()
    lines = [json.loads(line) for line in resumed.metrics_file.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    expected = [json.loads(line) for line in whole.metrics_file.read_text().splitlines()]
    for line in lines + expected:
        del line["seconds"], line["cpu_s"], line["frames_per_s"]
    assert lines == expected


def test_a_cut_between_state_and_metrics_leaves_a_line_for_each_epoch(
    small: Small, run_training: RunTraining, recorder: Callable[..., object], power_cut: type[Exception]
) -> None:
    settings = small(epochs=3)
    with pytest.raises(power_cut):
        run_training(settings, callback=recorder(stop_after_epoch=1))
    run = run_training(settings, name="other")
    halfway = RunFolder(run.folder.with_name("run"))
    second_epoch = run.metrics_file.read_text().splitlines(keepends=True)[1]
    with halfway.metrics_file.open("a") as file:
        file.write(second_epoch + '{"epoch": 3, "squar')
    resumed = run_training(settings)
    assert [json.loads(line)["epoch"] for line in resumed.metrics_file.read_text().splitlines()] == [1, 2, 3]


def test_the_line_of_metrics_is_written_before_the_state(
    small: Small, run_training: RunTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("mle_uvad.training.state.write_tensors", full_disk)
    settings = small(epochs=1)
    with pytest.raises(OSError, match="no space"):
        run_training(settings)
    monkeypatch.undo()
    run = run_training(settings)
    assert len(run.metrics_file.read_text().splitlines()) == 1


def test_a_finished_run_given_again_stays_as_it_is(small: Small, run_training: RunTraining) -> None:
    run = run_training(small())
    before = files(run.folder)
    run_training(small())
    assert files(run.folder) == before


def test_other_settings_are_refused_by_name_and_nothing_is_touched(small: Small, run_training: RunTraining) -> None:
    run = run_training(small())
    before = files(run.folder)
    line = refused(lambda: run_training(small(sigma=0.3, latent_mode="bounded")))
    assert "sigma 0.3/0.1" in line
    assert "latent_mode bounded/free" in line
    assert "--out" in line
    assert files(run.folder) == before


def test_other_frames_are_refused(small: Small, run_training: RunTraining, cache: FrameCache) -> None:
    run_training(small())
    other = replace(cache, fingerprint="of another drive")
    assert "other frames" in refused(lambda: run_training(small(), frames=other))


def test_a_folder_with_other_things_is_refused(small: Small, run_training: RunTraining, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    assert "holds other files" in refused(lambda: run_training(small()))
    assert files(tmp_path / "run") == {"thesis.tex": b"mine"}


def test_a_file_in_the_place_of_the_folder_is_refused(small: Small, run_training: RunTraining, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    assert "is a file" in refused(lambda: run_training(small()))


def test_a_run_knows_its_facts(small: Small, run_training: RunTraining) -> None:
    run = run_training(small(epochs=1))
    facts = run.facts()
    assert facts["frames"] == 110
    assert facts["tubs"] == ["tub"]
    assert set(facts["versions"]) == {"mle_uvad", "torch", "numpy"}
    assert run.samples().shape == (4, 80, 80, 3)
    assert set(files(run.folder)) == {
        "run.json",
        "weights.safetensors",
        "state.safetensors",
        "samples.safetensors",
        "metrics.jsonl",
    }


def test_an_unfinished_run_has_no_model(
    small: Small, run_training: RunTraining, recorder: Callable[..., object], power_cut: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(power_cut):
        run_training(small(), callback=recorder(stop_after_epoch=1))
    assert "not finished" in refused(RunFolder(tmp_path / "run").load_model)
    assert "run.json is missing" in refused(RunFolder(tmp_path / "nowhere").load_model)


DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "noise": lambda data: bytes(range(256)) * 8,
    "a list": lambda data: b"[1, 2]",
    "nothing in it": lambda data: b"{}",
    "another schema": lambda data: data.replace(b'"schema": 1', b'"schema": 2'),
    "a setting less": lambda data: data.replace(b'"sigma": 0.1,', b""),
    "a setting of another type": lambda data: data.replace(b'"sigma": 0.1,', b'"sigma": "wide",'),
    "no frames": lambda data: data.replace(b'"frames"', b'"farmes"'),
    "no fingerprint": lambda data: data.replace(b'"data_fingerprint"', b'"fingerprint"'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_facts_are_one_line(small: Small, run_training: RunTraining, damage: str) -> None:
    run = run_training(small(epochs=1))
    run.facts_file.write_bytes(DAMAGES[damage](run.facts_file.read_bytes()))
    assert "run.json" in refused(run.load_model)
    assert "run.json" in refused(lambda: run_training(small(epochs=1)))


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "a list"])
def test_damaged_tensors_are_one_line(small: Small, run_training: RunTraining, damage: str) -> None:
    run = run_training(small(epochs=1))
    loads: dict[Path, Callable[[], object]] = {
        run.weights_file: run.load_model,
        run.samples_file: run.samples,
        run.state_file: lambda: run_training(small(epochs=1)),
    }
    for file, load in loads.items():
        file.write_bytes(DAMAGES[damage](file.read_bytes()))
        assert file.name in refused(load)


def test_tensors_of_another_run_are_one_line(small: Small, run_training: RunTraining) -> None:
    run, wider = run_training(small(epochs=1)), run_training(small(epochs=1, latent=5), name="wider")
    run.samples_file.write_bytes(wider.weights_file.read_bytes())
    assert "samples.safetensors" in refused(run.samples)
    for name in ("weights.safetensors", "samples.safetensors"):
        run.state_file.write_bytes((wider.folder / name).read_bytes())
        assert "state.safetensors" in refused(lambda: run_training(small(epochs=1)))
    run.state_file.write_bytes(wider.state_file.read_bytes())
    assert "state.safetensors" in refused(lambda: run_training(small(epochs=1)))
    run.weights_file.write_bytes(wider.weights_file.read_bytes())
    assert "weights.safetensors" in refused(run.load_model)


def test_metrics_that_were_deleted_do_not_stop_a_run(
    small: Small, run_training: RunTraining, recorder: Callable[..., object], power_cut: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(power_cut):
        run_training(small(), callback=recorder(stop_after_epoch=1))
    (tmp_path / "run" / "metrics.jsonl").unlink()
    run = run_training(small())
    assert [json.loads(line)["epoch"] for line in run.metrics_file.read_text().splitlines()] == [2]


def test_a_tub_becomes_a_run_and_its_frames_lie_beside_it(
    small: Small, make_tub: Callable[..., Path], recorder: Callable[..., object], tmp_path: Path
) -> None:
    tub, callback = make_tub(70), recorder()
    cache = train_tubs([Tub(tub)], small(epochs=1), tmp_path / "runs" / "first", "cpu", callback)  # type: ignore[arg-type]
    run = RunFolder(tmp_path / "runs" / "first")
    assert run.facts()["tubs"] == [str(tub)]
    assert run.facts()["data_fingerprint"] == cache.fingerprint
    assert (tmp_path / "runs" / CACHE_FOLDER / f"{cache.fingerprint}.u8").stat().st_size == 70 * 6400
    assert callback.decodings == [(70, 70)]  # type: ignore[attr-defined]
    net, reference = run.load_obscuration()
    assert not net.training
    assert (reference[1] > 0).all()


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "a list"])
def test_a_damaged_second_network_is_one_line(
    small: Small, make_tub: Callable[..., Path], recorder: Callable[..., object], tmp_path: Path, damage: str
) -> None:
    train_tubs([Tub(make_tub(70))], small(epochs=1), tmp_path / "run", "cpu", recorder())  # type: ignore[arg-type]
    run = RunFolder(tmp_path / "run")
    run.obscuration_file.write_bytes(DAMAGES[damage](run.obscuration_file.read_bytes()))
    assert "obscuration.safetensors is damaged" in refused(run.load_obscuration)
    run.obscuration_file.write_bytes(run.weights_file.read_bytes())
    assert "obscuration.safetensors is damaged" in refused(run.load_obscuration)


def test_weights_of_an_older_version_still_load(tmp_path: Path, small: Small) -> None:
    """Older runs call the last layers of the obscuration network `answer`."""
    run = finish_run(tmp_path / "run", small("paper"), np.zeros((2, 120, 160, 3), np.uint8))
    expected = load_file(run.obscuration_file)
    save_file({name.replace("head.", "answer.", 1): tensor for name, tensor in expected.items()}, run.obscuration_file)
    net, _ = run.load_obscuration()
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
