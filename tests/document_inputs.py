"""Files that the pages take for granted: small ones, made when a block names them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np

import crystal_files
import geometry_texts

ROOT = Path(__file__).parents[1]


def _matrix(path: Path) -> None:
    shutil.copy(ROOT / "examples" / "lysozyme" / "lysozyme.mat", path)


def _table(path: Path) -> None:
    indices = product(range(-8, 9), range(-8, 9), range(-4, 5))
    path.write_text("".join(f"{h} {k} {l} {100 + abs(h + 2 * k + 3 * l)}\n" for h, k, l in indices))


def _mtz(path: Path) -> None:
    amplitudes = np.linspace(10.0, 90.0, len(crystal_files.indices()))
    crystal_files.mtz(path, {"FP": ("F", amplitudes), "SIGFP": ("Q", amplitudes / 50.0)})


def _experiments(path: Path) -> None:
    """A small panel, and a crystal of 30, 40 and 50 A."""
    panel = geometry_texts.Flat(np.array([-5.0, -4, 100]), np.eye(3)[0], np.eye(3)[1], (40, 30), (0, 0))
    axes = geometry_texts.turn([1, 2, 3], 40) @ np.diag([30.0, 40, 50])
    path.write_bytes(
        geometry_texts.expt(geometry_texts.Described([panel], np.eye(3)[2], np.eye(3)[0], axes, 1.1, 5.0, 0.1))
    )


#: What makes a file of this name.
INPUTS: dict[str, Callable[[Path], object]] = {
    "A.mat": _matrix,
    "P1.hkl": _table,
    "1abc.pdb": crystal_files.pdb,
    "1orc.pdb": crystal_files.pdb,
    "merged.mtz": _mtz,
    "refined.expt": _experiments,
}


def make_inputs(text: str, folder: Path) -> None:
    """Make the files that a block names and that are not there."""
    for name, make in INPUTS.items():
        if name in text and not (folder / name).exists():
            make(folder / name)
