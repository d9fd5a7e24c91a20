"""Values as JSON has them, and back, to the last bit.

Numbers, words, booleans and None stand for themselves, a tuple is a list, a tensor or an array stands as its numbers,
and what JSON has no word for is an object that says what it is:

    {"number": "inf"}                             a number that is not finite
    {"path": "a.hkl"}                             a path
    {"packed_bits": "eJwz...", "shape": [4, 4]}   an array of booleans
    {"mapping": {"a": 1}}                         a dictionary

Gradients are lost. Numbers of tensors come back as plain numbers and tuples, arrays of booleans as numpy arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import quoted
from openbragg.orchestrator.records.packing import pack_bits, unpack_bits

_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
#: Containers within containers; no field of a model comes near.
_DEEPEST = 32


class MisfitError(Exception):
    """A value that cannot be written or read: what is wrong, and the way to it, from the outside in."""

    def __init__(self, text: str, *way: str) -> None:
        super().__init__(text)
        self.text = text
        self.way = way

    def within(self, step: str) -> MisfitError:
        """The same, seen from further out."""
        return MisfitError(self.text, step, *self.way)

    def line(self, where: str) -> str:
        """One line that names the place."""
        place = where
        for step in self.way:
            place += step if step.startswith("[") or not place else f".{step}"
        return f"{place}: {self.text}" if place else self.text


def write_value(value: Any, write_object: Callable[[Any], Any] | None = None, depth: int = 0) -> Any:
    """A value as JSON has it.

    `write_object` writes objects of attrs classes; without it they are refused, as is all that is none of the kinds
    above.

    Raises
    ------
    MisfitError
        When it cannot be written.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if depth > _DEEPEST:
        raise MisfitError("nested too deeply to be recorded")
    deeper = partial(write_value, write_object=write_object, depth=depth + 1)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"number": str(float(value))}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, tuple | list):
        return [deeper(element) for element in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"mapping": {key: deeper(element) for key, element in value.items()}}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        is_bits = value.dtype == bool and value.ndim > 0
        return pack_bits(value) if is_bits else deeper(value.tolist())
    if write_object is not None and attrs.has(type(value)):
        return write_object(value)
    raise MisfitError(f"a value of type {type(value).__name__} cannot be recorded")


def read_value(value: Any, depth: int = 0) -> Any:
    """What `write_value` was given, with tuples for lists.

    Raises
    ------
    MisfitError
        When it is nothing that `write_value` writes.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MisfitError(f"expected a finite number, got {value}")
        return value
    if depth > _DEEPEST:
        raise MisfitError("nested too deeply")
    if isinstance(value, list | tuple):
        return tuple(read_value(element, depth + 1) for element in value)
    if isinstance(value, dict):
        return _read_tagged(value, depth)
    raise MisfitError(f"expected a value that JSON has, got {quoted(value)}")


def _read_tagged(value: dict[Any, Any], depth: int) -> Any:
    if value.keys() == {"number"} and value["number"] in ("inf", "-inf", "nan"):
        return _NOT_FINITE[value["number"]]
    if value.keys() == {"path"} and isinstance(value["path"], str):
        return Path(value["path"])
    if value.keys() == {"mapping"} and isinstance(value["mapping"], dict):
        return {key: read_value(element, depth + 1) for key, element in value["mapping"].items()}
    if value.keys() == {"packed_bits", "shape"}:
        try:
            return unpack_bits(value["packed_bits"], value["shape"])
        except ValueError as error:
            raise MisfitError(str(error)) from None
    raise MisfitError(f"expected a plain value, got an object: {quoted(value)}")
