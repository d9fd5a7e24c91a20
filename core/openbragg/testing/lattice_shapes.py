"""Properties of a lattice shape."""

from __future__ import annotations

import itertools
from functools import reduce
from operator import mul
from typing import Any

import attrs
import torch
from hypothesis import strategies as st

from openbragg.model import Crystal, Experiment
from openbragg.roles import (
    BoundedLatticeShape,
    GaussianLatticeShape,
    Lattice,
    LatticeShape,
    LocalLatticeShape,
    Miller,
    PreparedLatticeShape,
    SampledLatticeShape,
    TensorLatticeShape,
)
from openbragg.testing.assertions import for_all, require, require_close
from openbragg.testing.declaration import check_declaration

#: Rounding of a few float64 operations, relative to the peak.
_DOUBLE = 1e-12
#: What single precision may cost, relative to the peak: the error that the engine's mixed precision promises.
_SINGLE = 1e-6
#: What a bound may be too low, as a part of itself: single precision rounds it.
_BOUND = 1e-5
#: Rounding of a determinant whose terms cancel, relative to it.
_TENSOR = 1e-9
#: Reciprocal vectors of a triclinic cell of 40 x 50 x 60 angstroms, in 1/m; rows.
_RECIPROCAL = ((2.5e8, 0.0, 0.0), (3e7, 2.0e8, 0.0), (-2e7, 4e7, 1.67e8))
#: Steps of central differences, in indices, and how far they may be from the gradient, relative to peak x cells.
_STEP = 1e-6
_SLOPE_ERROR = 1e-6

_CELLS = st.tuples(*(st.integers(1, 30) for _ in range(3)))
#: What N may have beside its diagonal, as a part of that; the tensor stays positive definite.
_BESIDE = st.tuples(*(st.floats(-0.4, 0.4) for _ in range(3)))
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
    offdiagonal: tuple[Any, ...] = (0.0, 0.0, 0.0),
    fudge: Any = 1.0,
    shape: LatticeShape | None = None,
    reciprocal_vectors: Any = _RECIPROCAL,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Lattice:
    """A lattice to ask shapes about.

    Parameters
    ----------
    cells
        Unit cells along a, b and c; numbers or tensors.
    offdiagonal
        What N as a tensor has beside its diagonal: (a, b), (b, c) and (a, c); numbers or tensors.
    fudge
        Factor on the squared distance from a lattice point.
    shape
        One that is to find its parameters prepared.
    reciprocal_vectors
        a*, b*, c* in 1/m, rows, shape (3, 3); by default of a triclinic cell of 40 x 50 x 60 angstroms.
    dtype
        Precision in which amplitudes are wanted.
    device
        Where the tensors are.
    """
    rows = torch.as_tensor(reciprocal_vectors, dtype=torch.float64, device=device)
    counts = torch.stack([torch.as_tensor(count, dtype=torch.float64, device=device) for count in cells])
    beside = torch.stack([torch.as_tensor(each, dtype=torch.float64, device=device) for each in offdiagonal])
    (a, b, c), (d, e, f) = counts.unbind(0), beside.unbind(0)
    lattice = Lattice(
        cells=counts,
        tensor=torch.stack([torch.stack([a, d, f]), torch.stack([d, b, e]), torch.stack([f, e, c])]),
        reciprocal_metric=rows @ rows.T,
        fudge=torch.as_tensor(fudge, dtype=torch.float64, device=device),
        dtype=dtype,
    )
    if not isinstance(shape, PreparedLatticeShape):
        return lattice
    crystal = Crystal(reciprocal_vectors=rows.cpu(), cells=counts.cpu(), cells_offdiagonal=beside.cpu())
    return attrs.evolve(lattice, parameters=shape.prepare(Experiment(crystal=crystal), lattice))


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
    if isinstance(shape, PreparedLatticeShape):
        check_parameters(shape, device)
    if isinstance(shape, TensorLatticeShape):
        check_cells_tensor(shape, peak, device)
    if isinstance(shape, GaussianLatticeShape):
        check_gaussian(shape, device)
    if isinstance(shape, SampledLatticeShape):
        check_spot_width(shape, device)
    if isinstance(shape, LocalLatticeShape):
        check_lattice_reach(shape, device)


