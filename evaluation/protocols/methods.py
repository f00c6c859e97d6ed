"""Train objectives on an unlabelled drive, score its frames, and compare both of their scores with the labels."""

from __future__ import annotations

import functools
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
from ...training.batches import to_batch
from ...training.cache import FrameCache, build_cache
from ...training.mil import train_head
from ...training.model import WIDTHS
from ...training.objectives.mil import MilHead
from ...training.objectives.mle import pearson
from ...training.objectives.names import OBJECTIVES, ONE_CLASS, TAGGED
from ...training.run import RunFolder
from ...training.segments import segment_features
from ...training.settings import TrainSettings
from ...training.train import pick_device, train
from .artifact_cache import read_json, write_json
from .display import Display
from .method_scores import Scores, frame_ms, score, smoothed
from .metrics import auc
from .paper import MEAN_FRAME

ON_CLEAN = " on clean"  # after the name of a method that was trained on clean frames
WITHOUT_FAULTS = f"{MEAN_FRAME}, no faults"

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
    held_out: bool = False  # train on the other drives, and judge on one whose car was never seen
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

    def settings(self, method: str, seed: int, frames: int) -> TrainSettings:
        """Return the settings of one training on so many frames: those of the paper, with this objective."""
        size = batch_size(frames)
        return TrainSettings(
            objective=method, width=self.width, epochs=self.epochs, seed=seed, windows=0, batch_size=size
        )


def batch_size(frames: int) -> int:
    """Return the batch size as the paper chooses it: 64 for its 902 frames, 128 for 1,200, 256 for 18,000."""
    return 64 if frames < 1000 else 128 if frames < 5000 else 256


QUICK_METHODS = MethodsPlan(width="narrow", epochs=2, seeds=1, seconds=40.0)


@dataclass(frozen=True)
class MethodFigures:
    """The result of one training: how well its scores separate abnormal from normal frames, and what it costs."""

    method: str
    seed: int
    own_auc: float  # of the method's own score; 0.5 is chance
    pcc_auc: float  # of a low PCC of each frame with what the network expected
    own_smoothed_auc: float  # of the own score, smoothed by a median filter of five seconds
    pcc_smoothed_auc: float  # of the PCC, smoothed likewise
    train_s: float  # of the processor
    parameters: int
    frame_ms: float  # scoring of one frame on one thread of this machine


@dataclass(frozen=True)
class Trial:
    """A drive to judge methods on, and the drives to train them on."""

    judged: Tub
    abnormal: NDArray[np.bool_]  # [records] the truth of the judged drive
    without_faults: Tub | None  # the same records without the rendered faults, if they are known
    contaminated: Sequence[Tub]  # trained on without labels: the judged drive itself, or those of other cars
    clean: Sequence[Tub]  # for methods that need normal frames; empty where there are none
    seed: int


def run_methods(trial: Trial, plan: MethodsPlan, folder: Path, shards: Path, display: Display) -> list[MethodFigures]:
    """Train each method of the plan on the contaminated drives, without labels, and judge it.

    One-class methods are also trained on the clean drives, as their papers do. Two rows are of no training: the mean
    frame, and the mean frame on the drive without faults, which tells how much the places alone that the abnormal
    frames show differ from the rest. What is done is kept in `folder` and not done again; decoded frames are kept in
    `shards`.
    """

    @functools.cache  # the judged drive is often the one that is trained on, too
    def decoded(*tubs: Tub) -> FrameCache:
        with display.bar("decoding") as progress:
            return build_cache(tubs, shards, progress)

    judged, contaminated = decoded(trial.judged), decoded(*trial.contaminated)
    truth = _of_frames(trial.abnormal, trial.judged, judged)
    rows = [_mean_frame_figures(MEAN_FRAME, contaminated, judged, truth, trial.seed)]
    if trial.without_faults is not None:
        same = decoded(trial.without_faults)
        places = _of_frames(trial.abnormal, trial.without_faults, same)
        rows.append(_mean_frame_figures(WITHOUT_FAULTS, same, same, places, trial.seed))
    trainings = [(method, method, contaminated, trial.contaminated) for method in plan.methods]
    if trial.clean:
        clean = decoded(*trial.clean)
        trainings += [(f"{each}{ON_CLEAN}", each, clean, trial.clean) for each in plan.methods if each in ONE_CLASS]
    for name, method, trained_on, tubs in trainings:
        path = folder / "figures" / f"{name}.json"
        if (kept := read_json(path)) is None:
            display.step(f"{name}, seed {trial.seed}: {len(trained_on)} frames")
            run, settings = RunFolder(folder / "runs" / name), plan.settings(method, trial.seed, len(trained_on))
            run.start(settings, trained_on, [str(tub.folder) for tub in tubs])
            with display.training(settings.epochs) as callback:
                if method in TAGGED:
                    wet, dry = ([decoded(tub) for tub in tagged] for tagged in (trial.contaminated, trial.clean))
                    head = train_head(wet, dry, run, settings, callback)
                    figures = _tagged_figures(head, run, judged, truth, trial.seed)
                else:
                    train(trained_on, settings, run.folder, pick_device("auto"), callback)
                    figures = _figures(run, judged, truth, method, trial.seed)
            kept = asdict(figures) | {"method": name}
            write_json(path, kept)
        rows.append(MethodFigures(**kept))
    return rows


