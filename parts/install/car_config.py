"""Reads a car's config.py and myconfig.py without running them."""

import ast
import operator
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...edge.errors import InputError
from ...edge.read_file import read_file, real_path
from ...edge.tubs.manifest import MANIFEST, read_field_types
from .source import parse

BYTES_MAX = 1_000_000
COMPUTED = object()  # stands for a value that is known only when the file runs
CALLS: dict[str, Callable[..., Any]] = {  # those of the stock config.py, and similar ones
    "os.path.join": os.path.join,
    "os.path.dirname": os.path.dirname,
    "os.path.realpath": os.path.realpath,
    "os.path.abspath": os.path.abspath,
    "os.path.expanduser": os.path.expanduser,
    "os.getenv": os.getenv,
    "os.environ.get": os.environ.get,
    "int": int,
    "float": float,
    "str": str,
}
OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


@dataclass(frozen=True)
class CarConfig:
    """The upper-case names of a car's configuration, with the values that donkeycar reads."""

    car: Path
    values: Mapping[str, Any]
    computed: frozenset[str]  # names whose values are known only when the files run

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, `default` where it is unset or computed."""
        return self.values.get(key, default)

    @property
    def tub(self) -> Path:
        """The folder that `manage.py drive` records into; with AUTO_CREATE_NEW_TUB, a new folder inside it."""
        return self.car / str(self.get("DATA_PATH", "data"))

    def as_cfg(self) -> SimpleNamespace:
        """Return a stand-in for donkeycar's Config, for `from_config` of the parts."""
        return SimpleNamespace(**{"CAR_PATH": str(self.car), **self.values})


def is_car(folder: Path) -> bool:
    """Return whether a folder is a car's, as `donkey createcar` makes it."""
    return (folder / "config.py").is_file()


def read_car_config(car: Path) -> CarConfig:
    """Read config.py and override it with myconfig.py, as donkeycar does.

    Evaluates constants, arithmetic, paths and environment variables. A name that is set in any other way, for example
    under a condition, is listed in `computed`. Raises InputError for a file that is missing or cannot be parsed.
    """
    if not car.is_dir():
        raise InputError(f"{car} is not a folder; give the car's folder, which `donkey createcar` creates")
    car = real_path(car)
    if not is_car(car):
        raise InputError(f"{car} has no config.py; give the folder that `donkey createcar` creates")
    values: dict[str, Any] = {}
    computed: set[str] = set()
    for path in (car / "config.py", car / "myconfig.py"):
        for name, value in _assignments(path):
            if value is COMPUTED:
                values.pop(name, None)
                computed.add(name)
            else:
                values[name] = value
                computed.discard(name)
    return CarConfig(car, values, frozenset(computed))


def tub_refuses(config: CarConfig, lens_fields: list[str], *, wanted: bool) -> str:
    """Return in one line why donkeycar cannot append to the tub in the car's data folder; empty when it can.

    A tub accepts only the fields that it was created with. `wanted` says whether manage.py records the lens fields.
    """
    if config.get("AUTO_CREATE_NEW_TUB") is True or not (config.tub / MANIFEST).is_file():
        return ""
    fields = read_field_types(config.tub)
    if not fields or set(lens_fields).issubset(fields) == wanted:
        return ""  # without a readable manifest, donkeycar cannot append to it either
    return (
        f"{config.tub} holds a tub that was created {'without' if wanted else 'with'} the lens fields, so the car will"
        " not start; set AUTO_CREATE_NEW_TUB = True in myconfig.py, or move that folder away"
    )


def _assignments(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the upper-case names that a file sets, in order, each with its value or COMPUTED."""
    if not path.exists():
        return  # myconfig.py is optional
    try:
        tree = parse(read_file(path, BYTES_MAX, follow=True))
    except (OSError, SyntaxError) as error:
        raise InputError(f"{path} cannot be read ({error}); correct it") from None
    known: dict[str, Any] = {"__file__": str(path)}  # per file: myconfig.py does not see the names of config.py
    for statement in tree.body:
        for name, value in _set_by(statement, known):
            known[name] = value
            if name.isupper():
                yield name, value


def _set_by(statement: ast.stmt, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
        value = _value_or_computed(statement.value, known)
        yield from ((target.id, value) for target in statement.targets if isinstance(target, ast.Name))
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        yield statement.target.id, _value_or_computed(statement.value, known)
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name, COMPUTED) for alias in statement.names)
    elif not isinstance(statement, ast.FunctionDef | ast.ClassDef):
        # A condition, a loop, +=, a call …: the names it sets and the lists it may change are known only by running it.
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and (
                isinstance(node.ctx, ast.Store | ast.Del) or isinstance(known.get(node.id), list | dict | set)
            ):
                yield node.id, COMPUTED


def _value_or_computed(node: ast.expr, known: dict[str, Any]) -> Any:
    try:
        return _value(node, known)
    except (TypeError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return COMPUTED


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    """Evaluate an expression of constants. Raises ValueError for any other expression, and what its operators raise."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() if known.get(node.id, COMPUTED) is not COMPUTED:
            return known[node.id]
        case ast.List() | ast.Tuple() | ast.Set():
            kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
            return kind(_value(item, known) for item in node.elts)
        case ast.Dict() if None not in node.keys:
            keys = [_value(key, known) for key in node.keys if key is not None]
            return dict(zip(keys, (_value(item, known) for item in node.values), strict=True))
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, known)
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, known)
        case ast.BinOp() if type(node.op) in OPERATORS:
            left, right = _value(node.left, known), _value(node.right, known)
            if not isinstance(node.op, ast.Add) and not all(isinstance(side, int | float) for side in (left, right)):
                raise ValueError("the product of a list may not fit into memory")
            return OPERATORS[type(node.op)](left, right)
        case ast.Call(keywords=[]) if ast.unparse(node.func) in CALLS:
            return CALLS[ast.unparse(node.func)](*(_value(argument, known) for argument in node.args))
    raise ValueError(f"{ast.unparse(node)} is not a constant")
