"""How a reflection passes through the sphere of reflection: the lattice shape seen across it, integrated.

A shape's squared amplitude around a lattice point, F_latt^2, is summed over all offsets of h, k, l (`Profile.whole`),
and over those on one side of a plane (`Profile.passed`). Both come from its transform: that of the sum's density along
c . h, for a direction c, is at t the transform of F_latt^2 at t c. For a separable shape this is a product of three
functions of one variable. A shape that is not separable is taken for one of ellipsoidal symmetry, which the built-in
ones have; its axes are found from where F_latt^2 falls to half.
"""

from __future__ import annotations

from functools import reduce
from operator import mul
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch

from openbragg.roles import Lattice, LatticeShape, Miller

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
_BISECTIONS = 60
_DIRECTIONS = 2000
_HALF = 0.5


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
        Of a shape of ellipsoidal symmetry the inverse of the matrix whose quadratic form is 1 at half height, (3, 3).
    """

    whole: float
    axes: tuple[Array, ...]
    tables: Array
    metric: Array | None

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
        found = np.copysign(_HALF, excitation)
        of, phase, near = _phases(excitation, nodes)
        part = np.einsum("pn,pn->p", (weights * transform / (np.pi * nodes))[of], np.sin(phase))
        found[near] = np.clip(part, -_HALF, _HALF)
        return found

    def density(self, excitation: Array, direction: Array) -> Array:
        """The integral's density along c at an excitation, over the whole; metres, arguments as in `passed`."""
        nodes, weights, transform = self._nodes(direction)
        found = np.zeros_like(excitation)
        of, phase, near = _phases(excitation, nodes)
        part = 2.0 * np.einsum("pn,pn->p", (weights * transform)[of], np.cos(phase))
        found[near] = np.maximum(part, 0.0)
        return found

    def reach(self, direction: Array) -> Array:
        """Excitations beyond which `passed` is one half and `density` nothing, (reflections,), 1/m."""
        reach: Array = _PERIODS / (0.5 * self._ends(direction) * (_PLACES[-1] + 1.0))
        return reach

    def furthest(self, reciprocal: Array) -> float:
        """The largest `reach` of any ray, for the rows a*, b*, c* in 1/m, (3, 3)."""
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


def _phases(excitation: Array, nodes: Array) -> tuple[Any, Array, Any]:
    """Of positions that the nodes resolve: whose they are, (pairs,), phases (pairs, nodes), and which those are."""
    near = np.abs(excitation * nodes[:, -1:]) <= _PERIODS
    of = np.nonzero(near)[0]
    return of, 2.0 * np.pi * excitation[near][:, None] * nodes[of], near


def make_profile(shape: LatticeShape, lattice: Lattice) -> Profile:
    """The profile of a shape on a lattice, from its factors in double precision."""
    lattice = attrs.evolve(
        lattice,
        cells=lattice.cells.detach().cpu(),
        reciprocal_metric=lattice.reciprocal_metric.detach().cpu(),
        fudge=lattice.fudge.detach().cpu(),
        dtype=torch.float64,
    )
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
    exits = np.sort(_HALF / np.abs(_directions() @ np.linalg.inv(np.linalg.cholesky(form))).max(axis=1))
    largest = float(min(exits[-1], _HALF_WIDTHS))
    step = largest / _RADII
    radii = (np.arange(_RADII) + 0.5) * step
    inside = 1.0 - np.searchsorted(exits, radii) / len(exits)
    along = np.array([1.0, 0.0, 0.0]) / np.sqrt(form[0, 0])
    squares = inside * _factors(shape, lattice, radii[:, None] * along)[0] ** 2 * radii**2
    places = np.linspace(0.0, _FURTHEST, _TABLE)
    transform = step * np.array([np.dot(squares, np.sinc(2.0 * place * radii)) for place in places])
    whole = 4.0 * np.pi * float(transform[0]) / np.sqrt(np.linalg.det(form))
    table = transform / transform[0]
    return Profile(
        whole=whole, axes=(table,), tables=np.array([_FURTHEST]), metric=np.linalg.inv(form).astype(np.float64)
    )


def _directions() -> Array:
    """Directions spread evenly over a sphere, on a spiral: (directions, 3)."""
    number = np.arange(_DIRECTIONS) + 0.5
    polar, azimuth = np.arccos(1.0 - 2.0 * number / _DIRECTIONS), np.pi * (1.0 + 5.0**0.5) * number
    return np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1)


def _quadratic_form(shape: LatticeShape, lattice: Lattice) -> Array:
    """The symmetric matrix whose quadratic form of h k l is 1 where F_latt^2 has half its height."""
    axes = np.eye(3)
    form = np.diag([1.0 / _half_width(shape, lattice, axis) ** 2 for axis in axes])
    for one in range(3):
        for other in range(one):
            # On the scale of the axes, so that a flat ellipsoid is met well too.
            first, second = (axes[i] / np.sqrt(form[i, i]) for i in (one, other))
            value = 1.0 / _half_width(shape, lattice, first + second) ** 2
            mixed = (value - 2.0) / 2.0 * np.sqrt(form[one, one] * form[other, other])
            form[one, other] = form[other, one] = mixed
    return form


def _half_width(shape: LatticeShape, lattice: Lattice, direction: Array) -> float:
    """How many times a direction in h k l one must go to half the height of F_latt^2; at most to the cell's face."""
    furthest = _HALF / float(np.abs(direction).max())
    top = float(_factors(shape, lattice, np.zeros((1, 3)))[0][0]) ** 2

    def above(distances: Array) -> Any:
        return _factors(shape, lattice, distances[:, None] * direction)[0] ** 2 > _HALF * top

    distances = np.geomspace(1e-9 * furthest, furthest, 400)
    below = ~above(distances)
    if not below.any():
        return furthest
    first = int(np.argmax(below))
    low, high = (distances[first - 1] if first else 0.0), distances[first]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if above(np.array([middle]))[0]:
            low = middle
        else:
            high = middle
    return float((low + high) / 2.0)


def _factors(shape: LatticeShape, lattice: Lattice, offsets: Array) -> list[Array]:
    """The factors of F_latt at offsets (points, 3)."""
    h, k, l = torch.from_numpy(np.ascontiguousarray(offsets.T)).unbind(0)
    zero = torch.zeros_like(h)
    with torch.no_grad():
        return [factor.numpy() for factor in shape.factors(Miller(h, k, l), Miller(zero, zero, zero), lattice)]
