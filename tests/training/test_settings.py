"""What a training run may be told."""

import math
from dataclasses import replace

import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.training.settings import CHOICES, PRESETS, TrainSettings


def refused(**changes: object) -> str:
    with pytest.raises(InputError) as caught:
        TrainSettings(**changes)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("name", CHOICES)
def test_another_choice_is_refused_with_the_choices_there_are(name: str) -> None:
    line = refused(**{name: "sideways"})
    for word in (name, "'sideways'", *filter(None, CHOICES[name])):
        assert word in line


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_is_taken(name: str) -> None:
    for choice in CHOICES[name]:
        assert getattr(TrainSettings(**{name: choice}), name) == choice  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("latent", 0), ("epochs", 0), ("batch_size", 1), ("epochs", -5), ("windows", -1), ("passes", 0)]
)
def test_numbers_that_are_too_small_are_refused(name: str, value: int) -> None:
    line = refused(**{name: value})
    assert name in line
    assert str(value) in line


@pytest.mark.parametrize("name", ["learning_rate", "sigma", "entropy_weight"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_numbers_that_are_no_number_are_refused(name: str, value: float) -> None:
    line = refused(**{name: value})
    assert ("lambda" if name == "entropy_weight" else name) in line
    assert str(value) in line


def test_zero_is_a_weight_and_no_width() -> None:
    assert TrainSettings(entropy_weight=0.0).entropy_weight == 0
    refused(sigma=0.0)
    refused(learning_rate=0.0)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_hold_the_numbers_of_the_paper(preset: str) -> None:
    settings = PRESETS[preset]
    assert (settings.epochs, settings.learning_rate, settings.batch_size) == (70, 5e-4, 256)
    assert (settings.entropy_weight, settings.sigma, settings.latent) == (1.0, 0.1, 32)
    assert settings.objective == "mle"


def test_the_paper_preset_is_the_literal_reading() -> None:
    paper = PRESETS["paper"]
    assert (paper.squared_error, paper.kernel, paper.self_pairs) == ("sum", "joint", True)
    assert (paper.latent_mode, paper.entropy_start) == ("free", "at_once")


def test_differences_name_each_setting_with_both_values() -> None:
    paper = PRESETS["paper"]
    assert paper.differences(paper) == []
    assert paper.differences(replace(paper, sigma=0.5, epochs=3)) == ["epochs 70/3", "sigma 0.1/0.5"]
