"""The demo from end to end, shortened: the same steps on the same real components."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mle_uvad.edge import InputError
from mle_uvad.evaluation.simulation.episodes import Episode

NEEDED = ("torch", "onnx", "matplotlib", "donkeycar")
if any(find_spec(name) is None for name in NEEDED):
    pytest.skip(f"needs {', '.join(NEEDED)}", allow_module_level=True)


class Quiet:
    """A display that records the headings."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.losses: list[float] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    @contextmanager
    def bar(self, name: str) -> Iterator["Quiet"]:
        yield self

    @contextmanager
    def training(self, epochs: int) -> Iterator["Quiet"]:
        yield self

    def __call__(self, done: int, total: int) -> None:
        assert 0 <= done <= total

    def decoded(self, done: int, total: int) -> None:
        pass

    def batch(self, epoch: int, frames_done: int, frames_total: int) -> None:
        pass

    def rendered(self, done: int, total: int) -> None:
        pass

    def fitted(self, done: int, total: int) -> None:
        pass

    def passed(self, metrics: Any) -> None:
        pass

    def epoch(self, metrics: Any) -> None:
        self.losses.append(metrics.squared_error)


def test_the_demo_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mle_uvad.evaluation import demo

    monkeypatch.setattr(demo, "TRAIN_S", 15.0)
    monkeypatch.setattr(demo, "CLEAN_S", 60.0)
    monkeypatch.setattr(demo, "WET_S", 24.0)
    monkeypatch.setattr(demo, "EPOCHS", 3)
    monkeypatch.setattr(demo, "WINDOWS", 512)
    monkeypatch.setattr(demo, "TRAIN_EPISODES", (Episode(5, 7, 0.3),))
    monkeypatch.setattr(demo, "WET_EPISODES", (Episode(12, 19, 0.5),))
    out, display = tmp_path / "demo", Quiet()
    result = demo.run_demo(out, 0, display)
    assert len(display.steps) == 5
    assert display.losses == sorted(display.losses, reverse=True)
    assert len(result.verdict.episodes) == len(result.pcc_alone.episodes) == 1
    assert result.frames > 200
    assert result.pcc_difference == 0, "the car and the replay disagree on the same frames"
    # Half of the lens under water for seven seconds: a detector that misses this is broken, not weak.
    assert result.verdict.flagged == 1
    assert len(result.events) >= 1
    assert json.loads((out / "result.json").read_text())["frames"] == result.frames
    assert np.asarray(Image.open(result.timeline)).std() > 10
    with pytest.raises(InputError, match="is not empty"):
        demo.run_demo(out, 0, display)
