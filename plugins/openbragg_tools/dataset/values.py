"""What a recipe says of a value, understood: a value, or a distribution from which each shot draws one."""

from __future__ import annotations

import csv
import importlib
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openbragg import InputError, quoted, read_content
from openbragg_tools.dataset.distributions import (
    Choice,
    Computed,
    Distribution,
    Fixed,
    FromPython,
    FromTable,
    Integers,
    Normal,
    RandomOrientation,
    Sometimes,
    Uniform,
    Value,
    is_number,
)
from openbragg_tools.dataset.expressions import parse

#: Bytes of a table of values.
_LARGEST = 1 << 28


def distribution(told: Any, folder: Path) -> Distribution:
    """What a recipe says of a value, understood.

    Parameters
    ----------
    told
        A value, a word that names a distribution, or a table with one as its key.
    folder
        That files are relative to.

    Raises
    ------
    InputError
        When there is no such distribution, or it is impossible.
    """
    if told == _RANDOM_ORIENTATION:
        return RandomOrientation()
    if not isinstance(told, dict):
        return Fixed(_value(told))
    rest = dict(told)
    chance = rest.pop("chance", None)
    kinds = [kind for kind in _KINDS if kind in rest]
    if len(kinds) != 1:
        raise InputError(f"expected one of {', '.join(_KINDS)}, got {', '.join(map(str, rest)) or 'none'}")
    kind = kinds[0]
    make, allowed = _KINDS[kind]
    for key in rest:
        if key != kind and key not in allowed:
            raise InputError(f"{kind} has no {quoted(key)}" + (f"; it has {', '.join(allowed)}" if allowed else ""))
    made = make(rest, folder)
    if chance is None:
        return made
    (part,) = _numbers("chance", chance, 1)
    if not 0.0 <= part <= 1.0:
        raise InputError(f"chance: expected a number from 0 to 1, got {part:g}")
    return Sometimes(part, made)


def weights_of(told: Any, number: int) -> tuple[float, ...]:
    """Weights of so many alternatives; alike where none are told.

    Raises
    ------
    InputError
        When they are not as many, below 0, or all 0.
    """
    if told is None:
        return (1.0,) * number
    weights = tuple(_numbers("weights", told, number))
    if min(weights) < 0.0 or sum(weights) <= 0.0:
        raise InputError(f"weights: expected numbers from 0, and one above it, got {list(weights)}")
    return weights


def read_table(file: Path) -> dict[str, list[Value]]:
    """The columns of a CSV or Parquet table.

    Raises
    ------
    InputError
        When the file cannot be read, or has no rows.
    """
    if file.suffix.lower() == ".parquet":
        from openbragg_tools.dataset.tables import read_parquet

        columns = {name: list(values) for name, values in read_parquet(file).items()}
    else:
        try:
            rows = list(csv.reader(io.StringIO(read_content(file, _LARGEST, "a table").decode("utf-8"))))
        except (UnicodeDecodeError, csv.Error):
            raise InputError(f"{file}: expected a table of values between commas") from None
        rows = [row for row in rows if row]
        head = [name.strip() for name in rows[0]] if rows else []
        if any(len(row) != len(head) for row in rows):
            raise InputError(f"{file}: expected {len(head)} values in every row, as in the first")
        columns = {name: [_plain(row[place].strip()) for row in rows[1:]] for place, name in enumerate(head)}
    if not columns or not next(iter(columns.values())):
        raise InputError(f"{file}: no rows")
    return columns


def _uniform(told: dict[str, Any], folder: Path) -> Distribution:
    low, high = _numbers("uniform", told["uniform"], 2)
    if low > high:
        raise InputError(f"uniform: expected two numbers, the lower one first, got {low:g} and {high:g}")
    return Uniform(low, high)


def _loguniform(told: dict[str, Any], folder: Path) -> Distribution:
    low, high = _numbers("loguniform", told["loguniform"], 2)
    if not 0.0 < low <= high:
        raise InputError(f"loguniform: expected two numbers above 0, the lower one first, got {low:g} and {high:g}")
    return Uniform(low, high, logarithmic=True)


