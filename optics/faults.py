"""The families of lens faults, and any fault rendered at a moment of its time profile.

To move a fault is to move the scene the other way, render, and move the light back. That is right for every
fault alike, as each is (1 - mask) * frame + the light that arrives through it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .beads import Beads
from .drop import FrontDrop
from .film import Film
from .grid import Floats, blend, check_frame, covered, mirror
from .mud import Mud
from .spatter import Spatter
from .time_profile import State

SOFT_END = 0.35  # of the fault's width: how it fades out where it is moved and the frame it was made for ends


class Fault(Protocol):
    """A fault on the lens with a fixed pattern: `render` gives (1 - mask) * frame + the light through the fault."""

    mask: Floats  # [H, W], 0..1, how much of a place is affected
    coverage: float  # share of mask > 0.5

    @classmethod
    def random(cls, rng: np.random.Generator, height: int, width: int, coverage: float) -> Fault:
        """Another pattern for each state of rng. Raises ValueError for a coverage outside 0.02..0.9."""

    def render(self, frame: NDArray[np.uint8], strength: float = 1.0) -> NDArray[np.uint8]:
        """The uint8 [H, W, 3] frame with the fault, a new array. Raises ValueError for another shape or type."""


FAMILIES: dict[str, type[Fault]] = {
    "front_drop": FrontDrop,
    "beads": Beads,
    "mud": Mud,
    "film": Film,
    "spatter": Spatter,
}


def render_at(fault: Fault, frame: NDArray[np.uint8], state: State) -> NDArray[np.uint8]:
    """The uint8 [H, W, 3] frame with the fault in this state, a new array.

    Raises ValueError for a frame of another shape or type.
    """
    if state.in_place:
        return fault.render(frame, state.strength)
    check_frame(frame, fault.mask)
    rows, columns = _axes(fault.mask, state)
    scene = np.rint(_looked_up(frame, rows.scene, columns.scene)).astype(np.uint8)
    light = fault.render(scene) - (1 - fault.mask[..., None]) * scene
    fade = _fade(rows, columns)
    mask = fade * _looked_up(fault.mask, rows.fault, columns.fault)
    return blend(frame, mask, fade[..., None] * _looked_up(light, rows.fault, columns.fault), state.strength)


def mask_at(fault: Fault, state: State) -> Floats:
    """Return the mask of this state, strength included, float32 [H, W], 0..1."""
    mask = fault.mask
    if not state.in_place:
        rows, columns = _axes(mask, state)
        mask = _looked_up(mask, rows.fault, columns.fault) * _fade(rows, columns)
    return np.float32(state.strength) * mask.astype(np.float32)


def coverage_at(fault: Fault, state: State) -> float:
    """Return the share of pixels whose mask exceeds one half in this state, 0..1."""
    return covered(mask_at(fault, state))


class _Axis(NamedTuple):
    """Rows or columns of a moved fault, each float32 [n]."""

    fault: Floats  # for each position in the frame, the position in the fault that is now there
    scene: Floats  # for each position in the fault, the position in the frame where it is now
    gone: Floats  # for each position in the frame, 0, and up to 1 where the fault ends


def _axes(mask: Floats, state: State) -> tuple[_Axis, _Axis]:
    width = mask.shape[1]
    slides = (state.slide * width, 0.0)
    rows, columns = (
        _axis(mask.mean(axis=1 - axis), slide, state.scale, SOFT_END * state.scale * width)
        for axis, slide in enumerate(slides)
    )
    return rows, columns


def _axis(profile: Floats, slide: float, scale: float, soft: float) -> _Axis:
    """profile [n]: the mask's means across this axis; slide, soft in positions.

    A fault that is cut off by a border shrinks towards it, another towards its own middle.
    """
    size, place = profile.size, np.arange(profile.size, dtype=np.float32)
    cut = profile[0] + profile[-1]
    middle = size * profile[-1] / cut - 0.5 if cut > 0.02 else place @ profile / max(profile.sum(), 1e-6)
    fault = middle + (place - middle - slide) / scale
    gone = np.zeros(size, np.float32)
    for inside in (fault + 0.5, size - 0.5 - fault):  # how far within the fault's own frame, from either end
        reach = scale * inside
        moved_in = 0.5 - min(reach[0], reach[-1])  # the end is this far inside the frame
        if moved_in > 1e-3:
            gone = np.maximum(gone, 1.0 - np.clip(reach / min(2 * moved_in, soft), 0.0, 1.0))
    return _Axis(fault, middle + slide + scale * (place - middle), gone)


def _fade(rows: _Axis, columns: _Axis) -> Floats:
    """Mask [H, W], 0..1, that fades a fault near its ends, with round corners."""
    ramp = np.maximum(1.0 - np.hypot(rows.gone[:, None], columns.gone), 0.0)
    return ramp * ramp * (3 - 2 * ramp)


def _looked_up(values: Floats | NDArray[np.uint8], rows: Floats, columns: Floats) -> Floats:
    """Values [H, W] or [H, W, n] at each of these rows and columns, by linear interpolation, mirrored at borders."""
    found = values.astype(np.float32)
    for axis, wanted in enumerate((rows, columns)):
        place = mirror(wanted, values.shape[axis])
        before = place.astype(int)
        share = (place - before).reshape(-1, *[1] * (values.ndim - 1 - axis)).astype(np.float32)
        found = (1 - share) * found.take(before, axis) + share * found.take(before + 1, axis)
    return found