def check_peak_height(shape: LatticeShape, peak: float = 1.0, device: torch.device | str = "cpu") -> None:
    """\\|F_latt\\| is ``peak`` times Na Nb Nc at whole indices, and no larger anywhere."""

    def is_peak(cells: tuple[int, int, int], whole: tuple[int, int, int], offset: tuple[float, float, float]) -> None:
        lattice = make_lattice(cells, device=device, shape=shape)
        height = peak * cells[0] * cells[1] * cells[2]
        top = lattice_amplitude(shape, _miller((0.0, 0.0, 0.0), device), _miller(whole, device), lattice).abs()
        where = f"{cells[0]} x {cells[1]} x {cells[2]} cells"
        require_close(top, height, f"|F_latt| of {where} at index {whole}", relative=_DOUBLE)
        for part in (1.0, 0.1):
            step = tuple(part * along for along in offset)
            beside = float(lattice_amplitude(shape, _miller(step, device), _miller(whole, device), lattice).abs())
            require(
                beside <= height * (1.0 + _DOUBLE),
                f"|F_latt| of {where} is {beside!r} at {step}, above its peak {height!r}",
            )

    for_all(is_peak, _CELLS, _WHOLE, _OFFSET)


def check_spot_width(shape: SampledLatticeShape, device: torch.device | str = "cpu") -> None:
    """Half the width that a shape says, along a*, b* or c*, is no further than where F_latt^2 is half its peak.

    More than half an index away it is another spot.
    """

    def is_within(cells: tuple[int, int, int]) -> None:
        lattice = make_lattice(cells, device=device)
        width = shape.spot_width(lattice)
        require(isinstance(width, float) and width > 0.0, f"spot_width is {width!r}, expected a number above 0")
        whole = _miller((0.0, 0.0, 0.0), device)
        peak = lattice_amplitude(shape, whole, whole, lattice).square()
        for axis in range(3):
            offset = [0.0, 0.0, 0.0]
            offset[axis] = min(0.5, 0.5 * width / float(lattice.reciprocal_metric[axis, axis].sqrt()))
            part = float(lattice_amplitude(shape, _miller(tuple(offset), device), whole, lattice).square() / peak)
            where = f"half the width from the spot of {cells[0]} x {cells[1]} x {cells[2]} cells along axis {axis}"
            require(part >= 0.5 * (1.0 - _DOUBLE) or offset[axis] == 0.5, f"F_latt^2 is {part!r} of its peak {where}")

    for_all(is_within, _CELLS)


def check_inversion_symmetry(shape: LatticeShape, device: torch.device | str = "cpu") -> None:
    """\\|F_latt\\| is the same at opposite offsets: the crystal's outline is a real thing (Friedel's law)."""

    def is_symmetric(cells: tuple[int, int, int], offset: tuple[float, float, float]) -> None:
        lattice, origin = make_lattice(cells, device=device, shape=shape), _miller((0, 0, 0), device)
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
        lattice, step = make_lattice(cells, device=device, shape=shape), _miller(offset, device)
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
            factors = shape.factors(step, origin, make_lattice(cells, dtype=dtype, device=device, shape=shape))
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
        values = lattice_amplitude(shape, offset, nearest, make_lattice(cells, dtype=dtype, device=device, shape=shape))
        bad = ~values.isfinite()
        if bool(bad.any()):
            place = [float(step[bad][0]) for step in offset]
            raise AssertionError(f"F_latt of {cells} cells in {dtype} is {float(values[bad][0])} at offset {place}")


def check_separability(shape: LatticeShape, separable: bool, device: torch.device | str = "cpu") -> None:
    """A separable shape has three factors, each of its own axis alone; another shape has one."""
    count = 3 if separable else 1
    lattice, nearest = make_lattice(device=device, shape=shape), _miller((1, 2, 3), device)
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
    lattice = make_lattice(device=device, shape=shape)
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
        plain = lattice_amplitude(shape, step, nearest, make_lattice(cells, dtype=dtype, device=device, shape=shape))
        leaves = [leaf.requires_grad_() for leaf in (*step, *counts, fudge)]
        lattice = make_lattice(tuple(counts), fudge=fudge, dtype=dtype, device=device, shape=shape)
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
        lattice, nearest = make_lattice(cells, device=device, shape=shape), _miller((2, 3, -1), device)
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
            lattice = make_lattice(cells, fudge=fudge, dtype=dtype, device=device, shape=shape)
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


def check_parameters(shape: PreparedLatticeShape, device: torch.device | str = "cpu") -> None:
    """What a shape prepares are tensors in float64 on the lattice's device, the same for equal lattices.

    Only of shapes that prepare something, see `openbragg.PreparedLatticeShape`.
    """

    def are_parameters(cells: tuple[int, int, int]) -> None:
        first, again = (make_lattice(cells, shape=shape, device=device).parameters for _ in range(2))
        require(isinstance(first, tuple), f"prepare gave {type(first).__name__}, expected a tuple of tensors")
        for one, other in zip(first, again, strict=True):
            require(isinstance(one, torch.Tensor), f"prepare gave {type(one).__name__}, expected tensors")
            require(one.dtype == torch.float64, f"a parameter is {one.dtype}, expected float64")
            require(one.device.type == torch.device(device).type, f"a parameter is on {one.device}, expected {device}")
            require_close(one, other, f"a parameter of {cells} cells, prepared again")

    for_all(are_parameters, _CELLS)


