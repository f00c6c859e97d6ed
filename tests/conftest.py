"""Fixtures of all tests: frames, tubs on disk, one real bundle."""

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import hand_made
import numpy as np
import pytest
from fake_cudart import FakeCudart
from fake_tensorrt import Machine
from numpy.typing import NDArray
from PIL import Image

from mle_uvad.calibration import Calibration
from mle_uvad.edge import backends as backend_module
from mle_uvad.edge.backends import cuda as cuda_module
from mle_uvad.edge.bundle import FACTS_FILE, Bundle

Frame = NDArray[np.uint8]
REPOSITORY = Path(__file__).parents[1]
INPUTS = {"cam/image_array": "image_array", "user/angle": "float", "user/throttle": "float", "user/mode": "str"}
START_MS = 1_700_000_000_000
SESSION = "23-11-14_0"


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with the same seed for every test."""
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def moving_frames() -> Callable[..., list[Frame]]:
    """`moving_frames(count, seed)`: frames [120, 160, 3] of a camera that pans over a textured scene, with noise."""

    return hand_made.moving_frames


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """`encode(frame, format)`: an image file as donkeycar's tub writes it."""

    def make(frame: Frame, format: str = "JPEG") -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, format)
        return buffer.getvalue()

    return make


@pytest.fixture
def make_tub(
    tmp_path: Path, moving_frames: Callable[..., list[Frame]], encode: Callable[..., bytes]
) -> Callable[..., Path]:
    """`make_tub(frames, …)` writes a tub as donkeycar 5 does and returns its folder; `frames` may be a number."""

    def make(
        frames: int | list[Frame] = 12,
        *,
        name: str = "tub",
        hz: float = 20.0,
        per_catalog: int = 1000,
        deleted: Iterable[int] = (),
    ) -> Path:
        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        lines = []
        for index, frame in enumerate(moving_frames(frames) if isinstance(frames, int) else frames):
            image = f"{index}_cam_image_array_.jpg"
            (folder / "images" / image).write_bytes(encode(frame))
            record = {
                "_index": index,
                "_session_id": SESSION,
                "_timestamp_ms": START_MS + round(index * 1000 / hz),
                "cam/image_array": image,
                "user/angle": 0.1,
                "user/mode": "user",
                "user/throttle": 0.2,
            }
            lines.append(json.dumps(record, sort_keys=True) + "\n")
        starts = range(0, len(lines), per_catalog)
        for number, start in enumerate(starts):
            _write_catalog(folder / f"catalog_{number}.catalog", lines[start : start + per_catalog], start)
        catalogs = {
            "paths": [f"catalog_{number}.catalog" for number in range(len(starts))],
            "current_index": len(lines),
            "max_len": per_catalog,
            "deleted_indexes": sorted(deleted),
        }
        about = {
            "created_at": START_MS / 1000,
            "sessions": {"all_full_ids": [SESSION], "last_id": 0, "last_full_id": SESSION},
        }
        parts: tuple[object, ...] = (list(INPUTS), list(INPUTS.values()), {}, about, catalogs)
        (folder / "manifest.json").write_text("".join(json.dumps(part) + "\n" for part in parts))
        return folder

    return make


def _write_catalog(path: Path, lines: list[str], start: int) -> None:
    path.write_text("".join(lines))
    about = {
        "created_at": START_MS / 1000,
        "line_lengths": [len(line) for line in lines],
        "path": f"{path.name}_manifest",
        "start_index": start,
    }
    path.with_name(f"{path.name}_manifest").write_text(json.dumps(about, sort_keys=True) + "\n")


@pytest.fixture(scope="session")
def finish_run() -> Callable[..., Any]:
    """`finish_run(folder, settings, samples, model=None, net=None)`: a finished run that was never trained."""
    for name in ("torch", "onnx", "safetensors"):
        pytest.importorskip(name, reason=f"needs {name} to export a bundle, or `pytest --bundle BUNDLE`")
    return hand_made.finish_run


@pytest.fixture(scope="session")
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A real bundle: an untrained narrow autoencoder, and an obscuration network with weights set by hand."""
    given = request.config.getoption("--bundle")
    if given is not None:
        return Bundle.load(given.resolve())  # parts take a relative path to be in the car
    request.getfixturevalue("finish_run")  # skips where torch is not installed
    return hand_made.write_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def shipped_bundle() -> Bundle:
    """The bundle that ships with the package, which judges without a calibration."""
    return Bundle.load(Path(str(files("mle_uvad") / "base")))


@pytest.fixture
def bundle_folder(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the bundle to damage."""
    return Path(shutil.copytree(bundle.folder, tmp_path / "lens"))


@pytest.fixture
def jetson_bundle(bundle_folder: Path) -> Bundle:
    """A copy of the bundle as exported for a Jetson."""
    facts = json.loads((bundle_folder / FACTS_FILE).read_text())
    (bundle_folder / FACTS_FILE).write_text(json.dumps(facts | {"target": "jetson"}))
    return Bundle.load(bundle_folder)


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Machine]]:
    """`jetson(version)`: from then on this process has stand-ins for a GPU, libcudart and the module `tensorrt`."""
    ours = [f"mle_uvad.edge.backends.{name}" for name in ("trt", "trt_engine")]

    def forget() -> None:  # they hold the `tensorrt` that they were imported with
        backend_module._announce.cache_clear()
        for name in ours:
            sys.modules.pop(name, None)

    def make(version: str = "10.3.0") -> Machine:
        forget()
        machine = Machine(FakeCudart(), version)
        monkeypatch.setitem(sys.modules, "tensorrt", machine.module())
        monkeypatch.setattr(cuda_module, "open_library", lambda: machine.cudart)
        return machine

    forget()
    yield make
    forget()


@pytest.fixture(scope="session")
def calibration(bundle: Bundle) -> Calibration:
    """The calibration from a clean drive of 36 s."""
    return hand_made.calibrate(bundle, hand_made.moving_frames(720), 20.0)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of real recordings beside the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no real recordings: {folder} is absent")
    return folder


# The lines of manage.py that the lens lines attach to; the stock templates are in parts/test_stock_cars.py.
STAND_IN = """\
#!/usr/bin/env python3
def drive(cfg):
    add_camera(V, cfg, camera_type)

    # add lidar
    if cfg.USE_LIDAR:
        pass
    V.add(UserPilotCondition(),
          outputs=['run_user', "run_pilot", "ui/image_array"])

    class LedConditionLogic:
        pass

    V.add(DriveMode(),
          outputs=['steering', 'throttle'])

    #
    # Setup drivetrain
    #
    add_drivetrain(V, cfg)

    inputs, types = [], []

    #
    # Create data storage part
    #
    tub_writer = TubWriter(tub_path, inputs=inputs, types=types, metadata=meta)
"""


@pytest.fixture
def stand_in_car(tmp_path: Path) -> Path:
    """A folder with a config.py and a manage.py that can be patched but not run."""
    car = tmp_path / "mycar"
    car.mkdir()
    (car / "manage.py").write_text(STAND_IN)
    (car / "config.py").write_text("IMAGE_W = 160\nIMAGE_H = 120\nDRIVE_LOOP_HZ = 20\n")
    return car
