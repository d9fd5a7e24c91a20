"""How a reflection passes through the sphere of reflection: the lattice shape seen across it, integrated.

A shape's squared amplitude around a lattice point, F_latt^2, is summed over all offsets of h, k, l (`Profile.whole`),
and over those on one side of a plane (`Profile.passed`). Both come from its transform: that of the sum's density along
c . h, for a direction c, is at t the transform of F_latt^2 at t c. For a separable shape this is a product of three
functions of one variable. A shape that is not separable is taken for one of ellipsoidal symmetry, which the built-in
ones have; its axes are found from where F_latt^2 falls to half,
or to less than that where it does not in the whole cell.
"""

from __future__ import annotations

from functools import reduce
from operator import mul
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.errors import InputError
from openbragg.orchestrator.prediction.smeared import SmearedProfile, smeared_profile
from openbragg.roles import Lattice, LatticeShape, Miller, SmearedLatticeShape

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: Fringes along an axis that are summed, and points in each.
_FRINGES, _PER_FRINGE = 512, 4
#: Points at which a transform is tabled, and nodes of integrals over it.
_TABLE, _NODES = 513, 96
#: Half-widths of an ellipsoidal shape that are summed, points in them, and how far its transform goes.
_HALF_WIDTHS, _RADII, _FURTHEST = 200.0, 20000, 3.0
#: Periods of the transform's range beyond which a slab has everything: the nodes resolve no more.
_PERIODS = 24.0
_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(_NODES)
#: A series is summed where it has so many times fewer terms than there are positions.
_FEWER = 2
_SMALLEST = 1e-300
#: Places at which a width is looked for at once, and how often between two of them again.
_DIVISIONS, _TURNS = 400, 7
_DIRECTIONS = 2000
_HALF = 0.5
#: A shape that falls by no more than this in its whole cell is flat.
_FLAT = 1e-9
_TOO_WIDE = (
    "reflections are not predicted of spots that fill the whole cell of reciprocal space: expected more unit cells "
    "(-N), or a larger -fudge"
)


