"""Verification: what the export noted is asked again, on frames that every machine makes alike."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from fake_tensorrt import Machine
from numpy.typing import NDArray

from mle_uvad.edge.backends import open_backend, open_scorer, parity
from mle_uvad.edge.backends.parity import Parity, compare, compare_golden_values
from mle_uvad.edge.backends.synthetic_frames import COUNT, synthetic_frames
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.device import verify
from mle_uvad.edge.device.verify import Verification
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.scorer import FrameScore, Scorer

DIGEST = "10c026f81cfff5ef522692f52678f28440fd944883c46b41cb9b39362c321d53"  # of the synthetic frames of 160×120
Frame = NDArray[np.uint8]
Jetson = Callable[..., Machine]


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verification]:
    """`verified(bundle, backend, frames)` on a clock that steps a millisecond with every look at it."""
    monkeypatch.setattr(verify, "TIMED", 6)

    def run(bundle: Bundle, backend: str, frames: list[Frame] | None = None) -> Verification:
        now = [0.0]

        def clock() -> float:
            now[0] += 1e-3
            return now[0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        return verify.verify(bundle, backend, frames or [], clock=clock, sleep=sleep)

    return run


def test_the_made_up_frames_are_the_same_on_every_machine() -> None:
    frames = synthetic_frames(120, 160)
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((120, 160, 3), "uint8")}
    digest = hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()
    assert digest == DIGEST
    assert len(frames) == COUNT
    distribution_shift = [np.abs(one.astype(int) - two).mean() for one, two in pairwise(frames)]
    assert min(distribution_shift) > 5
    drop = [frame[30:60, 40:80].std((0, 1)).max() for frame in frames]
    assert min(drop[: COUNT // 2]) > 5
    assert max(drop[COUNT // 2 :]) == 0
    assert synthetic_frames(97, 131)[-1].shape == (97, 131, 3)


def test_the_export_notes_what_the_made_up_frames_give(bundle: Bundle) -> None:
    assert len(bundle.golden_values) == COUNT
    about_0: Any = pytest.approx(0, abs=1e-6)  # stands for a float in the comparison
    assert compare_golden_values(open_scorer(bundle)) == Parity(COUNT, 0.0, about_0, 0.0)


def test_onnx_runtime_passes_and_tells_the_machine(bundle: Bundle, verified: Callable[..., Verification]) -> None:
    found = verified(bundle, "ort")
    assert found.problem == ""
    assert found.ort is None
    assert found.desktop.frames == COUNT
    assert found.machine["backend"].startswith("ONNX Runtime ")
    assert found.machine["model"] == bundle.sha256[:12]
    assert found.machine["camera"] == "160x120"
    assert (found.back_to_back.frames, found.paced.frames) == (6, 6)
    # The scorer looks at the clock of the machine; ours stepped once within each frame.
    assert found.back_to_back.p50 == pytest.approx(1.0)


def test_the_paced_frames_keep_the_pace(
    bundle: Bundle, moving_frames: Callable[..., list[Frame]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "TIMED", 5)
    scorer, now = open_scorer(bundle), [0.0]
    times: list[tuple[float, float]] = []
    score = scorer.score

    def noted(frame: Any, t_s: float) -> FrameScore:
        times.append((now[0], t_s))
        return score(frame, t_s)

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(scorer, "score", noted)

    verify._time(scorer, moving_frames(2), 20.0, lambda: now[0], sleep)
    assert [time for pair in times for time in pair] == pytest.approx(np.repeat([0.0, 0.05, 0.1, 0.15, 0.2], 2))


def test_tensorrt_is_held_against_the_desktop_and_against_onnx_runtime(
    jetson: Jetson, jetson_bundle: Bundle, verified: Callable[..., Verification], moving_frames: Any
) -> None:
    machine = jetson()
    found = verified(jetson_bundle, "trt", moving_frames(9))
    assert found.problem == ""
    assert found.ort is not None
    assert (found.desktop.frames, found.ort.frames) == (COUNT, 9)
    machine.error = 0.2  # the engine was fine when it was built
    found = verified(jetson_bundle, "trt")
    assert found.problem.startswith("against the desktop's golden values: differs: log odds by 2.0e-01 (allowed 5e-02)")


def test_a_device_that_outputs_otherwise_than_the_desktop_fails(
    bundle: Bundle, verified: Callable[..., Verification]
) -> None:
    for cell, by, reported in ((0, 2e-3, "PCC by 2.0e-03"), (1, 0.1, "log odds by 1.0e-01"), (2, 0.1, "log odds by")):
        golden_values = [list(row) for row in bundle.golden_values]
        golden_values[7][cell] += by
        assert reported in verified(replace(bundle, golden_values=golden_values), "ort").problem
    assert "the desktop 23" in verified(replace(bundle, golden_values=bundle.golden_values[:-1]), "ort").problem


def test_a_bundle_without_golden_values_is_refused(bundle: Bundle, verified: Callable[..., Verification]) -> None:
    with pytest.raises(InputError, match="has no golden values; export it again"):
        verified(replace(bundle, golden_values=[]), "ort")


def test_a_difference_that_is_no_number_is_a_problem() -> None:
    assert "PCC by nan" in Parity(5, float("nan"), 0.0, 0.0).problem
    assert "feature maps by 1.0e-02" in Parity(5, 0.0, 0.0, 1e-2).problem
    assert Parity(5, parity.PCC_TOLERANCE, parity.LOGITS_TOLERANCE, parity.FEATURE_MAPS_TOLERANCE).problem == ""


def test_frames_that_say_nothing_are_a_problem(bundle: Bundle) -> None:
    one, other = open_scorer(bundle), Scorer(bundle, open_backend(bundle, "ort"))
    assert "no frame can be scored" in compare(one, other, [np.zeros((120, 160, 3), np.uint8)] * 3).problem
    assert "no frame can be scored" in compare(one, other, []).problem
