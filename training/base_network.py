"""The base network: an obscuration network trained on many cars, whose weights ship with the package.

A training on the drives of one car continues from it: that car's drives show too few surfaces and too little light to
learn from them alone what a clean lens can look like.
"""

import hashlib
from importlib.resources import files

from safetensors.torch import load
from torch import Tensor

WEIGHTS_FILE = files("mle_uvad") / "base" / "obscuration.safetensors"
WIDTH = "medium"  # the only one there is
# Log odds, fast and slow filter, for a car without a calibration. Of the cars held out from such a training, all but
# one gave no false alarm. Only large and clear faults reach them.
UNCALIBRATED_EXCESS = (3.0, 2.2)
CONTINUED_WINDOWS = 8192  # rendered to continue from it on the drives of one car, if not stated otherwise


def base_sha256() -> str:
    """Return the SHA-256 of the weights, hexadecimal."""
    return hashlib.sha256(WEIGHTS_FILE.read_bytes()).hexdigest()


def load_base() -> dict[str, Tensor]:
    """Load the weights, as `ObscurationNet.load_state_dict` takes them."""
    return load(WEIGHTS_FILE.read_bytes())
