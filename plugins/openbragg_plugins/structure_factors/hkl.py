"""Structure factors from a text table of h k l F."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, hookimpl, option

if TYPE_CHECKING:
    import numpy as np
    import torch

    from openbragg import Experiment, Miller, StructureFactors

#: A table may span this many indices, or so many for each reflection in it, before it is taken for a mistake.
_LARGEST_BOX = 1 << 26
_BOX_PER_REFLECTION = 64
#: Crystals of at most this many cells along an axis are interpolated unless told otherwise, as in the reference.
_FEW_CELLS = 2
#: No index of a real reflection comes near this; it keeps boxes countable.
_LARGEST_INDEX = 1_000_000


@attrs.frozen(eq=False)
class HklTable:
    """Amplitudes of the P1 cell, one line a reflection: h k l F; what is missing has the default amplitude.

    Between whole indices the nearest reflection counts, or, with interpolation, the 4 x 4 x 4 Lagrange cubic through
    the neighbours where the table has them all. From Python, `reflections` replaces the file; its amplitudes may
    carry a gradient.

    Attributes
    ----------
    reflections
        Whole indices, shape (reflections, 3), and amplitudes in electrons, (reflections,); arrays or tensors.
    """

    name: ClassVar[str] = "hkl"
    summary: ClassVar[str] = "text table of h k l F for the P1 cell, or one amplitude for all"
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option("-hkl", type=Path, metavar="FILE", help="Text table: h k l F a line, for the P1 cell.")
    default_F: Any = option(
        "-default_F", default=0.0, unit="electrons", help="Amplitude of reflections that the table does not have."
    )
    interpolate: bool | None = option(
        "-interpolate",
        negations=("-nointerpolate",),
        type=bool,
        help="Interpolate between reflections, or not. Default: on for crystals of 1 or 2 cells.",
    )
    reflections: Any = attrs.field(default=None, kw_only=True)

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """See `openbragg.StructureFactors.prepare`.

        Returns
        -------
        Without reflections, the default amplitude alone, (). Else the table with a border of default amplitudes, flat;
        the lowest and highest h k l in it, (3,) each; and, only when it is to be interpolated, the offsets of the
        neighbours from the floor of an index, (4,).
        """
        import torch

        default = torch.as_tensor(self.default_F, dtype=torch.float64).reshape(1).to(device)
        if self.file is not None:
            index, amplitude = read_hkl(self.file)
            indices, amplitudes = torch.from_numpy(index), torch.from_numpy(amplitude)
        elif self.reflections is not None:
            indices = torch.as_tensor(self.reflections[0], dtype=torch.int64)
            amplitudes = torch.as_tensor(self.reflections[1], dtype=torch.float64)
        else:
            if not default.requires_grad and float(default) == 0.0:
                raise InputError("no structure factors: give a table with -hkl, or one amplitude with -default_F")
            return (default.reshape(()).to(dtype),)

        lowest, highest = indices.amin(dim=0), indices.amax(dim=0)
        extent = [int(high - low) + 3 for low, high in zip(lowest, highest, strict=True)]
        box = extent[0] * extent[1] * extent[2]
        if box > max(_LARGEST_BOX, _BOX_PER_REFLECTION * len(indices)):
            low, high = lowest.tolist(), highest.tolist()
            raise InputError(f"{self.file or 'reflections'}: {len(indices)} reflections spread from {low} to {high}")
        place = indices - lowest + 1
        flat = (place[:, 0] * extent[1] + place[:, 1]) * extent[2] + place[:, 2]
        # The last of equal indices counts, as in the reference; scattering on a device keeps no order, so choose here.
        unique, first_of_reversed = _last_occurrences(flat)
        table = default.expand(box).clone()
        table = table.index_put((unique.to(device),), amplitudes[first_of_reversed].to(device))
        tables = (table.to(dtype), lowest.to(device, torch.float64), highest.to(device, torch.float64))
        if not self._interpolated(experiment):
            return tables
        return (*tables, torch.arange(-1.0, 3.0, dtype=torch.float64, device=device))

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.StructureFactors.amplitude`."""
        if len(tables) == 1:
            return tables[0].expand(nearest.h.shape)
        table, lowest, highest, *neighbours = tables
        found = _look_up(table, lowest, highest, tuple(nearest))
        if not neighbours:
            return found
        return _interpolated(table, lowest, highest, neighbours[0], index, found)

    def _interpolated(self, experiment: Experiment) -> bool:
        if self.interpolate is not None:
            return self.interpolate
        return any(float(count) <= _FEW_CELLS for count in experiment.crystal.cells)


