"""Amplitudes of unique reflections as an MTZ file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import gemmi
import numpy as np

from openbragg import write_file

if TYPE_CHECKING:
    from openbragg_tools.wilson.statistics import Amplitudes, Reflections

#: Name and MTZ type of the column of amplitudes.
_LABEL, _AMPLITUDE = "F", "F"
_TITLE = "Structure factors from Wilson statistics"


def write_mtz(
    path: Path, hkl: Reflections, amplitudes: Amplitudes, cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup
) -> None:
    """Write unique reflections with their cell and space group.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    hkl
        Unique reflections, (reflections, 3).
    amplitudes
        In electrons per unit cell, (reflections,); MTZ keeps them in single precision.
    cell, space_group
        As gemmi has them.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    table = gemmi.Mtz(with_base=True)
    table.title = _TITLE
    table.spacegroup = space_group
    table.set_cell_for_all(cell)
    table.add_dataset("wilson")
    table.add_column(_LABEL, _AMPLITUDE)
    table.set_data(np.column_stack([hkl, amplitudes]).astype(np.float32))

    def write(stream: BinaryIO) -> None:
        # gemmi writes to a name only.
        with tempfile.TemporaryDirectory(prefix="openbragg_") as folder:
            whole = Path(folder) / "wilson.mtz"
            table.write_to_file(str(whole))
            stream.write(whole.read_bytes())

    write_file(path, write)
