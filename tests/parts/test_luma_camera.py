"""The luma camera: with the strides of the hardware, in donkeycar's Vehicle, with a real bundle."""

import ast
import inspect
import re
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_picamera2
import numpy as np
import pytest
from fake_picamera2 import Scene
from numpy.typing import NDArray

from mle_uvad.calibration import Calibration
from mle_uvad.calibration.session import REFERENCE_PHASE_S, THRESHOLD_PHASE_S
from mle_uvad.edge import Bundle, InputError
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.frame import grey
from mle_uvad.edge.scorer import FrameScore
from mle_uvad.parts import LumaCamera, MLEAnomalyPart
from mle_uvad.parts.events.event import read_events

Frame = NDArray[np.uint8]
PAGE = Path(__file__).parents[2] / "docs" / "camera.md"


@pytest.fixture
def before_the_lens(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    """`before_the_lens(frames)`: from then on picamera2 can be imported and sees these frames."""

    def make(frames: Iterable[Frame], gives: tuple[int, int] | None = None) -> Scene:
        scene = Scene(frames, gives)
        for name, module in scene.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        return scene

    return make


def test_both_frames_are_of_one_exposure_and_without_padding(
    before_the_lens: Callable[..., Scene], moving_frames: Callable[..., list[Frame]]
) -> None:
    frames = moving_frames(4)
    scene = before_the_lens(frames)
    camera = LumaCamera(160, 120)
    [hardware] = scene.cameras
    assert hardware.camera_config["lores"]["stride"] == 192, "the rows are padded, or this test proves nothing"
    assert hardware.camera_config["colour_space"].name == "sYCC", "full range"
    assert hardware.controls == {"FrameDurationLimits": (100, 1000)}
    for number, (rgb, luma) in enumerate([camera.run_threaded(), *(camera.run() for _ in frames[1:])]):
        assert np.array_equal(rgb, frames[number])
        assert (luma.dtype, luma.shape) == (np.uint8, (120, 160))
        assert np.abs(luma.astype(int) - grey(frames[number])).max() <= 1
        assert luma.base is not None, "a view, no copy"
        assert luma.strides == (192, 1)


def test_it_can_hang_upside_down(
    before_the_lens: Callable[..., Scene], moving_frames: Callable[..., list[Frame]]
) -> None:
    [frame] = moving_frames(1)
    before_the_lens([frame])
    rgb, luma = LumaCamera(160, 120, vflip=True, hflip=True).run_threaded()
    assert np.array_equal(rgb, frame[::-1, ::-1])
    assert np.abs(luma.astype(int) - grey(rgb)).max() <= 1


def test_a_camera_that_fails_leaves_the_last_frame_and_one_line(
    before_the_lens: Callable[..., Scene], moving_frames: Callable[..., list[Frame]], caplog: Any
) -> None:
    frames = moving_frames(3)
    scene = before_the_lens(frames)
    camera = LumaCamera(160, 120)
    worker = threading.Thread(target=camera.update)
    worker.start()
    worker.join(timeout=5)
    assert not worker.is_alive(), "the worker ends with the camera"
    assert np.array_equal(camera.run_threaded()[0], frames[-1])
    assert np.array_equal(camera.run()[0], frames[-1])
    assert caplog.messages == ["camera: no more frames, RuntimeError: Camera frontend has timed out"]
    camera.shutdown()
    camera.shutdown()
    assert scene.cameras[0].closed == 1


def test_no_camera_and_another_size_are_told_before_the_car_moves(
    before_the_lens: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = before_the_lens([], gives=(128, 120))
    with pytest.raises(InputError, match=r"the camera gives 128x120 for 160x120 \(main\); set another IMAGE_W"):
        LumaCamera(160, 120)
    assert scene.cameras[0].closed == 1
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(InputError, match="sudo apt install python3-picamera2"):
        LumaCamera()


class Notebook:
    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def run(self, *values: Any) -> None:
        self.said.append(values)


def test_in_a_vehicle_as_the_page_says(
    before_the_lens: Callable[..., Scene], bundle: Bundle, tmp_path: Path, moving_frames: Callable[..., list[Frame]]
) -> None:
    if find_spec("donkeycar") is None:
        pytest.skip("needs donkeycar: pip install 'mle_uvad[donkeycar]'")
    from donkeycar.vehicle import Vehicle

    scene = before_the_lens(cycle(moving_frames(40)))
    in_manage_py, in_myconfig = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    keys: dict[str, Any] = {}
    exec(in_myconfig, keys)
    cfg = SimpleNamespace(
        CAR_PATH=str(tmp_path),
        LENS_BUNDLE=str(bundle.folder),
        IMAGE_W=160,
        IMAGE_H=120,
        CAMERA_VFLIP=False,
        CAMERA_HFLIP=False,
        **{key: value for key, value in keys.items() if key.isupper()},
    )
    lens, notebook, vehicle = MLEAnomalyPart.from_config(cfg), Notebook(), Vehicle()
    assert lens.inputs == ["cam/luma", "web/w1"]
    exec(textwrap.dedent(in_manage_py), {"V": vehicle, "cfg": cfg})
    vehicle.add(lens, inputs=lens.inputs, outputs=lens.outputs)
    vehicle.add(notebook, inputs=["cam/image_array", "cam/luma", *lens.outputs])
    vehicle.start(rate_hz=10_000, max_loop_count=30)
    assert len(notebook.said) == 30
    assert {said[6] for said in notebook.said} <= {"uncalibrated", "frozen"}  # the loop is faster than the camera
    scorer = open_scorer(bundle)
    for rgb, luma, pcc, *_ in notebook.said:
        assert luma.shape == (120, 160)
        assert np.abs(luma.astype(int) - grey(rgb)).max() <= 1, "of one moment"
        assert pcc == scorer.score(luma, 0.0).pcc
    assert scene.cameras[0].closed == 1


@pytest.mark.parametrize("made_for", ["rgb", "luma"])
def test_a_calibration_of_the_other_kind_is_refused_at_the_first_frame(
    made_for: str,
    make_part: Any,
    drive: Any,
    calibration: Calibration,
    clear_frames: list[Frame],
    wet_frames: list[Frame],
    tmp_path: Path,
    caplog: Any,
) -> None:
    replace(calibration, camera=made_for).save(tmp_path / "calibration.json")
    frames = [*clear_frames, *wet_frames, *wet_frames]
    grey_frames = [grey(frame) for frame in frames]
    other, same = (grey_frames, frames) if made_for == "rgb" else (frames, grey_frames)
    part = make_part()
    assert drive(part, [None])[0][4] == "no_frame"
    assert "uncalibrated" not in caplog.text, "the kind is known only with a frame"
    said = drive(part, other)
    assert {values[4] for values in said} == {"uncalibrated"}
    assert not any(values[1] for values in said)
    [line] = [message for message in caplog.messages if "uncalibrated" in message]
    found = "luma" if made_for == "rgb" else "rgb"
    assert line.startswith(
        f"lens monitor runs uncalibrated: the calibration is for camera frames {made_for}, the car has {found};"
        " run `mle-uvad calibrate --car MYCAR`"
    )
    assert ("--tub TUB --out FILE`, and give FILE to --calibration" in line) == (found == "rgb")
    assert part._calibration.calibrated_at == ""
    part.shutdown()
    assert drive(make_part(), same)[-1][4] == "obscured", "the same thresholds hold for frames of their own kind"


def test_an_event_on_luma_keeps_its_snapshot(
    make_part: Any, drive: Any, calibration: Calibration, clear_frames: Any, wet_frames: Any, tmp_path: Path
) -> None:
    replace(calibration, camera="luma").save(tmp_path / "calibration.json")
    part = make_part()
    drive(part, [grey(frame) for frame in (*clear_frames, *wet_frames, *wet_frames)])
    part.shutdown()
    [event] = read_events(tmp_path / "logs" / "lens.db")
    assert event.picture
    assert (tmp_path / "logs" / event.picture).is_file()


def test_calibration_while_driving_notes_what_it_saw(make_part: Any, clock: Any, tmp_path: Path, lap: Any) -> None:
    (tmp_path / "calibration.json").unlink()
    part = make_part()
    for number in range(round((REFERENCE_PHASE_S + THRESHOLD_PHASE_S + 5) * 6)):
        clock.now_s += 1 / 6
        part.run(lap[number % len(lap)] ^ np.uint8(number % 2), number == 0)
    assert Calibration.load(tmp_path / "calibration.json").camera == "luma"


@pytest.fixture
def lap(bundle: Bundle, moving_frames: Callable[..., list[Frame]]) -> list[Frame]:
    if (bundle.height, bundle.width) != (120, 160):
        pytest.skip(f"the frames of this test are 160x120, the bundle given takes {bundle.width}x{bundle.height}")
    return [grey(frame) for frame in moving_frames(320)]


def differences(one: FrameScore, other: FrameScore) -> tuple[float, float]:
    """How far two scores of one scene are apart, by the PCC and by the log odds."""
    assert one.pcc is not None
    assert other.pcc is not None
    assert one.logits is not None
    assert other.logits is not None
    return abs(one.pcc - other.pcc), float(np.abs(one.logits - other.logits).max())


def test_luma_and_rgb_score_alike(bundle: Bundle, clear_frames: list[Frame], wet_frames: list[Frame]) -> None:
    """Full range differs in rounding alone, by one grey level at most and seldom; limited range is another picture."""
    by_rgb, by_luma, limited = open_scorer(bundle), open_scorer(bundle), open_scorer(bundle)
    apart, far_apart = [], []
    for number, frame in enumerate([*clear_frames, *wet_frames]):
        luma = fake_picamera2.full_range_luma(frame)
        t_s = number / 20
        rgb, own, video = (
            scorer.score(seen, t_s)
            for scorer, seen in (
                (by_rgb, frame),
                (by_luma, luma),
                (limited, np.rint(16 + luma * (219 / 255)).astype(np.uint8)),
            )
        )
        apart.append(differences(own, rgb))
        far_apart.append(differences(video, rgb))
    pcc, logits = np.max(apart, axis=0)
    assert pcc < 1e-3
    assert logits < 0.25, "log odds of some −6"
    assert np.max(far_apart, axis=0)[1] > 5 * logits


def test_the_stand_in_has_the_signatures_of_picamera2() -> None:
    spec = find_spec("picamera2")
    if spec is None or spec.origin is None:
        pytest.skip("needs the source of picamera2 (not libcamera): pip install --no-deps picamera2")
    tree = ast.parse(Path(spec.origin).with_name("picamera2.py").read_text())
    [real] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Picamera2"]
    defined: dict[str, ast.FunctionDef] = {}
    for node in real.body:  # the last of a name: those before are typing's overloads
        if isinstance(node, ast.FunctionDef):
            defined[node.name] = node
    ours = {name: method for name, method in vars(fake_picamera2.Picamera2).items() if not name.startswith("_")}
    assert {"create_preview_configuration", "configure", "capture_arrays", "close"} <= set(ours)
    for name, method in ours.items():
        theirs = [argument.arg for argument in defined[name].args.args]
        mine = list(inspect.signature(method).parameters)
        assert mine == theirs[: len(mine)], name
    preview = defined["create_preview_configuration"].args
    defaults = dict(zip([each.arg for each in preview.args[::-1]], preview.defaults[::-1], strict=False))
    assert ast.unparse(defaults["colour_space"]) == "libcamera.ColorSpace.Sycc()", "full range is what it asks for"
    source = Path(spec.origin).with_name("request.py").read_text()
    assert "array.reshape((h * 3 // 2, stride))" in source, "YUV420 comes with the padding of its rows"
