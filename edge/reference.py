"""The reference: what the feature maps are on a clean drive, as location and scale by place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import FEATURE_MAPS, FEATURE_SIDE, REFERENCE_SIDE

Reference = NDArray[np.float32]  # [2, 20, 10, 10]: median and scale of the feature maps on a clean drive

SCALE_MIN = 0.015  # of a feature map on the clean drive: a place that never changes is no detector
UNKNOWN_SCALE = 1e6  # of the reference of an unknown drive, from which nothing deviates
UNSHIFTED_SHARE = 0.25  # of the places: what the others exceed counts, so that a fault on half of the lens is no shift


def make_reference(feature_maps: NDArray[np.float32]) -> Reference:
    """Reduce the coarse feature maps [N, 20, 10, 10] of a clean drive to their median and scale.

    Quantiles, not moments: an unlabelled training drive may be partly wet.
    """
    low, median, high = np.quantile(feature_maps, (0.16, 0.5, 0.84), axis=0)
    return np.stack([median, np.maximum((high - low) / 2, SCALE_MIN)]).astype(np.float32)


def unknown_reference() -> Reference:
    """Return the reference [2, 20, 10, 10] of a bundle for many cars: no feature map deviates from it."""
    reference = np.zeros((2, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE), np.float32)
    reference[1] = UNKNOWN_SCALE
    return reference


def enlarge(reference: NDArray[np.floating]) -> NDArray[np.float32]:
    """Interpolate references [..., 10, 10] bilinearly to the grid [..., 40, 40] of the network's feature maps."""
    centres = ((np.arange(FEATURE_SIDE) + 0.5) * REFERENCE_SIDE / FEATURE_SIDE - 0.5).clip(0, REFERENCE_SIDE - 1)
    between = np.maximum(1 - abs(centres[:, None] - np.arange(REFERENCE_SIDE)), 0)  # [40, 10], each row sums to 1
    return np.ascontiguousarray(between @ reference @ between.T, np.float32)


def distribution_shift(feature_maps: NDArray[np.floating], reference: Reference) -> float:
    """Return how far averaged feature maps [20, 10, 10] lie from a reference, in its scales.

    That is the figure which three of four places exceed.
    """
    by_place = (np.abs(feature_maps - reference[0]) / reference[1]).mean(0).ravel()
    below, share = divmod(UNSHIFTED_SHARE * (by_place.size - 1), 1)  # as `quantile`, at less cost
    low, high = np.sort(by_place)[int(below) :][:2]
    return float(low + share * (high - low))


def read_reference(numbers: Any) -> Reference:
    """Build a reference from a flat list. Raises ValueError unless all are finite and the scales positive."""
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        reference = np.array(numbers, np.float32).reshape(2, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE)
    if not (np.isfinite(reference).all() and (reference[1] > 0).all()):
        raise ValueError("the reference holds a number out of range")
    return reference


def write_reference(reference: Reference) -> list[float]:
    """Flatten a reference to a list of numbers with six digits."""
    return [float(f"{number:.6g}") for number in reference.ravel()]
