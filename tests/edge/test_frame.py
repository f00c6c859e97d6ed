"""The one preprocessing: grey like PIL's, an exact area average, faults instead of exceptions."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from mle_uvad.edge.frame import SIZE, area_matrix, frame_fault, grey, to_grey80, to_rgb


def test_grey_equals_pil_in_every_bit(rng: np.random.Generator) -> None:
    for _ in range(40):
        frame = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
        assert np.array_equal(grey(frame), np.asarray(Image.fromarray(frame).convert("L")))
    corners = np.array([[[r, g, b] for g in (0, 1, 254, 255) for b in range(256)] for r in (0, 127, 255)], np.uint8)
    assert np.array_equal(grey(corners), np.asarray(Image.fromarray(corners).convert("L")))


def test_every_grey_level_stays_itself() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(grey(np.stack([levels] * 3, axis=2)), levels)


def test_luma_forms_equal_the_rgb_form_exactly(rng: np.random.Generator) -> None:
    luma = rng.integers(0, 256, (120, 160), dtype=np.uint8)
    expected = np.stack([luma] * 3, axis=2)
    for form in (luma, luma[..., None]):
        assert np.array_equal(to_rgb(form), expected)
        assert np.array_equal(to_grey80(form), to_grey80(expected))
    assert to_rgb(expected) is expected


@pytest.mark.parametrize("source", [80, 81, 97, 120, 121, 157, 160, 240, 320, 641])
def test_area_matrix_averages_exactly_by_area(source: int, rng: np.random.Generator) -> None:
    matrix = area_matrix(source, SIZE)
    assert matrix.dtype == np.float32
    assert matrix.shape == (SIZE, source)
    assert np.abs(matrix.astype(np.float64).sum(1) - 1).max() < 1e-6
    # Brute force: repeat each sample 80 times, then every target averages `source` whole samples of the fine line.
    signal = rng.uniform(0, 255, source)
    expected = np.repeat(signal, SIZE).reshape(SIZE, source).mean(1)
    assert matrix.astype(np.float64) @ signal == pytest.approx(expected, abs=1e-4)


def test_area_matrix_is_shared_and_cannot_be_written() -> None:
    assert area_matrix(120, SIZE) is area_matrix(120, SIZE)
    with pytest.raises(ValueError, match="read-only"):
        area_matrix(120, SIZE)[0, 0] = 1


def test_grey80_is_the_area_average_of_the_grey_on_a_fixed_scale(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    fine = np.repeat(grey(frame).astype(np.float64), 2, axis=0)  # 240 × 160: 3 × 2 pixels a target
    expected = fine.reshape(SIZE, 3, SIZE, 2).mean((1, 3)) / 255
    result = to_grey80(frame)
    assert result.dtype == np.float32
    assert np.abs(result - expected).max() < 1e-6
    for level in (0, 3, 128, 255):  # a dim frame stays dim
        flat = to_grey80(np.full((120, 160, 3), level, np.uint8))
        assert np.abs(flat - level / 255).max() < 1e-6


def test_frames_are_left_as_they_were(rng: np.random.Generator) -> None:
    for shape in ((120, 160, 3), (120, 160, 1), (120, 160)):
        frame = rng.integers(0, 256, shape, dtype=np.uint8)
        before = frame.copy()
        frame.flags.writeable = False
        assert frame_fault(frame, 120, 160) is None
        to_grey80(frame)
        assert np.array_equal(frame, before)


@pytest.mark.parametrize("missing", [None, np.asarray(None), [[0, 0], [0, 0]], "frame", 3.5, b"", np.uint8(3)])
def test_what_is_no_array_is_no_frame(missing: Any) -> None:
    fault = frame_fault(missing, 120, 160)
    assert fault is not None
    assert fault.status == "no_frame"


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((120, 160, 3), np.float32),
        np.zeros((120, 160, 3), np.uint16),
        np.zeros((120, 160, 3), np.int8),
        np.zeros((120, 160, 3), bool),
        np.full((120, 160, 3), None),
        np.zeros((120, 160, 4), np.uint8),
        np.zeros((120, 160, 2), np.uint8),
        np.zeros((160, 120, 3), np.uint8),
        np.zeros((240, 320, 3), np.uint8),
        np.zeros((1, 120, 160, 3), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros(120, np.uint8),
    ],
    ids=lambda frame: f"{frame.dtype}{list(frame.shape)}",
)
def test_a_frame_of_another_kind_is_told_with_what_was_seen(frame: Any) -> None:
    fault = frame_fault(frame, 120, 160)
    assert fault is not None
    assert fault.status == "error"
    assert f"{frame.dtype} {list(frame.shape)}" in fault.detail
    assert "uint8 [120, 160, 3]" in fault.detail
    assert "\n" not in fault.detail
