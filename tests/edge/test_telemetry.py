"""Nothing is sent or stored by the runtime: no file under HOME, no socket to the network."""

import subprocess
import sys
from pathlib import Path

from mle_uvad.edge.bundle import Bundle

SCORE = """
import socket, sys
import numpy as np

class NoSocket(socket.socket):
    def connect(self, address):
        raise SystemExit(f"connects to {address}")

socket.socket = NoSocket
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle

scorer = open_scorer(Bundle.load(sys.argv[1]))
rng = np.random.default_rng(0)
for number in range(10):
    frame = rng.integers(0, 256, (scorer.bundle.height, scorer.bundle.width, 3), np.uint8)
    assert scorer.score(frame, number / 20).status == "ok"
"""


def test_scoring_leaves_nothing_in_the_home_folder(bundle: Bundle, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", SCORE, str(bundle.folder.resolve())],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert [path.relative_to(home) for path in home.rglob("*")] == []
