"""Structure factors from files of reflections."""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, KnownCrystal, ReflectionTable, UsageError, hookimpl, option, unit
from openbragg_plugins.structure_factors.box import bordered, boxed
from openbragg_plugins.structure_factors.columns import INTENSITY, Column, choose
from openbragg_plugins.structure_factors.expansion import Unique, expanded, sphere, unique, with_absences
from openbragg_plugins.structure_factors.file_table import Arrays, FileTable
from openbragg_plugins.structure_factors.kinds import (
    CRYSTFEL,
    MTZ,
    REFLECTION_CIF,
    REFLECTIONS,
    SCALEPACK,
    SHELX,
    XDS_ASCII,
    kind_of,
)
from openbragg_plugins.structure_factors.mtz import read_mtz
from openbragg_plugins.structure_factors.observations import (
    Asked,
    read_crystfel,
    read_scalepack,
    read_shelx,
    read_xds_ascii,
)
from openbragg_plugins.structure_factors.phased import expanded_phases, parts_of, phased_of
from openbragg_plugins.structure_factors.reflection_cif import read_reflection_cif
from openbragg_plugins.structure_factors.reflection_data import refuse_misfit
from openbragg_plugins.structure_factors.sources import complaints, content_of
from openbragg_plugins.structure_factors.symmetry import Symmetry

if TYPE_CHECKING:
    import gemmi
    import numpy as np
    import torch

    from openbragg import Experiment, StructureFactors
    from openbragg_plugins.structure_factors.reflection_data import ReflectionData

    Real = np.ndarray[Any, np.dtype[np.float64]]

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

    cell: gemmi.UnitCell | None
    group: gemmi.SpaceGroup | Symmetry
    reflections: Unique
    resolution: float | None
    wavelength: float | None
    chosen: str
    notices: tuple[str, ...]


