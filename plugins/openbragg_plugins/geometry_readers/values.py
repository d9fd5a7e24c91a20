"""Values of JSON that are what a key must have."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs

from openbragg import InputError

_LONGEST = 60


@attrs.frozen
class Node:
    """An object of a JSON file, its keys read with care.

    Attributes
    ----------
    path
        The file.
    where
        What messages call the object.
    value
        What is there.
    """

    path: Path
    where: str
    value: Any

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.value, dict):
            raise self.wrong("an object", self.value)

    def wrong(self, expected: str, got: Any, key: str = "") -> InputError:
        """What to raise where there is something else than expected."""
        text = ascii(got)
        place = f"{self.where}.{key}" if key else self.where
        return InputError(f"{self.path}: {place}: expected {expected}, got {text[:_LONGEST]}")

    def has(self, key: str) -> bool:
        """Whether a key is there and not null."""
        return self.value.get(key) is not None

    def elements(self, key: str) -> list[Any]:
        """The list of a key; empty where it is missing."""
        found = self.value.get(key) or []
        if not isinstance(found, list):
            raise self.wrong("a list", found, key)
        return found

    def node(self, key: str, number: int | None = None) -> Node:
        """The object of a key, or an element of the list of objects there."""
        if number is None:
            return Node(self.path, f"{self.where}.{key}", self.value.get(key))
        found = self.elements(key)
        if not 0 <= number < len(found):
            raise self.wrong(f"at least {number + 1} elements", len(found), key)
        return Node(self.path, f"{self.where}.{key}[{number}]", found[number])

    def numbers(self, key: str, count: int) -> list[float]:
        """So many finite numbers."""
        found = self.value.get(key)
        if not (isinstance(found, list) and len(found) == count and all(map(_is_number, found))):
            raise self.wrong(f"{count} finite numbers", found, key)
        return [float(value) for value in found]

    def number(self, key: str) -> float | None:
        """A finite number; None where it is missing."""
        found = self.value.get(key)
        if found is not None and not _is_number(found):
            raise self.wrong("a finite number", found, key)
        return None if found is None else float(found)

    def whole(self, key: str, count: int) -> list[int]:
        """So many whole numbers."""
        found = self.numbers(key, count)
        if not all(value.is_integer() and abs(value) < 1 << 53 for value in found):
            raise self.wrong(f"{count} whole numbers", found, key)
        return [int(value) for value in found]

    def word(self, key: str) -> str:
        """A word; empty where it is missing."""
        found = self.value.get(key) or ""
        if not isinstance(found, str):
            raise self.wrong("a word", found, key)
        return found


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
