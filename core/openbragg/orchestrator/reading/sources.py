"""Files that list sources."""

from __future__ import annotations

import math
from pathlib import Path

from openbragg.errors import InputError
from openbragg.orchestrator.reading.textfile import read_lines
from openbragg.orchestrator.resolving.quirks import COMMENTS, notice
from openbragg.units import unit

#: Columns: x, y, z, weight, wavelength.
_COLUMNS = 5
_PLACE = 3
#: More than any list of sources; a larger file is something else.
_LARGEST_FILE = 1 << 26
#: Each of them is an image of its own.
_MOST_SOURCES = 1 << 16
#: No place, weight or wavelength comes near this, or its inverse; within, nothing overflows.
_LARGEST = 1e100
#: Columns of a spectrum, and what its first numbers may be.
_PAIR = 2
_WAVELENGTHS, _ENERGIES = "wavelengths in angstroms", "photon energies in eV"
_ANGSTROMS, _ELECTRON_VOLTS = (0.01, 100.0), (1000.0, 200000.0)
_ANGSTROM, _EV = unit("A").to_si(1.0), unit("eV")
#: Nothing diffracts at a wavelength above this, in metres.
_LONGEST = 1e-6
_QUIRK = "source-units"

Row = tuple[float | None, ...]


def read_sources(
    path: Path, quirks: frozenset[str] = frozenset(), notices: list[str] | None = None
) -> tuple[list[Row], float | None]:
    """Read a source file: x y z in metres as seen from the crystal, weight, wavelength in metres, one source a line.

    Columns may be missing at the end of a line; they come back as None. Words are separated by blanks, tabs, commas,
    semicolons or colons, as in the reference program, and what follows # is passed over, or with the quirk
    ``comments-refused`` refused as any other word. A file of two columns all of whose first numbers are wavelengths
    in angstroms, or photon energies in eV, is a spectrum, with weights, of sources along the beam; and wavelengths in
    the fifth column that are far too long for metres are in angstroms. With the quirk ``source-units`` both are what
    the reference program takes them for; `notices` gets a line about either.

    Returns
    -------
    rows, wavelength
        The sources; and of a spectrum the mean wavelength in metres, by weight, else None.

    Raises
    ------
    InputError
        When the file is missing or empty, has more sources than can be rendered or only sources without weight, or a
        line has something else, a source in the crystal's own place, or a wavelength at which nothing diffracts; the
        message names the line.
    """
    given = _numbers(path, "sources", comments=COMMENTS not in quirks)
    notices = notices if notices is not None else []
    columns = [values for _, values, _ in given]
    heeded = _QUIRK not in quirks
    if kind := _spectrum(columns):
        notices.append(_noticed(heeded, f"{path} is a spectrum of {kind} and weights", "places x and y"))
        if heeded:
            return _spectrum_rows(path, columns, kind)
    for number, values, text in given:
        if complaint := _complaint(values):
            raise InputError(f"{path}, line {number}: {complaint}, got {text!r}")
    factor = 1.0
    lengths = [values[4] for values in columns if len(values) == _COLUMNS]
    if any(length > _LONGEST for length in lengths):
        in_angstroms = all(_within(length, _ANGSTROMS) for length in lengths)
        if heeded and not in_angstroms:
            number, text = next(
                (number, text) for number, values, text in given if max(values[4:], default=0) > _LONGEST
            )
            raise InputError(f"{path}, line {number}: expected a wavelength in metres, got {text!r}")
        factor = _ANGSTROM if heeded else 1.0
        notices.append(_noticed(heeded, f"the wavelengths of {path} are angstroms", "metres"))
    rows = [
        (*values[:4], *(value * factor for value in values[4:]), *(None for _ in range(_COLUMNS - len(values))))
        for values in columns
    ]
    _check_weights(path, rows)
    return rows, None