@attrs.frozen(kw_only=True, eq=False)
class Profile:
    """F_latt^2 around a lattice point.

    Attributes
    ----------
    whole
        Its integral over h, k and l.
    axes
        For a separable shape, of each axis the transform over its value at 0 at equal steps from 0 to the end of its
        table; for another one, one radial table.
    tables
        Where the tables end, (tables,): in cells, or over half-widths.
    metric
        Of a shape of ellipsoidal symmetry the inverse of the matrix whose quadratic form is 1 at half height, or higher
        where spots run into each other, (3, 3).
    """

    whole: float
    axes: tuple[Array, ...]
    tables: Array
    metric: Array | None

    def at(self, indices: Array) -> Profile:
        """The spots of some reflections h k l, (reflections, 3): all alike."""
        return self

    def passed(self, excitation: Array, direction: Array) -> Array:
        """Part of the integral where c . h is below an excitation, as far as it is from one half: -1/2 to 1/2.

        Parameters
        ----------
        excitation
            In 1/m, (reflections, positions).
        direction
            c, what an offset of 1 in h, k and l moves along the scattered ray, in 1/m: (reflections, 3).
        """
        nodes, weights, transform = self._nodes(direction)
        near, part = _resolved(excitation, nodes, weights * transform / (np.pi * nodes), np.sin)
        found = np.copysign(_HALF, excitation)
        found[near] = np.clip(part, -_HALF, _HALF)
        return found

    def density(self, excitation: Array, direction: Array) -> tuple[Array, Array]:
        """The integral's density along c, over the whole: at an excitation, and in the middle, where it is highest.

        Arguments are as in `passed`; metres, (reflections, positions) and (reflections,).
        """
        nodes, weights, transform = self._nodes(direction)
        factors = 2.0 * weights * transform
        near, part = _resolved(excitation, nodes, factors, np.cos)
        found = np.zeros_like(excitation)
        found[near] = np.maximum(part, 0.0)
        return found, factors.sum(axis=1)

    def reach(self, direction: Array) -> Array:
        """Excitations beyond which `passed` is one half and `density` nothing, (reflections,), 1/m."""
        reach: Array = _PERIODS / (0.5 * self._ends(direction) * (_PLACES[-1] + 1.0))
        return reach

    def furthest(self, reciprocal: Array, resolution: float) -> float:
        """The largest `reach` of any ray, for the rows a*, b*, c* in 1/m, (3, 3), whatever the d spacing."""
        if self.metric is None:
            least = float((self.tables / np.linalg.norm(reciprocal, axis=1)).min())
        else:
            least = float(self.tables[0] / np.sqrt(np.linalg.eigvalsh(reciprocal.T @ self.metric @ reciprocal)[-1]))
        return _PERIODS / (0.5 * least * (float(_PLACES[-1]) + 1.0))

    def _ends(self, direction: Array) -> Array:
        """Where the transform ends along directions, (reflections,), metres."""
        if self.metric is None:
            ends: Array = (self.tables / np.maximum(np.abs(direction), 1e-300)).min(axis=1)
        else:
            ends = self.tables[0] / np.sqrt(np.einsum("ri,ij,rj->r", direction, self.metric, direction))
        return ends

    def _nodes(self, direction: Array) -> tuple[Array, Array, Array]:
        """Nodes in metres and weights of an integral over the transform, and its values, (reflections, nodes)."""
        ends = self._ends(direction)
        nodes = ends[:, None] * (_PLACES + 1.0) / 2.0
        weights = ends[:, None] * _WEIGHTS / 2.0
        if self.metric is None:
            values = [
                np.interp(nodes * np.abs(along)[:, None], np.linspace(0.0, end, _TABLE), table)
                for along, end, table in zip(direction.T, self.tables, self.axes, strict=True)
            ]
            return nodes, weights, reduce(mul, values)
        scaled = nodes * (self.tables[0] / ends)[:, None]
        radial = np.interp(scaled, np.linspace(0.0, self.tables[0], _TABLE), self.axes[0])
        return nodes, weights, radial


def _resolved(excitation: Array, nodes: Array, factors: Array, wave: np.ufunc) -> tuple[Any, Array]:
    """Which of positions (reflections, positions) the nodes resolve, and there the sum of factor x wave(phase)."""
    near = np.abs(excitation * nodes[:, -1:]) <= _PERIODS
    nodes = 2.0 * np.pi * nodes
    if 2 * np.count_nonzero(near) > near.size:
        # All of them take less time than picking those.
        return near, _interpolated(excitation, nodes, factors, wave)[near]
    of = np.nonzero(near)[0]
    phase = excitation[near][:, None] * nodes[of]
    return near, np.einsum("pn,pn->p", factors[of], wave(phase, out=phase))


def _interpolated(excitation: Array, nodes: Array, factors: Array, wave: np.ufunc) -> Array:
    """The sum of factor x wave(excitation x node) at many positions, from fewer: (reflections, positions).

    It has no faster wave than that of the last node, so that a Chebyshev series of few more terms than half the phase
    between the ends of an interval is exact to rounding.
    """
    lowest, highest = excitation.min(axis=1, keepdims=True), excitation.max(axis=1, keepdims=True)
    middle, half = 0.5 * (lowest + highest), 0.5 * (highest - lowest)
    waves = float((half[:, 0] * nodes[:, -1]).max(initial=0.0))
    count = int(waves + 12.0 * np.cbrt(waves)) + 20
    if not _FEWER * count < excitation.shape[1]:
        phase = excitation[:, :, None] * nodes[:, None, :]
        summed: Array = (wave(phase, out=phase) @ factors[:, :, None])[:, :, 0]
        return summed
    angles = np.pi * (np.arange(count) + 0.5) / count
    phase = (middle + half * np.cos(angles))[:, :, None] * nodes[:, None, :]
    samples = (wave(phase, out=phase) @ factors[:, :, None])[:, :, 0]
    terms = samples @ np.cos(np.outer(angles, np.arange(count))) * (2.0 / count)
    place = (excitation - middle) / np.maximum(half, _SMALLEST)
    # Clenshaw's recurrence.
    before, here = np.zeros_like(place), np.zeros_like(place)
    for term in terms.T[:0:-1]:
        before, here = here, 2.0 * place * here - before + term[:, None]
    series: Array = place * here - before + 0.5 * terms[:, :1]
    return series


