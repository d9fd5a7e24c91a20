"""Properties of a lattice shape."""

from __future__ import annotations

import itertools
from functools import reduce
from operator import mul
from typing import Any

import torch
from hypothesis import strategies as st

from openbragg.roles import BoundedLatticeShape, Lattice, LatticeShape, LocalLatticeShape, Miller
from openbragg.testing.assertions import for_all, require, require_close
from openbragg.testing.declaration import check_declaration

#: Rounding of a few float64 operations, relative to the peak.
_DOUBLE = 1e-12
#: What single precision may cost, relative to the peak: the error that the engine's mixed precision promises.
_SINGLE = 1e-6
#: What a bound may be too low, as a part of itself: single precision rounds it.
_BOUND = 1e-5
#: Reciprocal vectors of a triclinic cell of 40 x 50 x 60 angstroms, in 1/m; rows.
_RECIPROCAL = ((2.5e8, 0.0, 0.0), (3e7, 2.0e8, 0.0), (-2e7, 4e7, 1.67e8))
#: Steps of central differences, in indices, and how far they may be from the gradient, relative to peak x cells.
_STEP = 1e-6
_SLOPE_ERROR = 1e-6

_CELLS = st.tuples(*(st.integers(1, 30) for _ in range(3)))
_WHOLE = st.tuples(*(st.integers(-20, 20) for _ in range(3)))
#: An offset is 0 or above this: smaller ones do not come out of a difference of float64 indices.
_SMALLEST = 1e-30
_OFFSET = st.tuples(
    *(st.floats(-0.5, 0.5).map(lambda value: value if abs(value) > _SMALLEST else 0.0) for _ in range(3))
)
_PRECISIONS = (torch.float64, torch.float32)


