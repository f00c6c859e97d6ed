"""Train objectives on an unlabelled drive, score its frames, and compare both of their scores with the labels."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...edge.errors import InputError
from ...edge.tubs.tub import Tub
from ...training.cache import FrameCache, build_cache
from ...training.mil import train_head
from ...training.model import WIDTHS
from ...training.objectives.mil import MilHead
from ...training.objectives.mle import pearson
from ...training.objectives.names import OBJECTIVES, ONE_CLASS, TAGGED
from ...training.run import RunFolder
from ...training.segments import segment_features
from ...training.settings import TrainSettings
from ...training.train import CACHE_FOLDER, pick_device, to_batch, train
from .artifact_cache import read_json, write_json
from .display import Display
from .method_scores import Scores, frame_ms, score, smoothed
from .metrics import auc
from .paper import MEAN_FRAME

ON_CLEAN = " on clean"  # after the name of a method that was trained on clean frames

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MethodsPlan:
    """Parameters of a comparison of objectives."""

    methods: tuple[str, ...] = OBJECTIVES
    width: str = "medium"
    epochs: int = 70
    seeds: int = 3
    seconds: float = 3600.0  # of a drive, at most
    one_block: bool = False  # the abnormal frames at the end of the drive, as in the paper of the reference loss
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for a value that no training can have."""
        for method in self.methods:
            if method not in OBJECTIVES:
                raise InputError(f"no method is called {method!r}; choose from {', '.join(OBJECTIVES)}")
        if self.width not in WIDTHS:
            raise InputError(f"width is {self.width!r}; choose one of {', '.join(WIDTHS)}")
        if not (self.methods and self.seeds >= 1 and self.epochs >= 1 and self.seconds > 0):
            raise InputError("a comparison needs at least a method, a seed, an epoch and a second of driving")

    def settings(self, method: str, seed: int) -> TrainSettings:
        """Return the settings of one training: those of the paper, with this objective."""
        return TrainSettings(objective=method, width=self.width, epochs=self.epochs, seed=seed, windows=0)


QUICK_METHODS = MethodsPlan(width="narrow", epochs=2, seeds=1, seconds=40.0)


@dataclass(frozen=True)
class MethodFigures:
    """The result of one training: how well its scores separate abnormal from normal frames, and what it costs."""

    method: str
    seed: int
    own_auc: float  # of the method's own score; 0.5 is chance
    pcc_auc: float  # of a low PCC of each frame with what the network expected
    smoothed_auc: float  # of the PCC, smoothed by a median filter of five seconds
    train_s: float
    parameters: int
    frame_ms: float  # scoring of one frame on one thread of this machine


def run_methods(
    drive: Tub,
    clean: Tub | None,
    abnormal: NDArray[np.bool_],
    seed: int,
    plan: MethodsPlan,
    folder: Path,
    display: Display,
) -> list[MethodFigures]:
    """Train each method of the plan on all records of a drive, without labels, and judge it on them.

    One-class methods are also trained on the drive `clean`, as their papers do, and judged on the same records.
    `abnormal` [records] is the truth. What is done is kept in `folder` and not done again.
    """
    with display.bar("decoding") as progress:
        cache = build_cache([drive], folder / CACHE_FOLDER, progress)
        clean_cache = None if clean is None else build_cache([clean], folder / CACHE_FOLDER, progress)
    missing = {skip.where for skip in cache.skipped}
    read = [f"images/{record.image.name}" not in missing for record in drive.records]
    truth = abnormal[read]
    rows = [_mean_frame_figures(cache, truth, seed)]
    trainings = [(method, method, cache) for method in plan.methods]
    if clean_cache is not None:
        trainings += [(f"{each}{ON_CLEAN}", each, clean_cache) for each in plan.methods if each in ONE_CLASS]
    for name, method, trained_on in trainings:
        path = folder / "figures" / f"{name}.json"
        if (kept := read_json(path)) is None:
            display.step(f"{name}, seed {seed}: {len(trained_on)} frames")
            run, settings = RunFolder(folder / "runs" / name), plan.settings(method, seed)
            run.start(settings, trained_on, [str(drive.folder)])
            with display.training(settings.epochs) as callback:
                if method in TAGGED:
                    assert clean_cache is not None  # `run_methods_evaluation` refuses these methods without one
                    head = train_head([cache], [clean_cache], run, settings, callback)
                    figures = _tagged_figures(head, run, cache, truth, seed)
                else:
                    train(trained_on, settings, run.folder, pick_device("auto"), callback)
                    figures = _figures(run, cache, truth, method, seed)
            kept = asdict(figures) | {"method": name}
            write_json(path, kept)
        rows.append(MethodFigures(**kept))
    return rows


def _tagged_figures(
    head: MilHead, run: RunFolder, cache: FrameCache, truth: NDArray[np.bool_], seed: int
) -> MethodFigures:
    """Judge a head that was told no more than that the drive is wet: each frame by the score of its second."""
    started_s = time.perf_counter()
    features, segment_of = segment_features(cache)
    with torch.no_grad():
        scores = head(torch.from_numpy(features)).double().numpy()
    mean_ms = 1000 * (time.perf_counter() - started_s) / len(cache)
    judged = segment_of >= 0
    own, of_frame = scores[segment_of[judged]], truth[judged]
    parameters = sum(parameter.numel() for parameter in head.parameters())
    own_auc = auc(own[of_frame], own[~of_frame])
    return MethodFigures("mil", seed, own_auc, np.nan, np.nan, _seconds(run), parameters, mean_ms)


def _figures(run: RunFolder, cache: FrameCache, truth: NDArray[np.bool_], method: str, seed: int) -> MethodFigures:
    network = run.load_network()
    scores = score(network, cache, method)
    return MethodFigures(
        method,
        seed,
        *_aucs(scores, cache, truth),
        train_s=_seconds(run),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        frame_ms=frame_ms(network, cache, time.perf_counter),
    )


def _seconds(run: RunFolder) -> float:
    return sum(float(json.loads(line)["seconds"]) for line in run.metrics_file.read_text().splitlines())


def _aucs(scores: Scores, cache: FrameCache, truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    smooth = smoothed(scores.low_pcc, cache.clock_s, cache.starts)
    own, low, smoothed_low = (auc(each[truth], each[~truth]) for each in (scores.own, scores.low_pcc, smooth))
    return own, low, smoothed_low


def _mean_frame_figures(cache: FrameCache, truth: NDArray[np.bool_], seed: int) -> MethodFigures:
    """Judge the PCC of each frame with the mean of all: what is there to be found without a model."""
    frames = to_batch(cache.take(np.arange(len(cache))), "cpu")
    low_pcc = -pearson(frames, frames.mean(0).expand_as(frames)).double().numpy()
    return MethodFigures(MEAN_FRAME, seed, *_aucs(Scores(low_pcc, low_pcc), cache, truth), 0.0, 0, 0.0)


def means(rows: Sequence[MethodFigures], method: str) -> dict[str, float]:
    """Return the mean over the drives and seeds of each figure of a method."""
    mine = [row for row in rows if row.method == method]
    names = [field.name for field in fields(MethodFigures) if field.name not in ("method", "seed")]
    return {name: float(np.mean([getattr(row, name) for row in mine])) for name in names}