def make_profile(shape: LatticeShape, lattice: Lattice) -> Profile | SmearedProfile:
    """The profile of a shape on a lattice, from its factors in double precision.

    Raises
    ------
    InputError
        For a shape of ellipsoidal symmetry that is flat in the whole cell.
    """
    lattice = attrs.evolve(
        lattice,
        cells=lattice.cells.detach().cpu(),
        tensor=lattice.tensor.detach().cpu(),
        parameters=tuple(each.detach().cpu() for each in lattice.parameters),
        reciprocal_metric=lattice.reciprocal_metric.detach().cpu(),
        fudge=lattice.fudge.detach().cpu(),
        dtype=torch.float64,
    )
    if isinstance(shape, SmearedLatticeShape):
        return smeared_profile(shape, lattice)
    if len(_factors(shape, lattice, np.zeros((1, 3)))) == 3:
        return _separable(shape, lattice)
    return _ellipsoidal(shape, lattice)


def _separable(shape: LatticeShape, lattice: Lattice) -> Profile:
    whole, tables, ends = 1.0, [], []
    for axis, cells in enumerate(lattice.cells.tolist()):
        furthest = min(0.5, _FRINGES / cells)
        count = 2 * max(64, int(np.ceil(_PER_FRINGE * furthest * cells)))
        # Midpoints: the two ends of a cell are the same place.
        steps = (np.arange(count) + 0.5) / count * furthest
        offsets = np.zeros((count, 3))
        offsets[:, axis] = steps
        squares = _factors(shape, lattice, offsets)[axis] ** 2
        places = np.linspace(0.0, cells, _TABLE)
        transform = (2.0 * furthest / count) * np.array(
            [np.dot(squares, np.cos(2.0 * np.pi * steps * place)) for place in places]
        )
        whole *= transform[0]
        tables.append(transform / transform[0])
        ends.append(cells)
    return Profile(whole=whole, axes=tuple(tables), tables=np.array(ends), metric=None)


def _ellipsoidal(shape: LatticeShape, lattice: Lattice) -> Profile:
    form = _quadratic_form(shape, lattice)
    # Offsets of a sphere of radius 1 are turned into those of the ellipsoid; each leaves the cell at its own radius.
    try:
        turned = np.linalg.inv(np.linalg.cholesky(form))
    except np.linalg.LinAlgError:
        raise InputError(_TOO_WIDE) from None
    exits = np.sort(_HALF / np.abs(_directions() @ turned).max(axis=1))
    largest = float(min(exits[-1], _HALF_WIDTHS))
    step = largest / _RADII
    radii: Array = (np.arange(_RADII) + 0.5).astype(np.float64) * step
    inside = 1.0 - np.searchsorted(exits, radii) / len(exits)
    along = np.array([1.0, 0.0, 0.0]) / np.sqrt(form[0, 0])
    squares = inside * _factors(shape, lattice, radii[:, None] * along)[0] ** 2 * radii**2
    transform = step * _radial_transform(squares, radii)
    whole = 4.0 * np.pi * float(transform[0]) / np.sqrt(np.linalg.det(form))
    if not transform[0] > 0.0:
        raise InputError(_TOO_WIDE)
    table = transform / transform[0]
    return Profile(
        whole=whole, axes=(table,), tables=np.array([_FURTHEST]), metric=np.linalg.inv(form).astype(np.float64)
    )