def make_lattice(
    cells: tuple[Any, ...] = (5, 7, 4),
    *,
    fudge: Any = 1.0,
    reciprocal_vectors: Any = _RECIPROCAL,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Lattice:
    """A lattice to ask shapes about.

    Parameters
    ----------
    cells
        Unit cells along a, b and c; numbers or tensors.
    fudge
        Factor on the squared distance from a lattice point.
    reciprocal_vectors
        a*, b*, c* in 1/m, rows, shape (3, 3); by default of a triclinic cell of 40 x 50 x 60 angstroms.
    dtype
        Precision in which amplitudes are wanted.
    device
        Where the tensors are.
    """
    rows = torch.as_tensor(reciprocal_vectors, dtype=torch.float64, device=device)
    return Lattice(
        cells=torch.stack([torch.as_tensor(count, dtype=torch.float64, device=device) for count in cells]),
        reciprocal_metric=rows @ rows.T,
        fudge=torch.as_tensor(fudge, dtype=torch.float64, device=device),
        dtype=dtype,
    )


def lattice_amplitude(shape: LatticeShape, offset: Miller, nearest: Miller, lattice: Lattice) -> torch.Tensor:
    """F_latt: the product of a shape's factors, of the offsets' broadcast shape."""
    return reduce(mul, shape.factors(offset, nearest, lattice))


def check_lattice_shape(
    shape: LatticeShape,
    *,
    separable: bool,
    peak: float = 1.0,
    periodic: bool = True,
    differentiable: bool = True,
    device: torch.device | str = "cpu",
) -> None:
    """Everything below.

    Parameters
    ----------
    shape
        An instance.
    separable
        Whether it has a factor for each of a, b and c, or one in all.
    peak
        F_latt at a lattice point over Na Nb Nc.
    periodic
        Whether \\|F_latt\\| is the same around every lattice point.
    differentiable
        Whether F_latt has a derivative everywhere; not so for spots with an edge.
    device
        Where to compute.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the numbers.
    """
    check_declaration(shape, LatticeShape)
    check_peak_height(shape, peak, device)
    check_inversion_symmetry(shape, device)
    if periodic:
        check_periodicity(shape, device)
    check_precision(shape, peak, device)
    check_finite(shape, device)
    check_separability(shape, separable, device)
    check_broadcasting(shape, device)
    check_shape_gradients(shape, differentiable, device)
    if isinstance(shape, BoundedLatticeShape):
        check_lattice_bound(shape, device)
    if isinstance(shape, LocalLatticeShape):
        check_lattice_reach(shape, device)


def check_peak_height(shape: LatticeShape, peak: float = 1.0, device: torch.device | str = "cpu") -> None:
    """\\|F_latt\\| is ``peak`` times Na Nb Nc at whole indices, and no larger anywhere."""

    def is_peak(cells: tuple[int, int, int], whole: tuple[int, int, int], offset: tuple[float, float, float]) -> None:
        lattice = make_lattice(cells, device=device)
        height = peak * cells[0] * cells[1] * cells[2]
        top = lattice_amplitude(shape, _miller((0.0, 0.0, 0.0), device), _miller(whole, device), lattice).abs()
        where = f"{cells[0]} x {cells[1]} x {cells[2]} cells"
        require_close(top, height, f"|F_latt| of {where} at index {whole}", relative=_DOUBLE)
        beside = float(lattice_amplitude(shape, _miller(offset, device), _miller(whole, device), lattice).abs())
        require(
            beside <= height * (1.0 + _DOUBLE),
            f"|F_latt| of {where} is {beside!r} at {offset}, above its peak {height!r}",
        )

    for_all(is_peak, _CELLS, _WHOLE, _OFFSET)


def check_inversion_symmetry(shape: LatticeShape, device: torch.device | str = "cpu") -> None:
    """\\|F_latt\\| is the same at opposite offsets: the crystal's outline is a real thing (Friedel's law)."""

    def is_symmetric(cells: tuple[int, int, int], offset: tuple[float, float, float]) -> None:
        lattice, origin = make_lattice(cells, device=device), _miller((0, 0, 0), device)
        here = lattice_amplitude(shape, _miller(offset, device), origin, lattice).abs()
        opposite = _miller(tuple(-step for step in offset), device)
        there = lattice_amplitude(shape, opposite, origin, lattice).abs()
        height = cells[0] * cells[1] * cells[2]
        require_close(there, here, f"|F_latt| at minus the offset {offset}", absolute=_DOUBLE * height)

    for_all(is_symmetric, _CELLS, _OFFSET)


def check_periodicity(shape: LatticeShape, device: torch.device | str = "cpu") -> None:
    """\\|F_latt\\| depends on the offset from a lattice point, not on which point that is."""

    def is_periodic(
        cells: tuple[int, int, int], offset: tuple[float, float, float], whole: tuple[int, int, int]
    ) -> None:
        lattice, step = make_lattice(cells, device=device), _miller(offset, device)
        here = lattice_amplitude(shape, step, _miller((0, 0, 0), device), lattice).abs()
        there = lattice_amplitude(shape, step, _miller(whole, device), lattice).abs()
        height = cells[0] * cells[1] * cells[2]
        require_close(there, here, f"|F_latt| at offset {offset} from {whole}", absolute=_DOUBLE * height)

    for_all(is_periodic, _CELLS, _OFFSET, _WHOLE)


def check_precision(shape: LatticeShape, peak: float = 1.0, device: torch.device | str = "cpu") -> None:
    """Every factor has the dtype and device that are asked for; single precision costs at most 1e-6 of the peak."""

    def is_precise(cells: tuple[int, int, int], offset: tuple[float, float, float]) -> None:
        step, origin = _miller(offset, device), _miller((3, -2, 1), device)
        amplitudes = []
        for dtype in _PRECISIONS:
            factors = shape.factors(step, origin, make_lattice(cells, dtype=dtype, device=device))
            for factor in factors:
                require(factor.dtype == dtype, f"a factor is {factor.dtype} where the lattice asks for {dtype}")
                require(
                    factor.device == step.h.device, f"a factor is on {factor.device}, the offsets on {step.h.device}"
                )
            amplitudes.append(reduce(mul, factors))
        height = peak * cells[0] * cells[1] * cells[2]
        require_close(
            amplitudes[1],
            amplitudes[0],
            f"F_latt in float32 at offset {offset} of {cells} cells",
            absolute=_SINGLE * height,
        )

    for_all(is_precise, _CELLS, _OFFSET)


def check_finite(shape: LatticeShape, device: torch.device | str = "cpu") -> None:
    """F_latt is finite in every precision: at, near and half-way between lattice points, for one to a million cells."""
    steps = torch.tensor([0.0, 1e-300, 1e-12, 1e-6, 0.01, 0.25, 1.0 / 3.0, 0.5], dtype=torch.float64, device=device)
    steps = torch.cat([-steps, steps])
    offset = Miller(*torch.meshgrid(steps, steps, steps, indexing="ij"))
    nearest = Miller(*(torch.full_like(step, 7.0) for step in offset))
    for cells, dtype in itertools.product(((1, 1, 1), (2, 1, 3), (97, 100, 98), (10**6, 10**6, 10**6)), _PRECISIONS):
        values = lattice_amplitude(shape, offset, nearest, make_lattice(cells, dtype=dtype, device=device))
        bad = ~values.isfinite()
        if bool(bad.any()):
            place = [float(step[bad][0]) for step in offset]
            raise AssertionError(f"F_latt of {cells} cells in {dtype} is {float(values[bad][0])} at offset {place}")


def check_separability(shape: LatticeShape, separable: bool, device: torch.device | str = "cpu") -> None:
    """A separable shape has three factors, each of its own axis alone; another shape has one."""
    count = 3 if separable else 1
    lattice, nearest = make_lattice(device=device), _miller((1, 2, 3), device)
    factors = shape.factors(_miller((0.11, 0.07, -0.13), device), nearest, lattice)
    require(len(factors) == count, f"{len(factors)} factors, expected {count}")
    if not separable:
        return

    def stands_alone(first: tuple[float, float, float], second: tuple[float, float, float]) -> None:
        before = shape.factors(_miller(first, device), nearest, lattice)
        for axis in range(3):
            mixed = tuple(first[i] if i == axis else second[i] for i in range(3))
            after = shape.factors(_miller(mixed, device), nearest, lattice)
            sentence = f"the factor along {'abc'[axis]} when the offset moves from {first} to {mixed}"
            require_close(after[axis], before[axis], sentence)

    for_all(stands_alone, _OFFSET, _OFFSET)


def check_broadcasting(shape: LatticeShape, device: torch.device | str = "cpu") -> None:
    """The product of the factors has the offsets' broadcast shape, and each element is what it is alone."""
    lattice = make_lattice(device=device)
    lengths = (2, 3, 4)
    offset, nearest = [], []
    for axis, length in enumerate(lengths):
        view = [1, 1, 1]
        view[axis] = length
        offset.append(torch.linspace(-0.4, 0.3, length, dtype=torch.float64, device=device).reshape(view))
        nearest.append(torch.arange(length, dtype=torch.float64, device=device).reshape(view))
    try:
        together = lattice_amplitude(shape, Miller(*offset), Miller(*nearest), lattice)
    except RuntimeError as error:
        raise AssertionError(f"offsets of shapes that broadcast gave factors that do not: {error}") from error
    require(
        together.shape == lengths, f"offsets that broadcast to {lengths} gave F_latt of shape {tuple(together.shape)}"
    )
    for place in itertools.product(*(range(length) for length in lengths)):
        steps, wholes = (
            Miller(*(values.expand(lengths)[place] for values in indices)) for indices in (offset, nearest)
        )
        alone = lattice_amplitude(shape, steps, wholes, lattice)
        require(alone.shape == (), f"offsets of shape () gave F_latt of shape {tuple(alone.shape)}")
        height = float(lattice.cells.prod())
        require_close(
            together[place], alone, f"element {place} of F_latt against itself alone", absolute=_DOUBLE * height
        )


def check_shape_gradients(shape: LatticeShape, differentiable: bool = True, device: torch.device | str = "cpu") -> None:
    """Gradients by offset, cells and fudge are finite, also at the lattice point, where the offset's are zero.

    F_latt is the same whether a gradient is asked for or not. Of a differentiable shape, gradients by the offset agree
    with central differences.
    """
    names = ("h", "k", "l", "Na", "Nb", "Nc", "fudge")

    def gradients(cells: tuple[int, int, int], offset: tuple[float, ...], dtype: torch.dtype) -> list[torch.Tensor]:
        step, counts = _miller(offset, device), _miller(cells, device)
        fudge = torch.tensor(1.0, dtype=torch.float64, device=device)
        nearest = _miller((2, 3, -1), device)
        plain = lattice_amplitude(shape, step, nearest, make_lattice(cells, dtype=dtype, device=device))
        leaves = [leaf.requires_grad_() for leaf in (*step, *counts, fudge)]
        lattice = make_lattice(tuple(counts), fudge=fudge, dtype=dtype, device=device)
        value = lattice_amplitude(shape, step, nearest, lattice)
        rounding = (_DOUBLE if dtype == torch.float64 else _SINGLE) * float(lattice.cells.detach().prod())
        require_close(value, plain, f"F_latt at {offset} of {cells} cells with a gradient", absolute=rounding)
        if not value.requires_grad:
            require(not differentiable, "F_latt carries no gradient")
            return [torch.zeros(()) for _ in leaves]
        found = torch.autograd.grad(value, leaves, allow_unused=True)
        return [torch.zeros(()) if gradient is None else gradient for gradient in found]

    for dtype in _PRECISIONS:
        for name, gradient in zip(names, gradients((5, 7, 1), (0.0, 0.0, 0.0), dtype), strict=True):
            where = f"the gradient of F_latt by {name} at a lattice point, in {dtype},"
            require(bool(gradient.isfinite()), f"{where} is {float(gradient)}")
            if name in "hkl":
                require_close(gradient, 0.0, where)

    def is_slope(cells: tuple[int, int, int], offset: tuple[float, float, float]) -> None:
        found = gradients(cells, offset, torch.float64)
        require(all(bool(gradient.isfinite()) for gradient in found), f"a gradient at offset {offset} is not finite")
        if not differentiable:
            return
        lattice, nearest = make_lattice(cells, device=device), _miller((2, 3, -1), device)
        # The spots of the reference's round shapes narrow with all three counts, so their slopes grow with the product.
        height = float(lattice.cells.prod())
        for axis in range(3):
            ahead, behind = (
                lattice_amplitude(
                    shape,
                    _miller(tuple(value + sign * _STEP * (i == axis) for i, value in enumerate(offset)), device),
                    nearest,
                    lattice,
                )
                for sign in (1.0, -1.0)
            )
            slope = (ahead - behind) / (2.0 * _STEP)
            sentence = f"the gradient of F_latt by {'hkl'[axis]} at offset {offset} of {cells} cells"
            require_close(found[axis], slope, sentence, absolute=_SLOPE_ERROR * height * height)

    for_all(is_slope, _CELLS, _OFFSET)


def check_lattice_bound(shape: BoundedLatticeShape, device: torch.device | str = "cpu") -> None:
    """\\|F_latt\\| is no larger than the bound at any offset that is at least as far out along each axis.

    Only of shapes that have a bound, see `openbragg.BoundedLatticeShape`.
    """
    corner = (0.5, 0.5, 0.5)

    def is_below(
        cells: tuple[int, int, int], offset: tuple[float, ...], parts: tuple[float, ...], fudge: float
    ) -> None:
        distance = tuple(abs(step) * part for step, part in zip(offset, parts, strict=True))
        nearest = _miller((3, -2, 1), device)
        for dtype, rounding in ((torch.float64, _DOUBLE), (torch.float32, _SINGLE)):
            lattice = make_lattice(cells, fudge=fudge, dtype=dtype, device=device)
            bound = shape.bound(Miller(*(step.to(dtype) for step in _miller(distance, device))), lattice)
            require(bound.dtype == dtype, f"a bound is {bound.dtype} where the lattice asks for {dtype}")
            height = float(cells[0] * cells[1] * cells[2])
            for place in (offset, distance, corner):
                found = float(lattice_amplitude(shape, _miller(place, device), nearest, lattice).abs())
                require(
                    found <= float(bound) * (1.0 + _BOUND) + rounding * height,
                    f"|F_latt| of {cells} cells is {found!r} at {place}, above the bound {float(bound)!r}",
                )

    parts = st.tuples(*(st.floats(0.0, 1.0) for _ in range(3)))
    for_all(is_below, _CELLS, _OFFSET, parts, st.sampled_from([1.0, 0.02, 1e-4]))


def check_lattice_reach(shape: LocalLatticeShape, device: torch.device | str = "cpu") -> None:
    """F_latt^2 is nowhere above a level that is farther from a lattice point than the shape says; deeper is no nearer.

    Only of shapes that say so, see `openbragg.LocalLatticeShape`.
    """
    reciprocal = torch.tensor(_RECIPROCAL, dtype=torch.float64, device=device)

    def ends(cells: tuple[int, int, int], offset: tuple[float, ...], height: float, fudge: float) -> None:
        nearest = _miller((3, -2, 1), device)
        length = (torch.stack(nearest) @ reciprocal).norm()
        away = (torch.stack(_miller(offset, device)) @ reciprocal).norm()
        for dtype in _PRECISIONS:
            lattice = make_lattice(cells, fudge=fudge, dtype=dtype, device=device)
            top = float(cells[0] * cells[1] * cells[2]) ** 2
            level = torch.tensor(top * 10.0**height, dtype=torch.float64, device=device)
            reach = shape.reach(level, length, lattice)
            require(reach.dtype == torch.float64, f"a reach is {reach.dtype}, expected float64")
            require(not bool(reach.isnan()), f"the reach of level {float(level)!r} is no number")
            found = float(lattice_amplitude(shape, _miller(offset, device), nearest, lattice)) ** 2
            require(
                found <= float(level) * (1.0 + _BOUND) or float(away) <= float(reach),
                f"F_latt^2 of {cells} cells is {found!r} at {offset}, above the level {float(level)!r} and beyond its "
                f"reach, {float(reach)!r} 1/m",
            )
            deeper = shape.reach(level * 0.01, length, lattice)
            require(bool(deeper >= reach), f"the reach of a hundredth of the level {float(level)!r} is smaller")

    for_all(ends, _CELLS, _OFFSET, st.floats(-14.0, 0.5), st.sampled_from([1.0, 0.02, 1e-4]))


def _miller(values: tuple[Any, ...], device: torch.device | str) -> Miller:
    return Miller(*(torch.tensor(float(value), dtype=torch.float64, device=device) for value in values))
