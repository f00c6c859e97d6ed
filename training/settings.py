"""The settings of a training run: the paper's numbers and, where the paper is silent, named choices."""

from dataclasses import dataclass, fields

from ..edge.errors import InputError
from .faults import KINDS
from .model import WIDTHS
from .objectives.names import OBJECTIVES

CHOICES = {
    "objective": OBJECTIVES,
    "width": tuple(WIDTHS),
    "squared_error": ("sum", "mean"),
    "kernel": ("joint", "per_dimension"),
    "latent_mode": ("free", "noisy", "bounded", "standardised"),
    "entropy_start": ("at_once", "on_progress"),
    "precision": ("float32", "bfloat16"),
    "held_out": ("", *KINDS),
}

RANGES = {
    "latent": (1, 4096),
    "epochs": (1, 100_000),
    "batch_size": (2, 65_536),
    "seed": (0, 2**31 - 1),
    "learning_rate": (1e-12, 1e30),
    "sigma": (1e-4, 1e4),
    "entropy_weight": (0.0, 1e9),
    "windows": (0, 1_000_000),
    "passes": (1, 1000),
}


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training run. The defaults read the paper literally. Raises InputError for a value out of range."""

    objective: str = "mle"  # mle: eq. 3 + λ eq. 6; mse: eq. 3 alone; the others are those of other papers
    width: str = "medium"  # channels of the autoencoder
    latent: int = 32  # numbers between encoder and decoder
    epochs: int = 70
    batch_size: int = 256  # also the sample of the entropy
    learning_rate: float = 5e-4  # Adam
    entropy_weight: float = 1.0  # λ, of the entropy or of the term that another objective has in its place
    sigma: float = 0.1  # width of the entropy's kernel
    seed: int = 0
    squared_error: str = "sum"  # over the pixels of a frame, as eq. 3 prints it
    kernel: str = "joint"  # distance in all latent dimensions at once, or one dimension at a time
    self_pairs: bool = True  # i = j counted, as eq. 6 prints it
    latent_mode: str = "free"  # noisy: the decoder sees z + N(0, σ²); bounded: tanh; standardised: unit variance
    entropy_start: str = "at_once"  # on_progress: λ rises and σ falls while the reconstruction stays useful
    precision: str = "float32"  # of the autoencoder's layers; the loss is always float32
    windows: int = 49_152  # rendered for the obscuration network; 0 leaves it untrained
    passes: int = 2  # how often each window is shown, each time beside another reference
    base: str = ""  # SHA-256 of the weights that the obscuration network starts from; empty: none
    many_cars: bool = False  # each tub is a car of its own, for a network that works on cars it has not seen
    held_out: str = ""  # a kind of fault that is never rendered, to see whether others stand in for it

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                shown = "lambda" if name == "entropy_weight" else name
                raise InputError(f"{shown} is {getattr(self, name)}; give {low} to {high}")

    def differences(self, other: "TrainSettings") -> list[str]:
        """List the settings in which another run differs, as `name ours/theirs`."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return [f"{name} {ours}/{theirs}" for name, ours, theirs in pairs if ours != theirs]


PRESETS = {
    "paper": TrainSettings(),
    # Against the dead start (a kernel too narrow for the first latents: σ follows their spread), the collapse
    # onto the mean frame (λ waits for a useful reconstruction) and the scale hole (noise gives z a scale).
    "robust": TrainSettings(self_pairs=False, latent_mode="noisy", entropy_start="on_progress"),
}
