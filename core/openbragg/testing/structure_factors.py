"""Properties of structure factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from openbragg.model import Experiment
from openbragg.roles import (
    BoundedStructureFactors,
    GroupedStructureFactors,
    InterpolatingStructureFactors,
    LimitedSpectralStructureFactors,
    LimitedStructureFactors,
    Miller,
    SpectralStructureFactors,
    StructureFactors,
)
from openbragg.testing.assertions import require, require_close
from openbragg.testing.declaration import check_declaration

Index = tuple[int, int, int]

_PRECISIONS = (torch.float64, torch.float32)
#: Rounding of a stored amplitude, relative: an eps or two of each precision.
_ROUNDING = {torch.float64: 1e-15, torch.float32: 1e-6}
#: Of a complex sum over a few atoms.
_SUMMED = {torch.float64: 1e-12, torch.float32: 1e-5}
#: Amplitudes in electrons below this are nothing; some cannot be written in single precision.
_NOTHING = 1e-30
#: Indices that no crystal reaches.
_FAR = 10**6


def check_structure_factors(
    structure_factors: StructureFactors,
    experiment: Experiment,
    *,
    known: Mapping[Index, float],
    default: float | None = None,
    device: torch.device | str = "cpu",
) -> None:
    """Everything below.

    Parameters
    ----------
    structure_factors
        An instance, with its table or model.
    experiment
        What `prepare` is called with.
    known
        Some reflections h, k, l and their amplitudes in electrons.
    default
        The amplitude of what is not among `known`, for a table of just those; None for sources that have none.
    device
        Where to compute.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the numbers.
    """
    check_declaration(structure_factors, StructureFactors)
    check_known_amplitudes(structure_factors, experiment, known, device)
    check_result_shape(structure_factors, experiment, known, device)
    check_each_reflection_for_itself(structure_factors, experiment, known, device)
    if default is not None:
        check_default_amplitude(structure_factors, experiment, known, default, device)
    if isinstance(structure_factors, BoundedStructureFactors):
        check_neighbourhoods(structure_factors, experiment, known, device)
    if isinstance(structure_factors, GroupedStructureFactors):
        check_groups(structure_factors, experiment, known, device)


def check_known_amplitudes(
    structure_factors: StructureFactors,
    experiment: Experiment,
    known: Mapping[Index, float],
    device: torch.device | str = "cpu",
) -> None:
    """Reflections that are given have their amplitudes at their own index, in both precisions."""
    for dtype in _PRECISIONS:
        found = _at(structure_factors, experiment, list(known), dtype, device)
        for index, value, wanted in zip(known, found, known.values(), strict=True):
            require_close(value, wanted, f"F of {index} in {dtype}", relative=_ROUNDING[dtype], absolute=_NOTHING)


def check_default_amplitude(
    structure_factors: StructureFactors,
    experiment: Experiment,
    known: Mapping[Index, float],
    default: float,
    device: torch.device | str = "cpu",
) -> None:
    """Reflections that are not given have the default amplitude: inside the table, beside it, and far outside."""
    lowest = [min(index[axis] for index in known) for axis in range(3)]
    highest = [max(index[axis] for index in known) for axis in range(3)]
    middle = [(low + high) // 2 for low, high in zip(lowest, highest, strict=True)]
    candidates: list[Index] = []
    for axis in range(3):
        for value in (lowest[axis] - 1, highest[axis] + 1, lowest[axis] - 2, highest[axis] + 2, -_FAR, _FAR):
            for base in (lowest, middle, highest):
                moved = [*base[:axis], value, *base[axis + 1 :]]
                candidates.append((moved[0], moved[1], moved[2]))
    candidates += [(-h, -k, -l) for h, k, l in known]
    candidates += [(h + 1, k, l) for h, k, l in known]
    missing = [index for index in candidates if index not in known]
    for dtype in _PRECISIONS:
        found = _at(structure_factors, experiment, missing, dtype, device)
        for index, value in zip(missing, found, strict=True):
            sentence = f"F of {index}, which is not given, in {dtype}"
            require_close(value, default, sentence, relative=_ROUNDING[dtype], absolute=_NOTHING)


def check_result_shape(
    structure_factors: StructureFactors,
    experiment: Experiment,
    known: Mapping[Index, float],
    device: torch.device | str = "cpu",
) -> None:
    """The result has the index's shape, the dtype that `prepare` was given and the index's device, and is finite."""
    h, k, l = next(iter(known))
    for dtype in _PRECISIONS:
        tables = structure_factors.prepare(experiment, torch.device(device), dtype)
        require(
            isinstance(tables, tuple) and all(isinstance(table, torch.Tensor) for table in tables),
            f"prepare() must return a tuple of tensors, got {type(tables).__name__}",
        )
        for shape in ((), (3,), (2, 1, 4), (0,)):
            nearest = Miller(
                *(torch.full(shape, float(value), dtype=torch.float64, device=device) for value in (h, k, l))
            )
            index = Miller(nearest.h + 0.4, nearest.k - 0.3, nearest.l + 0.1)
            found = structure_factors.amplitude(index, nearest, tables)
            require(found.shape == shape, f"an index of shape {shape} gave F of shape {tuple(found.shape)}")
            require(found.dtype == dtype, f"F is {found.dtype} where prepare() was asked for {dtype}")
            require(found.device == index.h.device, f"F is on {found.device}, the index on {index.h.device}")
            require(bool(found.isfinite().all()), f"F is not finite near {(h, k, l)}")


def check_each_reflection_for_itself(
    structure_factors: StructureFactors,
    experiment: Experiment,
    known: Mapping[Index, float],
    device: torch.device | str = "cpu",
) -> None:
    """F at an index, whole or fractional, does not depend on what else is asked for with it or before."""
    whole = torch.tensor([*known, (_FAR, 0, 0)], dtype=torch.float64, device=device)
    shifts = torch.tensor([[0.0, 0.0, 0.0], [0.3, -0.2, 0.4]], dtype=torch.float64, device=device)
    nearest = whole.repeat(2, 1)
    index = nearest + shifts.repeat_interleave(len(whole), dim=0)
    tables = structure_factors.prepare(experiment, torch.device(device), torch.float64)
    together = structure_factors.amplitude(Miller(*index.unbind(1)), Miller(*nearest.unbind(1)), tables)
    for place in range(len(index)):
        alone = structure_factors.amplitude(Miller(*index[place].unbind()), Miller(*nearest[place].unbind()), tables)
        sentence = f"F of {tuple(index[place].tolist())} alone, against among others"
        require_close(alone, together[place], sentence, relative=_ROUNDING[torch.float64], absolute=1e-12)


def check_spectral_amplitudes(
    structure_factors: SpectralStructureFactors,
    experiment: Experiment,
    wavelengths: Sequence[float],
    known: Mapping[Index, Sequence[float]],
    device: torch.device | str = "cpu",
) -> None:
    """F is what it should be at each wavelength, each source for itself, whatever sources it is asked for with.

    Parameters
    ----------
    structure_factors, experiment, device
        As in `check_structure_factors`.
    wavelengths
        Of the beam's sources, metres.
    known
        Some reflections h, k, l and their amplitudes at each of the wavelengths, electrons.
    """
    sources = torch.tensor(wavelengths, dtype=torch.float64, device=device)
    whole = torch.tensor(list(known), dtype=torch.float64, device=device)
    expected = torch.tensor(list(known.values()), dtype=torch.float64)
    for dtype in _PRECISIONS:
        tables = structure_factors.prepare(experiment, torch.device(device), dtype)
        numbers = structure_factors.spectral(sources, tables)
        require(numbers is not None, "spectral() gave None: the amplitudes are the same at all wavelengths")
        assert numbers is not None
        require(
            numbers.dtype == torch.float64 and numbers.ndim == 2 and len(numbers) == len(sources),
            f"spectral() must give float64 (sources, numbers), got {numbers.dtype} {tuple(numbers.shape)}",
        )
        down = Miller(*(component.unsqueeze(1) for component in whole.unbind(1)))
        found = structure_factors.amplitude_at(down, down, numbers.unbind(1), tables)
        require(found.shape == expected.shape, f"F of {tuple(expected.shape)} terms has the shape {tuple(found.shape)}")
        require(found.dtype == dtype, f"F is {found.dtype} where prepare() was asked for {dtype}")
        # Sums over atoms, of terms that may be larger than what they give.
        largest = float(expected.abs().max())
        if isinstance(structure_factors, LimitedSpectralStructureFactors):
            limits = structure_factors.limits(numbers, tables)
            one = Miller(*whole.unbind(1))
            limit = structure_factors.amplitude(one, one, limits)
            require(bool((found.abs().amax(dim=1) <= limit).all()), f"F at a wavelength is above its limit in {dtype}")
            require(bool((limit <= structure_factors.largest(limits)).all()), "a limit is above the largest")
        require_close(found, expected, f"F at each wavelength in {dtype}", absolute=_SUMMED[dtype] * largest)
        for place in range(len(sources)):
            one = Miller(*whole.unbind(1))
            alone = structure_factors.amplitude_at(one, one, numbers[place].unbind(0), tables)
            sentence = f"F of source {place + 1} alone, against among others"
            require_close(alone, found[:, place], sentence, absolute=_SUMMED[dtype] * largest)


def check_neighbourhoods(
    structure_factors: BoundedStructureFactors,
    experiment: Experiment,
    known: Mapping[Index, float],
    device: torch.device | str = "cpu",
) -> None:
    """The bound of a neighbourhood is no smaller than \\|F\\| at any of its 27 indices, nor is the largest.

    Only of structure factors that have such bounds, see `openbragg.BoundedStructureFactors`, and do not interpolate.
    """
    for dtype in _PRECISIONS:
        tables = structure_factors.prepare(experiment, torch.device(device), dtype)
        if isinstance(structure_factors, InterpolatingStructureFactors) and structure_factors.interpolates(tables):
            tables = structure_factors.without_interpolation(tables)
        bounds = structure_factors.neighbourhoods(tables)
        steps = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64, device=device)] * 3)
        indices = torch.tensor([*known, (_FAR, 0, 0)], dtype=torch.float64, device=device)
        centres = (indices.unsqueeze(1) + steps).reshape(-1, 3)
        around = Miller(*(centres.unsqueeze(1) + steps).unbind(-1))
        found = structure_factors.amplitude(around, around, tables).abs().amax(dim=1)
        centre = Miller(*centres.unbind(-1))
        bound = structure_factors.amplitude(centre, centre, bounds)
        if isinstance(structure_factors, LimitedStructureFactors):
            largest = float(structure_factors.largest(tables))
            require(float(found.max()) <= largest, f"an F of {float(found.max())} is above the largest, {largest}")
        low = bound < found
        if bool(low.any()):
            place = [int(value) for value in centres[low][0]]
            raise AssertionError(
                f"the bound around {place} is {float(bound[low][0])}, below an F of {float(found[low][0])} there"
            )


def check_groups(
    structure_factors: GroupedStructureFactors,
    experiment: Experiment,
    known: Mapping[Index, float],
    device: torch.device | str = "cpu",
) -> None:
    """F of indices in groups is F of each, wherever in its two cells along h, k and l a group begins and ends.

    Only of structure factors that know groups, see `openbragg.GroupedStructureFactors`, with these tables.
    """
    steps = torch.tensor([0.0, 0.3, 0.5, 0.9, 1.0, 1.4, 1.5, 1.999], dtype=torch.float64, device=device)
    shifts = torch.stack([steps, steps.roll(3), steps.roll(5)])
    corners = torch.tensor([*known, (_FAR, 0, 0), (-_FAR, 0, 0)], dtype=torch.float64, device=device)
    around = torch.cartesian_prod(*[torch.tensor([-3.0, -2.0, 0.0, 1.0], dtype=torch.float64, device=device)] * 3)
    first = (corners.unsqueeze(1) + around).reshape(-1, 3, 1)
    index = Miller(*(first + shifts).unbind(1))
    nearest = Miller(*((value - 0.5).ceil() for value in index))
    for dtype in _PRECISIONS:
        tables = structure_factors.prepare(experiment, torch.device(device), dtype)
        if not structure_factors.grouped(tables):
            continue
        alone = structure_factors.amplitude(index, nearest, tables)
        together = structure_factors.grouped_amplitude(index, nearest, Miller(*first.unbind(1)), tables)
        require(
            together.shape == alone.shape and together.dtype == dtype,
            f"groups of shape {tuple(alone.shape)} gave F of shape {tuple(together.shape)} in {together.dtype}",
        )
        # Sums in another order, of products that may be larger than what they give.
        allowed = 10.0 * _ROUNDING[dtype] * max(float(alone.abs().max()), *(abs(value) for value in known.values()))
        wrong = (together - alone).abs() > allowed
        if bool(wrong.any()):
            place = [float(value[wrong][0]) for value in index]
            raise AssertionError(
                f"F at {place} in a group is {float(together[wrong][0])} in {dtype}, by itself {float(alone[wrong][0])}"
            )


def _at(
    structure_factors: StructureFactors,
    experiment: Experiment,
    indices: list[Index],
    dtype: torch.dtype,
    device: torch.device | str,
) -> torch.Tensor:
    """F of whole indices, (reflections,)."""
    tables = structure_factors.prepare(experiment, torch.device(device), dtype)
    whole = Miller(*torch.tensor(indices, dtype=torch.float64, device=device).unbind(1))
    return structure_factors.amplitude(whole, whole, tables)
