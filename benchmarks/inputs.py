"""Input files that are made, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openbragg.orchestrator.outputs.outputs import write_text

SAXS_TABLE = "saxs.hkl"
#: A spectrum, a table, and one with as many equal columns.
SPECTRUM_FILES = ("spectrum.lam", "spectrum.hkl", "channels.hkl")
_CHANNELS = 100
#: Indices beyond those that its detector sees.
_SEEN = (14, 16, 18)
EIGER_TABLE = "eiger.hkl"
#: Indices up to which the table goes: those of the corners of the case's detector, 14, and what interpolation reaches.
_LARGEST = 18
#: Of a body of 600 electrons, a third of the cell wide, in a cell of 100 A.
_ELECTRONS, _WIDTH = 600.0, 1.0 / 3.0
#: Of lysozyme: sides of the cell and the smallest d spacing in angstrom, the mean F^2 at q = 0 and its fall.
_SIDES, _FINEST, _STRENGTH, _B_FACTOR = (79.0, 79.0, 38.0), 1.5, 300.0, 20.0


def write_eiger_table(file: Path) -> None:
    """Write amplitudes of a tetragonal protein crystal to 1.5 A, distributed as those of many atoms are (Wilson)."""
    whole = [np.arange(-int(side / _FINEST), int(side / _FINEST) + 1) for side in _SIDES]
    h, k, l = (axis.ravel() for axis in np.meshgrid(*whole, indexing="ij"))
    squared = (h / _SIDES[0]) ** 2 + (k / _SIDES[1]) ** 2 + (l / _SIDES[2]) ** 2
    chosen = (squared > 0.0) & (squared <= _FINEST**-2)
    drawn = np.random.default_rng(1).exponential(size=int(chosen.sum()))
    amplitude = _STRENGTH * np.sqrt(drawn) * np.exp(-0.25 * _B_FACTOR * squared[chosen])
    rows = zip(h[chosen].tolist(), k[chosen].tolist(), l[chosen].tolist(), amplitude.tolist(), strict=True)
    write_text(file, "".join(f"{h} {k} {l} {value:.3f}\n" for h, k, l, value in rows))


def write_saxs_table(file: Path) -> None:
    """Write the amplitudes of one smooth, lopsided body at every index of a box, no two alike."""
    index = np.arange(-_LARGEST, _LARGEST + 1)
    h, k, l = (axis.ravel() for axis in np.meshgrid(index, index, index, indexing="ij"))
    along = h**2 + 1.3 * k**2 + 0.8 * l**2 + 0.3 * h * k - 0.2 * k * l
    amplitude = _ELECTRONS * np.exp(-_WIDTH * np.sqrt(1.0 + along)) * (2.0 + np.cos(0.4 * h + 0.3 * k - 0.5 * l))
    rows = zip(h.tolist(), k.tolist(), l.tolist(), amplitude.tolist(), strict=True)
    write_text(file, "".join(f"{h} {k} {l} {value:.5f}\n" for h, k, l, value in rows))


def write_spectrum_files(folder: Path) -> None:
    """Write a spectrum of 100 wavelengths about 1 A, and tables of amplitudes with one column and with as many."""
    wavelengths = np.linspace(0.99, 1.01, _CHANNELS)
    weights = np.exp(-(((wavelengths - 1.0) / 0.005) ** 2))
    rows = (f"{length:.6f} {weight:.6f}\n" for length, weight in zip(wavelengths, weights, strict=True))
    amplitudes = np.random.default_rng(1).integers(1, 200, [2 * most + 1 for most in _SEEN])
    reflections = [
        (f"{h - _SEEN[0]} {k - _SEEN[1]} {l - _SEEN[2]}", int(value)) for (h, k, l), value in np.ndenumerate(amplitudes)
    ]
    spectrum, table, channels = (folder / name for name in SPECTRUM_FILES)
    write_text(spectrum, "".join(rows))
    write_text(table, "".join(f"{index} {value}\n" for index, value in reflections))
    write_text(channels, "".join(f"{index}{f' {value}' * _CHANNELS}\n" for index, value in reflections))
