"""Structure-factor amplitudes on an absolute scale, for a crystal whose content is known but whose atoms are not.

Wilson statistics need only the number of atoms of each element in the unit cell: the amplitudes have the
strength, the fall-off with resolution, the symmetry and the systematic absences of a real crystal, and no
structure behind them. Atoms are taken as independent and evenly spread, so the dip and rise of a protein near
6 and 4 angstroms, bulk solvent and anomalous scattering are not in these numbers.

Source of the statistics: A. J. C. Wilson, Acta Cryst. 2 (1949) 318-321; of the scattering factors:
International Tables for Crystallography C (1992), table 6.1.1.4, as gemmi holds it.
"""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, TypeAlias

import gemmi
import numpy as np
from numpy.typing import NDArray

from openbragg import InputError, unit
from openbragg_tools.wilson.content import CellContent

ANGSTROM = unit("A")

# The four-Gaussian fits of table 6.1.1.4 hold for sin(theta)/lambda up to 2 per angstrom, a d spacing of 0.25.
FINEST_RESOLUTION = ANGSTROM.to_si(0.25)

# About 3.5 GB of arrays and a 1 GB table: beyond any crystal that is simulated, below what makes a machine swap.
MOST_REFLECTIONS = 50_000_000

Reflections: TypeAlias = NDArray[np.int32]
Amplitudes: TypeAlias = NDArray[np.float64]


def wilson_amplitudes(
    cell: gemmi.UnitCell,
    space_group: gemmi.SpaceGroup,
    content: CellContent,
    resolution: float,
    b_factor: float,
    seed: int,
) -> tuple[Reflections, Amplitudes]:
    """Draw the amplitude of every unique reflection from its Wilson distribution.

    Intensities of acentric reflections follow p(I) = exp(-I/S)/S and those of centric ones
    p(I) = exp(-I/2S)/sqrt(2 pi I S), where S is the mean of `mean_intensities` (Wilson 1949).

    F(000) is left out: it is the direct beam, which a beam stop takes away in any experiment. The simulation has no
    beam stop, so with F(000) in the table the beam centre would outshine, and set the scale of, the whole image.

    Parameters
    ----------
    cell : gemmi.UnitCell
        Unit cell, in angstroms and degrees as gemmi holds it.
    space_group : gemmi.SpaceGroup
        Space group, in the setting that the cell is in.
    content : CellContent
        Atoms in the whole unit cell.
    resolution : float
        Smallest d spacing, in metres.
    b_factor : float
        Isotropic displacement parameter B of all atoms, in square metres; 20e-20 is typical for a protein.
    seed : int
        Not negative. The same arguments and seed give the same table, a different seed a different one.

    Returns
    -------
    hkl : int32 array, (reflections, 3)
        Reflections in gemmi's reciprocal asymmetric unit, sorted, without systematic absences and without 0 0 0.
    F : float64 array, (reflections,)
        Amplitudes, in electrons per unit cell.

    Raises
    ------
    InputError
        For a cell that the space group does not allow, a resolution that gives no reflections or too many, or a
        negative B factor or seed.
    """
    if not (isinstance(seed, Integral) and seed >= 0):
        raise InputError(f"seed {seed!r}: expected a whole number of at least 0")
    _check_cell(cell, space_group)
    hkl = _unique_reflections(cell, space_group, resolution)
    mean = mean_intensities(hkl, cell, space_group, content, b_factor)
    centric = space_group.operations().centric_flag_array(hkl)
    return hkl, np.sqrt(mean * _normalized_intensities(centric, seed))


