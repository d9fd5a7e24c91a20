"""From reflections of an asymmetric unit to those of the whole P1 cell."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import gemmi
    import numpy as np

    from openbragg_plugins.structure_factors.symmetry import Symmetry

    Whole = np.ndarray[Any, np.dtype[np.int64]]
    Real = np.ndarray[Any, np.dtype[np.float64]]

#: A d spacing right at a limit belongs to it, however it was rounded.
_ROUNDING = 1e-6


@attrs.frozen(kw_only=True, eq=False)
class Unique:
    """Reflections that no symmetry and no Friedel's law relates, with both Friedel mates' amplitudes.

    Attributes
    ----------
    indices
        One of the mates each, int64, (reflections, 3).
    plus, minus
        Amplitudes of h k l and its rotational mates, and of -h -k -l and its own; float64, (reflections,). Equal where
        the mates are related by a rotation (centric reflections), and where only one is known.
    repeated
        Number of reflections that were listed more than once, themselves or by a mate, and are averages now.
    """

    indices: Whole
    plus: Real
    minus: Real
    repeated: int


def unique(
    indices: Whole,
    plus: Real,
    minus: Real,
    group: gemmi.SpaceGroup | Symmetry,
    weights: Real | None = None,
    *,
    mates_alike: bool = False,
) -> Unique:
    """Bring reflections of any part of reciprocal space together, without those that are absent by symmetry.

    Parameters
    ----------
    indices
        h k l, int64, (reflections, 3); mates may be among them.
    plus, minus
        Amplitudes of h k l, and of -h -k -l; NaN where it is not known. Reflections of which none is known are left
        out, and all that is known of one mate is averaged.
    group
        The space group in the setting of the indices.
    weights
        With which what is known of one mate is averaged, (reflections,) above 0; all alike by default.
    mates_alike
        Whether h k l and -h -k -l are averaged, too.
    """
    import numpy as np

    weights = np.ones(len(indices)) if weights is None else weights
    known = ~(np.isnan(plus) & np.isnan(minus))
    known &= ~group.operations().systematic_absences(np.ascontiguousarray(indices, dtype=np.int32))
    indices, plus, minus, weights = indices[known], plus[known], minus[known], weights[known]
    rotations = _rotations(group)
    span = _span(indices)
    largest_plus = _largest_key(indices, rotations, span)
    largest_minus = _largest_key(-indices, rotations, span)
    keys, place = np.unique(np.maximum(largest_plus, largest_minus), return_inverse=True)
    place = place.reshape(-1)
    swapped = largest_minus > largest_plus
    centric = np.full(len(keys), mates_alike)
    centric[place] |= largest_minus == largest_plus

    here, there = np.where(swapped, minus, plus), np.where(swapped, plus, minus)
    first, first_count = _mean(here, weights, place, len(keys))
    second, second_count = _mean(there, weights, place, len(keys))
    twice = np.concatenate([weights, weights])
    both, _ = _mean(np.concatenate([here, there]), twice, np.concatenate([place, place]), len(keys))
    first = np.where(centric, both, np.where(np.isnan(first), second, first))
    second = np.where(centric, both, np.where(np.isnan(second), first, second))
    return Unique(
        indices=_from_keys(keys, span),
        plus=first,
        minus=second,
        repeated=int(((first_count > 1) | (second_count > 1)).sum()),
    )


def expanded(reflections: Unique, group: gemmi.SpaceGroup | Symmetry) -> tuple[Whole, Real]:
    """Every mate of every reflection: h k l, int64, (mates, 3), each once, and amplitudes, (mates,)."""
    import numpy as np

    rotations = _rotations(group)
    span = _span(reflections.indices)
    mates = np.concatenate([reflections.indices @ rotation for rotation in rotations])
    keys = np.concatenate([_keys(mates, span), _keys(-mates, span)])
    amplitudes = np.concatenate([np.tile(reflections.plus, len(rotations)), np.tile(reflections.minus, len(rotations))])
    once, place = np.unique(keys, return_index=True)
    return _from_keys(once, span), amplitudes[place]


def with_absences(
    indices: Whole, amplitudes: Real, cell: gemmi.UnitCell, group: gemmi.SpaceGroup | Symmetry, resolution: float
) -> tuple[Whole, Real]:
    """Reflections, and 0 for what symmetry forbids down to a d spacing in angstroms; sorted by h, then k, then l."""
    import numpy as np

    absent = absences(cell, group, resolution)
    indices, amplitudes = np.concatenate([indices, absent]), np.concatenate([amplitudes, np.zeros(len(absent))])
    order = np.lexsort(indices.T[::-1])
    return indices[order], amplitudes[order]


def sphere(cell: gemmi.UnitCell, resolution: float) -> float:
    """About how many reflections of the P1 cell there are down to a d spacing in angstroms."""
    return 4.0 / 3.0 * pi * float(cell.volume) / resolution**3


def absences(cell: gemmi.UnitCell, group: gemmi.SpaceGroup | Symmetry, resolution: float) -> Whole:
    """All h k l, int64, (reflections, 3), that are absent by symmetry, down to a d spacing in angstroms."""
    import numpy as np

    operations = group.operations()
    limits = cell.get_hkl_limits(resolution * (1.0 - _ROUNDING))
    ranges = [np.arange(-limit, limit + 1) for limit in limits]
    largest = 1.0 / (resolution * (1.0 - _ROUNDING)) ** 2
    found = [np.empty((0, 3), dtype=np.int64)]
    if len(operations.cen_ops) == 1 and not any(any(operation.tran) for operation in operations.sym_ops):
        return found[0]
    for h in ranges[0]:  # layer by layer, for the whole box may be large
        layer = np.stack(np.meshgrid([h], ranges[1], ranges[2], indexing="ij"), axis=-1).reshape(-1, 3).astype(np.int32)
        layer = layer[operations.systematic_absences(layer)]
        layer = layer[cell.calculate_1_d2_array(layer) <= largest]
        found.append(layer.astype(np.int64))
    return np.concatenate(found)


def _rotations(group: gemmi.SpaceGroup | Symmetry) -> Whole:
    """Rotation parts, int64, (operations, 3, 3); the mates of h are the products h R."""
    import gemmi
    import numpy as np

    return np.array([operation.rot for operation in group.operations().sym_ops], dtype=np.int64) // gemmi.Op.DEN


def _span(indices: Whole) -> int:
    """A bound of all indices of all mates: an oblique axis adds two of them at most."""
    return 2 * int(abs(indices).max(initial=0)) + 1


def _keys(indices: Whole, span: int) -> Whole:
    """One number for each h k l, that grows with h, then k, then l."""
    wide = 2 * span + 1
    h, k, l = (indices + span).T
    result: Whole = (h * wide + k) * wide + l
    return result


def _from_keys(keys: Whole, span: int) -> Whole:
    import numpy as np

    wide = 2 * span + 1
    return np.stack([keys // (wide * wide), keys // wide % wide, keys % wide], axis=1) - span


def _largest_key(indices: Whole, rotations: Whole, span: int) -> Whole:
    import numpy as np

    largest = _keys(indices @ rotations[0], span)
    for rotation in rotations[1:]:
        largest = np.maximum(largest, _keys(indices @ rotation, span))
    return largest


def _mean(values: Real, weights: Real, place: Whole, count: int) -> tuple[Real, Whole]:
    """Means of the values that are there at each place, NaN for none; and how many there are."""
    import numpy as np

    there = ~np.isnan(values)
    number = np.bincount(place[there], minlength=count)
    weight = np.bincount(place[there], weights=weights[there], minlength=count)
    total = np.bincount(place[there], weights=(values * weights)[there], minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(number > 0, total / weight, np.nan), number
