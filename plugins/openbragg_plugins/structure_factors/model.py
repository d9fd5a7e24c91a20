"""Structure factors computed from an atomic model: PDB, mmCIF or small-molecule CIF."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import NOT_NEGATIVE, POSITIVE, InputError, KnownCrystal, ReflectionTable, hookimpl, option, unit
from openbragg_plugins.structure_factors.box import bordered, boxed
from openbragg_plugins.structure_factors.element_sums import element_sum
from openbragg_plugins.structure_factors.expansion import expanded, sphere, unique, with_absences
from openbragg_plugins.structure_factors.file_table import Arrays, FileTable
from openbragg_plugins.structure_factors.kinds import MODEL_CIF, PDB, SMALL_CIF, kind_of
from openbragg_plugins.structure_factors.macromolecule import SHANNON_RATE, Macromolecule, read_macromolecule
from openbragg_plugins.structure_factors.other_kinds import other_kind
from openbragg_plugins.structure_factors.small_molecule import SmallMolecule, read_small_molecule
from openbragg_plugins.structure_factors.sources import complaints, content_of

if TYPE_CHECKING:
    import numpy as np
    import torch

    from openbragg import Experiment, StructureFactors

    Whole = np.ndarray[Any, np.dtype[np.int64]]

_BEGINNING = 1 << 20
_ANGSTROM = unit("A")
_DENSITY, _SQUARE_ANGSTROM = unit("electrons/A^3"), unit("A^2")
#: Where the parametrised scattering factors end, sin(theta)/lambda = 2/A, and the finest that is chosen unasked.
_FINEST = 0.25
_FINEST_CHOSEN = 0.4
#: Points of a density grid, and terms of the sums over atoms: the most that may be asked for, and that are chosen.
_LARGEST_GRID = 1 << 27
_LARGEST_GRID_CHOSEN = 1 << 25
_MOST_TERMS = 1 << 33
_MOST_TERMS_CHOSEN = 1 << 31
#: Unasked resolutions by themselves, in angstroms: of a macromolecule that does not say, and of small molecules.
_OF_MACROMOLECULE = 2.0
_OF_SMALL_MOLECULE = 0.84
#: A d spacing right at a limit belongs to it, however it was rounded.
_ROUNDING = 1e-6
#: Reflections beyond the detector whose spots reach onto it, in indices; with interpolation, which needs neighbours.
_BEYOND = 0.5
_BEYOND_INTERPOLATED = 2.0
_FEW_CELLS = 2.0
#: A model is used beyond its data when it is to a d spacing so many times finer than that of its refinement.
_STRETCH = 2.0

Model = Macromolecule | SmallMolecule


@attrs.frozen(eq=False)
class ModelFile(FileTable):
    """Structure factors of an atomic model, for the P1 cell, in electrons.

    Macromolecules by the Fourier transform of their density, with flat bulk solvent on request; small molecules by
    summation. Friedel mates are equal, unless f' and f'' of elements are asked for: these are added to the factors of
    their atoms at each wavelength of the beam.
    """

    name: ClassVar[str] = "model"
    summary: ClassVar[str] = "computed from an atomic model: PDB, mmCIF or small-molecule CIF"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".pdb", ".ent", ".cif", ".mmcif")

    resolution: float | None = option(
        "-resolution",
        unit="A",
        rule=POSITIVE,
        help="Smallest d spacing to compute. Default: what the detector sees, 0.4 A or more.",
    )
    solvent_density: float = option(
        "-k_sol",
        default=0.0,
        unit="electrons/A^3",
        rule=NOT_NEGATIVE,
        help="Density of flat bulk solvent, for example 0.35; 0 is a crystal in vacuum.",
    )
    solvent_b_factor: float = option(
        "-B_sol", default=46.0 / 1e20, unit="A^2", rule=NOT_NEGATIVE, help="B factor of the edge of the bulk solvent."
    )
    direct_beam: bool = option(
        "-F000",
        negations=("-noF000",),
        default=False,
        type=bool,
        help="Take the reflection 0 0 0 along: all electrons of the cell, in the direct beam.",
    )

    @classmethod
    def recognises(cls, beginning: bytes) -> bool:
        """See `openbragg.FileStructureFactors.recognises`."""
        return kind_of(beginning) in (PDB, MODEL_CIF, SMALL_CIF)

    def crystal(self) -> KnownCrystal:
        """See `openbragg.DescribedStructureFactors.crystal`."""
        model = self._read()
        chosen = {}
        if isinstance(model, Macromolecule):
            density, b_factor = _DENSITY.from_si(self.solvent_density), _SQUARE_ANGSTROM.from_si(self.solvent_b_factor)
            chosen["bulk solvent"] = (
                f"k_sol {density:g} electrons/A^3, B_sol {b_factor:g} A^2" if density > 0.0 else "none (-k_sol)"
            )
        return KnownCrystal(
            source=str(self.path()),
            cell=(
                *(_ANGSTROM.to_si(length) for length in model.cell.parameters[:3]),
                *(math.radians(angle) for angle in model.cell.parameters[3:]),
            ),
            wavelength=None if model.wavelength is None else _ANGSTROM.to_si(model.wavelength),
            space_group=model.group.xhm(),
            resolution=self.resolution,
            chosen=chosen,
            notices=(*model.notices, *_stretched(self.path(), model, self.resolution)),
        )

    def reaching(self, resolution: float, experiment: Experiment) -> ModelFile:
        """See `openbragg.ComputedStructureFactors.reaching`."""
        if self.resolution is not None:
            return self
        model = self._read()
        few = any(float(count) <= _FEW_CELLS for count in experiment.crystal.cells)
        interpolated = few if self.interpolate is None else self.interpolate
        beyond = _BEYOND_INTERPOLATED if interpolated else _BEYOND
        wanted = _ANGSTROM.from_si(resolution)
        finest = 1.0 / (1.0 / wanted + beyond * sum(model.cell.reciprocal().parameters[:3]))
        return attrs.evolve(self, resolution=_ANGSTROM.to_si(max(finest, _finest_chosen(model))))

    def listed(self) -> ReflectionTable:
        """See `openbragg.ListedStructureFactors.listed`.

        Raises
        ------
        InputError
            With f' and f'', whose amplitudes are others at each wavelength.
        """
        if self.elements():
            raise InputError("-anomalous: amplitudes are others at each wavelength, and a table has one of each")
        model = self._read()
        resolution = self._standalone(model)
        indices, amplitudes, count = self._amplitudes(model, resolution, absences=True)
        return ReflectionTable(
            indices=indices,
            amplitudes=amplitudes,
            unique=count,
            completeness=1.0,
            resolution=_ANGSTROM.to_si(resolution),
        )

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """See `openbragg.StructureFactors.prepare`.

        With f' and f'' the tables are those of `openbragg_plugins.structure_factors.spectral`, of elements.
        """
        elements = self.elements()
        if self.atoms is not None or self.atoms_file is not None:
            raise InputError(f"-atoms: {self.path()} has atoms of its own: -anomalous names elements")
        if not elements:
            self.refuse_corrections()
            return super().prepare(experiment, device, dtype)
        if self.interpolate:
            raise InputError("-interpolate: amplitudes that differ with the wavelength are not interpolated")
        indices, values = self._complex(self._read(), elements)
        blank = values.new_zeros(values.shape[1], device=device)
        blank[0] = float(self.default_F)
        table, lowest = boxed(indices, values.to(device), blank, str(self.path()))
        return (*bordered(table, lowest, blank, dtype), self.own(elements, experiment.beam, device))

    def _complex(self, model: Model, elements: tuple[str, ...]) -> tuple[Whole, torch.Tensor]:
        """h k l of the P1 cell, and real and imaginary parts of F and of each element's sum, (reflections, columns)."""
        import gemmi
        import numpy as np
        import torch

        resolution = self._standalone(model)
        _refuse_too_fine(self.path(), model, resolution)
        limit = resolution * (1.0 - _ROUNDING)
        half = gemmi.make_miller_array(model.cell, gemmi.SpaceGroup("P 1"), limit, unique=True)
        asked = np.concatenate([np.zeros((1, 3), dtype=np.int32), half])
        factors = [model.factors(asked, limit, *self._solvent())]
        for element in elements:
            sites = tuple(model.sites(element))
            if not sites:
                raise InputError(f"-anomalous: there is no {element} in {self.path()}")
            factors.append(element_sum(sites, model.group, asked))
        values = np.stack(factors, axis=1)
        if not self.direct_beam:
            values[0] = 0.0
        if not np.isfinite(values).all():
            raise InputError(f"{self.path()}: the structure factors are no finite numbers: check the B factors")
        # Without f' and f'', and of an element by itself, Friedel mates are conjugates.
        whole = np.concatenate([values, values[1:].conj()])
        pairs = np.stack([whole.real, whole.imag], axis=2).reshape(len(whole), -1)
        return np.concatenate([asked, -asked[1:]]).astype(np.int64), torch.from_numpy(pairs)

    def arrays(self, experiment: Experiment | None, *, absences: bool) -> Arrays:
        """See `FileTable.arrays`."""
        model = self._read()
        return self._amplitudes(model, self._standalone(model), absences=absences)[:2]

    def _solvent(self) -> tuple[float, float]:
        """Density in electrons per cubic angstrom, and B factor in square angstroms."""
        return _DENSITY.from_si(self.solvent_density), _SQUARE_ANGSTROM.from_si(self.solvent_b_factor)

    def _standalone(self, model: Model) -> float:
        """The resolution in angstroms, without a detector."""
        if self.resolution is not None:
            return _ANGSTROM.from_si(self.resolution)
        unasked = _OF_SMALL_MOLECULE if isinstance(model, SmallMolecule) else _OF_MACROMOLECULE
        return max(model.resolution or unasked, _finest_chosen(model))

    def _amplitudes(self, model: Model, resolution: float, *, absences: bool) -> tuple[*Arrays, int]:
        import gemmi
        import numpy as np

        _refuse_too_fine(self.path(), model, resolution)
        limit = resolution * (1.0 - _ROUNDING)
        indices = gemmi.make_miller_array(model.cell, model.group, limit, unique=True)
        if not len(indices):
            raise InputError(f"{self.path()}: no reflection has a d spacing of {resolution:.4g} A or more")
        asked = np.concatenate([np.zeros((1, 3), dtype=np.int32), indices])
        amplitudes = model.amplitudes(asked, limit, *self._solvent())
        if not self.direct_beam:
            amplitudes[0] = 0.0
        if not np.isfinite(amplitudes).all():
            raise InputError(f"{self.path()}: the structure factors are no finite numbers: check the B factors")
        reflections = unique(asked.astype(np.int64), amplitudes, np.full(len(asked), np.nan), model.group)
        whole = expanded(reflections, model.group)
        if absences:
            whole = with_absences(*whole, model.cell, model.group, resolution)
        return *whole, len(indices)

    def _read(self) -> Model:
        path = self.path()
        content = content_of(path)
        kind = kind_of(content[:_BEGINNING])
        # gemmi tells of some faults only when it is asked for what is wrong.
        with complaints(path, "model"):
            if kind == SMALL_CIF:
                return read_small_molecule(path, content)
            if kind in (PDB, MODEL_CIF):
                return read_macromolecule(path, content, kind)
        other = other_kind(content[:_BEGINNING])
        raise InputError(f"{path}: not a model: {other or 'expected a PDB, mmCIF or small-molecule CIF file'}")


