"""Structure factors from reflection files: MTZ and mmCIF."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, KnownCrystal, ReflectionTable, UsageError, hookimpl, option, unit
from openbragg_plugins.structure_factors.columns import INTENSITY, choose
from openbragg_plugins.structure_factors.expansion import Unique, expanded, sphere, unique, with_absences
from openbragg_plugins.structure_factors.file_table import Arrays, FileTable
from openbragg_plugins.structure_factors.mtz import read_mtz
from openbragg_plugins.structure_factors.reflection_cif import read_reflection_cif
from openbragg_plugins.structure_factors.sources import MTZ, REFLECTION_CIF, complaints, content_of, kind_of

if TYPE_CHECKING:
    import gemmi
    import numpy as np

    from openbragg import Experiment, StructureFactors
    from openbragg_plugins.structure_factors.reflection_data import ReflectionData

#: So much of a file says what it is.
_BEGINNING = 1 << 20
_ANGSTROM = unit("A").to_si
#: Reflections of the P1 cell that a table may have room for, or for each of the file's, before it is taken for damaged.
_LARGEST_SPHERE = 1 << 25
_SPHERE_PER_REFLECTION = 1 << 12
#: A d spacing right at a limit belongs to it, however it was rounded.
_ROUNDING = 1e-6


@attrs.frozen(kw_only=True, eq=False)
class _Amplitudes:
    """What is taken from a file."""

    cell: gemmi.UnitCell
    group: gemmi.SpaceGroup
    reflections: Unique
    resolution: float
    wavelength: float | None
    chosen: str
    notices: tuple[str, ...]


@attrs.frozen(eq=False)
class ReflectionFile(FileTable):
    """Amplitudes of an MTZ or mmCIF reflection file, expanded to the P1 cell by its space group.

    Friedel mates have one amplitude, except where the file has both; systematic absences are 0, and what the file does
    not have is the default amplitude. Flags for cross-validation are ignored.
    """

    name: ClassVar[str] = "reflections"
    summary: ClassVar[str] = "reflection file, MTZ or mmCIF, expanded by its space group"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".mtz",)

    amplitudes: str | None = option(
        "-F_label",
        type=str,
        metavar="LABEL",
        help="Column or item of the amplitudes; two with a comma are a Friedel pair. Default: the obvious one.",
    )
    intensities: str | None = option(
        "-I_label",
        type=str,
        metavar="LABEL",
        help="Take square roots of these intensities; negative ones are 0.",
    )
    from_intensities: bool = option(
        "-from_intensities", default=False, type=bool, help="The same of the obvious intensities."
    )
    block: str | None = option(
        "-block", type=str, metavar="NAME", help="Block of an mmCIF file. Default: the first with merged reflections."
    )

    def __attrs_post_init__(self) -> None:
        asked = [
            flag
            for flag, value in (
                ("-F_label", self.amplitudes),
                ("-I_label", self.intensities),
                ("-from_intensities", self.from_intensities or None),
            )
            if value is not None
        ]
        if len(asked) > 1:
            raise UsageError(f"{' and '.join(asked)} at once: expected one of them")

    @classmethod
    def recognises(cls, beginning: bytes) -> bool:
        """See `openbragg.FileStructureFactors.recognises`."""
        return kind_of(beginning) in (MTZ, REFLECTION_CIF)

    def crystal(self) -> KnownCrystal:
        """See `openbragg.DescribedStructureFactors.crystal`."""
        found = self._read()
        return KnownCrystal(
            source=str(self.path()),
            cell=(
                *(_ANGSTROM(length) for length in found.cell.parameters[:3]),
                *(math.radians(angle) for angle in found.cell.parameters[3:]),
            ),
            wavelength=None if found.wavelength is None else _ANGSTROM(found.wavelength),
            space_group=found.group.xhm(),
            resolution=_ANGSTROM(found.resolution),
            chosen={"amplitudes": found.chosen},
            notices=found.notices,
        )

    def listed(self) -> ReflectionTable:
        """See `openbragg.ListedStructureFactors.listed`."""
        found = self._read()
        indices, amplitudes = _whole(found, absences=True)
        return ReflectionTable(
            indices=indices,
            amplitudes=amplitudes,
            unique=len(found.reflections.indices),
            completeness=_completeness(found),
            resolution=_ANGSTROM(found.resolution),
        )

    def arrays(self, experiment: Experiment | None, *, absences: bool) -> Arrays:
        """See `FileTable.arrays`."""
        return _whole(self._read(), absences=absences)

    def _read(self) -> _Amplitudes:
        # gemmi tells of some faults only when it is asked for what is wrong.
        with complaints(self.path(), "reflection file"):
            return self._taken(self.path())

    def _taken(self, path: Path) -> _Amplitudes:
        import numpy as np

        data = self._data(path)
        column, notice = choose(
            path,
            data.columns,
            amplitudes=self.amplitudes,
            intensities=self.intensities,
            from_intensities=self.from_intensities,
        )
        plus = _finite(path, data, column.labels[0])
        minus = _finite(path, data, column.labels[1]) if len(column.labels) > 1 else np.full(len(plus), np.nan)
        notices = [notice] if notice is not None else []
        if column.quantity == INTENSITY:
            negative = int(((plus < 0.0) | (minus < 0.0)).sum())
            if negative:
                notices.append(f"{path}: {negative} reflections of negative intensity have the amplitude 0")
            plus, minus = np.sqrt(np.maximum(plus, 0.0)), np.sqrt(np.maximum(minus, 0.0))
        plus, minus = abs(plus), abs(minus)
        reflections = unique(data.indices, plus, minus, data.group)
        if not len(reflections.indices):
            raise InputError(f"{path}: {column.text()} has no reflection with a value")
        if reflections.repeated:
            notices.append(f"{path}: {reflections.repeated} reflections are there more than once; their mean is taken")
        resolution = _resolution(path, data, reflections)
        root = "square root of " if column.quantity == INTENSITY else ""
        return _Amplitudes(
            cell=data.cell,
            group=data.group,
            reflections=reflections,
            resolution=resolution,
            wavelength=data.wavelength(column.labels[0]),
            chosen=f"{root}{column.text()}{f', {data.part}' if data.part else ''}",
            notices=tuple(notices),
        )

    def _data(self, path: Path) -> ReflectionData:
        content = content_of(path)
        kind = kind_of(content[:_BEGINNING])
        if kind == REFLECTION_CIF:
            return read_reflection_cif(path, content, self.block)
        if kind is not None and kind != MTZ:
            raise InputError(f"{path}: a model, not a file of reflections")
        if self.block is not None:
            raise InputError(f"{path}: -block {self.block}: an MTZ file has no blocks")
        return read_mtz(path, content)


def _finite(path: Path, data: ReflectionData, label: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    import numpy as np

    values = data.values(label)
    if np.isinf(values).any():
        place = int(np.argmax(np.isinf(values)))
        raise InputError(f"{path}, reflection {place + 1}: expected a finite {label}, got {values[place]}")
    return values


def _resolution(path: Path, data: ReflectionData, reflections: Unique) -> float:
    """The smallest d spacing, in angstroms.

    Raises
    ------
    InputError
        When it is so small that a table to there would hold next to nothing but blanks.
    """
    import numpy as np

    indices = np.ascontiguousarray(reflections.indices, dtype=np.int32)
    away = (indices != 0).any(axis=1)
    if not away.any():
        raise InputError(f"{path}: the only reflection is 0 0 0")
    spacings = data.cell.calculate_d_array(indices[away])
    place = int(spacings.argmin())
    resolution = float(spacings[place])
    possible = sphere(data.cell, resolution)
    if possible > max(_LARGEST_SPHERE, _SPHERE_PER_REFLECTION * len(indices)):
        shown = " ".join(str(index) for index in indices[away][place].tolist())
        raise InputError(
            f"{path}: the reflection {shown} has a d spacing of {resolution:.3g} A, to where there are {possible:.3g}, "
            f"and the file has {len(indices)}"
        )
    return resolution


def _whole(found: _Amplitudes, *, absences: bool) -> Arrays:
    """The P1 cell, with or without zeros for what symmetry forbids."""
    whole = expanded(found.reflections, found.group)
    return with_absences(*whole, found.cell, found.group, found.resolution) if absences else whole


def _completeness(found: _Amplitudes) -> float:
    import gemmi

    indices = found.reflections.indices
    possible = gemmi.make_miller_array(found.cell, found.group, found.resolution * (1.0 - _ROUNDING), unique=True)
    return float((indices != 0).any(axis=1).sum()) / max(1, len(possible))


@hookimpl
def structure_factors() -> list[type[StructureFactors]]:
    """Offer reflection files."""
    return [ReflectionFile]
