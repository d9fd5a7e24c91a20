"""How many subpixels the spots of a crystal want, and what too few of them cost."""

from __future__ import annotations

import math
from functools import reduce
from operator import mul

import attrs
import torch

from openbragg.errors import UsageError
from openbragg.model import Experiment
from openbragg.model.geometry import Laboratory
from openbragg.model.reference_arithmetic import reference_cell_lengths, reference_oversample
from openbragg.model.scalars import plain, whole_above
from openbragg.model.vectors import scalar, vector
from openbragg.orchestrator.finding.blame import wrong_answer
from openbragg.orchestrator.resolving.counting import Counting
from openbragg.orchestrator.resolving.quirks import notice
from openbragg.roles import (
    AdvisedLatticeShape,
    GaussianLatticeShape,
    Lattice,
    LatticeShape,
    Miller,
    PreparedLatticeShape,
    SampledLatticeShape,
)

#: Samples across the narrowest thing in a spot: across a fringe of the whole crystal, as the reference recommends them.
_SAMPLES = 3.0
#: Full width at half height of a Gaussian, in standard deviations.
_FULL_WIDTH = 2.0 * math.sqrt(2.0 * math.log(2.0))
#: More subpixels than a default may choose.
_MOST_SUBPIXELS = 1000
#: The quirk that takes the crystal's size for what its spots say.
_QUIRK = "subpixels-by-size"
#: Subpixels a side with which a run takes its time; worth a word where the crystal's size did not ask for them.
_MANY = 10
#: Places of the grid of samples that are tried along each axis, and how many widths around a spot are summed.
_PLACES, _WIDTHS = 4, 6.0
#: Samples further apart than so many widths may miss a spot altogether, and errors above this are not worth a number.
_MISSED, _SPOILT = 2.0, 1.0
#: Errors of intensities below this one are no matter, and no larger than what cutting off the sum adds.
_NO_MATTER = 5e-3


def choose_subpixels(
    experiment: Experiment,
    laboratory: Laboratory,
    shape: LatticeShape,
    notices: list[str],
    counting: Counting,
    quirks: frozenset[str],
) -> int:
    """Subpixels a side with which a spot's samples add up to its intensity.

    Three across the narrowest thing in a spot: what the shape says, where it does; else a fringe of the whole crystal,
    the reference's rule. That one loses nothing of a block with flat faces or of an ellipsoid: the transform of
    F_latt^2 ends at the sum of the edges, at most three times the longest, and samples repeat it three longest edges
    apart.

    Parameters
    ----------
    experiment
        Its crystal resolved.
    laboratory
        Where the detector stands.
    shape
        Whose spots they are.
    notices
        Gets a line where the reference would choose otherwise, and where many are chosen.
    counting
        How quotients are counted.
    quirks
        Names of reference quirks to reproduce.

    Raises
    ------
    UsageError
        When there would be more than a default may choose.
    """
    step = _step(experiment, laboratory)
    lattice = _lattice(experiment, shape)
    size = _size(experiment)
    by_size = _wanted(step * size)
    wanted = _wanted(step / _width(shape, lattice, size)) if _QUIRK not in quirks else by_size
    if wanted > _MOST_SUBPIXELS:
        advice = f"{shape.when_faint(lattice)}; or " if isinstance(shape, AdvisedLatticeShape) else ""
        seen = "spots" if wanted != by_size else "fringe"
        raise UsageError(
            f"more than {_MOST_SUBPIXELS} subpixels a side would show every {seen} of this crystal on this detector; "
            f"{advice}check the geometry, or say how many to take with -oversample"
        )
    if by_size > _MOST_SUBPIXELS:
        return wanted
    reference = _reference(experiment, laboratory)
    if wanted == by_size:
        return counting.chosen(by_size, reference, "subpixels a side")
    if reference is not None:
        notices.append(notice(_QUIRK, f"{reference} subpixels a side in place of {wanted}"))
    if wanted >= _MANY and wanted > by_size and isinstance(shape, AdvisedLatticeShape):
        notices.append(f"{wanted} x {wanted} subpixels, which take their time: {shape.when_faint(lattice)}")
    return wanted


def coarse_notice(experiment: Experiment, laboratory: Laboratory, shape: LatticeShape) -> list[str]:
    """A line where fewer subpixels were asked for than the spots want: what that costs their intensities."""
    given = experiment.sampling.oversample or 1
    step = _step(experiment, laboratory)
    lattice = _lattice(experiment, shape)
    width = _width(shape, lattice, _size(experiment))
    wanted = _wanted(step / width)
    if given >= wanted:
        return []
    error = math.inf
    if step / given <= _MISSED * width:
        error = sampling_error(shape, lattice, _narrowest(experiment), step / given, width)
    more = "more than " if wanted > _MOST_SUBPIXELS else ""
    return [
        f"-oversample {given} samples the spots of this crystal too coarsely: {_cost(error)}; "
        f"{more}{min(wanted, _MOST_SUBPIXELS)} would do"
    ]


