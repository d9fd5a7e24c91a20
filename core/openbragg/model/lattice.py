"""From cell parameters and orientation to cell vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch

from openbragg.errors import InputError
from openbragg.model.reference_random import Lehmer, random_rotation
from openbragg.model.scalars import Scalar, Vector, plain
from openbragg.model.vectors import angles_xyz, matrix, rotation_xyz, scalar

#: A cell is refused when its volume is below this part of a b c: its axes are coplanar as far as numbers can tell.
_FLAT = 1e-9
#: The reference program draws a random orientation as a mosaic rotation with a spread of 90, read as radians.
_RANDOM_SPREAD = 90.0


class Mounted(Protocol):
    """What orients a lattice: of an `openbragg.Crystal` its cell, its reciprocal vectors and its rotations."""

    @property
    def cell(self) -> Sequence[Scalar] | None:
        """a, b, c in metres and alpha, beta, gamma in radians."""

    @property
    def reciprocal_vectors(self) -> Any:
        """Rows a*, b*, c* in 1/metres, (3, 3), or None."""

    @property
    def misset(self) -> Vector | str | None:
        """Rotations about x, then y, then z, in radians."""


def cell_volume(cell: torch.Tensor) -> torch.Tensor:
    """Volume in cubic metres of a cell (6,): a b c in metres, alpha beta gamma in radians."""
    a, b, c, alpha, beta, gamma = cell.unbind(0)
    half = (alpha + beta + gamma) / 2.0
    skew = half.sin() * (half - alpha).sin() * (half - beta).sin() * (half - gamma).sin()
    return 2.0 * a * b * c * skew.abs().sqrt()


def standard_vectors(cell: torch.Tensor, *, oblique: bool = False) -> torch.Tensor:
    """Reciprocal vectors of a cell (6,), a* along x and b* in the xy plane: rows a*, b*, c* in 1/m, shape (3, 3).

    With `oblique`, the component of c* along z is the reference program's, c* V / (a b c sin gamma*) in place of
    c* V / (a b c sin gamma) = 1/c; the two agree unless at least two angles are oblique.

    Source: Busing and Levy, Acta Cryst. 22, 457 (1967), equation 3; nanoBragg.c.

    Raises
    ------
    InputError
        When no cell has these angles, or the cell is flat.
    """
    a, b, c, alpha, beta, gamma = cell.unbind(0)
    angles = [plain(angle) for angle in (alpha, beta, gamma)]
    # Three angles close a parallelepiped when none exceeds the sum of the others and all stay below a full turn.
    flat = 2.0 * max(angles) >= sum(angles) or sum(angles) >= 2.0 * math.pi
    volume = cell_volume(cell)
    if flat or not plain(volume) > _FLAT * plain(a * b * c):
        degrees = " ".join(f"{math.degrees(angle):g}" for angle in angles)
        raise InputError(f"the unit cell is singular: angles {degrees} enclose no volume")
    a_star = b * c * alpha.sin() / volume
    b_star = c * a * beta.sin() / volume
    c_star = a * b * gamma.sin() / volume
    cos_beta_star = (gamma.cos() * alpha.cos() - beta.cos()) / (gamma.sin() * alpha.sin())
    cos_gamma_star = (alpha.cos() * beta.cos() - gamma.cos()) / (alpha.sin() * beta.sin())
    cos_alpha_star = (beta.cos() * gamma.cos() - alpha.cos()) / (beta.sin() * gamma.sin())
    sin_gamma_star = c / (a_star * b_star * volume)
    zero = torch.zeros_like(a)
    return torch.stack(
        [
            torch.stack([a_star, zero, zero]),
            torch.stack([b_star * cos_gamma_star, b_star * sin_gamma_star, zero]),
            torch.stack(
                [
                    c_star * cos_beta_star,
                    c_star * (cos_alpha_star - cos_beta_star * cos_gamma_star) / sin_gamma_star,
                    c_star * volume / (a * b * c * sin_gamma_star) if oblique else 1.0 / c,
                ]
            ),
        ]
    )


def random_misset(seed: int) -> tuple[float, float, float]:
    """The x, y, z angles in radians of the reference program's ``-misset random`` with this seed."""
    return angles_xyz(random_rotation(_RANDOM_SPREAD, Lehmer(-seed)))


def dual(vectors: torch.Tensor) -> torch.Tensor:
    """Reciprocal basis of three row vectors, shape (3, 3): ``dual(v) @ v.T`` is the identity."""
    first, second, third = vectors.unbind(0)
    crosses = torch.stack(
        [torch.linalg.cross(second, third), torch.linalg.cross(third, first), torch.linalg.cross(first, second)]
    )
    return crosses / (first @ crosses[0])


def oriented_bases(crystal: Mounted, *, oblique: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Real-space and reciprocal vectors at phi = 0: rows a, b, c in metres and a*, b*, c* in 1/metres, (3, 3) each.

    `oblique` builds a cell without a matrix as the reference program does: the lengths are right, but the angles of a
    cell with two or more oblique ones come out a little wrong.

    Raises
    ------
    InputError
        When the cell or the matrix has no volume.
    """
    cell = None if crystal.cell is None else torch.stack([scalar(value) for value in crystal.cell])
    if crystal.reciprocal_vectors is not None:
        reciprocal = matrix(crystal.reciprocal_vectors)
        lengths = reciprocal.norm(dim=1)
        if not plain(torch.linalg.det(reciprocal).abs()) > _FLAT * plain(lengths.prod()):
            raise InputError("the orientation matrix is singular: its three reciprocal vectors lie in one plane")
    else:
        assert cell is not None  # a Crystal has one or the other
        reciprocal = standard_vectors(cell, oblique=oblique)
    if crystal.misset is not None:
        if isinstance(crystal.misset, str):
            raise InputError("Crystal.misset: 'random' must be resolved to angles first")
        reciprocal = reciprocal @ rotation_xyz(crystal.misset).T
    if cell is None or (crystal.reciprocal_vectors is None and not oblique):
        return dual(reciprocal), reciprocal
    # The cell overrules what the vectors say: of the axes only the directions are kept, and the volume is the cell's.
    standard_vectors(cell)
    directions = dual(reciprocal)
    real = directions / directions.norm(dim=1, keepdim=True) * cell[:3].unsqueeze(1)
    first, second, third = real.unbind(0)
    crosses = (torch.linalg.cross(second, third), torch.linalg.cross(third, first), torch.linalg.cross(first, second))
    return real, torch.stack(crosses) / cell_volume(cell)


def cell_angles(vectors: torch.Tensor) -> tuple[float, float, float]:
    """Angles alpha, beta, gamma in radians between real-space row vectors, (3, 3)."""
    a, b, c = (vectors / vectors.norm(dim=1, keepdim=True)).detach().unbind(0)
    return float((b @ c).acos()), float((a @ c).acos()), float((a @ b).acos())
