"""The check before a bundle is written: another network than the one that was exported does not pass."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.scorer import Scorer
from mle_uvad.export.bundle import check_parity, export_bundle

Frame = NDArray[np.uint8]
Networks = tuple[Any, Any, Scorer]


@pytest.fixture
def exported(make_run: Any, tmp_path: Path) -> Networks:
    """Both networks of a run, and the scorer of its bundle."""
    run = make_run()
    net, _ = run.load_obscuration()
    return run.load_model(), net, open_scorer(export_bundle(run.folder, tmp_path / "lens", "onnx"))


@pytest.fixture
def frames(moving_frames: Callable[..., list[Frame]]) -> Frame:
    return np.stack(moving_frames(3))


def refuses(model: Any, net: Any, scorer: Scorer, frames: Frame) -> None:
    with pytest.raises(InputError, match=r"^the exported graph differs from PyTorch: [^\n]*$"):
        check_parity(model, net, scorer, frames)


def test_the_networks_of_the_bundle_pass(exported: Networks, frames: Frame) -> None:
    parity = check_parity(*exported, frames)
    assert parity.frames == 3
    assert parity.pcc_difference <= 1e-5
    assert parity.logits_difference <= 1e-2


def test_another_network_does_not(exported: Networks, frames: Frame) -> None:
    model, net, scorer = exported
    other, other_net = deepcopy(model), deepcopy(net)
    with torch.no_grad():
        other.to_latent.weight += 0.01
        other_net.mix[0].weight += 0.1
    refuses(other, net, scorer, frames)
    refuses(model, other_net, scorer, frames)


@pytest.mark.parametrize("layer", ["from_latent", "head.1"])
def test_a_network_that_is_not_finite_does_not(exported: Networks, frames: Frame, layer: str) -> None:
    model, net, scorer = exported
    with torch.no_grad():
        (model if layer == "from_latent" else net).get_submodule(layer).bias.fill_(torch.nan)
    refuses(model, net, scorer, frames)


def test_another_reference_is_judged_alike(exported: Networks, frames: Frame) -> None:
    model, net, scorer = exported
    scorer.reference = scorer.reference * np.float32(0.7)
    assert check_parity(model, net, scorer, frames).frames == 3


def test_a_dark_frame_in_between_empties_both_memories(exported: Networks, frames: Frame) -> None:
    drive = np.concatenate([frames, np.zeros_like(frames[:1]), frames[::-1]])
    assert check_parity(*exported, drive).frames == 6
