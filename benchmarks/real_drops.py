"""Evaluate bundles on images of real drops: `python benchmarks/real_drops.py FOLDER BUNDLE...`.

FOLDER holds images clean*.* and wet*.* of one camera with a clean and with a wet lens, of different scenes. Shown in
turn, a few per second and with sensor noise added, they form a drive in which everything moves except what is fixed to
the lens. Each frame is scored by the mean log odds of its eight worst cells: with the reference of the bundle, and with
a reference from half of the clean images, as calibration would make it. The column `alone` scores each image with fresh
running means.

If FOLDER also holds a folder wet_drive with consecutive frames of a drive with a wet lens, 15 per second, the last
column is the median of their log odds from the second second on, without a reference.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mle_uvad.edge import Bundle, Scorer
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.evidence import mean_of_worst
from mle_uvad.edge.reference import make_reference, unknown_reference
from mle_uvad.edge.scorer import FrameScore
from mle_uvad.evaluation.protocols.metrics import auc

EVERY_S = 0.35
ROUNDS = 5  # the first of which warms up the running means
NOISE = 1.2  # grey levels
DRIVE_HZ = 15.0
SETTLED_FRAMES = 15  # of the drive, before the first that counts

Frame = NDArray[np.uint8]


def load_images(folder: Path, prefix: str, bundle: Bundle) -> list[Frame]:
    """Load the images whose names begin with `prefix`, resized to the camera frames of the bundle."""
    size = (bundle.width, bundle.height)
    files = sorted(path for path in folder.glob(f"{prefix}*.*") if path.is_file())
    found = [Image.open(path).convert("RGB").resize(size, Image.Resampling.BOX) for path in files]
    if len(found) < 2:
        sys.exit(f"error: {folder} has {len(found)} images {prefix}*; at least two are needed")
    return [np.asarray(image) for image in found]


def scores_in_turn(scorer: Scorer, frames: Sequence[Frame], rng: np.random.Generator) -> list[FrameScore]:
    """Score the frames in turn; the scores start with the second round."""
    scorer.restart()
    scores = []
    for number, frame in enumerate(list(frames) * ROUNDS):
        noisy = np.clip(frame + rng.normal(0, NOISE, frame.shape), 0, 255).astype(np.uint8)
        scores.append(scorer.score(noisy, number * EVERY_S))
    return scores[len(frames) :]


def scores_alone(scorer: Scorer, frames: Sequence[Frame]) -> list[FrameScore]:
    """Score each frame with fresh running means."""
    scores = []
    for frame in frames:
        scorer.restart()
        scores.append(scorer.score(frame, 0.0))
    return scores


def wet_auc(wet: Sequence[FrameScore], clean: Sequence[FrameScore]) -> float:
    """Return the AUC of the worst cells of the wet frames against the clean ones."""
    return auc(_log_odds(wet), _log_odds(clean))


def log_odds_of_drive(scorer: Scorer, frames: Sequence[Frame]) -> float:
    """Return the median of the worst cells over consecutive frames, once the running means have settled."""
    scorer.restart()
    scores = [scorer.score(frame, number / DRIVE_HZ) for number, frame in enumerate(frames)]
    return float(np.median(_log_odds(scores[SETTLED_FRAMES:])))


def _log_odds(scores: Sequence[FrameScore]) -> NDArray[np.float64]:
    """Return the mean of the worst cells of each score that has log odds."""
    return mean_of_worst(np.stack([score.logits.ravel() for score in scores if score.logits is not None]))


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: python benchmarks/real_drops.py FOLDER BUNDLE...")
    folder, bundles = Path(sys.argv[1]), [Bundle.load(Path(name)) for name in sys.argv[2:]]
    print("AUC                             in turn      with a reference of clean images           alone   wet drive")
    for bundle in bundles:
        scorer, rng = open_scorer(bundle), np.random.default_rng(0)
        scorer.reference = unknown_reference()
        drive = folder / "wet_drive"
        driven = log_odds_of_drive(scorer, load_images(drive, "", bundle)) if drive.is_dir() else math.nan
        scorer.reference = bundle.reference
        clean, wet = load_images(folder, "clean", bundle), load_images(folder, "wet", bundle)
        in_turn = wet_auc(scores_in_turn(scorer, wet, rng), scores_in_turn(scorer, clean, rng))
        alone = wet_auc(scores_alone(scorer, wet), scores_alone(scorer, clean))
        reference_scores = scores_in_turn(scorer, clean[::2], rng)
        feature_maps = [score.feature_maps for score in reference_scores if score.feature_maps is not None]
        scorer.reference = make_reference(np.stack(feature_maps))
        calibrated = wet_auc(scores_in_turn(scorer, wet, rng), scores_in_turn(scorer, clean[1::2], rng))
        print(f"{str(bundle.folder)[-30:]:30} {in_turn:8.2f} {calibrated:37.2f} {alone:16.2f} {driven:11.1f}")


if __name__ == "__main__":
    main()
