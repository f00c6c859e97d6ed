"""JSON that nobody vouches for."""

import subprocess
import sys

import pytest

from mle_uvad.edge import strict_json


def test_json_is_read() -> None:
    assert strict_json.parse(b' {"a": [1, 2.5, null, "\xc3\xa4"]}\n') == {"a": [1, 2.5, None, "ä"]}


WIDE = b"[[]" + b",[]" * 2000 + b"]"
HOSTILE = [b"", b"{", b"\0" * 9, b"NaN", b"[-Infinity]", b"\xff\xfe", b"9" * 5000, b"[" * 900, WIDE]


@pytest.mark.parametrize("data", HOSTILE, ids=[repr(data[:12]) for data in HOSTILE])
def test_everything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 the text is the parser's
        strict_json.parse(data)


def test_deep_nesting_does_not_end_a_process_that_donkeycar_runs_in() -> None:
    program = """
import sys
from mle_uvad.edge import strict_json
sys.setrecursionlimit(10**5)  # as `import donkeycar` does
for data in (b"[" * 200_000, b'{"a":' * 200_000):
    try:
        strict_json.parse(data)
    except ValueError:
        print("refused")
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "refused\nrefused\n"), ran.stderr
