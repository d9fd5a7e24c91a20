"""The log of a simulator: lines of a trace among other output."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from openbragg import InputError, TracedPixel, quoted
from openbragg_tracers.traces.model import STEP_AXES, TraceFile, Value
from openbragg_tracers.traces.quantities import known_names, quantity

#: No line of a trace is longer.
_LONGEST_LINE = 1 << 16
_MARK = b"TRACE_"
_START = "TRACE_CONFIG: tracing pixel"
_PIXEL = re.compile(r"TRACE_CONFIG: tracing pixel \(spixel=(\d{1,9}), fpixel=(\d{1,9})\)")
_VALUE = ("TRACE_C:", "TRACE_PY:")
_STEP = ("TRACE_C_PHI", "TRACE_PY_PHI")
_INTEGER = re.compile(r"(?!-0+$)[-+]?[0-9]{1,15}")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?inf(inity)?", re.IGNORECASE)
#: As C libraries print it.
_NAN = re.compile(r"[-+]?nan(\(\w*\))?|-?1\.#(IND|QNAN|SNAN)\d*", re.IGNORECASE)
#: What Python's objects take, in bytes: of a pixel, a value, a step, a notice, and of each number in them.
_OF_A_PIXEL, _OF_A_VALUE, _OF_A_STEP, _OF_A_NOTICE, _OF_A_NUMBER = 700, 200, 420, 300, 40
#: Memory that traces may take, for each of their bytes, and what any may take.
_EXPANSION = 10
_ALLOWANCE = 1 << 24
#: The first and the last number that the reference program prints of a pixel.
_FIRST_VALUE, _LAST_VALUE = "pix0_vector_meters", "floatimage_accumulated"


@attrs.define
class _Reader:
    """What was understood so far."""

    path: Path
    pixels: list[TracedPixel] = attrs.field(factory=list)
    values: dict[str, Value] = attrs.field(factory=dict)
    steps: list[dict[str, Any]] = attrs.field(factory=list)
    notices: list[str] = attrs.field(factory=list)
    repeated: set[str] = attrs.field(factory=set)
    read: int = 0
    taken: int = 0

    def take(self, text: str, line: int) -> None:
        """Understand one line; what is no line of a trace is passed over."""
        self.read += len(text)
        if self.taken > _EXPANSION * self.read + _ALLOWANCE:
            raise InputError(f"{self.path}, line {line}: made of too many small parts for a log")
        if text.startswith(_START):
            self._start(text, line)
        elif text.startswith(_VALUE):
            self._value(text.partition(":")[2].split(), line)
        elif text.startswith(_STEP) and text.split(maxsplit=1)[0] in _STEP:
            self._step(text.split()[1:], line)

    def _start(self, text: str, line: int) -> None:
        found = _PIXEL.fullmatch(text)
        if found is None:
            raise self._error(line, "expected 'TRACE_CONFIG: tracing pixel (spixel=S, fpixel=F)'", text)
        self.taken += _OF_A_PIXEL
        self.values, self.steps, self.repeated = {}, [], set()
        self.pixels.append(TracedPixel(int(found[1]), int(found[2]), self.values, self.steps))

    def _value(self, words: list[str], line: int) -> None:
        self._check_started(line)
        if len(words) < 2:
            raise self._error(line, "expected a name and its values", " ".join(words))
        name, numbers = words[0], [number(word) for word in words[1:]]
        self.taken += _OF_A_VALUE + _OF_A_NUMBER * len(numbers)
        if name in self.values:
            if name not in self.repeated:
                self.taken += _OF_A_NOTICE
                self.notices.append(f"{self.path}, line {line}: {quoted(name)} stands there again; the first is kept")
            self.repeated.add(name)
            return
        known = [each for each in numbers if each is not None]
        if name in known_names() and len(known) != (3 if quantity(name).is_vector else 1):
            expected = "3 numbers" if quantity(name).is_vector else "a number"
            raise self._error(line, f"{name}: expected {expected}", " ".join(words[1:]))
        if len(known) < len(numbers):
            self.values[name] = " ".join(words[1:])
        else:
            self.values[name] = known[0] if len(known) == 1 else known

    def _step(self, words: list[str], line: int) -> None:
        self._check_started(line)
        step: dict[str, Any] = dict.fromkeys(STEP_AXES, 0)
        given = [word.partition("=") for word in words]
        self.taken += _OF_A_STEP + _OF_A_NUMBER * len(given)
        if "phi_tic" not in (key for key, _, _ in given):
            raise self._error(line, "expected phi_tic=NUMBER", " ".join(words))
        for key, equals, word in given:
            value = number(word)
            if not equals or not key or (value is None and key in known_names()):
                raise self._error(line, "expected words like NAME=NUMBER", "".join((key, equals, word)))
            if key in STEP_AXES and (not isinstance(value, int) or value < 0):
                raise self._error(line, f"{key}: expected a whole number from 0 on", word)
            step[key] = word if value is None else value
        self.steps.append(step)

    def _check_started(self, line: int) -> None:
        if not self.pixels:
            raise InputError(
                f"{self.path}, line {line}: expected first which pixel is traced, as in '{_START} (spixel=S, fpixel=F)'"
            )

    def _error(self, line: int, expected: str, got: str) -> InputError:
        return InputError(f"{self.path}, line {line}: {expected}, got {quoted(got)}")


def read_log(stream: BinaryIO, path: Path) -> TraceFile:
    """Read the traces in a log.

    Raises
    ------
    InputError
        When there are none, or a line of a trace is damaged; the message names the file and the line.
    """
    reader = _Reader(path)
    for line, text in _lines(stream):
        if text is None:
            read = f"read up to line {line - 1}" if line > 1 else "nothing was read"
            reader.notices.append(f"{path} ends within line {line}; {read}")
        elif len(text) > _LONGEST_LINE and text.startswith("TRACE_"):
            raise InputError(f"{path}, line {line}: too long for a line of a trace")
        else:
            reader.take(text, line)
    pixels = [pixel for pixel in reader.pixels if pixel.values or pixel.steps]
    if not pixels:
        raise InputError(f"{path}: no trace in it: expected lines of TRACE_C: or TRACE_PY:, or openbragg-trace JSON")
    for pixel in reader.pixels:
        if not (pixel.values or pixel.steps):
            reader.notices.append(f"{path} says nothing of pixel slow {pixel.slow}, fast {pixel.fast}: cut off?")
    last = reader.pixels[-1]
    if _FIRST_VALUE in last.values and _LAST_VALUE not in last.values:
        reader.notices.append(
            f"{path} ends before the {_LAST_VALUE} of pixel slow {last.slow}, fast {last.fast}: cut off?"
        )
    return TraceFile(path, "log", pixels, reader.notices)


def number(word: str) -> float | None:
    """The number that a program printed; None when it is none."""
    if _INTEGER.fullmatch(word):
        return int(word)
    if _DECIMAL.fullmatch(word):
        return float(word)
    return math.nan if _NAN.fullmatch(word) else None


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str | None]]:
    """Numbers and texts of lines; of a long one the beginning, and None for a last one that is not whole."""
    line = 0
    while content := stream.readline(_LONGEST_LINE + 2):
        line += 1
        rest = content
        while not rest.endswith(b"\n"):
            rest = stream.readline(_LONGEST_LINE)
            if not rest:
                yield line, None
                return
        if _MARK not in content:
            continue
        # What a terminal shows of a line begins after the last return to its start.
        text = content.decode("utf-8", errors="replace").removesuffix("\n").rstrip("\r")
        yield line, text.rpartition("\r")[2].strip()
