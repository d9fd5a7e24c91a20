"""Dispersion corrections f' and f'' of elements at any wavelength."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg import InputError, read_lines, unit

if TYPE_CHECKING:
    import torch

#: Of an element, energies in electronvolts, rising, and f' and f'' at them in electrons.
Listed = tuple[Any, Any, Any]

_EV = unit("eV").from_si
#: Relative step of the wavelength by which the slope of f' and f'' is taken.
_STEP = 1e-5
#: An energy that is beyond the ends of a list by this part is at its end.
_ROUNDING = 1e-9
#: No file of f' and f'' is larger; nor has it more lines.
_LARGEST_FILE = 1 << 26
_MOST_LINES = 1 << 18
#: Energies in eV that can be meant, and a bound of f' and f''.
_LOWEST, _HIGHEST, _LARGEST = 10.0, 1e6, 1e4
_COLUMNS = 3


def elements_of(words: str, where: str) -> tuple[str, ...]:
    """The elements in a list with commas, each once, as they are written in the periodic table.

    Raises
    ------
    InputError
        When one is none; the message begins with `where`.
    """
    import gemmi

    named = [word.strip() for word in words.split(",") if word.strip()]
    known = [gemmi.Element(name) for name in named]
    for name, element in zip(named, known, strict=True):
        if element.atomic_number == 0 or len(name) > 2:
            raise InputError(f"{where}: expected elements, like Se or Fe,S, got {name[:20]!r}")
    if not named:
        raise InputError(f"{where}: expected elements, like Se or Fe,S")
    return tuple(dict.fromkeys(element.name for element in known))


def corrections(
    element: str, wavelengths: torch.Tensor, listed: Mapping[str, Listed], *, clamped: bool = False
) -> torch.Tensor:
    """f' and f'' of an element in electrons at wavelengths in metres: float64, (wavelengths, 2).

    Between the energies of a list they lie on straight lines, and with `clamped` it has no end; an element that is not
    `listed` has them from theory, of the free atom. Source: D. T. Cromer and D. A. Liberman, Acta Cryst. A37, 267
    (1981), as gemmi has it.

    Raises
    ------
    InputError
        When a list does not reach a wavelength, or theory has none for the element.
    """
    if element in listed:
        return _between(element, wavelengths, *listed[element], clamped=clamped)
    import torch

    lengths = [float(value) for value in wavelengths.detach().tolist()]
    rows = [_theory(element, length) for length in lengths]
    values, slopes = (torch.tensor([row[place] for row in rows], dtype=torch.float64) for place in (0, 1))
    given = torch.tensor(lengths, dtype=torch.float64).unsqueeze(1)
    # The value is theory's; what is added to it is 0, and has the slope for a gradient.
    moved = wavelengths.cpu().unsqueeze(1) - given
    return (values.reshape(-1, 2) + slopes.reshape(-1, 2) * moved).to(wavelengths.device)


@lru_cache(maxsize=1 << 12)
def _theory(element: str, wavelength: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """f' and f'', and their slopes by the wavelength in 1/metres."""
    import gemmi

    number = gemmi.Element(element).atomic_number

    def at(length: float) -> tuple[float, float]:
        found: tuple[float, float] = gemmi.cromer_liberman(z=number, energy=_EV(length))
        return found

    here, longer, shorter = (at(wavelength * (1.0 + step)) for step in (0.0, _STEP, -_STEP))
    if not all(map(math.isfinite, (*here, *longer, *shorter))) or here == (0.0, 0.0):
        raise InputError(f"there are no f' and f'' of {element} at {_EV(wavelength):.6g} eV from theory: list them")
    slopes = [(up - down) / (2.0 * _STEP * wavelength) for up, down in zip(longer, shorter, strict=True)]
    return here, (slopes[0], slopes[1])


def _between(
    element: str, wavelengths: torch.Tensor, energies: Any, first: Any, second: Any, *, clamped: bool
) -> torch.Tensor:
    import torch

    places, *values = (
        torch.as_tensor(each, dtype=torch.float64, device=wavelengths.device) for each in (energies, first, second)
    )
    wanted = _EV(wavelengths)
    lowest, highest = float(places[0]), float(places[-1])
    low, high = (float(end) for end in wanted.detach().aminmax())
    if clamped:
        wanted = wanted.clamp(lowest, highest)
    elif low < lowest * (1.0 - _ROUNDING) or high > highest * (1.0 + _ROUNDING):
        raise InputError(
            f"f' and f'' of {element} are listed from {lowest:.6g} to {highest:.6g} eV, "
            f"and the beam has {low:.6g} to {high:.6g}"
        )
    if len(places) == 1:
        return torch.stack([each.expand(len(wanted)) for each in values], dim=1)
    before = (torch.searchsorted(places, wanted.detach(), right=True) - 1).clamp(0, len(places) - 2)
    part = (wanted - places[before]) / (places[before + 1] - places[before])
    return torch.stack([each[before] + part * (each[before + 1] - each[before]) for each in values], dim=1)


def read_corrections(path: Path, elements: Iterable[str]) -> dict[str, Listed]:
    """Read f' and f'': lines of a photon energy in eV, f' and f'' in electrons; with the element first, of several.

    What follows # is passed over, and so is a line of words alone. Energies may stand in any order.

    Parameters
    ----------
    path
        The file.
    elements
        Those that are wanted; lines without an element are of the only one.

    Raises
    ------
    InputError
        When the file cannot be read, has none of these, or a line is not that; the message names the line.
    """
    wanted = tuple(elements)
    found: dict[str, dict[float, tuple[float, float]]] = {}
    for number, line in enumerate(read_lines(path, _LARGEST_FILE, "a list of f' and f''", comment="#"), start=1):
        words = line.replace(",", " ").split()
        if not words or not any(map(_is_number, words)):
            continue
        named = words[0] if not _is_number(words[0]) else None
        values = [float(word) for word in words[named is not None :] if _is_number(word)]
        good = len(values) == _COLUMNS == len(words) - (named is not None)
        if not good or not (_LOWEST <= values[0] <= _HIGHEST and max(map(abs, values[1:])) <= _LARGEST):
            text = " ".join(words)[:60]
            raise InputError(f"{path}, line {number}: expected a photon energy in eV, f' and f'', got {text!r}")
        if named is None and len(wanted) != 1:
            raise InputError(f"{path}, line {number}: expected an element first, of {', '.join(wanted)}")
        element = wanted[0] if named is None else elements_of(named, f"{path}, line {number}")[0]
        found.setdefault(element, {})[values[0]] = (values[1], values[2])
        if number > _MOST_LINES:
            raise InputError(f"{path}: more than {_MOST_LINES} lines are too many")
    if not set(found) & set(wanted):
        raise InputError(f"{path}: there are no f' and f'' of {', '.join(wanted)}")
    return {
        element: tuple(zip(*((energy, *pair) for energy, pair in sorted(rows.items())), strict=True))  # type: ignore[misc]
        for element, rows in found.items()
    }


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word)) and "_" not in word
    except ValueError:
        return False
