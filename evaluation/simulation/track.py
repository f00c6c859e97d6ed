"""A generated room with a track, and drives of a Donkeycar through it, seen by its wide-angle camera.

Rays are cast into a box: floor with the marked track, four walls, ceiling with lamps that are reflected by the floor.
Each surface is a mipmap; a ray uses the level that suits its distance and the car's speed, which approximates motion
blur. The scene is as difficult as a real drive: bare floor beside texture, sharp and blurred frames, changing light,
and parts of the car that never move in the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .scenery import (
    CEILING_TEXEL_M,
    FLOOR_TEXEL_M,
    HEIGHT,
    LEVELS,
    LINE_POINTS,
    WALL_TEXEL_M,
    WIDTH,
    Floats,
    car,
    ceiling,
    floor,
    walls,
    with_coarser_copies,
)

Frame = NDArray[np.uint8]

FOCAL_PX = 78.0  # equidistant wide angle: 118 degrees across the frame
EXPOSURE_S = 0.02
WHEELBASE_M = 0.25
STEERING_MAX_RAD = 0.45
FLOOR, WALL, CEILING = 0, 1, 2
TEXELS_M = np.array([FLOOR_TEXEL_M, WALL_TEXEL_M, CEILING_TEXEL_M], np.float32)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the camera is and how it moves; the origin is a corner of the room."""

    x_m: float
    y_m: float
    heading_rad: float
    pitch_rad: float = 0.0  # added to the mounting angle of the camera; up is positive
    roll_rad: float = 0.0
    speed_m_s: float = 0.0
    yaw_rate_rad_s: float = 0.0


class Track:
    """One room and one car: the same seed of `rng` gives the same world. Construction takes about a second."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.size_m = rng.uniform((8.0, 6.0, 2.5), (12.0, 9.0, 3.6))
        self._camera_height_m = rng.uniform(0.14, 0.24)
        self._rays = _camera_rays(pitch_rad=-rng.uniform(0.15, 0.32))
        self._gloss = np.float32(
            rng.choice([0.0, 30.0, 90.0])
        )  # brightness of a lamp reflected in the floor, 8-bit steps
        self.line_m = _closed_line(rng, self.size_m)  # [n, 2], even steps along the track
        self.length_m = float(np.hypot(*np.diff(self.line_m, axis=0, append=self.line_m[:1]).T).sum())
        surfaces = (floor(rng, self.size_m, self.line_m), walls(rng, self.size_m), ceiling(rng, self.size_m))
        self._lamps = ndimage.gaussian_filter((surfaces[CEILING].min(axis=2) > 235).astype(np.float32), 1.0)
        self._texels, self._starts, self._shapes = with_coarser_copies(surfaces)
        self._car, self._car_share = car(rng)

    def frame(self, pose: Pose, light: float = 1.0) -> Frame:
        """Render the scene before lens and camera, uint8 RGB [120, 160, 3]; `light` multiplies its brightness."""
        directions = self._rays @ _rotation(pose).T  # [n, 3] into the room
        surface, column, row, distance = self._hit(pose, directions)
        slant = np.where(surface == WALL, 1.0, np.maximum(np.abs(directions[:, 2]), 0.05) ** -0.5)
        footprint = np.maximum(distance * slant / FOCAL_PX, 0.4 * EXPOSURE_S * pose.speed_m_s)
        colour = self._sample(surface, column, row, footprint)
        if self._gloss:
            ground = np.flatnonzero(surface == FLOOR)
            colour[ground] += self._gloss * self._lamps_in_floor(pose, directions[ground])
        scene = colour.reshape(HEIGHT, WIDTH, 3)
        smear_px = abs(pose.yaw_rate_rad_s) * EXPOSURE_S * FOCAL_PX
        if smear_px > 0.5:
            scene = ndimage.uniform_filter1d(scene, 1 + round(smear_px), axis=1, mode="nearest")
        scene = scene * (1 - self._car_share) + self._car
        return np.clip(np.rint(scene * np.float32(light)), 0, 255).astype(np.uint8)

    def drive(self, rng: np.random.Generator, seconds: float, hz: float) -> Iterator[tuple[float, Frame, float, float]]:
        """Yield time in s, scene as from `frame`, steering -1..1 (right is positive) and throttle 0..1.

        Another `rng` gives another start, line, speed and light in the same world; the car never stops.
        """
        frames = round(seconds * hz)
        speed = np.clip(1.2 + 0.35 * _wander(rng, frames, 3.0 * hz), 0.5, 2.2)
        aside = np.clip(0.14 * _wander(rng, frames, 1.5 * hz), -0.3, 0.3)
        light = np.clip(0.9 + 0.18 * _wander(rng, frames, 6.0 * hz), 0.5, 1.2)
        pitch, roll = 0.006 * _wander(rng, frames, 2.0), 0.008 * _wander(rng, frames, 3.0)
        along = (rng.uniform(0, self.length_m) + np.cumsum(speed) / hz) / self.length_m * len(self.line_m)
        x, y = (_along(self.line_m[:, axis], along) for axis in (0, 1))
        heading = np.unwrap(
            np.arctan2(
                *(
                    _along(self.line_m[:, axis], along + 2.0) - _along(self.line_m[:, axis], along - 2.0)
                    for axis in (1, 0)
                )
            )
        )
        x, y = x - aside * np.sin(heading), y + aside * np.cos(heading)
        heading = heading + np.arctan2(np.gradient(aside) * hz, speed) + 0.02 * _wander(rng, frames, 0.4 * hz)
        yaw_rate = np.gradient(heading) * hz
        steering = np.clip(-np.arctan(WHEELBASE_M * yaw_rate / speed) / STEERING_MAX_RAD, -1.0, 1.0)
        for i in range(frames):
            pose = Pose(x[i], y[i], heading[i], pitch[i], roll[i], speed[i], yaw_rate[i])
            yield i / hz, self.frame(pose, light[i]), float(steering[i]), float(speed[i] / 4.0)

    def _hit(self, pose: Pose, directions: Floats) -> tuple[NDArray[np.intp], Floats, Floats, Floats]:
        """Return the surface that each ray hits first, column and row on it in m, and its distance in m."""
        room = self.size_m.astype(np.float32)
        eye = np.array([pose.x_m, pose.y_m, self._camera_height_m], np.float32)
        ahead = np.where(np.abs(directions) < 1e-6, np.float32(1e-6), directions)
        steps = (np.where(ahead > 0, room, 0) - eye) / ahead  # [n, 3] until each pair of planes
        axis = steps.argmin(axis=1)
        distance = steps[np.arange(len(axis)), axis]
        x, y, z = (eye + distance[:, None] * directions).T
        surface = np.where(axis < 2, WALL, np.where(directions[:, 2] < 0, FLOOR, CEILING))
        round_m = np.where(
            axis == 1,
            np.where(y < room[1] / 2, x, 2 * room[0] + room[1] - x),
            np.where(x < room[0] / 2, 2 * (room[0] + room[1]) - y, room[0] + y),
        )
        return surface, np.where(axis < 2, round_m, x), np.where(axis < 2, room[2] - z, y), distance

    def _lamps_in_floor(self, pose: Pose, directions: Floats) -> Floats:
        """Return the share of lamp in the mirror image of the ceiling in the floor, 0..1 [n, 1]."""
        reach = (self._camera_height_m + self.size_m[2]) / np.maximum(-directions[:, 2], 0.05)
        column = (pose.x_m + reach * directions[:, 0]) / CEILING_TEXEL_M
        row = (pose.y_m + reach * directions[:, 1]) / CEILING_TEXEL_M
        height, width = self._lamps.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        seen = np.zeros((len(reach), 1), np.float32)
        seen[inside, 0] = self._lamps[row[inside].astype(np.intp), column[inside].astype(np.intp)]
        return seen

    def _sample(self, surface: NDArray[np.intp], column_m: Floats, row_m: Floats, footprint_m: Floats) -> Floats:
        """Sample colours [n, 3] bilinearly, from the level whose texels are about as large as the footprint."""
        texel = TEXELS_M[surface]
        level = np.clip(np.rint(np.log2(footprint_m / texel + 1e-6)), 0, LEVELS - 1).astype(np.intp)
        texel = texel * np.exp2(level).astype(np.float32)
        height, width = self._shapes[surface, level].T
        column = np.clip(column_m / texel - 0.5, 0, width - 1.001).astype(np.float32)
        row = np.clip(row_m / texel - 0.5, 0, height - 1.001).astype(np.float32)
        left, top = column.astype(np.intp), row.astype(np.intp)
        right, down = (column - left)[:, None], (row - top)[:, None]
        first = self._starts[surface, level] + top * width + left
        colour = np.take(self._texels, first, axis=0) * ((1 - right) * (1 - down))
        colour += np.take(self._texels, first + 1, axis=0) * (right * (1 - down))
        colour += np.take(self._texels, first + width, axis=0) * ((1 - right) * down)
        colour += np.take(self._texels, first + width + 1, axis=0) * (right * down)
        return colour


def _camera_rays(pitch_rad: float) -> Floats:
    """Return the unit directions [H * W, 3] of the mounted camera: forward, left, up."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    right, down = (column - WIDTH / 2 + 0.5).ravel(), (row - HEIGHT / 2 + 0.5).ravel()
    radius = np.hypot(right, down)
    angle = radius / FOCAL_PX
    sideways = np.sin(angle) / radius
    rays = np.stack((np.cos(angle), -right * sideways, -down * sideways), axis=1)
    tilt = Pose(0, 0, 0, pitch_rad)
    return (rays @ _rotation(tilt).T).astype(np.float32)