def read_hkl(path: Path) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.float64]]]:
    """Read a table: indices (reflections, 3) and amplitudes in electrons (reflections,).

    Raises
    ------
    InputError
        When the file is missing, empty, or has a line that is not three whole numbers and a finite amplitude; the
        message names the line.
    """
    import io

    import numpy as np

    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if not text.strip():
        raise InputError(f"{path}: no reflections in the file")
    try:
        values = np.loadtxt(io.BytesIO(text), dtype=np.float64, ndmin=2, comments=None, encoding="ascii")
    except ValueError:
        values = np.empty((0, 0))
    good = values.shape[1] == 4 and len(values) > 0
    if good:
        whole = values[:, :3]
        good = bool(
            np.isfinite(values).all() and (whole == np.rint(whole)).all() and (np.abs(whole) <= _LARGEST_INDEX).all()
        )
    if not good:
        raise InputError(_complaint(path, text))
    return values[:, :3].astype(np.int64), values[:, 3].copy()


def _complaint(path: Path, text: bytes) -> str:
    """What is wrong with a table, by its first bad line."""
    for number, line in enumerate(text.decode("latin-1").splitlines(), start=1):
        words = line.split()
        if words and not _is_reflection(words):
            shown = " ".join(words)[:60]
            return f"{path}, line {number}: expected h k l F (three whole numbers and an amplitude), got {shown!r}"
    return f"{path}: no table of h k l F"


def _is_reflection(words: list[str]) -> bool:
    import math

    try:
        h, k, l, amplitude = (float(word) for word in words)
    except ValueError:
        return False
    return math.isfinite(amplitude) and all(value.is_integer() and abs(value) <= _LARGEST_INDEX for value in (h, k, l))


def _last_occurrences(flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The distinct values of a list, and where each stands last."""
    import torch

    ordered, order = torch.sort(flat, stable=True)
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    return ordered[last], order[last]


def _look_up(
    table: torch.Tensor, lowest: torch.Tensor, highest: torch.Tensor, whole: tuple[torch.Tensor, ...]
) -> torch.Tensor:
    """Amplitudes at whole indices; outside the table its border answers, which holds the default."""
    first, last = lowest - 1.0, highest + 1.0
    _, wide, deep = (last - first + 1.0).unbind(0)
    start = (first[0] * wide + first[1]) * deep + first[2]
    h, k, l = (value.clamp(low, high) for value, low, high in zip(whole, first.unbind(0), last.unbind(0), strict=True))
    return table[((h * wide + k) * deep + (l - start)).long()]


def _interpolated(
    table: torch.Tensor,
    lowest: torch.Tensor,
    highest: torch.Tensor,
    neighbours: torch.Tensor,
    index: Miller,
    otherwise: torch.Tensor,
) -> torch.Tensor:
    """Lagrange cubics through the four neighbours along each axis; `otherwise` where the table lacks one.

    Source: nanoBragg.c, including its limits of what counts as inside the table.
    """
    floors = [value.floor() for value in index]
    inside = None
    weights = []
    for value, floor, low, high in zip(index, floors, lowest.unbind(0), highest.unbind(0), strict=True):
        fits = (value - low + 3.0 <= high - low + 1.0) & (value - 2.0 >= low)
        inside = fits if inside is None else inside & fits
        x = (value - floor).to(table.dtype)
        weights.append(
            (
                -x * (x - 1.0) * (x - 2.0) / 6.0,
                (x + 1.0) * (x - 1.0) * (x - 2.0) / 2.0,
                -(x + 1.0) * x * (x - 2.0) / 2.0,
                (x + 1.0) * x * (x - 1.0) / 6.0,
            )
        )
    total = None
    steps = neighbours.unbind(0)
    for i, along_h in enumerate(steps):
        for j, along_k in enumerate(steps):
            for k, along_l in enumerate(steps):
                whole = (floors[0] + along_h, floors[1] + along_k, floors[2] + along_l)
                weight = weights[0][i] * weights[1][j] * weights[2][k]
                term = weight * _look_up(table, lowest, highest, whole)
                total = term if total is None else total + term
    assert total is not None and inside is not None
    return total.where(inside, otherwise)


@hookimpl
def structure_factors() -> list[type[StructureFactors]]:
    """Offer the h k l F table."""
    return [HklTable]
