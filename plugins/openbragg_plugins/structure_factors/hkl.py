"""Structure factors from a text table of h k l F."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, hookimpl, option
from openbragg_plugins.structure_factors.box import bordered, boxed
from openbragg_plugins.structure_factors.dispersing import Dispersing
from openbragg_plugins.structure_factors.hkl_text import LARGEST_INDEX, has_one_column, read_columns
from openbragg_plugins.structure_factors.lookup import lengths_of

if TYPE_CHECKING:
    import numpy as np
    import torch

    from openbragg import Experiment, StructureFactors

    Indices = np.ndarray[Any, np.dtype[np.int64]]

#: Values of a line with a complex amplitude.
_COMPLEX = 2
#: Crystals of at most this many cells along an axis are interpolated unless told otherwise, as in the reference.
_FEW_CELLS = 2
#: A dump's first line, and the size of an amplitude in it.
_DUMP_LIMITS = re.compile(rb"\s*-?\d+(\s+-?\d+){5}\s*\n")
_LONGEST_FIRST_LINE = 200
_DUMP_BYTES = 8


@attrs.frozen(eq=False)
class HklTable(Dispersing):
    """Amplitudes of the P1 cell, one line a reflection: h k l F; what is missing has the default amplitude.

    With several values in a line, they are the amplitudes at the wavelengths of the beam, in their order; or beside
    atoms whose f' and f'' are added, the parts A and B of a complex amplitude.

    Between whole indices the nearest reflection counts, or, with interpolation, the 4 x 4 x 4 Lagrange cubic through
    the neighbours where the table has them all. From Python, `reflections` replaces the file; its amplitudes may
    carry a gradient.

    Attributes
    ----------
    reflections
        Whole indices, shape (reflections, 3), and amplitudes in electrons, (reflections,), or (reflections, channels),
        or complex; arrays or tensors.
    atoms
        In place of a file: rows of an element, fractional x, y, z, B factor in square metres and occupancy. Numbers may
        be tensors with a gradient.
    corrections
        In place of a file: for each element, energies in electronvolts, rising, f' and f'' in electrons.
    """

    name: ClassVar[str] = "hkl"
    summary: ClassVar[str] = "text table of h k l F for the P1 cell, or one amplitude for all"
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option(
        "-hkl",
        type=Path,
        metavar="FILE",
        help="Structure factors: a table of h k l F in P1; or an MTZ, CIF or PDB file, known by what is in it.",
    )
    default_F: Any = option(
        "-default_F", default=0.0, unit="electrons", help="Amplitude of reflections that the table does not have."
    )
    interpolate: bool | None = option(
        "-interpolate",
        negations=("-nointerpolate",),
        type=bool,
        help="Interpolate between reflections, or not. Default: on for crystals of 1 or 2 cells.",
    )
    comments: bool = option(default=True, type=bool, help="Pass over what follows # in a line of the table.")
    dump: Path | None = option(
        "-dump",
        type=Path,
        metavar="FILE",
        help="Keep the table of -hkl in a binary file; without -hkl, take the table from there if it exists.",
    )
    anomalous: str | None = option(
        "-anomalous",
        type=str,
        metavar="ELEMENTS",
        help="Elements of which f' and f'' are taken at each wavelength, like Se or Fe,S; of a model, or of -atoms.",
    )
    atoms_file: Path | None = option(
        "-atoms",
        type=Path,
        metavar="FILE",
        help="Atoms with f' and f'' beside a table of complex amplitudes: PDB or mmCIF, or lines of an element, "
        "fractional x y z, B (A^2) and occupancy.",
    )
    for_channels: bool = option(
        "-channels",
        default=False,
        type=bool,
        help="The text table has an amplitude for each wavelength of the beam in a line.",
    )
    phases: bool = option(
        "-phases",
        default=False,
        type=bool,
        help="The text table has h k l, an amplitude and a phase in degrees, not the parts A and B, beside -atoms.",
    )
    corrections_file: Path | None = option(
        "-anomalous_file",
        type=Path,
        metavar="FILE",
        help="f' and f'' in place of those from theory: photon energy (eV), f', f''; the element first, of several.",
    )
    f_prime_shift: Any = option("-fp_shift", default=0.0, unit="electrons", help="Added to all f'.")
    f_second_shift: Any = option("-fpp_shift", default=0.0, unit="electrons", help="Added to all f'', after the scale.")
    f_second_scale: Any = option("-fpp_scale", default=1.0, help="What all f'' are multiplied by.")
    reflections: Any = attrs.field(default=None, kw_only=True)
    atoms: Any = attrs.field(default=None, kw_only=True)
    corrections: Any = attrs.field(default=None, kw_only=True)

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """See `openbragg.StructureFactors.prepare`.

        Returns
        -------
        Of amplitudes that differ with the wavelength, see `openbragg_plugins.structure_factors.spectral`. Without
        reflections, the default amplitude alone, (). Else the table with a border of default amplitudes, flat;
        the lowest and highest h k l in it, (3,) each; and, only when it is to be interpolated, the offsets of the
        neighbours from the floor of an index, (4,), and `lengths_of` the table.
        """
        import torch

        default = torch.as_tensor(self.default_F, dtype=torch.float64).reshape(1).to(device)
        given = self._given()
        if given is not None and given[1].ndim > 1:
            return self._spectral(given, experiment, default, dtype)
        if self.chosen_atoms():
            raise InputError(f"{self.file or 'reflections'}: -atoms: expected h k l A B, the parts of a complex F")
        if given is not None:
            table, lowest = boxed(given[0], given[1].to(device), default, str(self.file or "reflections"))
            if self.dump is not None:
                write_dump(self.dump, lowest.tolist(), table.detach().cpu().numpy())
        elif self.dump is not None and _is_there(self.dump):
            low, box = read_dump(self.dump)
            table, lowest = torch.from_numpy(box).to(device), torch.tensor(low, dtype=torch.int64)
        else:
            return (default.reshape(()).to(dtype),)
        tables = bordered(table, lowest, default, dtype)
        if not self._interpolated(experiment):
            return tables
        offsets = torch.arange(-1.0, 3.0, dtype=torch.float64, device=device)
        return (*tables, offsets, lengths_of(*(length + 2 for length in table.shape[1:])).to(device))

    def keeps(self) -> bool:
        """Whether the table of the file can be kept: one of an amplitude a reflection."""
        return self.file is None or has_one_column(self.file)

    def nothing(self) -> str | None:
        """See `openbragg.StructureFactors`: without a table and with amplitudes of 0."""
        default = self.default_F
        if self.file is not None or self.reflections is not None or getattr(default, "requires_grad", False):
            return None
        if (self.dump is not None and _is_there(self.dump)) or float(default) != 0.0:
            return None
        return "no structure factors: give a table with -hkl, or one amplitude with -default_F"

    def _given(self) -> tuple[Indices, Any] | None:
        """h k l, and amplitudes of a row each, or several; None where there is neither file nor list."""
        import torch

        if self.file is not None:
            indices, values = read_columns(self.file, comments=self.comments)
            several = self.for_channels or self.atoms is not None or self.atoms_file is not None
            if values.shape[1] > 1 and not several:
                # Most likely deviations, which are no amplitudes of another wavelength.
                columns = 3 + values.shape[1]
                raise InputError(
                    f"{self.file}: not structure factors that can be read: a table of {columns} columns: leave h k l F "
                    "alone; with -channels they are amplitudes at each wavelength, and beside -atoms the parts of F"
                )
            return indices, torch.from_numpy(values[:, 0] if values.shape[1] == 1 else values)
        if self.reflections is None:
            return None
        amplitudes = torch.as_tensor(self.reflections[1])
        if amplitudes.is_complex():
            amplitudes = torch.view_as_real(amplitudes)
        return torch.as_tensor(self.reflections[0], dtype=torch.int64).cpu().numpy(), amplitudes.to(torch.float64)

    def _spectral(
        self, given: tuple[Indices, Any], experiment: Experiment, default: torch.Tensor, dtype: torch.dtype
    ) -> tuple[torch.Tensor, ...]:
        """Tables of amplitudes that differ with the wavelength, see `openbragg_plugins.structure_factors.spectral`."""
        import torch

        atoms, (indices, values) = self.chosen_atoms(), given
        where, columns = str(self.file or "reflections"), values.shape[1]
        if self.dump is not None:
            raise InputError("-dump keeps tables of one amplitude a reflection, and this has others at each wavelength")
        if self.interpolate:
            raise InputError("-interpolate: amplitudes that differ with the wavelength are not interpolated")
        if not atoms:
            values = torch.cat([values, values.square().mean(dim=1, keepdim=True).sqrt()], dim=1)
            blank = default.abs().expand(columns + 1)
        elif columns != _COMPLEX:
            raise InputError(f"{where}: with -atoms expected h k l A B, the parts of a complex F, got {columns} values")
        else:
            values = _complex(values) if self.phases else values
            blank = torch.cat([default, torch.zeros_like(default)])
        table, lowest = boxed(indices, values.to(default.device), blank, where)
        tables = bordered(table, lowest, blank, dtype)
        return self.with_atoms(tables, atoms, experiment) if atoms else tables

    def _interpolated(self, experiment: Experiment) -> bool:
        if self.interpolate is not None:
            return self.interpolate
        return any(float(count) <= _FEW_CELLS for count in experiment.crystal.cells)


def read_dump(path: Path) -> tuple[tuple[int, int, int], np.ndarray[Any, np.dtype[np.float64]]]:
    """Read a table in the reference program's binary form: its first h k l, and a box (h, k, l) of amplitudes.

    A line of text holds lowest and highest h, k and l, with a form feed after it; then come float64 amplitudes in rows
    that are one longer along each axis than the indices need.

    Raises
    ------
    InputError
        When the file does not begin so, is not as long as its first line says, or holds something that is no number.
    """
    import numpy as np

    try:
        with path.open("rb") as stream:
            line = stream.readline(_LONGEST_FIRST_LINE)
            limits = [int(word) for word in line.split()] if _DUMP_LIMITS.fullmatch(line) else []
            if not limits or stream.read(1) != b"\f" or max(map(abs, limits)) > LARGEST_INDEX:
                raise InputError(f"{path}: not a table dump: expected six limits of h k l and a form feed")
            lowest, highest = (limits[0], limits[2], limits[4]), limits[1::2]
            extent = [high - low + 1 for low, high in zip(lowest, highest, strict=True)]
            rows = [length + 1 for length in extent]
            expected = rows[0] * rows[1] * rows[2] * _DUMP_BYTES if min(extent) > 0 else 0
            held = path.stat().st_size - stream.tell()
            if expected == 0 or held != expected:
                shown = " ".join(map(str, limits))
                raise InputError(f"{path}: expected {expected} bytes of amplitudes for h k l {shown}, got {held}")
            content = stream.read(expected)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    box = np.frombuffer(content, dtype="<f8").reshape(rows)[:-1, :-1, :-1].astype(np.float64)
    if not np.isfinite(box).all():
        raise InputError(f"{path}: an amplitude in the table is no number")
    return lowest, box


def write_dump(path: Path, lowest: list[int], box: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Write a table (h, k, l) that begins at `lowest` as `read_dump` reads it; an existing file is replaced whole."""
    import numpy as np

    from openbragg import write_file

    limits = " ".join(f"{low} {low + length - 1}" for low, length in zip(lowest, box.shape, strict=True))
    content = np.pad(box, (0, 1)).astype("<f8").tobytes()
    write_file(path, lambda stream: stream.writelines([f"{limits}\n\f".encode(), content]))


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a name too long for any file
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _complex(values: torch.Tensor) -> torch.Tensor:
    """Real and imaginary parts, (reflections, 2), of amplitudes and phases in degrees, likewise."""
    import torch

    angle = values[:, 1].deg2rad()
    return torch.stack([values[:, 0] * angle.cos(), values[:, 0] * angle.sin()], dim=1)


@hookimpl
def structure_factors() -> list[type[StructureFactors]]:
    """Offer the h k l F table."""
    return [HklTable]
