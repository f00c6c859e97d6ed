"""`mle-uvad build-engine`: build the TensorRT engine of a bundle."""

import shlex

from ..edge.backends import open_backend
from ..edge.bundle import Bundle
from .app import BundleFolder
from .console import Bar, say_next


def build_engine(bundle: BundleFolder) -> None:
    """Build the TensorRT engine of a bundle, on the device that will run it. Takes minutes."""
    with Bar("building"):
        backend = open_backend(Bundle.load(bundle), "trt", rebuild=True)
    print(f"{bundle}: built for {backend.about}")
    say_next(f"mle-uvad verify {shlex.quote(str(bundle))} --backend trt")
