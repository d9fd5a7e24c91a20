"""Lists of intensities as text or by XDS: CrystFEL, SHELX, SCALEPACK, XDS_ASCII."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import InputError
from openbragg_plugins.structure_factors.columns import AMPLITUDE, INTENSITY, Column
from openbragg_plugins.structure_factors.crystal_file import CrystalFile, beside, read_crystal_file
from openbragg_plugins.structure_factors.reflection_data import (
    ReflectionData,
    checked_cell,
    checked_indices,
    refuse_misfit,
)
from openbragg_plugins.structure_factors.sources import as_file, complaints, lines_of
from openbragg_plugins.structure_factors.symmetry import Symmetry, named_group, point_group

if TYPE_CHECKING:
    import gemmi
    import numpy as np

    Real = np.ndarray[Any, np.dtype[np.float64]]

_NAN = float("nan")
#: Ends of the files beside a list of reflections in which SHELX, and CrystFEL, have the crystal.
_OF_SHELX = (".ins", ".res", ".cif")
_OF_CRYSTFEL = (".cell", ".pdb")
_END = "End of reflections"
#: SHELX's lists of intensities and of amplitudes, by the number behind HKLF.
_HKLF = {4: INTENSITY, 3: AMPLITUDE}
_UNKNOWN = "unknown"
_FRIEDEL = re.compile(rb"FRIEDEL'S_LAW=\s*TRUE")
_FIRST_LINE = 1 << 8
#: The least deviation that counts as one, as a part of the largest.
_LEAST = 1e-6


@attrs.frozen
class Asked:
    """What the user says of a crystal: a file that has it, and the name of a space group or point group."""

    file: Path | None = None
    symmetry: str | None = None

    def crystal(self, path: Path, suffixes: Iterable[str]) -> CrystalFile | None:
        """The file that is named, or the one beside the reflections; None where there is none."""
        found = self.file or beside(path, suffixes)
        return read_crystal_file(found) if found is not None else None


def read_crystfel(path: Path, content: bytes, asked: Asked) -> ReflectionData:
    """Read merged intensities from a reflection list of CrystFEL, whose symmetry is a point group.

    Raises
    ------
    InputError
        When a line is no reflection, the list has no end, or nothing says what symmetry it has.
    """
    symbol, header, started, ended = "", 0, False, False
    numbers = array("d")
    for number, line in lines_of(path, content):
        text = line.strip()
        if not started:
            if text.startswith("Symmetry:"):
                symbol = text.removeprefix("Symmetry:").strip()
            started = text.split()[:4] == ["h", "k", "l", "I"]
            header = number
        elif text == _END:
            ended = True
            break
        elif text:
            words = text.split()
            # The fifth is a phase, or a dash for none.
            numbers.extend(_reflection(path, number, [*words[:4], *words[5:6]], 5))
    if not started or header > 5:
        raise InputError(f"{path}: there are no reflections in the file")
    if not ended:
        raise InputError(f"{path}: the list of reflections ends too early: expected a line {_END!r}")
    crystal = asked.crystal(path, _OF_CRYSTFEL)
    cell = crystal.cell if crystal is not None else None
    centring = crystal.centring if crystal is not None else "P"
    group: gemmi.SpaceGroup | Symmetry
    if asked.symmetry is not None:
        group = named_group(path, asked.symmetry)
    elif symbol and symbol != _UNKNOWN:
        group = point_group(path, symbol, centring)
    elif crystal is not None and crystal.group is not None:
        group = crystal.group
    else:
        raise InputError(f"{path}: the list does not say its symmetry: give it with -symmetry, for example 4/mmm")
    return _intensities(path, numbers, cell, group, crystal)


def read_shelx(path: Path, content: bytes, asked: Asked) -> ReflectionData:
    """Read observations as SHELX does, in fixed columns (3I4, 2F8, I4), up to a reflection 0 0 0.

    Raises
    ------
    InputError
        When a line is no reflection, the reflections are of twins, or nothing says what crystal they are of.
    """
    crystal = asked.crystal(path, _OF_SHELX)
    code = crystal.reflections if crystal is not None else 4
    if code not in _HKLF:
        raise InputError(f"{path}: HKLF {code}: reflections of twins are not read, HKLF 4 and 3 are")
    numbers = array("d")
    for number, line in lines_of(path, content):
        if not line.strip():
            break
        fields = [line[0:4], line[4:8], line[8:12], line[12:20], line[20:28]]
        values = _reflection(path, number, fields, 5)
        if not any(values[:3]):
            break
        if line[28:32].strip().startswith("-"):
            raise InputError(f"{path}, line {number}: reflections of twins (HKLF 5) are not read, HKLF 4 and 3 are")
        numbers.extend(values)
    group = named_group(path, asked.symmetry) if asked.symmetry is not None else crystal.group if crystal else None
    if group is None:
        names = ", ".join(path.with_suffix(end).name for end in _OF_SHELX)
        raise InputError(
            f"{path}: reflections of SHELX, without cell and symmetry: put the structure's file beside them ({names}), "
            "or name it with -crystal_file"
        )
    data = _intensities(path, numbers, crystal.cell if crystal else None, group, crystal, _HKLF[code])
    return _transformed(path, data, crystal) if crystal is not None else data


def read_scalepack(path: Path, content: bytes, asked: Asked) -> ReflectionData:
    """Read merged intensities of SCALEPACK: three lines of header, then h k l, I and its deviation, once or twice.

    Raises
    ------
    InputError
        When the reflections are unmerged, or a line is none.
    """
    import gemmi
    import numpy as np

    header: list[str] = []
    rows, numbers = array("d"), 0
    for number, line in lines_of(path, content):
        if len(header) < 3:
            header.append(line)
            if len(header) == 1 and len(line.split()) > 1:
                raise InputError(f"{path}: the reflections are unmerged (of SCALEPACK): merge them first")
        elif line.strip():
            fields = [line[0:4], line[4:8], line[8:12], *(line[start : start + 8] for start in (12, 20, 28, 36))]
            values = _reflection(path, number, [field for field in fields if field.strip()], 5)
            plus, deviation, minus, other = (*values[3:7], _NAN, _NAN)[:4]
            # What was not measured has a deviation below 0.
            rows.extend((*values[:3], plus if deviation >= 0.0 else _NAN, minus if other >= 0.0 else _NAN))
            numbers += len(values) > 5
    words = header[2].split() if len(header) == 3 else []
    lengths = _reflection(path, 3, words[:6], 6)
    cell = checked_cell(path, gemmi.UnitCell(*lengths))
    name = asked.symmetry or " ".join(words[6:])
    group: gemmi.SpaceGroup | Symmetry | None = gemmi.find_spacegroup_by_name(name, cell.alpha, cell.gamma)
    if group is None:
        group = named_group(path, name)
    refuse_misfit(path, group, cell)
    table = np.array(rows).reshape(-1, 5)
    column = Column(("I(+)", "I(-)") if numbers else ("I",), INTENSITY)

    def values_of(label: str) -> Real:
        result: Real = table[:, 4 if label == "I(-)" else 3]
        return result

    return ReflectionData(
        cell=cell,
        group=group,
        indices=checked_indices(path, table[:, :3]),
        columns=[column],
        values=values_of,
        wavelength=lambda label: None,
        mates_alike=not numbers,
        measures_intensities=True,
    )


def read_xds_ascii(path: Path, content: bytes, asked: Asked) -> ReflectionData:
    """Read scaled intensities of XDS or XSCALE, merged or not; misfits, whose deviation is below 0, do not count.

    Raises
    ------
    InputError
        When it is no such file, or lacks reflections, the cell or the space group.
    """
    import gemmi
    import numpy as np

    with complaints(path, "file of XDS"), as_file(content, ".HKL") as name:
        xds = gemmi.read_xds_ascii(name)
    cell = checked_cell(path, gemmi.UnitCell(*xds.cell_constants))
    group: gemmi.SpaceGroup | Symmetry | None = None
    if xds.spacegroup_number > 0:  # 0 is what XDS has before it knows one
        group = gemmi.find_spacegroup_by_number(xds.spacegroup_number)
    if asked.symmetry is not None:
        group = named_group(path, asked.symmetry)
    if group is None:
        raise InputError(f"{path}: there is no space group in the file: give it with -symmetry")
    refuse_misfit(path, group, cell)
    intensities, deviations = np.array(xds.iobs_array, dtype="f8"), np.array(xds.sigma_array, dtype="f8")
    good = (deviations > 0.0) & np.isfinite(intensities) & np.isfinite(deviations)
    rows = np.column_stack([np.array(xds.miller_array, dtype="f8").reshape(-1, 3), intensities, deviations])[good]
    wavelength = float(xds.wavelength)
    return attrs.evolve(
        _merged(path, rows, cell, group, wavelength if 0.0 < wavelength < 1e6 else None),
        mates_alike=_FRIEDEL.search(content[:_FIRST_LINE]) is not None,
    )


def _intensities(
    path: Path,
    numbers: array[float],
    cell: gemmi.UnitCell | None,
    group: gemmi.SpaceGroup | Symmetry,
    crystal: CrystalFile | None,
    quantity: str = INTENSITY,
) -> ReflectionData:
    """Data of rows h, k, l, value, deviation."""
    import numpy as np

    rows = np.frombuffer(numbers, dtype="f8").reshape(-1, 5)
    if cell is not None:
        refuse_misfit(path, group, cell)
    data = _merged(path, rows, cell, group, crystal.wavelength if crystal is not None else None, quantity)
    said = (f"{path}: cell and symmetry are those of {crystal.path}",) if crystal is not None else ()
    return attrs.evolve(data, notices=said)


def _merged(
    path: Path,
    rows: Real,
    cell: gemmi.UnitCell | None,
    group: gemmi.SpaceGroup | Symmetry,
    wavelength: float | None,
    quantity: str = INTENSITY,
) -> ReflectionData:
    import numpy as np

    indices = checked_indices(path, rows[:, :3])
    values, deviations = rows[:, 3].copy(), rows[:, 4]
    least = _LEAST * max(float(deviations.max(initial=0.0)), 1e-30)
    return ReflectionData(
        cell=cell,
        group=group,
        indices=indices,
        columns=[Column(("I" if quantity == INTENSITY else "F",), quantity)],
        values=lambda label: values,
        wavelength=lambda label: wavelength,
        weights=1.0 / np.maximum(deviations, least) ** 2,
        measures_intensities=quantity == INTENSITY,
    )


def _transformed(path: Path, data: ReflectionData, crystal: CrystalFile) -> ReflectionData:
    """Indices and intensities as SHELX takes them, by what stands behind HKLF."""
    import numpy as np

    values = data.values(data.columns[0].labels[0]) * crystal.scale
    indices = data.indices
    if crystal.transformation is not None:
        turned = indices @ np.array(crystal.transformation).T
        near = np.rint(turned)
        # Thirds in a matrix are rounded.
        near[abs(turned - near) > 0.02] = _NAN
        indices = checked_indices(path, near)
    return attrs.evolve(data, indices=indices, values=lambda label: values)


def _reflection(path: Path, number: int, words: list[str], least: int) -> list[float]:
    """The numbers of a line; the first three are indices.

    Raises
    ------
    InputError
        When they are not; the message names the line.
    """
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) < least or not all(map(math.isfinite, values)) or any("_" in word for word in words):
        shown = " ".join(" ".join(words).split())[:60]
        raise InputError(f"{path}, line {number}: expected h k l, an intensity and its deviation, got {shown!r}")
    return values
