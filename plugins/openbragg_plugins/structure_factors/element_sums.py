"""The sum over the atoms of one element, without their scattering factor: what f' and f'' are multiplied by."""

from __future__ import annotations

from collections.abc import Iterable
from math import pi
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import InputError

if TYPE_CHECKING:
    import gemmi
    import numpy as np

    Real = np.ndarray[Any, np.dtype[np.float64]]
    Complex = np.ndarray[Any, np.dtype[np.complex128]]

#: Terms in all sums, at most; and together.
_MOST_TERMS, _TOGETHER = 1 << 31, 1 << 22


@attrs.frozen(kw_only=True)
class Site:
    """An atom of the asymmetric unit.

    Attributes
    ----------
    place
        Fractional coordinates.
    occupancy
        As it counts in each of the group's operations: that of an atom in a special place is a part of what it is.
    displacement
        U* of exp(-2 pi^2 h U* h), (3, 3).
    """

    place: Any
    occupancy: float
    displacement: Any


def isotropic(cell: gemmi.UnitCell, u_iso: float) -> Real:
    """U* of an isotropic displacement in square angstroms."""
    import numpy as np

    rows = np.array(cell.frac.mat.tolist())
    found: Real = u_iso * rows @ rows.T
    return found


def anisotropic(cell: gemmi.UnitCell, u_cartesian: Any) -> Real:
    """U* of a displacement along Cartesian axes in square angstroms, (3, 3)."""
    import numpy as np

    rows = np.array(cell.frac.mat.tolist())
    found: Real = rows @ np.array(u_cartesian) @ rows.T
    return found


def element_sum(sites: Iterable[Site], group: gemmi.SpaceGroup, indices: Any) -> Complex:
    """The sum of occupancy x exp(-2 pi^2 h U* h) x exp(2 pi i h x) over sites and operations, (reflections,).

    Raises
    ------
    InputError
        When it has too many terms.
    """
    import gemmi
    import numpy as np

    every = list(sites)
    operations = list(group.operations())
    if len(every) * len(operations) * len(indices) > _MOST_TERMS:
        raise InputError(
            f"-anomalous: sums over {len(every)} atoms at {len(indices)} reflections are too long: name fewer "
            "elements, or set a coarser -resolution"
        )
    result = np.zeros(len(indices), dtype=np.complex128)
    step = max(1, _TOGETHER // max(1, len(every)))
    places = np.array([site.place for site in every], dtype=np.float64).reshape(-1, 3)
    occupancies = np.array([site.occupancy for site in every], dtype=np.float64)
    displacements = np.array([site.displacement for site in every], dtype=np.float64).reshape(-1, 3, 3)
    for first in range(0, len(indices), step):
        part = np.asarray(indices[first : first + step], dtype=np.float64)
        total = np.zeros(len(part), dtype=np.complex128)
        for operation in operations:
            turned = part @ (np.array(operation.rot, dtype=np.float64) / gemmi.Op.DEN)
            shift = part @ (np.array(operation.tran, dtype=np.float64) / gemmi.Op.DEN)
            phase = turned @ places.T + shift[:, None]
            spread = np.einsum("ri,aij,rj->ra", turned, displacements, turned, optimize=True)
            total += np.exp(2j * pi * phase - 2.0 * pi**2 * spread) @ occupancies
        result[first : first + step] = total
    return result