def _of_frames(abnormal: NDArray[np.bool_], tub: Tub, cache: FrameCache) -> NDArray[np.bool_]:
    """Return the truth of the frames [N] in the cache of a tub, of that of its records."""
    missing = {skip.where for skip in cache.skipped}
    return abnormal[[f"images/{record.image.name}" not in missing for record in tub.records]]


def _tagged_figures(
    head: MilHead, run: RunFolder, cache: FrameCache, truth: NDArray[np.bool_], seed: int
) -> MethodFigures:
    """Judge a head that was told no more than which drives are wet: each frame by the score of its second."""
    started_s = time.process_time()
    features, segment_of = segment_features(cache)
    with torch.no_grad():
        scores = head(torch.from_numpy(features)).double().numpy()
    mean_ms = 1000 * (time.process_time() - started_s) / len(cache)
    judged = segment_of >= 0
    own, of_frame = scores[segment_of[judged]], truth[judged]
    return MethodFigures(
        "mil",
        seed,
        own_auc=auc(own[of_frame], own[~of_frame]),
        pcc_auc=np.nan,
        own_smoothed_auc=np.nan,
        pcc_smoothed_auc=np.nan,
        train_s=_train_s(run),
        parameters=_parameters(head),
        frame_ms=mean_ms,
    )


def _figures(run: RunFolder, cache: FrameCache, truth: NDArray[np.bool_], method: str, seed: int) -> MethodFigures:
    network = run.load_network()
    aucs = _aucs(score(network, cache, method), cache, truth)
    cost_ms = frame_ms(network, cache, time.process_time)
    return MethodFigures(method, seed, *aucs, _train_s(run), _parameters(network), cost_ms)


def _train_s(run: RunFolder) -> float:
    return sum(float(json.loads(line)["cpu_s"]) for line in run.metrics_file.read_text().splitlines())


def _parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _aucs(scores: Scores, cache: FrameCache, truth: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return the AUC of both scores, and of both smoothed, in the order of `MethodFigures`."""
    smooth = [smoothed(each, cache.clock_s, cache.starts) for each in (scores.own, scores.low_pcc)]
    own, pcc, own_smooth, pcc_smooth = (
        auc(each[truth], each[~truth]) for each in (scores.own, scores.low_pcc, *smooth)
    )
    return own, pcc, own_smooth, pcc_smooth


def _mean_frame_figures(
    name: str, trained_on: FrameCache, judged: FrameCache, truth: NDArray[np.bool_], seed: int
) -> MethodFigures:
    """Judge the PCC of each frame with the mean of those trained on: what is there to be found without a model."""
    mean = to_batch(trained_on.take(np.arange(len(trained_on))), "cpu").mean(0)
    frames = to_batch(judged.take(np.arange(len(judged))), "cpu")
    low_pcc = -pearson(frames, mean.expand_as(frames)).double().numpy()
    aucs = _aucs(Scores(low_pcc, low_pcc), judged, truth)
    return MethodFigures(name, seed, *aucs, train_s=0.0, parameters=0, frame_ms=0.0)


def means(rows: Sequence[MethodFigures], method: str) -> dict[str, float]:
    """Return the mean over the drives and seeds of each figure of a method."""
    mine = [row for row in rows if row.method == method]
    names = [field.name for field in fields(MethodFigures) if field.name not in ("method", "seed")]
    return {name: float(np.mean([getattr(row, name) for row in mine])) for name in names}