def mean_intensities(
    hkl: Reflections,
    cell: gemmi.UnitCell,
    space_group: gemmi.SpaceGroup,
    content: CellContent,
    b_factor: float,
) -> NDArray[np.float64]:
    """Find the expected intensity <F^2> of reflections, over all structures with this content and symmetry.

    <F^2> = epsilon sum_j n_j f_j(s)^2 exp(-2 B s^2), with s = sin(theta)/lambda = 1/2d (Wilson 1949).

    Parameters
    ----------
    hkl : int32 array, (reflections, 3)
        Reflections that are not systematically absent.
    cell, space_group, content, b_factor
        As for `wilson_amplitudes`.

    Returns
    -------
    float64 array, (reflections,)
        Mean intensities, in electrons squared per unit cell.

    Raises
    ------
    InputError
        For a B factor that is negative or not finite.
    """
    if not (math.isfinite(b_factor) and b_factor >= 0):
        raise InputError(f"B factor {_square_angstroms(b_factor):g} A^2: expected a finite number of 0 or more")
    hkl = np.ascontiguousarray(hkl, dtype=np.int32)
    s_squared = cell.calculate_1_d2_array(hkl) / 4  # per square angstrom, as the scattering factors want it
    scattering = sum(number * _scattering_factors(element, s_squared) ** 2 for element, number in content.atoms)
    # F is per conventional cell and the content counts that whole cell. The atoms related by the e operations that
    # leave h as it is, and those related by the c centring vectors, all scatter in phase: N atoms act as N/(e c) groups
    # of strength e c, so <F^2> is e c times the sum of f^2. Without c a centred crystal would be c times too weak.
    epsilon = space_group.operations().epsilon_factor_array(hkl)
    falloff = np.exp(-2 * _square_angstroms(b_factor) * s_squared)
    return np.asarray(epsilon * scattering * falloff, dtype=np.float64)


def _check_cell(cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup) -> None:
    described = " ".join(f"{value:g}" for value in cell.parameters)
    # gemmi takes any six numbers: negative lengths, angles beyond a half turn, angles that leave the cell flat but for
    # rounding (volume / abc near 1e-8) or without a volume at all. A zero angle gives its default cell, no crystal.
    lengths, angles = cell.parameters[:3], cell.parameters[3:]
    within_bounds = min(cell.parameters) > 0 and max(angles) < 180
    if not (within_bounds and cell.is_crystal() and cell.volume > 1e-6 * math.prod(lengths)):
        raise InputError(f"unit cell {described}: expected three lengths in angstroms and three possible angles")
    if not cell.is_compatible_with_spacegroup(space_group):
        system = space_group.crystal_system_str()
        raise InputError(f"unit cell {described}: expected a {system} cell, for space group {space_group.xhm()}")


def _unique_reflections(cell: gemmi.UnitCell, space_group: gemmi.SpaceGroup, resolution: float) -> Reflections:
    smallest_d = ANGSTROM.from_si(resolution)
    if not (math.isfinite(resolution) and resolution >= FINEST_RESOLUTION):
        limit = ANGSTROM.from_si(FINEST_RESOLUTION)
        raise InputError(f"resolution {smallest_d:g} A: expected a finite d spacing of at least {limit:g} A")
    in_sphere = 4 / 3 * math.pi * cell.volume / smallest_d**3
    if in_sphere > MOST_REFLECTIONS:
        raise InputError(
            f"resolution {smallest_d:g} A: gives {in_sphere:.2g} reflections, more than {MOST_REFLECTIONS:.2g}; "
            "expected a coarser one"
        )
    # A reflection right at the limit belongs to the table, however the limit was rounded on its way to metres.
    hkl = gemmi.make_miller_array(cell, space_group, smallest_d * (1 - 1e-9), unique=True)
    if len(hkl) == 0:
        raise InputError(
            f"resolution {smallest_d:g} A: no reflection has so large a d spacing; "
            f"expected a finer one, for a cell of {cell.a:g} x {cell.b:g} x {cell.c:g} A"
        )
    return hkl


def _normalized_intensities(centric: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """Draw I/<I>, two uniform deviates a reflection.

    The structure factor of an acentric reflection is a complex number with normal real and imaginary parts, drawn
    here by radius and angle (Box and Muller, Ann. Math. Stat. 29 (1958) 610); of a centric one only the real part is
    there, with twice the variance. Only uniform deviates are used since numpy keeps their stream from one version to
    the next, which it does not promise for normal ones.
    """
    uniform = np.random.default_rng(seed).random((len(centric), 2))
    radius_squared = -np.log1p(-uniform[:, 0])
    return np.where(centric, 2 * np.cos(2 * np.pi * uniform[:, 1]) ** 2, 1.0) * radius_squared


def _square_angstroms(square_metres: float) -> float:
    return ANGSTROM.from_si(ANGSTROM.from_si(square_metres))


def _scattering_factors(element: str, s_squared: NDArray[np.float64]) -> NDArray[np.float64]:
    coefficients: Any = gemmi.Element(element).it92
    factors = np.full_like(s_squared, coefficients.c)
    for a, b in zip(coefficients.a, coefficients.b, strict=True):
        factors += a * np.exp(-b * s_squared)
    return factors
