"""Keys of a recipe, each of which has to be one that there is and to have a value of its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from openbragg import InputError, quoted


def refuse_other_keys(where: str, told: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse a key that there is not.

    Raises
    ------
    InputError
        With the keys that there are.
    """
    for key in told:
        if key not in known:
            raise InputError(f"{where}{key}: no such key; there are {', '.join(known)}")


def table(told: Mapping[str, Any], key: str, where: str = "") -> dict[str, Any]:
    """A table of a recipe, empty where there is none.

    Raises
    ------
    InputError
        When it is none.
    """
    value = told.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{where}{key}: expected a table, got {quoted(value)}")
    return value


def whole(told: Mapping[str, Any], key: str, default: int, least: int) -> int:
    """A whole number.

    Raises
    ------
    InputError
        When it is none, or too small.
    """
    value = told.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{key}: expected a whole number from {least}, got {quoted(value)}")
    return value


def yes(told: Mapping[str, Any], key: str, default: bool) -> bool:
    """Whether something is wanted.

    Raises
    ------
    InputError
        When it is neither.
    """
    value = told.get(key, default)
    if not isinstance(value, bool):
        raise InputError(f"{key}: expected true or false, got {quoted(value)}")
    return value
