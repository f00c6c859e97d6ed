"""What the tests share: frames, tubs on disk, one real bundle."""

import io
import json
import shutil
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mle_uvad.calibration import Calibration
from mle_uvad.calibration.rules import clean_limits
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.memory import PICTURES, REFERENCE_SIDE, Reference, make_reference
from mle_uvad.edge.scorer import FrameScore, Scorer

Frame = NDArray[np.uint8]
REPOSITORY = Path(__file__).parents[1]
INPUTS = {"cam/image_array": "image_array", "user/angle": "float", "user/throttle": "float", "user/mode": "str"}
START_MS = 1_700_000_000_000
SESSION = "23-11-14_0"
FINEST_EDGES = 2  # the picture behind the mean and the change


@pytest.fixture
def rng() -> np.random.Generator:
    """The same numbers for every test, in whatever order they run."""
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def moving_frames() -> Callable[..., list[Frame]]:
    """`moving_frames(count, seed)`: frames [120, 160, 3] of a camera that pans over a textured scene, with noise."""

    def make(count: int, seed: int = 0) -> list[Frame]:
        rng = np.random.default_rng(seed)
        scene = np.zeros((240, 640, 3), np.float32)
        for cell in (4, 12, 40):  # texture of three sizes
            coarse = rng.normal(0, 22, (240 // cell + 2, 640 // cell + 2, 3)).astype(np.float32)
            scene += np.kron(coarse, np.ones((cell, cell, 1), np.float32))[:240, :640]
        frames = []
        for number in range(count):
            left, top = (3 * number) % 480, (2 * number) % 120
            noise = rng.normal(120, 2, (120, 160, 1)).astype(np.float32)
            frames.append((scene[top : top + 120, left : left + 160] + noise).clip(0, 255).astype(np.uint8))
        return frames

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """`encode(frame, format)`: the bytes as donkeycar's tub writes them."""

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
        parts = (list(INPUTS), list(INPUTS.values()), {}, about, catalogs)
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
    """`finish_run(folder, settings, samples, model=None, net=None)`: a finished run that never trained.

    An untrained run needs no decoded drive: the export reads the settings, the weights and the sample frames.
    """
    for name in ("torch", "onnx", "safetensors"):
        pytest.importorskip(name, reason=f"needs {name} to export a bundle, or `pytest --bundle BUNDLE`")
    import torch

    from mle_uvad.training.cache import FrameCache
    from mle_uvad.training.obscuration import ObscurationNet
    from mle_uvad.training.run import RunFolder, make_model

    def make(folder: Path, settings: Any, samples: Frame, model: Any = None, net: Any = None) -> RunFolder:
        nothing = samples[:0]
        cache = FrameCache(nothing, None, samples, "none", [], np.empty(0), np.empty(0, np.intp))  # type: ignore[arg-type]
        run = RunFolder(folder)
        run.start(settings, cache, [])
        run.finish(make_model(settings) if model is None else model)
        reference = torch.tensor([0.5, 0.1]).reshape(2, 1, 1, 1).expand(2, PICTURES, REFERENCE_SIDE, REFERENCE_SIDE)
        if net is None:
            net = ObscurationNet(settings.width)
            net.silence()
        run.finish_obscuration(net, reference, [])
        return run

    return make


def _sees_blur(net: Any) -> Any:
    """Weights by hand: the odds rise where the quick look has lost its finest edges against the clean drive.

    That is what a trained network does of a drop, without the minutes of a training.
    """
    import torch

    first = (0, 0, 1, 1)  # from the first channel to the first, by the middle of the kernel
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.zero_()
        net.silence()
        net.mix[0].weight[0, PICTURES + FINEST_EDGES] = -1
        for convolution in (net.enter[0], net.fine[0], net.answer[0][0]):
            convolution.weight[first] = 1
        net.join[0].weight[0, 0] = 1
        net.answer[1].weight[0, 0] = 4
    return net


@pytest.fixture(scope="session")
def bundle(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    moving_frames: Callable[..., list[Frame]],
) -> Bundle:
    """A real bundle, exported like any run: the narrow autoencoder untrained, the second network set by hand."""
    given = request.config.getoption("--bundle")
    if given is not None:
        return Bundle.load(given)
    finish_run = request.getfixturevalue("finish_run")  # skips where torch is not installed
    from mle_uvad.export.bundle import export_bundle
    from mle_uvad.training.obscuration import ObscurationNet
    from mle_uvad.training.settings import TrainSettings

    folder = tmp_path_factory.mktemp("bundle")
    settings = TrainSettings(width="narrow", epochs=1, windows=0)
    net = _sees_blur(ObscurationNet("narrow"))
    run = finish_run(folder / "run", settings, np.stack(moving_frames(8)), net=net)
    return export_bundle(run.folder, folder / "lens", "onnx")


@pytest.fixture
def bundle_folder(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the bundle to damage."""
    return Path(shutil.copytree(bundle.folder, tmp_path / "lens"))


@pytest.fixture(scope="session")
def calibration(bundle: Bundle, moving_frames: Callable[..., list[Frame]]) -> Calibration:
    """The limits of a clean drive of 36 s."""
    frames = moving_frames(720)
    times_s = np.arange(len(frames)) / 20.0

    def seen(reference: Reference) -> list[FrameScore]:
        scorer = Scorer(bundle)
        scorer.reference = reference
        scores = [scorer.score(frame, float(t_s)) for frame, t_s in zip(frames, times_s, strict=True)]
        return [score for score in scores if score.settled]

    reference = make_reference(np.stack([score.pictures for score in seen(bundle.reference)]))
    scores = seen(reference)
    pccs, logits = np.array([score.pcc for score in scores]), np.stack([score.logits for score in scores])
    limits = clean_limits(pccs, logits, times_s[-len(scores) :], reference, 1.0)
    now = datetime(2026, 1, 1, tzinfo=timezone.utc).isoformat()
    return Calibration(limits, "clean", 1.0, len(frames), 36.0, bundle.sha256, "ort", bundle.height, bundle.width, now)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of real recordings beside the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no real recordings: {folder} is absent")
    return folder


# As much of a manage.py as the lens lines hang on to; the real ones are in parts/test_stock_cars.py.
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
    """A folder with a config.py and a manage.py that can be patched and not be run."""
    car = tmp_path / "mycar"
    car.mkdir()
    (car / "manage.py").write_text(STAND_IN)
    (car / "config.py").write_text("IMAGE_W = 160\nIMAGE_H = 120\nDRIVE_LOOP_HZ = 20\n")
    return car