def check_cells_tensor(shape: TensorLatticeShape, peak: float = 1.0, device: torch.device | str = "cpu") -> None:
    """Of a tensor N \\|F_latt\\| is ``peak`` times det(N) at whole indices, and below the bound elsewhere.

    It has finite gradients by all elements. Only of shapes that take a tensor, see `openbragg.TensorLatticeShape`.
    """

    def takes_tensor(
        cells: tuple[int, int, int], parts: tuple[float, ...], offset: tuple[float, ...], whole: tuple[int, int, int]
    ) -> None:
        a, b, c = (float(count) for count in cells)
        beside = [part * (one * other) ** 0.5 for part, one, other in zip(parts, (a, b, a), (b, c, c), strict=True)]
        leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (a, b, c, *beside)]
        lattice = make_lattice(tuple(leaves[:3]), offdiagonal=tuple(leaves[3:]), shape=shape, device=device)
        nearest, step = _miller(whole, device), _miller(offset, device)
        height = peak * float(lattice.tensor.detach().det())
        top = lattice_amplitude(shape, _miller((0, 0, 0), device), nearest, lattice)
        where = f"N with {cells} on its diagonal and {beside} beside it"
        require_close(top.abs(), height, f"|F_latt| of {where} at index {whole}", relative=_TENSOR)
        there = lattice_amplitude(shape, step, nearest, lattice)
        gradients = torch.autograd.grad(there, leaves, allow_unused=True)
        for gradient in gradients:
            require(gradient is not None, f"F_latt of {where} carries no gradient to an element of N")
            require(bool(gradient.isfinite()), f"a gradient by N of F_latt of {where} at {offset} is not finite")
        if isinstance(shape, BoundedLatticeShape):
            with torch.no_grad():
                bound = float(shape.bound(Miller(*(each.abs() for each in step)), lattice))
            found = float(there.detach().abs())
            require(found <= bound * (1.0 + _BOUND), f"|F_latt| of {where} is {found!r} at {offset}, above {bound!r}")

    for_all(takes_tensor, _CELLS, _BESIDE, _OFFSET, _WHOLE)


def check_gaussian(shape: GaussianLatticeShape, device: torch.device | str = "cpu") -> None:
    """F_latt^2 is the Gaussian that the shape says it is, within 1e-12 of its height.

    Only of shapes that say so, see `openbragg.GaussianLatticeShape`.
    """

    def is_gaussian(cells: tuple[int, int, int], offset: tuple[float, ...], part: float, fudge: float) -> None:
        lattice = make_lattice(cells, fudge=fudge, shape=shape, device=device)
        peak, inverse = shape.gaussian(lattice)
        require(inverse.shape == (3, 3), f"the inverse covariance has the shape {tuple(inverse.shape)}")
        require_close(inverse.T, inverse, "the inverse covariance, transposed", relative=_DOUBLE)
        # Near the middle, too, where there is something to compare.
        offsets = part * torch.tensor(offset, dtype=torch.float64, device=device)
        wanted = peak**2 * (-0.5 * offsets @ inverse @ offsets).exp()
        found = lattice_amplitude(shape, Miller(*offsets.unbind(0)), _miller((2, 0, -3), device), lattice) ** 2
        sentence = f"F_latt^2 of {cells} cells at {offsets.tolist()}"
        require_close(found, wanted, sentence, absolute=_DOUBLE * float(peak) ** 2)

    for_all(is_gaussian, _CELLS, _OFFSET, st.sampled_from([1.0, 0.1, 1e-3]), st.sampled_from([1.0, 0.05]))


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
            lattice = make_lattice(cells, fudge=fudge, dtype=dtype, device=device, shape=shape)
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
            if found > 0.0:
                below = torch.full_like(level, 0.99 * found)
                least = float(shape.reach(below, length, lattice))
                require(
                    float(away) <= least,
                    f"F_latt^2 of {cells} cells is {found!r} at {offset}, above the level {float(below)!r} and beyond "
                    f"its reach, {least!r} 1/m",
                )
            deeper = shape.reach(level * 0.01, length, lattice)
            require(bool(deeper >= reach), f"the reach of a hundredth of the level {float(level)!r} is smaller")

    for_all(ends, _CELLS, _OFFSET, st.floats(-14.0, 0.5), st.sampled_from([1.0, 0.02, 1e-4]))


def _miller(values: tuple[Any, ...], device: torch.device | str) -> Miller:
    return Miller(*(torch.tensor(float(value), dtype=torch.float64, device=device) for value in values))
