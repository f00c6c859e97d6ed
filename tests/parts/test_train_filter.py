"""Donkeycar's own training leaves out the wet frames, with the filter lines of the docs."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("donkeycar") is None or find_spec("typing_extensions") is None:
    pytest.skip("needs donkeycar: pip install 'mle_uvad[donkeycar]'", allow_module_level=True)

INPUTS = ["cam/image_array", "user/angle", "user/throttle", "user/mode"]
TYPES = ["image_array", "float", "float", "str"]
LENS_TYPES = ["float", "boolean", "float", "int", "str"]
DOCS = Path(__file__).parents[2] / "docs" / "events.md"


class Driver:
    """Outputs one frame a loop, drives straight on, and advances the clock by a frame."""

    def __init__(self, frames: list[Any], clock: Any) -> None:
        self.frames, self.clock = iter(frames), clock

    def run(self) -> Any:
        self.clock.now_s += 1 / 20
        return next(self.frames), 0.0, 0.2, "user"


def record(folder: Path, part: Any, clock: Any, frames: list[Any]) -> None:
    """Run donkeycar's Vehicle over the frames and record them with donkeycar's TubWriter."""
    from donkeycar.parts.tub_v2 import TubWriter
    from donkeycar.vehicle import Vehicle

    vehicle = Vehicle()
    vehicle.add(Driver(frames, clock), outputs=INPUTS)
    vehicle.add(part, inputs=["cam/image_array"], outputs=part.outputs)
    writer = TubWriter(str(folder), inputs=INPUTS + part.outputs, types=TYPES + LENS_TYPES)
    vehicle.add(writer, inputs=INPUTS + part.outputs, outputs=["tub/num_records"])
    vehicle.start(rate_hz=10_000, max_loop_count=len(frames))


def records(tub: Path, config: Any) -> list[Any]:
    from donkeycar.pipeline.types import TubDataset

    dataset = TubDataset(config, [str(tub)])
    found = dataset.get_records()
    dataset.close()
    return found


def config_with(line: str, folder: Path) -> Any:
    """A config as donkeycar loads it from config.py and myconfig.py."""
    from donkeycar.config import load_config

    (folder / "config.py").touch()
    (folder / "myconfig.py").write_text(line + "\n")
    return load_config(str(folder / "config.py"))


def filters_in_the_docs() -> list[str]:
    said = re.findall(r"(lambda r: [^`\n]+)", DOCS.read_text())
    return [f"TRAIN_FILTER = {one}" for one in said]


def test_the_filters_of_the_docs_leave_out_the_wet_frames(
    make_part: Any, clear_frames: Any, wet_frames: Any, clock: Any, tmp_path: Path
) -> None:
    record(tmp_path / "tub", make_part(), clock, 2 * clear_frames + 2 * wet_frames + 3 * clear_frames)
    everything = records(tmp_path / "tub", config_with("", tmp_path))
    assert len(everything) == 7 * 60
    wet = {one.underlying["_index"] for one in everything if one.underlying["lens/obscured"]}
    assert len(wet) > 40
    by_event, by_status = filters_in_the_docs()
    kept = records(tmp_path / "tub", config_with(by_event, tmp_path))
    assert {one.underlying["_index"] for one in kept} == set(range(7 * 60)) - wet
    sure = records(tmp_path / "tub", config_with(by_status, tmp_path))
    assert {one.underlying["lens/status"] for one in sure} == {"ok"}
    assert 60 < len(sure) < len(kept)


def test_a_tub_without_the_fields_is_left_whole(make_tub: Any, tmp_path: Path) -> None:
    by_event, _ = filters_in_the_docs()
    assert len(records(make_tub(12), config_with(by_event, tmp_path))) == 12
