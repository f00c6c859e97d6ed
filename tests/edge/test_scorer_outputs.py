"""The scorer on all kinds of backend outputs, which a stub returns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.graph import RUNNING_MEANS_SIZE, GraphOutputs
from mle_uvad.edge.scorer import FrameScore, Scorer

Frame = NDArray[np.uint8]
Floats = NDArray[np.float32]


class StubBackend:
    """Returns the outputs it is given, or raises them."""

    name = "stub"
    about = "a stub"

    def __init__(self, outputs: Any) -> None:
        self.outputs = outputs
        self.frames: list[Frame] = []

    def run(self, frame: Frame, *_: Any) -> Any:
        self.frames.append(frame)
        if isinstance(self.outputs, Exception):
            raise self.outputs
        return self.outputs


@pytest.fixture
def stub_scorer() -> Any:
    """`stub_scorer(outputs)`: a scorer of frames [120, 160, 3] with a backend that needs no model."""

    def make(outputs: Any) -> Scorer:
        bundle = Bundle(Path(), b"", "", 120, 160, {}, np.ones((2, 20, 10, 10), np.float32))
        return Scorer(bundle, StubBackend(outputs))

    return make


def test_bad_frames_get_a_status_and_never_reach_the_model(stub_scorer: Any) -> None:
    scorer = stub_scorer(AssertionError("the model was run"))
    statuses: dict[str, list[Any]] = {
        "no_frame": [None, np.asarray(None), [], "text", 1.0],
        "error": [
            np.zeros((120, 160, 4), np.uint8),
            np.zeros((60, 80, 3), np.uint8),
            np.zeros((120, 160, 3), np.float64),
            np.zeros((120, 160), bool),
        ],
    }
    for status, frames in statuses.items():
        for frame in frames:
            score = scorer.score(frame, 0.0)
            assert vars(score) == vars(FrameScore(status, detail=score.detail))
            assert score.detail
    assert scorer.backend.frames == []


def test_whatever_a_backend_throws_becomes_a_status_with_its_reason(stub_scorer: Any) -> None:
    for error in (RuntimeError("device lost"), MemoryError(), ValueError("shape"), OSError(5, "I/O")):
        score = stub_scorer(error).score(np.zeros((120, 160, 3), np.uint8), 0.0)
        assert vars(score) == vars(FrameScore("error", detail=score.detail))
        assert type(error).__name__ in score.detail


NAN, INFINITE = float("nan"), float("inf")
GOOD = GraphOutputs(
    pcc=0.9,
    brightness=0.5,
    contrast=0.2,
    motion=0.1,
    logits=np.ones((20, 20), np.float32),
    feature_maps=np.ones((20, 10, 10), np.float32),
    running_means=np.ones((2, RUNNING_MEANS_SIZE), np.float32),
)


def spoilt(array: Floats) -> Floats:
    """With one number that is none."""
    return np.where(np.arange(array.size).reshape(array.shape) == 77, np.nan, array).astype(np.float32)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, "ok"),
        ({"pcc": NAN}, "error"),
        ({"pcc": INFINITE}, "error"),
        ({"motion": NAN}, "error"),
        ({"logits": spoilt(np.zeros((20, 20), np.float32))}, "error"),
        ({"logits": np.full((20, 20), -np.inf, np.float32)}, "error"),
        ({"running_means": spoilt(GOOD.running_means)}, "error"),
        ({"logits": np.where(np.eye(20) > 0, np.inf, -np.inf).astype(np.float32)}, "error"),
        ({"pcc": NAN, "brightness": NAN, "contrast": NAN}, "error"),
        ({"brightness": 10.1 / 255, "contrast": 2.1 / 255}, "ok"),
        ({"brightness": 9.9 / 255}, "dark"),
        ({"brightness": 9.9 / 255, "contrast": 1.9 / 255}, "dark"),
        ({"contrast": 1.9 / 255}, "flat"),
        ({"pcc": NAN, "contrast": 0.0}, "flat"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value) or "good",
)
def test_the_outputs_decide_the_status(stub_scorer: Any, changed: dict[str, Any], status: str) -> None:
    score = stub_scorer(GOOD._replace(**changed)).score(np.zeros((120, 160, 3), np.uint8), 0.0)
    assert score.status == status
    assert (score.pcc is None) == (score.logits is None) == (score.feature_maps is None) == (status != "ok")
    assert bool(score.detail) == (status == "error")


def test_the_backend_sees_rgb_whatever_the_camera_gives(stub_scorer: Any, rng: np.random.Generator) -> None:
    luma = rng.integers(0, 256, (120, 160), dtype=np.uint8)
    for given in (luma, luma[..., None], np.stack([luma] * 3, axis=2)):
        scorer = stub_scorer(GOOD)
        scorer.score(given, 0.0)
        [seen] = scorer.backend.frames
        assert seen.shape == (120, 160, 3)
        assert all(np.array_equal(seen[..., channel], luma) for channel in range(3))
