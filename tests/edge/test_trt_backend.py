"""The TensorRT backend on a fake that runs the model by ONNX Runtime: what it moves, where, and when."""

import gc
import json
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fake_tensorrt import Crash, Machine
from numpy.typing import NDArray

from mle_uvad.edge.backends import open_backend, open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.graph import GRAPH_INPUTS, RUNNING_MEANS_SIZE
from mle_uvad.edge.reference import enlarge
from mle_uvad.edge.scorer import FrameScore, Scorer

Frame = NDArray[np.uint8]
Jetson = Callable[..., Machine]
VERSIONS = ["8.5.2", "8.6.1", "10.3.0", "11.4.0.106"]


def drive(scorer: Scorer, frames: list[Frame], begin_s: float = 0.0) -> list[FrameScore]:
    return [scorer.score(frame, begin_s + number / 20) for number, frame in enumerate(frames)]


def assert_same(some: list[FrameScore], others: list[FrameScore]) -> None:
    assert [score.status for score in some] == [score.status for score in others]
    for one, other in zip(some, others, strict=True):
        for name in ("pcc", "logits", "feature_maps", "motion"):
            first, second = getattr(one, name), getattr(other, name)
            assert (first is None) == (second is None)
            assert first is None or np.allclose(first, second, atol=1e-5), name


@pytest.mark.parametrize("version", VERSIONS)
def test_it_agrees_with_onnx_runtime(
    jetson: Jetson, jetson_bundle: Bundle, moving_frames: Callable[..., list[Frame]], version: str
) -> None:
    jetson(version)
    trt, ort = open_scorer(jetson_bundle), Scorer(jetson_bundle, open_backend(jetson_bundle, "ort"))
    assert (trt.backend.name, ort.backend.name) == ("trt", "ort")
    assert trt.backend.about == f"TensorRT {version}, fp32, sm_87, 8 processors"
    frames = moving_frames(12)
    for begin_s in (0.0, 100.0):  # the second drive after a gap: the running means restart
        assert_same(drive(trt, frames, begin_s), drive(ort, frames, begin_s))
    frames[3] = np.zeros_like(frames[3])  # dark: the running means restart within the drive
    scores = drive(trt, frames, 200.0)
    assert_same(scores, drive(ort, frames, 200.0))
    assert [score.status for score in scores].count("dark") == 1


def test_a_frame_takes_two_copies_and_no_allocation(
    jetson: Jetson, jetson_bundle: Bundle, moving_frames: Callable[..., list[Frame]]
) -> None:
    cudart = jetson().cudart
    scorer = open_scorer(jetson_bundle)
    for number, frame in enumerate(moving_frames(6)):
        before = dict(cudart.calls)
        assert scorer.score(frame, number / 20).status == "ok"
        made = {name: count - before[name] for name, count in cudart.calls.items() if count != before[name]}
        assert made == {"cudaMemcpyAsync": 2, "cudaStreamSynchronize": 1}


def test_a_score_outlives_the_frames_behind_it(
    jetson: Jetson, jetson_bundle: Bundle, moving_frames: Callable[..., list[Frame]]
) -> None:
    jetson()
    scorer, frames = open_scorer(jetson_bundle), moving_frames(5)
    kept = scorer.score(frames[0], 0.0)
    assert kept.logits is not None
    assert kept.feature_maps is not None
    logits, feature_maps = kept.logits.copy(), kept.feature_maps.copy()
    drive(scorer, frames[1:], 0.05)
    assert np.array_equal(kept.logits, logits)
    assert np.array_equal(kept.feature_maps, feature_maps)


def test_all_running_means_is_freed_with_the_scorer(jetson: Jetson, jetson_bundle: Bundle, moving_frames: Any) -> None:
    cudart = jetson().cudart
    scorer = open_scorer(jetson_bundle)
    drive(scorer, moving_frames(3))
    gone = weakref.ref(scorer.backend)
    assert (len(cudart.device), len(cudart.host)) == (2, 2)  # a block for the inputs, one for the outputs
    del scorer
    gc.collect()
    assert gone() is None
    assert (len(cudart.device), len(cudart.host)) == (0, 0)


