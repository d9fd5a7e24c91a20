"""Numbers in lines of text."""

from __future__ import annotations

import math
from pathlib import Path

from openbragg import InputError

_LONGEST = 60
#: Digits that no count in these files reaches; Python takes long over thousands of them.
_MOST_DIGITS = 18


def number(path: Path, line: int, word: str, what: str = "a finite number") -> float:
    """The finite number in a word; an exponent may be marked by D, as Fortran does.

    Raises
    ------
    InputError
        When there is none; the message names the file and the line.
    """
    try:
        value = float(word.replace("D", "E").replace("d", "e")) if word.isascii() and "_" not in word else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}, line {line}: expected {what}, got {ascii(word)[:_LONGEST]}")
    return value


def whole_number(path: Path, line: int, word: str) -> int:
    """The whole number in a word; it may be written as 513.0.

    Raises
    ------
    InputError
        When there is none; the message names the file and the line.
    """
    whole, _, rest = word.partition(".")
    digits = whole[1:] if whole[:1] in ("-", "+") else whole
    if rest.strip("0") or not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise InputError(f"{path}, line {line}: expected a whole number, got {ascii(word)[:_LONGEST]}")
    return int(whole)