def _normal(told: dict[str, Any], folder: Path) -> Distribution:
    mean, deviation = _numbers("normal", told["normal"], 2)
    limits = {key: _numbers(key, told[key], 1)[0] for key in ("minimum", "maximum") if key in told}
    made = Normal(mean, deviation, **limits)
    if deviation < 0.0:
        raise InputError(f"normal: expected mean and standard deviation, which is not below 0, got {deviation:g}")
    if made.minimum > made.maximum:
        raise InputError(f"normal: the minimum {made.minimum:g} is above the maximum {made.maximum:g}")
    return made


def _integers(told: dict[str, Any], folder: Path) -> Distribution:
    low, high = _numbers("integers", told["integers"], 2)
    if low != int(low) or high != int(high) or low > high:
        raise InputError(f"integers: expected two whole numbers, the lower one first, got {low:g} and {high:g}")
    return Integers(int(low), int(high))


def _choice(told: dict[str, Any], folder: Path) -> Distribution:
    values = told["choice"]
    if not isinstance(values, list) or not values:
        raise InputError(f"choice: expected a list of values, got {quoted(values)}")
    return Choice(tuple(map(_value, values)), weights_of(told.get("weights"), len(values)))


def _from_table(told: dict[str, Any], folder: Path) -> Distribution:
    name, column = told["from-table"], told.get("column")
    if not isinstance(name, str) or not isinstance(column, str):
        raise InputError("from-table: expected the name of a file, and of a column")
    columns = read_table(folder / name)
    if column not in columns:
        raise InputError(f"{folder / name}: no column {quoted(column)}; there are {', '.join(columns)}")
    return FromTable(name, column, tuple(columns[column]))


def _expression(told: dict[str, Any], folder: Path) -> Distribution:
    if not isinstance(told["expression"], str):
        raise InputError(f"expression: expected a text, got {quoted(told['expression'])}")
    return Computed(parse(told["expression"]))


def _python(told: dict[str, Any], folder: Path) -> Distribution:
    place, needs = told["python"], told.get("needs", [])
    module, _, name = place.partition(":") if isinstance(place, str) else ("", "", "")
    if not module or not name:
        raise InputError(f"python: expected package.module:function, got {quoted(place)}")
    if not isinstance(needs, list) or not all(isinstance(word, str) for word in needs):
        raise InputError(f"needs: expected a list of names, got {quoted(needs)}")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"python: {place}: {error}") from None
    if not callable(function):
        raise InputError(f"python: {place} is no function")
    return FromPython(place, tuple(word.lstrip("-") for word in needs), function)


def _fixed(told: dict[str, Any], folder: Path) -> Distribution:
    return distribution(told["value"], folder)


_RANDOM_ORIENTATION = "random-orientation"
#: How each distribution is made, by its key, and the keys that it has beside.
_KINDS: dict[str, tuple[Callable[[dict[str, Any], Path], Distribution], tuple[str, ...]]] = {
    "uniform": (_uniform, ()),
    "loguniform": (_loguniform, ()),
    "normal": (_normal, ("minimum", "maximum")),
    "integers": (_integers, ()),
    "choice": (_choice, ("weights",)),
    "from-table": (_from_table, ("column",)),
    "expression": (_expression, ()),
    "python": (_python, ("needs",)),
    "value": (_fixed, ()),
}


def _numbers(word: str, told: Any, number: int) -> list[float]:
    parts = told if isinstance(told, list) else [told]
    good = all(is_number(part) and math.isfinite(part) for part in parts)
    if len(parts) != number or not good:
        raise InputError(f"{word}: expected {number} number{'s' * (number > 1)}, got {quoted(told)}")
    return [float(part) for part in parts]


def _value(told: Any) -> Value:
    parts = told if isinstance(told, list) else [told]
    if not all(isinstance(part, bool | int | float | str) for part in parts):
        raise InputError(f"expected a number, a word or several, got {quoted(told)}")
    return told


def _plain(word: str) -> Value:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