@attrs.frozen(eq=False)
class ReflectionFile(FileTable):
    """Amplitudes of a file of reflections, expanded to the P1 cell by its space group.

    Friedel mates have one amplitude, except where the file has both, or their difference; systematic absences are 0,
    and what the file does not have is the default amplitude. Flags for cross-validation are ignored.
    """

    name: ClassVar[str] = "reflections"
    summary: ClassVar[str] = "reflections of MTZ, CIF, SHELX, XDS, CrystFEL or SCALEPACK, expanded by their space group"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".mtz", ".fcf", ".sca")

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

    crystal_file: Path | None = option(
        "-crystal_file",
        type=Path,
        metavar="FILE",
        help="File with cell and symmetry, for reflections of SHELX or CrystFEL. Default: one beside them.",
    )
    symmetry: str | None = option(
        "-symmetry",
        type=str,
        metavar="NAME",
        help="Space group, or point group as CrystFEL has it, in place of what a file without cell says.",
    )

    phase_label: str | None = option(
        "-phase_label",
        type=str,
        metavar="LABEL",
        help="Column of an MTZ file with the phases, beside -atoms. Default: those behind the amplitudes.",
    )
    parts_label: str | None = option(
        "-AB_label",
        type=str,
        metavar="LABELS",
        help="Two columns of an MTZ file with the parts A and B of F, like A,B, in place of amplitudes and phases.",
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
        return kind_of(beginning) in REFLECTIONS

    def crystal(self) -> KnownCrystal:
        """See `openbragg.DescribedStructureFactors.crystal`."""
        found = self._read()
        return KnownCrystal(
            source=str(self.path()),
            cell=None
            if found.cell is None
            else (
                *(_ANGSTROM(length) for length in found.cell.parameters[:3]),
                *(math.radians(angle) for angle in found.cell.parameters[3:]),
            ),
            wavelength=None if found.wavelength is None else _ANGSTROM(found.wavelength),
            space_group=found.group.xhm(),
            resolution=None if found.resolution is None else _ANGSTROM(found.resolution),
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
            completeness=_completeness(found, indices),
            resolution=None if found.resolution is None else _ANGSTROM(found.resolution),
        )

    def arrays(self, experiment: Experiment | None, *, absences: bool) -> Arrays:
        """See `FileTable.arrays`."""
        found = self._read()
        if found.cell is None and experiment is not None:
            cell = _cell_of(experiment)
            if not _varies(experiment):
                refuse_misfit(self.path(), found.group, cell)
            found = attrs.evolve(found, cell=cell, resolution=_resolution(self.path(), cell, found.reflections))
        return _whole(found, absences=absences)

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """See `openbragg.StructureFactors.prepare`.

        With atoms the tables are those of `openbragg_plugins.structure_factors.spectral`, of atoms.
        """
        import numpy as np
        import torch

        atoms = self.chosen_atoms()
        if not atoms:
            if self.phase_label is not None or self.parts_label is not None:
                flag = "-phase_label" if self.phase_label is not None else "-AB_label"
                raise InputError(f"{flag}: phases only count beside atoms, which -atoms gives")
            return super().prepare(experiment, device, dtype)
        if self.interpolate:
            raise InputError("-interpolate: amplitudes that differ with the wavelength are not interpolated")
        with complaints(self.path(), "reflection file"):
            indices, factors = self._phased(self.path())
        values = torch.from_numpy(np.stack([factors.real, factors.imag], axis=1))
        blank = torch.tensor([float(self.default_F), 0.0], dtype=torch.float64, device=device)
        table, lowest = boxed(indices, values.to(device), blank, str(self.path()))
        return self.with_atoms(bordered(table, lowest, blank, dtype), atoms, experiment)

    def _phased(self, path: Path) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, Any]]:
        """h k l of the P1 cell, and F."""
        data = self._data(path, content_of(path))
        if not data.order:
            raise InputError(f"{path}: -atoms: phases are read from MTZ files and text tables")
        if self.parts_label is not None:
            found = parts_of(path, data, self.parts_label)
        else:
            column, _ = choose(
                path, data.columns, amplitudes=self.amplitudes, intensities=self.intensities, from_intensities=False
            )
            if column.quantity == INTENSITY:
                raise InputError(f"{path}: -atoms: expected amplitudes with phases, not {column.text()}")
            found = phased_of(path, data, column, self.phase_label)
        return expanded_phases(*found, data.group)

    def _read(self) -> _Amplitudes:
        # gemmi tells of some faults only when it is asked for what is wrong.
        path = self.path()
        with complaints(path, "reflection file"):
            content = content_of(path)
            if self.crystal_file is not None or kind_of(content[:_BEGINNING]) in _LISTS:
                # Other files have a part in it.
                return self._taken(path, content)
            options = (self.amplitudes, self.intensities, self.from_intensities, self.block, self.symmetry)
            return _known(_Asking(path, blake2b(content).digest(), options, self, content))

    def _taken(self, path: Path, content: bytes) -> _Amplitudes:
        data = self._data(path, content)
        asked = self.amplitudes is not None or self.intensities is not None
        column, notice = choose(
            path,
            data.columns,
            amplitudes=self.amplitudes,
            intensities=self.intensities,
            from_intensities=self.from_intensities or (data.measures_intensities and not asked),
        )
        notices = [*data.notices, *([notice] if notice is not None else [])]
        plus, minus = _mates(path, data, column)
        intensities = column.quantity == INTENSITY
        if not intensities:
            plus, minus = abs(plus), abs(minus)
        reflections = unique(data.indices, plus, minus, data.group, data.weights, mates_alike=data.mates_alike)
        if not len(reflections.indices):
            raise InputError(f"{path}: {column.text()} has no reflection with a value")
        if intensities:
            reflections, negative = _roots(reflections)
            if negative:
                notices.append(f"{path}: {negative} reflections of negative intensity have the amplitude 0")
            if not (self.intensities or self.from_intensities):
                notices.append(f"{path}: the amplitudes are square roots of the intensities {column.text()}")
        if reflections.repeated and data.weights is None:
            notices.append(f"{path}: {reflections.repeated} reflections are there more than once; their mean is taken")
        root = "square root of " if intensities else ""
        observed = f", {len(data.indices)} observations" if data.weights is not None else ""
        return _Amplitudes(
            cell=data.cell,
            group=data.group,
            reflections=reflections,
            resolution=None if data.cell is None else _resolution(path, data.cell, reflections),
            wavelength=data.wavelength(column.labels[0]),
            chosen=f"{root}{column.text()}{observed}{f', {data.part}' if data.part else ''}",
            notices=tuple(notices),
        )

    def _data(self, path: Path, content: bytes) -> ReflectionData:
        kind = kind_of(content[:_BEGINNING])
        asked = Asked(self.crystal_file, self.symmetry)
        if kind == REFLECTION_CIF:
            data = read_reflection_cif(path, content, self.block)
        elif self.block is not None:
            raise InputError(f"{path}: -block {self.block}: {_SAID.get(kind or MTZ, 'such a file')} has no blocks")
        elif kind in _LISTS:
            return _LISTS[kind](path, content, asked)
        elif kind is not None and kind != MTZ:
            raise InputError(f"{path}: a model, not a file of reflections")
        else:
            data = read_mtz(path, content)
        if self.crystal_file is not None or self.symmetry is not None:
            flag = "-crystal_file" if self.crystal_file is not None else "-symmetry"
            raise InputError(f"{path}: {flag}: the file has its own cell and symmetry")
        return data


@attrs.frozen
class _Asking:
    """What is to be taken from a file; equal where the same is taken from equal contents."""

    path: Path
    digest: bytes
    options: tuple[object, ...]
    factors: ReflectionFile = attrs.field(eq=False)
    content: bytes = attrs.field(eq=False, repr=False)