def _stretched(path: Path, model: Model, resolution: float | None) -> list[str]:
    """What is to be said of a model that is used far beyond the resolution at which it was refined."""
    if resolution is None or model.resolution is None:
        return []
    used = _ANGSTROM.from_si(resolution)
    if used * _STRETCH >= model.resolution:
        return []
    return [
        f"{path}: refined at {model.resolution:g} A and used to {used:.3g} A: the amplitudes "
        "beyond are the model's alone; -resolution says where they end"
    ]


def _finest_chosen(model: Model) -> float:
    """The smallest d spacing in angstroms that is chosen unasked: the work stays within bounds."""
    return max(_FINEST_CHOSEN, _coarsest_for(model, _LARGEST_GRID_CHOSEN, _MOST_TERMS_CHOSEN))


def _coarsest_for(model: Model, points: float, terms: float) -> float:
    """The d spacing in angstroms at which the work is that of so many grid points, or terms of sums."""
    if isinstance(model, SmallMolecule):
        # Half of the sphere, by Friedel's law, divided by the symmetry.
        unique_part = sphere(model.cell, 1.0) / (2.0 * max(1, len(model.group.operations())))
        return float((unique_part * model.terms / terms) ** (1.0 / 3.0))
    return float((model.cell.volume * (2.0 * SHANNON_RATE) ** 3 / points) ** (1.0 / 3.0))


def _refuse_too_fine(path: Path, model: Model, resolution: float) -> None:
    finest = max(_FINEST, _coarsest_for(model, _LARGEST_GRID, _MOST_TERMS))
    if resolution < finest * (1.0 - _ROUNDING):
        raise InputError(f"{path}: -resolution {resolution:.4g}: expected {finest:.3g} A or more, for this cell")


@hookimpl
def structure_factors() -> list[type[StructureFactors]]:
    """Offer atomic models."""
    return [ModelFile]
