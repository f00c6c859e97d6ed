"""The base network that ships: its weights are those of the bundle, and a training goes on from them."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.frame import to_grey80
from mle_uvad.edge.reference import enlarge, unknown_reference
from mle_uvad.training import fit as fit_module
from mle_uvad.training import references as references_module
from mle_uvad.training.base_network import UNCALIBRATED_EXCESS, WIDTH, base_sha256, load_base
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.fit import fit_obscuration
from mle_uvad.training.obscuration import ObscurationNet, feature_maps, frame_moments
from mle_uvad.training.settings import TrainSettings
from mle_uvad.training.window_stream import BATCH_SIZE

Small = Callable[..., TrainSettings]


def base_net() -> ObscurationNet:
    net = ObscurationNet(WIDTH)
    net.load_state_dict(load_base())
    return net.eval()


def test_the_bundle_that_ships_runs_these_weights(moving_frames: Callable[..., list[np.ndarray]]) -> None:
    bundle = Bundle.load(Path(str(files("mle_uvad") / "base")))
    assert bundle.uncalibrated_excess == UNCALIBRATED_EXCESS
    assert np.array_equal(bundle.reference, unknown_reference())
    frame = moving_frames(1)[0]
    score = open_scorer(bundle).score(frame, 0.0)
    with torch.no_grad():
        moments = frame_moments(torch.from_numpy(to_grey80(frame))[None, None]).expand(2, -1)
        reference = torch.from_numpy(enlarge(unknown_reference()))[None]
        logits = base_net()(feature_maps(moments[None]), reference)[0].numpy()
    assert score.logits is not None
    assert np.abs(logits - score.logits).max() < 1e-2
    assert logits.std() > 0.1, "the network is trained"


def test_from_an_unknown_reference_nothing_deviates(rng: np.random.Generator) -> None:
    maps = torch.from_numpy(rng.uniform(0, 1.2, (2, 20, 40, 40)).astype(np.float32))
    deviation = ObscurationNet.deviation(maps, torch.from_numpy(enlarge(unknown_reference()))[None])
    assert deviation.abs().max() < 1e-5


def test_a_training_goes_on_from_the_base(
    small: Small, make_cache: Any, moving_frames: Any, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "HELD_BACK", BATCH_SIZE)
    monkeypatch.setattr(references_module, "WINDOWS_PER_CAR", 40)
    monkeypatch.setattr(references_module, "EXCERPTS", 3)
    monkeypatch.setattr(references_module, "FIXTURES", 1)
    grey = np.stack(moving_frames(200)).mean(-1)[:, 20:100, 40:120].astype(np.uint8)
    drive: FrameCache = make_cache(grey)
    untouched, _ = fit_obscuration([drive], small(width=WIDTH, windows=0, base=base_sha256()), "cpu", recorder())
    assert all(map(torch.equal, untouched.state_dict().values(), base_net().state_dict().values()))
    settings = small(width=WIDTH, windows=128, passes=1, base=base_sha256())
    continued, _ = fit_obscuration([drive], settings, "cpu", recorder())
    fresh, _ = fit_obscuration([drive], small(width=WIDTH, windows=128, passes=1), "cpu", recorder())

    def distance(net: ObscurationNet) -> float:
        pairs = zip(net.parameters(), base_net().parameters(), strict=True)
        return sum(float((ours - theirs).detach().square().sum()) for ours, theirs in pairs)

    assert 0 < distance(continued) < 0.1 * distance(fresh)
