"""The command line: each command parses its options, calls one function of another folder and prints the result."""

import sys
from importlib.util import find_spec

# The event log and the tub reader use locks and flags of files that Windows does not have.
if find_spec("fcntl") is None:
    print("error: mle_uvad needs Linux or macOS; on Windows, use it inside WSL", file=sys.stderr)
    sys.exit(2)
