"""JSON: read from anyone, within bounds and without the liberties that Python's reader takes; written for people."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from openbragg.errors import InputError, quoted
from openbragg.orchestrator.reading.textfile import read_content

#: Whole numbers of a record are counts, sizes and seeds of 64 bits.
_LARGEST_INTEGER = 1 << 64
#: What Python's reader keeps, in bytes: of a list or an object, of a word beyond its letters, of a number in a list,
#: and of a key in an object.
_CONTAINER, _WORD, _PLACE, _ENTRY = 64, 56, 32, 130
#: Memory that a file's values may take, for each of its bytes, and what any file may take.
_EXPANSION = 5
_ALLOWANCE = 1 << 24
#: Letters in a line that is written.
_LINE = 116


def read_json(path: Path, largest: int, what: str) -> Any:
    """The value in a JSON file of at most `largest` bytes.

    Numbers must be finite and whole ones of 64 bits, no key may stand twice in an object, and a file whose values would
    take far more memory than its bytes is refused before they do.

    Parameters
    ----------
    path
        The file.
    largest
        A larger one is something else.
    what
        What the file is said to be, for messages.

    Raises
    ------
    InputError
        When the file cannot be read, or is not such a file; the message names it.
    """
    return parse_json(read_content(path, largest, what), path, what)


def parse_json(
    content: bytes, path: Path, what: str, *, expansion: int = _EXPANSION, must_be_finite: bool = True
) -> Any:
    """The value in a text of JSON; see `read_json`.

    Parameters
    ----------
    content
        The text.
    path
        The file that it comes from, for messages.
    what
        What it is said to be, for messages.
    expansion
        Memory that its values may take, for each byte.
    must_be_finite
        Whether NaN, infinity and numbers beyond double precision are refused.

    Raises
    ------
    InputError
        When it is not such a text; the message names the file.
    """
    if _expanded(content) > expansion * len(content) + _ALLOWANCE:
        raise InputError(f"{path}: made of too many small parts for {what}")
    try:
        return json.loads(
            content.decode("utf-8-sig"),
            parse_float=_finite if must_be_finite else float,
            parse_int=_whole,
            parse_constant=_refuse_constant if must_be_finite else float,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not {what}: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not {what}: no text in UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise InputError(f"{path}: not {what}: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: not {what}: nested too deeply") from None


def layout(value: Any, indent: str = "") -> str:
    """A value of JSON as text: what fits stands on one line."""
    flat = json.dumps(value, allow_nan=False)
    if len(indent) + len(flat) <= _LINE or not isinstance(value, dict | list):
        return flat
    deeper = indent + "  "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {layout(element, deeper)}" for key, element in value.items()]
        opening, closing = "{}"
    elif any(isinstance(element, dict | list) for element in value):
        lines = [layout(element, deeper) for element in value]
        opening, closing = "[]"
    else:
        lines = _filled([json.dumps(element) for element in value], _LINE - len(deeper))
        opening, closing = "[]"
    return f"{opening}\n" + ",\n".join(deeper + line for line in lines) + f"\n{indent}{closing}"


def _filled(words: list[str], width: int) -> list[str]:
    """Words with commas between them, on lines that have no more than they hold."""
    lines: list[list[str]] = [[]]
    length = 0
    for word in words:
        if lines[-1] and length + len(word) + 2 > width:
            lines.append([])
            length = 0
        lines[-1].append(word)
        length += len(word) + 2
    return [", ".join(line) for line in lines]


def _expanded(content: bytes) -> int:
    """Bytes of memory that the values in a text of JSON take at most, leaving its letters aside."""
    containers = content.count(b"[") + content.count(b"{")
    words, places, entries = content.count(b'"') // 2, content.count(b","), content.count(b":")
    return _CONTAINER * containers + _WORD * words + _PLACE * places + _ENTRY * entries


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {quoted(text)} is too large")
    return value


def _whole(text: str) -> int:
    value = int(text) if len(text) <= len(str(_LARGEST_INTEGER)) + 1 else _LARGEST_INTEGER
    if abs(value) >= _LARGEST_INTEGER:
        raise ValueError(f"the whole number {quoted(text)} is too large")
    return value


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {quoted(key)} stands there twice")
        made[key] = value
    return made