def _rotation(pose: Pose) -> Floats:
    """Return the rotation [3, 3] from the car's axes (forward, left, up) to the room's."""
    (ch, sh), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (pose.heading_rad, pose.pitch_rad, pose.roll_rad))
    heading = np.array([[ch, -sh, 0], [sh, ch, 0], [0, 0, 1]])
    pitch = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return (heading @ pitch @ roll).astype(np.float32)


def _wander(rng: np.random.Generator, count: int, scale: float) -> NDArray[np.float64]:
    """Generate smooth noise [count] with mean 0 and standard deviation 1, correlated over `scale` steps."""
    reach = int(4 * scale) + 1
    noise = ndimage.gaussian_filter1d(rng.standard_normal(count + 2 * reach), scale)[reach:-reach]
    return noise * np.sqrt(2 * scale * np.sqrt(np.pi))


def _along(values: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(position, np.arange(len(values)), values, period=len(values))


def _closed_line(rng: np.random.Generator, size_m: NDArray[np.float64]) -> NDArray[np.float64]:
    turn = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    radius = np.ones_like(turn)
    for waves in (2, 3, 4):
        radius += rng.uniform(0.05, 0.16) / waves * np.cos(waves * turn + rng.uniform(0, 2 * np.pi))
    circle = radius[:, None] / radius.max() * np.stack((np.cos(turn), np.sin(turn)), axis=1)
    line = size_m[:2] / 2 + (size_m[:2] / 2 - 0.7) * circle  # 0.7 m from the walls
    travelled = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line, axis=0, append=line[:1]).T))))
    even = np.linspace(0, travelled[-1], LINE_POINTS, endpoint=False)
    return np.stack([np.interp(even, travelled, np.append(line[:, i], line[0, i])) for i in (0, 1)], axis=1)
