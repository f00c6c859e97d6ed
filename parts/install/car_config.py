"""A car's config.py and myconfig.py, read and not run."""

import ast
import operator
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...edge import strict_json
from ...edge.errors import InputError

BYTES_MAX = 1_000_000
COMPUTED = object()  # the value of a name that only running the file would tell
CALLS: dict[str, Callable[..., Any]] = {  # that the stock config.py makes, and their like
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
SUMS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


@dataclass(frozen=True)
class CarConfig:
    """The upper-case names of a car's configuration, as donkeycar would have them."""

    car: Path
    values: Mapping[str, Any]
    computed: frozenset[str]  # names that only running the files would tell

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    @property
    def tub(self) -> Path:
        """Where `manage.py drive` records to, unless AUTO_CREATE_NEW_TUB makes it a new folder inside."""
        return self.car / str(self.get("DATA_PATH", "data"))

    def as_cfg(self) -> SimpleNamespace:
        """What stands for donkeycar's own Config where parts read theirs."""
        return SimpleNamespace(**{"CAR_PATH": str(self.car), **self.values})


def read_car_config(car: Path) -> CarConfig:
    """config.py, then myconfig.py over it, as donkeycar does. Raises InputError for a file that is missing or broken.

    Constants, sums of them, paths and the environment are understood; what is computed in any other way, or set
    under a condition, is listed as such.
    """
    if not car.is_dir():
        raise InputError(f"{car} is no folder; give the car's, which `donkey createcar` made")
    car = car.resolve()
    if not (car / "config.py").is_file():
        raise InputError(f"{car} has no config.py; give the folder that `donkey createcar` made")
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
    """Why donkeycar would not go on with the tub in the car's data folder, in one line; empty when it would.

    `wanted`: whether manage.py records the lens fields. A tub takes the fields it was begun with and no others.
    """
    manifest = config.tub / "manifest.json"
    if config.get("AUTO_CREATE_NEW_TUB") is True or not manifest.is_file():
        return ""
    try:
        with manifest.open("rb") as file:
            inputs = strict_json.parse(file.readline(BYTES_MAX))
    except (OSError, ValueError):
        return ""  # no tub that donkeycar could go on with either
    if not isinstance(inputs, list) or set(lens_fields).issubset(map(str, inputs)) == wanted:
        return ""
    return (
        f"{config.tub} holds a tub that was begun {'without' if wanted else 'with'} the lens fields, and the car will"
        " not start; set AUTO_CREATE_NEW_TUB = True in myconfig.py, or move that folder away"
    )


def _assignments(path: Path) -> Iterator[tuple[str, Any]]:
    """The upper-case names that a file sets, in order, each with its value or COMPUTED."""
    if not path.exists():
        return  # donkeycar does without a myconfig.py
    try:
        if path.stat().st_size > BYTES_MAX:
            raise ValueError(f"more than {BYTES_MAX} bytes")
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path} cannot be read ({error}); mend it") from None
    known: dict[str, Any] = {"__file__": str(path)}  # each file for itself: myconfig.py does not see config.py
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
        # A condition, a loop, +=, a call …: what it sets, and does to the lists it names, is seen by running it only.
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
    """The value of an expression of constants. Raises ValueError for any other, and what its operators raise."""
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
        case ast.BinOp() if type(node.op) in SUMS:
            left, right = _value(node.left, known), _value(node.right, known)
            if not isinstance(node.op, ast.Add) and not all(isinstance(side, int | float) for side in (left, right)):
                raise ValueError("a product of a list may be larger than the memory")
            return SUMS[type(node.op)](left, right)
        case ast.Call(keywords=[]) if ast.unparse(node.func) in CALLS:
            return CALLS[ast.unparse(node.func)](*(_value(argument, known) for argument in node.args))
    raise ValueError(f"{ast.unparse(node)} is no constant")
