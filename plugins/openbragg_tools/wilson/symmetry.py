"""Amplitudes of all symmetry mates of unique reflections."""

from __future__ import annotations

from typing import Any, TypeAlias

import gemmi
import numpy as np
from numpy.typing import ArrayLike, NDArray

from openbragg import InputError, checked_reflections

Reflections: TypeAlias = NDArray[np.int32]
Amplitudes: TypeAlias = NDArray[np.float64]


def expand_to_p1(hkl: ArrayLike, F: ArrayLike, space_group: gemmi.SpaceGroup) -> tuple[Reflections, Amplitudes]:
    """Give every symmetry mate and Friedel mate of each reflection the amplitude of that reflection.

    Parameters
    ----------
    hkl : integer array, (reflections, 3)
        Reflections; mates of one another may be among them if their amplitudes are equal.
    F : float array, (reflections,)
        Amplitudes, in electrons per unit cell.
    space_group : gemmi.SpaceGroup
        Space group in the setting of the indices.

    Returns
    -------
    hkl : int32 array, (mates, 3)
        Each reflection once, sorted by h, then k, then l.
    F : float64 array, (mates,)
        Amplitudes, in electrons per unit cell.

    Raises
    ------
    InputError
        For arrays that are no reflection table, or two mates that differ in amplitude.
    """
    hkl, F = checked_reflections(hkl, F)
    rotations = np.array([operation.rot for operation in space_group.operations().sym_ops]) // gemmi.Op.DEN
    # Friedel's law adds the inversion; a centrosymmetric group has it already, so only distinct matrices are kept.
    laue_group = np.unique(np.concatenate([rotations, -rotations]), axis=0).astype(np.int32)
    # h (R x) = (h R) x: an index row is multiplied from the right.
    mates = (hkl[None] @ laue_group).reshape(-1, 3)
    amplitudes = np.tile(F, len(laue_group))
    order = np.lexsort(mates.T[::-1])
    mates, amplitudes = mates[order], amplitudes[order]
    first = np.ones(len(mates), dtype=bool)
    first[1:] = np.any(mates[1:] != mates[:-1], axis=1)
    conflicts = np.flatnonzero(~first[1:] & (amplitudes[1:] != amplitudes[:-1]))
    if len(conflicts):
        one, other = amplitudes[conflicts[0] : conflicts[0] + 2]
        raise InputError(
            f"reflection {_indices(mates[conflicts[0]])}: expected its mates in {space_group.xhm()} to have equal F, "
            f"found {one:g} and {other:g}"
        )
    return mates[first], amplitudes[first]


def _indices(reflection: NDArray[Any]) -> str:
    return " ".join(str(index) for index in reflection)