def test_inputs_of_another_shape_or_type_are_refused_and_strides_are_not(
    jetson: Jetson, jetson_bundle: Bundle, moving_frames: Callable[..., list[Frame]]
) -> None:
    jetson()
    backend, ort = open_backend(jetson_bundle, "trt"), open_backend(jetson_bundle, "ort")
    [frame] = moving_frames(1)
    good: dict[str, Any] = {
        "frame": frame,
        "running_means": np.zeros((2, RUNNING_MEANS_SIZE), np.float32),
        "ema_weights": np.ones(2, np.float32),
        "reference": enlarge(jetson_bundle.reference),
    }
    for (name, value), tensor in zip(good.items(), GRAPH_INPUTS, strict=True):
        for wrong in (value.astype(np.float64), value[:1], value.reshape(-1)[:-1]):
            with pytest.raises(ValueError, match=rf"{tensor} is {wrong.dtype}"):
                backend.run(**{**good, name: wrong})
    mirrored = frame[:, ::-1]
    assert not mirrored.flags.c_contiguous
    by_trt, by_ort = (one.run(**{**good, "frame": mirrored}) for one in (backend, ort))
    assert by_trt.pcc == pytest.approx(by_ort.pcc, abs=1e-6)
    assert by_trt.pcc != pytest.approx(ort.run(**good).pcc, abs=1e-6)
    without_cells = backend.run(**{**good, "frame": mirrored, "reference": None})
    assert without_cells.pcc == by_trt.pcc
    assert without_cells.logits is without_cells.feature_maps is None


def test_a_gpu_that_fails_is_a_status_and_the_next_frame_begins_anew(
    jetson: Jetson, jetson_bundle: Bundle, moving_frames: Callable[..., list[Frame]]
) -> None:
    cudart = jetson().cudart
    trt, ort = open_scorer(jetson_bundle), Scorer(jetson_bundle, open_backend(jetson_bundle, "ort"))
    frames = moving_frames(6)
    drive(trt, frames[:3])
    for call in ("cudaMemcpyAsync", "cudaStreamSynchronize"):
        cudart.fail[call] = 719
        score = trt.score(frames[3], 0.2)
        assert score.status == "error"
        assert f"{call}: as the test wants it (CUDA error 719)" in score.detail
        del cudart.fail[call]
    assert_same(drive(trt, frames, 10.0), drive(ort, frames, 10.0))


def test_tf32_is_switched_off(jetson: Jetson, jetson_bundle: Bundle) -> None:
    jetson()
    open_backend(jetson_bundle, "trt")
    head = (jetson_bundle.folder / "model.engine").read_bytes().split(b"\n")[1]
    assert json.loads(head)["flags"] == []


def test_the_stand_in_refuses_what_tensorrt_refuses(jetson: Jetson, jetson_bundle: Bundle) -> None:
    machine = jetson()
    backend: Any = open_backend(jetson_bundle, "trt")
    trt_engine = sys.modules["mle_uvad.edge.backends.trt_engine"]  # of this fake
    context, stream = backend._context, backend._cuda.stream
    address = context.addresses["frame"]
    assert not context.set_tensor_address("no such", address)
    with pytest.raises(TypeError):
        context.set_tensor_address("frame", "0x1000")
    for wrong in (address + 4, address + 128):
        context.set_tensor_address("frame", wrong)
        assert not context.execute_async_v3(stream)
    del context.addresses["frame"]
    assert not context.execute_async_v3(stream)
    assert "Address is not set for tensor frame" in trt_engine.MESSAGES.reason()
    context.set_tensor_address("frame", backend._inputs._host.ctypes.data)  # the host's
    with pytest.raises(Crash):
        context.execute_async_v3(stream)
    with pytest.raises(Crash):
        machine.module().Runtime(trt_engine.MESSAGES).deserialize_cuda_engine(b"no plan")
    with pytest.raises(TypeError):
        machine.module().Builder(object())