@lru_cache(maxsize=4)
def _known(asking: _Asking) -> _Amplitudes:
    """Simulations that differ in anything else ask for the same again and again."""
    return asking.factors._taken(asking.path, asking.content)


def _mates(path: Path, data: ReflectionData, column: Column) -> tuple[Real, Real]:
    """What a column says of h k l and of -h -k -l; NaN for what it does not."""
    import numpy as np

    first = _finite(path, data, column.labels[0])
    if len(column.labels) == 1:
        return first, np.full(len(first), np.nan)
    second = _finite(path, data, column.labels[1])
    if not column.difference:
        return first, second
    half = np.where(np.isnan(second), 0.0, second) / 2.0
    return np.maximum(first + half, 0.0), np.maximum(first - half, 0.0)


def _roots(intensities: Unique) -> tuple[Unique, int]:
    """Amplitudes of intensities, 0 of those below 0, and the number of these."""
    import numpy as np

    mates = intensities.plus, intensities.minus
    negative = int(((mates[0] < 0.0) | (mates[1] < 0.0)).sum())
    plus, minus = (np.sqrt(np.maximum(values, 0.0)) for values in mates)
    return attrs.evolve(intensities, plus=plus, minus=minus), negative


def _finite(path: Path, data: ReflectionData, label: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    import numpy as np

    values = data.values(label)
    if np.isinf(values).any():
        place = int(np.argmax(np.isinf(values)))
        raise InputError(f"{path}, reflection {place + 1}: expected a finite {label}, got {values[place]}")
    return values


def _varies(experiment: Experiment) -> bool:
    """Whether the cell is a tensor, as in a fit, where it may leave its symmetry."""
    cell = experiment.crystal.cell
    return cell is not None and any(hasattr(value, "detach") for value in cell)


def _cell_of(experiment: Experiment) -> gemmi.UnitCell:
    """The cell of an experiment's crystal, in angstroms and degrees."""
    import gemmi
    import numpy as np

    vectors = experiment.crystal.oriented_vectors().detach().cpu().numpy() / _ANGSTROM(1.0)
    lengths = np.linalg.norm(vectors, axis=1)
    units = vectors / lengths[:, None]
    cosines = [units[1] @ units[2], units[2] @ units[0], units[0] @ units[1]]
    return gemmi.UnitCell(*lengths.tolist(), *np.degrees(np.arccos(cosines)).tolist())


def _resolution(path: Path, cell: gemmi.UnitCell, reflections: Unique) -> float:
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
    spacings = cell.calculate_d_array(indices[away])
    place = int(spacings.argmin())
    resolution = float(spacings[place])
    possible = sphere(cell, resolution)
    if possible > max(_LARGEST_SPHERE, _SPHERE_PER_REFLECTION * len(indices)):
        shown = " ".join(str(index) for index in indices[away][place].tolist())
        raise InputError(
            f"{path}: the reflection {shown} has a d spacing of {resolution:.3g} A, to where there are {possible:.3g}, "
            f"and the file has {len(indices)}"
        )
    return resolution


def _whole(found: _Amplitudes, *, absences: bool) -> Arrays:
    """The P1 cell, with or without zeros for what symmetry forbids."""
    import numpy as np

    indices, amplitudes = expanded(found.reflections, found.group)
    if absences and found.cell is not None and found.resolution is not None:
        return with_absences(indices, amplitudes, found.cell, found.group, found.resolution)
    order = np.lexsort(indices.T[::-1])
    return indices[order], amplitudes[order]


def _completeness(found: _Amplitudes, whole: np.ndarray[Any, np.dtype[np.int64]]) -> float | None:
    """The part of all reflections down to the resolution that is there; None without a cell."""
    import gemmi

    if found.cell is None or found.resolution is None:
        return None
    limit = found.resolution * (1.0 - _ROUNDING)
    if isinstance(found.group, Symmetry):
        # Half of the sphere without 0 0 0; `whole` has the absent ones, too.
        possible = 2 * len(gemmi.make_miller_array(found.cell, gemmi.SpaceGroup("P 1"), limit, unique=True))
        return float((whole != 0).any(axis=1).sum()) / max(1, possible)
    indices = found.reflections.indices
    possible = len(gemmi.make_miller_array(found.cell, found.group, limit, unique=True))
    return float((indices != 0).any(axis=1).sum()) / max(1, possible)


#: What reads each kind that has no columns to choose from, and what messages call the others.
_LISTS = {CRYSTFEL: read_crystfel, SHELX: read_shelx, SCALEPACK: read_scalepack, XDS_ASCII: read_xds_ascii}
_SAID = {MTZ: "an MTZ file"}


@hookimpl
def structure_factors() -> list[type[StructureFactors]]:
    """Offer reflection files."""
    return [ReflectionFile]