def sampling_error(shape: LatticeShape, lattice: Lattice, plane: torch.Tensor, step: float, width: float) -> float:
    """How far samples of a spot are from its intensity at most, as a part of it.

    Parameters
    ----------
    shape, lattice
        Whose spot it is: that of any lattice point, cut through its middle.
    plane
        How much h, k and l grow along two directions that span the cut, for each 1/m: float64, shape (2, 3).
    step, width
        How far samples are from each other, and how wide the narrowest thing in the spot is, in 1/m.
    """
    reach = math.ceil(_WIDTHS * width / step)
    # Rows are places of the grid, columns its samples.
    places = (torch.arange(_PLACES, dtype=torch.float64, device=plane.device) / _PLACES)[:, None]
    along = step * (torch.arange(-reach, reach, dtype=torch.float64, device=plane.device) + places)
    first, second = along[:, None, :, None, None] * plane[0], along[None, :, None, :, None] * plane[1]
    indices = first + second
    offset = Miller(*indices.unbind(-1))
    nearest = Miller(*(torch.zeros_like(index) for index in offset))
    with torch.no_grad():
        amplitude = reduce(mul, shape.factors(offset, nearest, lattice)).to(torch.float64)
    # Half an index away the next spot begins. A sum that is cut off sharply would have errors of its own.
    end = _fade(along, step * reach)
    fading = _fade(indices, 0.5).prod(dim=-1) * end[:, None, :, None] * end[None, :, None, :]
    sums = (amplitude.square() * fading).sum(dim=(-2, -1))
    return float((sums / sums.mean() - 1.0).abs().max())


def _fade(distance: torch.Tensor, end: float) -> torch.Tensor:
    """1 up to half of an end, then smoothly to 0 there, and 0 beyond it."""
    faded: torch.Tensor = ((distance.abs() / end * 2.0 - 1.0).clamp(0.0, 1.0) * (0.5 * math.pi)).cos().square()
    return faded


def _cost(error: float) -> str:
    if error < _NO_MATTER:
        return f"pixels may hold less of them, or more, though intensities are right to {100.0 * _NO_MATTER:g} %"
    percent = "100 % and more" if not error < _SPOILT else f"up to {100.0 * error:.2g} %"
    return f"their intensities may be off by {percent}"


def _wanted(widths: float) -> int:
    """Subpixels a side, for pixels so many widths apart."""
    return max(1, whole_above(min(_SAMPLES * widths, _MOST_SUBPIXELS + 1.0), "subpixels"))


def _step(experiment: Experiment, laboratory: Laboratory) -> float:
    """How far two pixels are from each other in reciprocal space, at most: in 1/m."""
    pixel = max(plain(side) for side in laboratory.panels[0].pixel_sides())
    period = abs(plain(experiment.beam.wavelength) * plain(laboratory.distance))
    return pixel / period if period > 0.0 else math.inf


def _width(shape: LatticeShape, lattice: Lattice, size: float) -> float:
    """Of the narrowest thing in a spot, in 1/m: what the shape says, or a fringe of the longest edge.

    Raises
    ------
    PluginError
        When the shape says something else than a length.
    """
    if not isinstance(shape, SampledLatticeShape):
        return _gaussian_width(shape, lattice) if isinstance(shape, GaussianLatticeShape) else 1.0 / size
    width = shape.spot_width(lattice)
    if not isinstance(width, float) or not width > 0.0:
        raise wrong_answer("lattice_shapes", shape, "spot_width", f"expected a number above 0, got {width!r}")
    return width


def _gaussian_width(shape: GaussianLatticeShape, lattice: Lattice) -> float:
    """Full width at half height of F_latt^2 along the narrowest axis of a Gaussian spot, in 1/m."""
    inverse = shape.gaussian(lattice)[1].detach()
    variances: torch.Tensor = torch.linalg.eigvals(torch.linalg.solve(inverse, lattice.reciprocal_metric)).real
    return _FULL_WIDTH * math.sqrt(float(variances.min()))


def _size(experiment: Experiment) -> float:
    """The longest edge of the crystal, in metres."""
    crystal = experiment.crystal
    lengths = crystal.oriented_vectors().detach().norm(dim=1).tolist()
    return max(float(length) * plain(count) for length, count in zip(lengths, crystal.cells, strict=True))


def _lattice(experiment: Experiment, shape: LatticeShape) -> Lattice:
    crystal = experiment.crystal
    vectors = crystal.oriented_vectors().detach()
    lattice = Lattice(
        cells=vector(crystal.cells).detach(),
        tensor=crystal.cells_tensor().detach(),
        reciprocal_metric=(vectors @ vectors.T).inverse(),
        fudge=scalar(crystal.fudge).detach(),
        dtype=torch.float64,
    )
    if isinstance(shape, PreparedLatticeShape):
        prepared = tuple(each.detach() for each in shape.prepare(experiment, lattice))
        return attrs.evolve(lattice, parameters=prepared)
    return lattice


def _narrowest(experiment: Experiment) -> torch.Tensor:
    """The plane of a block's two longest edges, in which its spots are narrow, as `sampling_error` takes it."""
    vectors = experiment.crystal.oriented_vectors().detach()
    edges = vectors * torch.tensor([[plain(count)] for count in experiment.crystal.cells], dtype=torch.float64)
    longest, next_longest, _ = edges[edges.norm(dim=1).argsort(descending=True)].unbind(0)
    first = longest / longest.norm()
    second = next_longest - (next_longest @ first) * first
    return torch.stack((first, second / second.norm())) @ vectors.T


def _reference(experiment: Experiment, laboratory: Laboratory) -> int | None:
    """Subpixels a side that the reference chooses; None for a detector that it cannot have."""
    crystal, wavelength = experiment.crystal, plain(experiment.beam.wavelength)
    if laboratory.reference is None:
        return None
    lengths = reference_cell_lengths(crystal, wavelength)
    largest = max(length * plain(count) for length, count in zip(lengths, crystal.cells, strict=True))
    pixel = plain(laboratory.panels[0].panel.pixel_size)
    quotient = reference_oversample(largest, wavelength, laboratory.reference.distance, pixel)
    return max(1, math.ceil(quotient)) if abs(quotient) <= _MOST_SUBPIXELS else None
