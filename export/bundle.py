"""Exports a finished run to a bundle and checks it frame by frame with the Scorer that the car runs."""

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from ..edge.backends.ort import OrtBackend
from ..edge.backends.parity import golden_values
from ..edge.bundle import FACTS_FILE, MODEL_FILE, NEXT_MODEL_FILE, SCHEMA, TARGETS, Bundle
from ..edge.ema import RunningMeans
from ..edge.errors import InputError
from ..edge.frame import to_grey80
from ..edge.graph import FEATURE_MAPS, FEATURE_SIDE, GRAPH_INPUTS, GRAPH_OUTPUTS, RUNNING_MEANS_SIZE, TIME_CONSTANTS_S
from ..edge.measures import pearson
from ..edge.reference import Reference, enlarge, write_reference
from ..edge.scorer import Scorer
from ..training.base_network import UNCALIBRATED_EXCESS
from ..training.model import Autoencoder
from ..training.obscuration import ObscurationNet, feature_maps, frame_moments
from ..training.run import RunFolder
from .graph import FrameGraph
from .tensorrt_support import check_tensorrt

OPSET = 17  # the newest that TensorRT 8.6 reads
PCC_TOLERANCE = 1e-5
LOGITS_TOLERANCE = 1e-2  # the logarithm of a nearly flat place amplifies rounding
SAMPLES_EVERY_S = 0.05  # the sample frames are scored as a drive


@dataclass(frozen=True)
class ExportParity:
    """Maximum difference between the exported graph and PyTorch, on camera frames of the training drives."""

    frames: int
    pcc_difference: float
    logits_difference: float


