"""Parses JSON from a file that may be torn or hostile."""

import json
from typing import Any

OPENINGS_MAX = 1000  # of lists and objects; no file of ours or of donkeycar has a tenth of it


def parse(data: bytes) -> Any:
    """Parse JSON. Raises ValueError for anything else, for NaN and Infinity, and for deep nesting.

    donkeycar lifts Python's recursion limit to 100,000: nested deeply enough, the parser of Python 3.11 and
    older then overruns its stack and takes the whole process down.
    """
    if data.count(b"[") + data.count(b"{") > OPENINGS_MAX:
        raise ValueError("too many brackets")
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