def read_spectrum(path: Path) -> tuple[list[float], list[float]]:
    """Read a spectrum: two columns, wavelengths in angstroms or photon energies in eV, and weights.

    Words are separated, and what follows # is passed over, as in a list of sources.

    Returns
    -------
    wavelengths, weights
        Wavelengths in metres; weights as they are given.

    Raises
    ------
    InputError
        When the file is missing or empty, or is not of two such columns, or has no weight; the message names the line.
    """
    given = _numbers(path, "wavelengths", comments=True)
    columns = [values for _, values, _ in given]
    kind = _spectrum(columns)
    if not kind:
        number, _, text = next((each for each in given if not _spectrum([each[1]])), given[0])
        raise InputError(
            f"{path}, line {number}: expected a wavelength (0.01 to 100 A) or a photon energy (1000 to 200000 eV) as "
            f"in the other lines, and a weight of 0 or more, got {text!r}"
        )
    rows, _ = _spectrum_rows(path, columns, kind)
    return [row[4] or 0.0 for row in rows], [row[3] or 0.0 for row in rows]


def _numbers(path: Path, what: str, *, comments: bool) -> list[tuple[int, list[float], str]]:
    """The lines of a file that have anything: their numbers, those in them, and their text; NaN for other words."""
    lines = read_lines(path, _LARGEST_FILE, f"a list of {what}", comment="#" if comments else "")
    given: list[tuple[int, list[float], str]] = []
    for number, line in enumerate(lines, start=1):
        words = line.translate(str.maketrans(",;:!", "    ")).split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = [math.nan]
        given.append((number, values, " ".join(words)[:60]))
        if len(given) > _MOST_SOURCES:
            raise InputError(f"{path}: more than {_MOST_SOURCES} {what} in the file")
    if not given:
        raise InputError(f"{path}: no {what} in the file")
    return given


def _spectrum(columns: list[list[float]]) -> str:
    """What the first of two columns has that is a spectrum's; empty where there is no such thing."""
    if not all(len(values) == _PAIR and 0.0 <= values[1] < _LARGEST for values in columns):
        return ""
    kinds = {_WAVELENGTHS: _ANGSTROMS, _ENERGIES: _ELECTRON_VOLTS}
    return next((kind for kind, limits in kinds.items() if all(_within(each[0], limits) for each in columns)), "")


def _spectrum_rows(path: Path, columns: list[list[float]], kind: str) -> tuple[list[Row], float]:
    """Sources along the beam, and their mean wavelength in metres."""
    lengths = [value * _ANGSTROM if kind == _WAVELENGTHS else _EV.to_si(value) for value, _ in columns]
    rows: list[Row] = [(None, None, None, each[1], length) for each, length in zip(columns, lengths, strict=True)]
    _check_weights(path, rows)
    whole = math.fsum(weight for _, weight in columns)
    return rows, math.fsum(length * each[1] for each, length in zip(columns, lengths, strict=True)) / whole


def _noticed(heeded: bool, what: str, reference: str) -> str:
    if heeded:
        return notice(_QUIRK, f"{what}, and read as such, not as {reference}")
    return f"{what}, taken for {reference} as the reference takes them"


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _check_weights(path: Path, rows: list[Row]) -> None:
    if sum(1.0 if row[3] is None else row[3] for row in rows) < 1.0 / _LARGEST:
        raise InputError(f"{path}: expected sources with weights that are not all 0")


def _complaint(values: list[float]) -> str | None:
    """What a source with these columns lacks."""
    if len(values) > _COLUMNS or not all(abs(value) < _LARGEST for value in values):
        return "expected a source as x y z weight wavelength"
    if math.hypot(*values[:_PLACE]) < 1.0 / _LARGEST:
        return "expected a source that does not stand where the crystal is"
    if any(value < 0.0 for value in values[3:4]) or any(value < 1.0 / _LARGEST for value in values[4:]):
        return "sources need weights of 0 or more and wavelengths above 0"
    return None