def _radial_transform(squares: Array, radii: Array) -> Array:
    """Sums of squares x sinc(2 place radius) at all places of a table, (places,)."""
    turn = np.exp(2j * np.pi * (_FURTHEST / (_TABLE - 1)) * radii)
    # From one place to the next every wave turns by as much again: far less work than a sine for each.
    wave, factors, sums = np.ones_like(turn), squares / radii, []
    for _ in range(_TABLE - 1):
        wave *= turn
        sums.append((factors * wave.imag).sum())
    places = np.linspace(0.0, _FURTHEST, _TABLE)[1:]
    return np.concatenate([[squares.sum()], np.array(sums) / (2.0 * np.pi * places)])


def _directions() -> Array:
    """Directions spread evenly over a sphere, on a spiral: (directions, 3)."""
    number = np.arange(_DIRECTIONS) + 0.5
    polar, azimuth = np.arccos(1.0 - 2.0 * number / _DIRECTIONS), np.pi * (1.0 + 5.0**0.5) * number
    return np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1)


def _quadratic_form(shape: LatticeShape, lattice: Lattice) -> Array:
    """The symmetric matrix whose quadratic form of h k l is 1 where F_latt^2 has fallen to a level, one half if it can.

    Raises
    ------
    InputError
        When it does not fall anywhere in the cell.
    """
    level, axes = _level(shape, lattice), np.eye(3)
    form = np.diag([1.0 / _width(shape, lattice, axis, level) ** 2 for axis in axes])
    for one in range(3):
        for other in range(one):
            # On the scale of the axes, so that a flat ellipsoid is met well too.
            first, second = (axes[i] / np.sqrt(form[i, i]) for i in (one, other))
            value = 1.0 / _width(shape, lattice, first + second, level) ** 2
            mixed = (value - 2.0) / 2.0 * np.sqrt(form[one, one] * form[other, other])
            form[one, other] = form[other, one] = mixed
    return form


def _level(shape: LatticeShape, lattice: Lattice) -> float:
    """The part of its height to which F_latt^2 falls in all directions before the cell's faces: one half if it can."""
    directions = _directions()
    faces = _HALF * directions / np.abs(directions).max(axis=1, keepdims=True)
    top = float(_factors(shape, lattice, np.zeros((1, 3)))[0][0])
    height = float((_factors(shape, lattice, faces)[0] ** 2).max()) / top**2
    if height > 1.0 - _FLAT:
        raise InputError(_TOO_WIDE)
    # Closer to the top spots that run into each other have the same ellipsoid.
    return (1.0 + height) / 2.0 if height >= _HALF else _HALF


def _width(shape: LatticeShape, lattice: Lattice, direction: Array, level: float) -> float:
    """How many times a direction in h k l one must go until F_latt^2 falls to a level; at most to the cell's face."""
    furthest = _HALF / float(np.abs(direction).max())
    top = float(_factors(shape, lattice, np.zeros((1, 3)))[0][0]) ** 2

    def above(distances: Array) -> Any:
        return _factors(shape, lattice, distances[:, None] * direction)[0] ** 2 > level * top

    distances = np.geomspace(1e-9 * furthest, furthest, _DIVISIONS)
    low = high = furthest
    for _ in range(_TURNS):
        below = ~above(distances)
        if not below.any():
            break
        first = int(np.argmax(below))
        low, high = (distances[first - 1] if first else 0.0), distances[first]
        distances = np.linspace(low, high, _DIVISIONS)
    return float((low + high) / 2.0)


def _factors(shape: LatticeShape, lattice: Lattice, offsets: Array) -> list[Array]:
    """The factors of F_latt at offsets (points, 3)."""
    h, k, l = torch.from_numpy(np.ascontiguousarray(offsets.T)).unbind(0)
    zero = torch.zeros_like(h)
    with torch.no_grad():
        return [factor.numpy() for factor in shape.factors(Miller(h, k, l), Miller(zero, zero, zero), lattice)]
