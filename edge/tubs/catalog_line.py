"""Splits a catalog into lines, and reads the fields of a line that are asked for; the others stay unparsed.

A record may hold a lidar scan or a depth image as numbers: megabytes, with thousands of brackets. Parsing them costs
time and memory for nothing, and a bound against made-up nesting would refuse them.
"""

import io
import json
import re
from collections.abc import Collection
from typing import Any

SHORT_BYTES, SHORT_OPENINGS = (
    4096,
    100,
)  # of a record without large fields, which is parsed as a whole: ten times faster

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_START = re.compile(rb"\s*\{")
_FIELD = re.compile(rb"\s*(" + _STRING + rb")\s*:\s*(" + _STRING + rb"|[-+.\w]+)?", re.DOTALL)
_BRACKET_OR_STRING = re.compile(rb"[\[\]{}]|" + _STRING + rb'|"', re.DOTALL)
_NEXT = re.compile(rb"\s*,")
_END = re.compile(rb"\s*\}\s*")


def split_lines(catalog: bytes) -> tuple[list[bytes], int]:
    """Return the lines of a catalog with their newlines, and how many of them donkeycar reads: it ends at an empty one.

    Example:
        >>> split_lines(b"{}\\n{torn\\n\\n{}\\n")
        ([b'{}\\n', b'{torn\\n', b'\\n', b'{}\\n'], 2)
    """
    lines = io.BytesIO(catalog).readlines()
    return lines, next((number for number, line in enumerate(lines) if not line.strip(b"\r\n")), len(lines))


def read_fields(line: bytes, names: Collection[str], lists: Collection[str] = ()) -> dict[str, Any]:
    """Return those of the named fields that a JSON object has. A list, an object or a NaN stands as None.

    A list of up to a hundred brackets is kept where the field is one of `lists`. Raises ValueError for a line that is
    no object with at least one field, and for one that is cut.

    Example:
        >>> read_fields(b'{"_index": 7, "lidar": [[0.5, 1], [2, 3]], "mode": "user"}', ["_index", "lidar", "imu"])
        {'_index': 7, 'lidar': None}
    """
    if len(line) <= SHORT_BYTES and _openings(line) <= SHORT_OPENINGS:
        return _parse_whole(line, names, lists)
    wanted = {json.dumps(name).encode(): name for name in names}
    fields: dict[str, Any] = {}
    separator = _START.match(line)
    while separator:
        field = _FIELD.match(line, separator.end())
        if field is None:
            raise ValueError("no field where one is expected")
        key, value = field.groups()
        end = _end_of_brackets(line, field.end()) if value is None else field.end()
        if key in wanted:
            name = wanted[key]
            fields[name] = _parse_value(value or line[field.end() : end], keep_list=name in lists)
        if _END.fullmatch(line, end):
            return fields
        separator = _NEXT.match(line, end)
    raise ValueError("not an object, or cut")


def _parse_whole(line: bytes, names: Collection[str], lists: Collection[str]) -> dict[str, Any]:
    record = json.loads(line, parse_constant=_no_number)
    if not isinstance(record, dict):
        raise ValueError("not an object")
    plain = {name: None if isinstance(record[name], list | dict) else record[name] for name in names if name in record}
    return plain | {name: record[name] for name in lists if isinstance(record.get(name), list)}


def _parse_value(text: bytes, *, keep_list: bool) -> Any:
    if text.startswith((b"[", b"{")) and not (keep_list and text[:1] == b"[" and _openings(text) <= SHORT_OPENINGS):
        return None
    return json.loads(text, parse_constant=_no_number)


def _openings(text: bytes) -> int:
    """Return the number of lists and objects in a text, at most: strings may hold brackets too."""
    return text.count(b"[") + text.count(b"{")


def _no_number(name: str) -> None:
    """Stand for NaN and Infinity, which are not JSON: harmless in a field that nobody asks for."""


def _end_of_brackets(line: bytes, start: int) -> int:
    """Return the position after the list or object that begins at `start`."""
    depth = 0
    for found in _BRACKET_OR_STRING.finditer(line, start):
        token = found[0]
        if token == b'"' or (depth == 0 and found.start() > start):
            break  # a string that does not end, or no value at all
        depth += (token in (b"[", b"{")) - (token in (b"]", b"}"))
        if depth <= 0:
            return found.end()
    raise ValueError("a list or an object does not end")