def export_bundle(run_folder: Path, out: Path, target: str) -> Bundle:
    """Write the bundle of a finished run to `out` and return it as loaded again.

    The graph is the same for every target. For `jetson`, each node is checked against what TensorRT can build, and the
    car uses TensorRT if it is installed.

    An existing bundle is replaced only after the new one has passed; its calibration stays, and the car refuses it from
    then on. Raises InputError for an unfinished run, an unknown target, a folder with other files, a graph that
    TensorRT cannot build, and one that differs from PyTorch by more than 1e-5 in PCC.
    """
    if target not in TARGETS:
        raise InputError(f"target is {target!r}; choose one of {', '.join(TARGETS)}")
    if out.exists() and not (out / FACTS_FILE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is no bundle; give a new folder to --out")
    run = RunFolder(run_folder)
    model, facts, samples = run.load_model(), run.facts(), run.samples().numpy()
    net, trained_on = run.load_obscuration()
    reference = trained_on.numpy()
    with _folder_beside(out) as draft:
        _write_model(draft / MODEL_FILE, model, net, samples.shape[1:3], facts)
        if target == "jetson":
            check_tensorrt(onnx.load(draft / MODEL_FILE))
        _write_facts(draft, samples.shape[1:3], facts, reference, {"target": target})
        bundle = Bundle.load(draft)
        scorer = Scorer(bundle, OrtBackend(bundle))
        parity = check_parity(model, net, scorer, samples)
        checked = {"target": target, "parity": asdict(parity), "answers": golden_values(scorer)}
        _write_facts(draft, samples.shape[1:3], facts, reference, checked)
        _put_in_place(draft, out)
    return Bundle.load(out)


def _put_in_place(draft: Path, out: Path) -> None:
    """Move the files of a new bundle to `out`; killed at any step, `out` is a whole bundle, old or new, or not there.

    What else lies in `out`, a calibration for example, stays.
    """
    if not out.exists() or not any(out.iterdir()):
        draft.chmod(0o755)  # a temporary folder is for its owner alone
        draft.replace(out)
        return
    (draft / MODEL_FILE).replace(out / NEXT_MODEL_FILE)
    (draft / FACTS_FILE).replace(out / FACTS_FILE)
    (out / NEXT_MODEL_FILE).replace(out / MODEL_FILE)


def check_parity(model: Autoencoder, net: ObscurationNet, scorer: Scorer, frames: NDArray[np.uint8]) -> ExportParity:
    """Score camera frames [S, H, W, 3] with the Scorer and with PyTorch behind the numpy preprocessing.

    Raises InputError when they differ by more than the tolerances, or when no frame can be scored.
    """
    differences: list[tuple[float, float]] = []  # of the PCC, of the log odds
    reference = torch.from_numpy(enlarge(scorer.reference)).unsqueeze(0)
    state = RunningMeans()
    scorer.restart()
    for number, frame in enumerate(frames):
        t_s = number * SAMPLES_EVERY_S
        score = scorer.score(frame, t_s)
        if score.status in ("dark", "flat"):
            state.restart()  # as the scorer does: these have no PCC on either side
            continue
        if score.pcc is None or score.logits is None:
            raise InputError(f"the exported graph fails on a training frame: {score.detail}; train the run again")
        grey = to_grey80(frame)
        image = torch.from_numpy(grey)[None, None]
        with torch.no_grad():
            reconstruction = model(image)[0, 0].numpy()
            weights = torch.from_numpy(state.weights(t_s))[:, None]
            running_means = torch.from_numpy(state.means)
            running_means = running_means + weights * (frame_moments(image) - running_means)
            state.means = running_means.numpy()
            logits = net(feature_maps(running_means.unsqueeze(0)), reference)[0].numpy()
        pcc = pearson(grey, reconstruction)
        differences.append((abs(score.pcc - pcc), float(np.abs(score.logits - logits).max())))
    if not differences:
        raise InputError(
            "no frame of the training drives can be scored: all are dark or flat; train on a brighter drive"
        )
    pcc_difference, logits_difference = np.max(differences, axis=0).tolist()  # np.max keeps a NaN, max() drops it
    if not (pcc_difference <= PCC_TOLERANCE and logits_difference <= LOGITS_TOLERANCE):
        raise InputError(
            f"the exported graph differs from PyTorch: PCC by {pcc_difference:.1e} (allowed {PCC_TOLERANCE:.0e}),"
            f" log odds by {logits_difference:.1e} (allowed {LOGITS_TOLERANCE:.0e}); nothing was written"
        )
    return ExportParity(len(differences), pcc_difference, logits_difference)


def _write_model(
    path: Path, model: Autoencoder, net: ObscurationNet, size: tuple[int, ...], facts: dict[str, Any]
) -> None:
    height, width = size
    graph = FrameGraph(deepcopy(model), deepcopy(net), height, width).eval()
    with warnings.catch_warnings():
        # The exporter that emits opset 17 is the older one; its deprecation is known and its result is checked.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (
                torch.zeros(height, width, 3, dtype=torch.uint8),
                torch.zeros(len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE),
                torch.ones(len(TIME_CONSTANTS_S)),
                torch.ones(2, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE),
            ),
            path,
            opset_version=OPSET,
            dynamo=False,
            input_names=list(GRAPH_INPUTS),
            output_names=list(GRAPH_OUTPUTS),
        )
    proto = onnx.load(path)
    onnx.helper.set_model_props(proto, {"mle_uvad": version("mle_uvad"), "settings": json.dumps(facts["settings"])})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)


def _write_facts(
    folder: Path, size: tuple[int, ...], facts: dict[str, Any], reference: Reference, checked: dict[str, Any]
) -> None:
    model = (folder / MODEL_FILE).read_bytes()
    bundle_facts = {
        "schema": SCHEMA,
        "model": {"file": MODEL_FILE, "sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)},
        "input": {"height": size[0], "width": size[1], "channels": 3, "dtype": "uint8"},
        "spans_s": list(TIME_CONSTANTS_S),
        "reference": write_reference(reference),
        "training": {name: facts[name] for name in ("settings", "frames", "data_fingerprint", "versions")},
        "parity": {},
        **({"uncalibrated_excess": list(UNCALIBRATED_EXCESS)} if _knows_many_cars(facts["settings"]) else {}),
        **checked,
    }
    (folder / FACTS_FILE).write_text(json.dumps(bundle_facts, indent=2))


def _knows_many_cars(settings: dict[str, Any]) -> bool:
    return bool(settings.get("many_cars") or settings.get("base"))


@contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    """Yield a temporary folder on the same disk as `out`, so that each file can be moved there in one step."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield folder
    finally:
        if folder.exists():  # else it became `out`
            shutil.rmtree(folder)
