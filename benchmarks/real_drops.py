"""Whether bundles tell real drops: `python benchmarks/real_drops.py FOLDER BUNDLE...`.

FOLDER holds pictures clean*.* and wet*.* of one camera with a clean and with a wet lens, of different scenes. Shown in
turn, a few times a second and with sensor noise added, they are a drive in which everything moves but what is fixed to
the lens. Each moment is judged by the mean log odds of its eight worst places: with the reference of the bundle, and
with one made of half of the clean pictures, as a calibration would. A column more has each picture by itself, with
nothing remembered of others.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mle_uvad.edge import Bundle, Scorer
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.evidence import mean_of_worst
from mle_uvad.edge.reference import make_reference
from mle_uvad.edge.scorer import FrameScore
from mle_uvad.evaluation.protocols.metrics import auc

EVERY_S = 0.35
ROUNDS = 5  # the first of which fills the memory
NOISE = 1.2  # grey levels

Frame = NDArray[np.uint8]


def pictures(folder: Path, kind: str, bundle: Bundle) -> list[Frame]:
    """The pictures of a kind in the size of the bundle's camera."""
    size = (bundle.width, bundle.height)
    found = [
        Image.open(path).convert("RGB").resize(size, Image.Resampling.BOX) for path in sorted(folder.glob(f"{kind}*"))
    ]
    if len(found) < 2:
        sys.exit(f"error: {folder} has {len(found)} pictures {kind}*; two of each kind are needed")
    return [np.asarray(picture) for picture in found]


def shown(scorer: Scorer, frames: Sequence[Frame], rng: np.random.Generator) -> list[FrameScore]:
    """What the scorer says of the pictures in turn, from the second round on."""
    scorer.restart()
    scores = []
    for number, frame in enumerate(list(frames) * ROUNDS):
        noisy = np.clip(frame + rng.normal(0, NOISE, frame.shape), 0, 255).astype(np.uint8)
        scores.append(scorer.score(noisy, number * EVERY_S))
    return scores[len(frames) :]


def alone(scorer: Scorer, frames: Sequence[Frame]) -> list[FrameScore]:
    """What the scorer says of each picture with nothing remembered."""
    scores = []
    for frame in frames:
        scorer.restart()
        scores.append(scorer.score(frame, 0.0))
    return scores


def told(wet: Sequence[FrameScore], clean: Sequence[FrameScore]) -> float:
    """AUC of the worst places of the wet moments against the clean ones."""
    worst = [mean_of_worst(np.stack([np.ravel(score.logits) for score in scores])) for scores in (wet, clean)]
    return auc(*worst)


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("error: give a folder of pictures and a bundle or more; see the head of this file")
    folder, bundles = Path(sys.argv[1]), [Bundle.load(Path(name)) for name in sys.argv[2:]]
    print("AUC                             in turn    with a reference of clean pictures    by themselves")
    for bundle in bundles:
        scorer, rng = open_scorer(bundle), np.random.default_rng(0)
        clean, wet = pictures(folder, "clean", bundle), pictures(folder, "wet", bundle)
        in_turn = told(shown(scorer, wet, rng), shown(scorer, clean, rng))
        by_themselves = told(alone(scorer, wet), alone(scorer, clean))
        seen = [score.pictures for score in shown(scorer, clean[::2], rng) if score.pictures is not None]
        scorer.reference = make_reference(np.stack(seen))
        calibrated = told(shown(scorer, wet, rng), shown(scorer, clean[1::2], rng))
        print(f"{str(bundle.folder)[-30:]:30} {in_turn:8.2f} {calibrated:37.2f} {by_themselves:16.2f}")


if __name__ == "__main__":
    main()
